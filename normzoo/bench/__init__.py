"""Measures the layers against their peers. Importing this package does not import torch."""
