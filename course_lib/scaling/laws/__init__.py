"""The parametric law: its fit, and the grids of runs that it is fitted to."""
