"""Number formats, and one model trained in each."""
