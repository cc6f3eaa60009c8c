"""From records to a summary and its findings."""
