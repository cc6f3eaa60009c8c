"""What is shown while a comparison is trained, on stderr: a live display in a terminal, plain lines elsewhere.

Importing this package imports nothing; ``normzoo.progress.live`` has ``progress_for``.
"""
