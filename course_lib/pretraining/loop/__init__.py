"""The training loop, the ladder of sanity checks before it, and the loss on unseen text."""
