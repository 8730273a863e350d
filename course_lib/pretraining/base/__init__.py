"""The base model of the course, and the n-gram model that it must beat."""
