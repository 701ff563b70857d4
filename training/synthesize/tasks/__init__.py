"""What a language model is asked to make: one file a kind of task, catalogue.py for all of them by name."""
