"""Grading of untrusted answers: a worker in a sandbox runs them, a judge outside compares."""
