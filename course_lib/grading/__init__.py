"""Grading of untrusted answers: a sandboxed worker computes, a judge outside compares."""
