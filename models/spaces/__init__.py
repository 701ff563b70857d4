"""The answers that a question allows, one file a kind; see base.py."""
