"""Untrusted code at work: the sandbox, the processes inside it, and the connection to them."""
