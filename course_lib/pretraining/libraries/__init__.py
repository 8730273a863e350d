"""The same run with the libraries that people use at work; and encoder pretraining."""
