"""From bytes to clean text: encodings, the main text of a page, repairs."""
