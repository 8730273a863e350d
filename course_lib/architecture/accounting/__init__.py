"""What a decoder costs: parameters, FLOPs, bytes."""
