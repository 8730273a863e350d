"""The build: notebooks, execution, rendering, lock and checks."""
