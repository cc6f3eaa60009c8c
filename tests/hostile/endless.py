"""A module that a worker never has imported; others, such as pytest, have at once."""

from multiprocessing import parent_process

while parent_process():
    pass
