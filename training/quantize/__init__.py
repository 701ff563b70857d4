"""`python -m training.quantize`: 4-bit weights."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before any import of transformers: models are local folders
