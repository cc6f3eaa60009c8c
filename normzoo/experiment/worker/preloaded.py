"""Loads what a worker needs when it is imported: by the process that workers are forked from.

It ends with its parent, even if it is stopped, and the workers with it.
"""

from normzoo.experiment.worker.process import load
from normzoo.interrupts import killed_with_parent

killed_with_parent()
load()
