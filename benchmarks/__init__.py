"""Benchmarks of normzoo against other tools. Run from a checkout; not installed with the package."""
