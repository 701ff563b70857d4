"""`python -m training.quantize`: weights of 4 or 8 bits."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before any import of transformers: models are local folders
