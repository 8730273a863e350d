"""Near-copies: answers that share what hardly anybody else wrote. Reported, never punished."""
