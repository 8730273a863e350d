"""From what a class handed in to one submission a student: read, never run."""
