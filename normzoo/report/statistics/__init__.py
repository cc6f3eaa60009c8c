"""Tests and intervals: numbers in, numbers out."""
