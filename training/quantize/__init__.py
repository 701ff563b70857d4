"""`python -m training.quantize`: 4-bit weights."""
