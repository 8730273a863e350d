"""What pages draw with: tables, plots, the map, widgets, and the bands that hold their figures."""
