"""Choosing tokens: filters, the generation loop, beams, and constraints."""
