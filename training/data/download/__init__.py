"""Getting public datasets: `python -m training.data.download`."""
