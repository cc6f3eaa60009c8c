"""What goes out to other programs: rows as files, and runs to experiment trackers. Torch-free."""
