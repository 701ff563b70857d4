"""Training data made with a language model: what `python -m training.synthesize` is put together from."""
