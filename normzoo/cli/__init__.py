"""The command line: one file per subcommand, loaded when it is called."""

import sys
from collections.abc import Sequence

from cyclopts import App
from cyclopts.exceptions import CycloptsError, UnusedCliTokensError

import normzoo
from normzoo.cli import _help
from normzoo.errors import NormzooError

__all__ = ["EXIT_FAILED_RUNS", "EXIT_INTERRUPTED", "EXIT_OK", "EXIT_USAGE", "app", "main"]

EXIT_OK, EXIT_FAILED_RUNS, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

app = App(
    name="normzoo",
    help="Which normalization should this network use? normzoo trains them side by side and says what differs.",
    help_epilogue="Start with: normzoo compare --batch-sizes 2,8,32",
    version=normzoo.__version__,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command("normzoo.cli.compare:compare", name="compare", help=_help.COMPARE)
app.command("normzoo.cli.report:report", name="report", help=_help.REPORT)
_bench = App(name="bench", help=_help.BENCH)
_bench.command("normzoo.cli.bench:layers", name="layers", help=_help.BENCH_LAYERS)
_bench.command("normzoo.cli.bench:matrix", name="matrix", help=_help.BENCH_MATRIX)
app.command(_bench)
app.command("normzoo.cli.list:list_entries", name="list", help=_help.LIST)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0: all is well; 1: some runs have no result; 2: the request cannot be carried out as written; 130: interrupted.
    """
    try:
        return app(arguments, exit_on_error=False, print_error=False) or EXIT_OK
    except CycloptsError as error:
        return _refuse(_usage_message(error))
    except NormzooError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("normzoo: interrupted; what was finished is kept, and the same command goes on from there\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stderr.close()
        return EXIT_OK


def _refuse(message: str) -> int:
    sys.stderr.write(f"normzoo: error: {' '.join(message.split())}\n")
    return EXIT_USAGE


def _usage_message(error: CycloptsError) -> str:
    """Return the error in one line; for stray words, how lists are written."""
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(error.unused_tokens or ())
        return f"unexpected '{words}'; write lists with commas and without spaces, as in 2,8,32"
    return str(error)
