"""FlashAttention: tile by tile, its traffic counted, and as kernels for a GPU."""
