"""Experiments of the pretraining chapter; `texts` is what several of them train on."""
