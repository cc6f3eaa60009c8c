"""The command line: one file per subcommand, loaded when it is called."""

import difflib
import io
import sys
from collections.abc import Sequence

from cyclopts import App, Group
from cyclopts.exceptions import CycloptsError, UnknownOptionError, UnusedCliTokensError

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
_COMMANDS = {
    "Compare norms": {
        "compare": ("normzoo.cli.compare:compare", _help.COMPARE),
        "report": ("normzoo.cli.report:report", _help.REPORT),
    },
    "Look into stored results": {
        "runs": ("normzoo.cli.runs:runs", _help.RUNS),
        "show": ("normzoo.cli.show:show", _help.SHOW),
        "diff": ("normzoo.cli.diff:diff", _help.DIFF),
        "export": ("normzoo.cli.export:export", _help.EXPORT),
        "merge": ("normzoo.cli.merge:merge", _help.MERGE),
    },
    "Learn about norms": {
        "explain": ("normzoo.cli.explain:explain", _help.EXPLAIN),
        "list": ("normzoo.cli.list:list_entries", _help.LIST),
    },
}
for _order, (_purpose, _commands) in enumerate(_COMMANDS.items()):
    _group = Group(_purpose, sort_key=_order)
    for _name, (_target, _text) in _commands.items():
        app.command(_target, name=_name, help=_text, group=_group, help_epilogue="")
_bench = App(name="bench", help=_help.BENCH, group=Group("Measure speed", sort_key=len(_COMMANDS)), help_epilogue="")
_bench.command("normzoo.cli.bench:layers", name="layers", help=_help.BENCH_LAYERS)
app.command(_bench)
_program = Group("This program", sort_key=len(_COMMANDS) + 1)
app.command("normzoo.cli.doctor:doctor", name="doctor", help=_help.DOCTOR, group=_program, help_epilogue="")
app.register_install_completion_command(
    help="Complete commands and flags in your shell (bash, zsh, fish) from its next start on.", group=_program
)
for _flag in ("--help", "--version"):
    app[_flag].group = _program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0: all is well; 1: some runs have no result, or the doctor finds something wrong; 2: the request cannot be carried
    out as written; 130: interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an encoding that lacks a sign prints a question mark in its place
            stream.reconfigure(errors="replace")
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
    if isinstance(error, UnknownOptionError):
        return _unknown_option(error)
    return str(error)


def _unknown_option(error: UnknownOptionError) -> str:
    """Say what became of a former flag, or which one is meant; nothing where none is like it."""
    from normzoo.experiment.config.resolve import MOVED

    flag = (error.token.keyword or error.token.value).partition("=")[0]
    known = [name.removeprefix("--") for each in error.argument_collection for name in each.names]
    name = flag.removeprefix("--")
    if name in MOVED:
        return f"{flag} is {MOVED[name]}"
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"Unknown option: {flag}." + (f" Did you mean --{found[0]}?" if found else " --help lists those there are.")
