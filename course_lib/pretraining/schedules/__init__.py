"""Learning rate and batch over a run: curves, accumulation, clipping, noise, sweeps."""
