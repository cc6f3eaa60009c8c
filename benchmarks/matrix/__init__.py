"""Times a whole comparison against the same work done in other ways. Importing this package imports no torch."""
