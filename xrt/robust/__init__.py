"""Robust fine-tuning and cross-lingual evaluation: a library without Ray or MLflow, usable from a notebook."""
