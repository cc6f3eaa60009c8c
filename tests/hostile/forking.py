"""A norm of a file that forks when a worker imports it: a process that goes on as if it were the one."""

import os
from multiprocessing import parent_process
from pathlib import Path

from torch import nn

if parent_process() and os.fork() == 0:
    Path(f"child-{os.getpid()}").touch()


class Plain(nn.Identity):
    """Lets everything through."""
