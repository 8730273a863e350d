"""Families of decoders, and the way to and from `transformers`."""
