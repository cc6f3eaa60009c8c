"""Where groups of runs are trained. Torch-free."""
