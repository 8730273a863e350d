"""From a budget to a run: sizes, cost, and a model's whole life."""
