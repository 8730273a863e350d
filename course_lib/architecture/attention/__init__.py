"""Attention: the dot product of heads, its masks, latent attention, and sinks."""
