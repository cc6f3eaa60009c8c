"""``python -m benchmarks.matrix``."""

import sys

from normzoo.interrupts import end_at_once


def main() -> int:
    """Run the benchmark; an interrupt while it is loaded ends it without a word."""
    end_at_once()
    from benchmarks.matrix.command import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
