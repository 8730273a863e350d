"""What a block holds: norms and attention with weights, the feed-forward part, and experts."""
