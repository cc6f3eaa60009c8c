"""What to run, how to run it, and where the results are kept. Importing this package does not import torch."""
