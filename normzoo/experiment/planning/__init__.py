"""From the matrix to groups of runs, how each is trained, and how long that takes. Pure and torch-free."""
