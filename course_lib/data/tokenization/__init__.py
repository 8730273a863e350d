"""Text to token ids: byte-pair encoding, its relatives, and the chat format."""
