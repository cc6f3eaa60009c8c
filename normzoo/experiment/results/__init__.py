"""What runs leave behind: records, the store that keeps them, and what is read from it. Torch-free."""
