"""Two ranks of one group of processes: that of the tests, where torch is loaded, and another."""

from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import distributed

RANKS = 2

Work = Callable[[int, str], None]
"""What a rank does, called with its number and the folder in which it writes what it finds."""


def _as_rank(rank: int, folder: str, work: Work) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", meeting, timedelta(minutes=5), rank=rank, world_size=RANKS)
    try:
        work(rank, folder)
    finally:
        distributed.destroy_process_group()


def in_two_ranks(work: Work, folder: Path) -> None:
    """Do the work in both, until it is done or one fails; afterwards there is neither group nor other process."""
    other = get_context("spawn").Process(target=_as_rank, args=(1, str(folder), work))
    other.start()
    try:
        _as_rank(0, str(folder), work)
        other.join()
    finally:
        other.kill()
    assert other.exitcode == 0
