"""`python -m training.finetune`: train the adapter (or the model) of a recipe."""
