"""`python -m training.finetune`: the adapter, or the model, of a recipe."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before any import of transformers: bases are local folders
