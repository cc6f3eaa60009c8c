"""What is asked for: the matrix of runs, and with what to train them. Torch-free."""
