"""The program: ``normzoo``, and ``python -m normzoo``."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's answer is a traceback of what is imported just then

from normzoo.interrupts import end_at_once, leave_terminal


def main() -> int:
    """Run the command line; an interrupt while it is loaded ends the program without a word."""
    end_at_once()
    from normzoo.cli import EXIT_INTERRUPTED
    from normzoo.cli import main as run

    code = run()
    if code == EXIT_INTERRUPTED:
        leave_terminal()
    return code


if __name__ == "__main__":
    sys.exit(main())
