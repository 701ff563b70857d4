"""Writing ECInstruct's tests from raw datasets: `python -m training.data.ecinstruct_tests`."""
