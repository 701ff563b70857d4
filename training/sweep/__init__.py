"""`python -m training.sweep`: weights and training studies, compared."""
