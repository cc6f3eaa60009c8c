"""Loads what a worker needs when it is imported: by the process that workers are forked from.

It ends with its parent, even if it is stopped, and the workers with it.
"""

import os

from normzoo.experiment.worker import process
from normzoo.interrupts import killed_with_parent

killed_with_parent()
process.load()
process.forked_from = os.getpid()
