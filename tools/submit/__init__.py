"""`python -m tools.submit`: check a track, push it."""
