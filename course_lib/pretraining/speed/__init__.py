"""The fast path, and the peers that it is measured against."""
