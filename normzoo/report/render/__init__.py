"""A summary as text: the tables, what explains them, and the report in markdown."""
