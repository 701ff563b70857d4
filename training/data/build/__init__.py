"""Building the training data of a recipe: `python -m training.data.build`."""
