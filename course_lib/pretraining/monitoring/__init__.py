"""What to measure on a run, and how to name its fault."""
