"""Who is a copy of whom: exact, near, by lines, by substrings and by meaning."""
