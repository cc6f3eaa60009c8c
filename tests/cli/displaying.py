"""Shows the live display of a comparison under way until stdin ends, then leaves it as its argument says."""

import sys

from rich.console import Console

from normzoo.progress.live import LiveProgress

from .displays import epoch, matrix, record, runs_of, state_of

if __name__ == "__main__":
    asked = matrix()
    with LiveProgress(state_of(asked), Console(stderr=True)) as display:
        lost, flying, *_ = runs_of(asked)
        display.started(lost)
        display.finished(record(lost, "diverged", "so it is"))
        display.started(flying)
        display.epoch(flying, epoch(1))
        sys.stdin.read()
        if sys.argv[1] == "raise":
            raise OSError("the disk is full")
    sys.stdout.write("the tables\n")
