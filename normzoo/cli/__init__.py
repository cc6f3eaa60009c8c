"""The command line: one file per subcommand, loaded when it is called; what each says of itself stands here."""

import difflib
import inspect
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, Group, Parameter
from cyclopts.exceptions import CycloptsError, UnknownOptionError, UnusedCliTokensError

import normzoo
from normzoo.cli._console import give_up, stdout_console, steady_streams
from normzoo.errors import NormzooError
from normzoo.visible import SIMPLER, visible

__all__ = ["EXIT_FAILED_RUNS", "EXIT_INTERRUPTED", "EXIT_OK", "EXIT_USAGE", "app", "main"]

EXIT_OK, EXIT_FAILED_RUNS, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

_LONGEST = 300
"""Characters of a word in a message, such as a path."""

_BEGIN, _END = 1200, 400
"""Characters of a message: of what a user's own code says, how it begins, and its end, which says where that is."""

_COMPARE = """Train every norm in every template at every batch size, and print what differs.

What is already in the store is not trained again: to go on after an interruption, repeat the command.

Exit code: 0 when every run has a result, 1 when some have none, 2 for a mistaken request, 130 when interrupted.

Example: normzoo compare --batch-sizes 2,8,32 --norms batch,group:groups=4,none --seeds 3
"""

_REPORT = """Write stored results as a report: markdown with plots, one page, or LaTeX.

Findings, tables, plots, failures, method, limitations, and how to make it again. Also while a comparison is still
running. Plots go beside the report, each as SVG and PNG; with --html all of it is in one page that loads nothing.

Comparisons that are parts of one, such as those of a merged store, are reported as one: --comparison 1,3, or --all.
They may differ in norms, templates, batch sizes and seeds; those that differ in any other setting, in the data or in
your own code are refused.

Example: normzoo report -o reports/digits.md --html
"""

_RUNS = """List the comparisons and runs in a store.

Runs are listed with the beginning of their key, by which `normzoo show` and `normzoo diff` find them. Several statuses,
norms or templates are separated by commas.

Example: normzoo runs --comparison 1 --status failed,diverged
"""

_SHOW = """Show everything that is kept of one run.

Its configuration, the curves of its epochs, times, memory and machine, what went wrong with its traceback, and the
command that trains it again.

Example: normzoo show 5c12806
"""

_DIFF = """Show in what two runs differ.

Configuration, results, machine and times, and the first epoch after which their curves are not the same. To see whether
two machines agree on a run, name it twice, and the second one's store with --other.

Example: normzoo diff 5c12806 2007911
"""

_EXPORT = """Write stored results as CSV, JSON or Parquet, or to an experiment tracker.

A row holds all of the run's configuration (norm, lr and so on), its status, its metrics after the last finished epoch
(last.train_loss, last.test.accuracy and so on), the deciding one as test if its status is ok, times, and machine
(environment.torch and so on). With --kind summary it holds what the tables say of a norm at a batch size: mean and
interval, difference from the reference norm and p. Accuracies are fractions. What is not there is an empty field in CSV
and null elsewhere; a loss that is not a number is nan, inf or -inf in CSV, and "NaN", "Infinity" or "-Infinity" in
JSON.

With --to tensorboard:DIR, mlflow:URI or wandb:PROJECT each run becomes one there, with its parameters and the curves of
its epochs. Exporting again leaves alone what is there as it is, and replaces what has changed.

Example: normzoo export -o results.csv
"""

_MERGE = """Put the stores of several machines together in one.

Of a run that is in more than one, the record with a result counts. Where two have results that differ in status or in a
metric, to the last digit, both are named, and the one that was there first is kept; `normzoo diff KEY KEY --store
all.sqlite --other b.sqlite` shows where they part. All is written or nothing, and merging again changes nothing. The
target's comparisons keep their numbers; those added are numbered after them.

Exit code: 0, or 1 when a different result was left out, 2 when a store cannot be read or written.

Example: normzoo merge a.sqlite b.sqlite --into all.sqlite
"""

_BENCH = """Measure how fast the layers are.

Example: normzoo bench layers
"""

_BENCH_LAYERS = """Time every norm on tiny to large inputs against torch.nn, and what else is installed.

All contenders are timed in one process, by turns; the tables show ratios. The whole takes about 10 minutes on two
CPU cores, most of them compiling; fewer norms, sizes or parts take less.

The files of --json and --report are written again after each case, marked as incomplete until all is measured: what
ends the benchmark early, such as a time limit, takes one case at most.

Example: normzoo bench layers --norms batch,group --parts plain --dtypes float32
"""

_BENCH_LSTM = """Time the normalized LSTM against torch.nn's without a norm, and a loop over torch.nn's layers.

All contenders are timed in one process, by turns, forward and backward; the table shows the medians and their ratios.

Example: normzoo bench lstm --hidden 256 --threads 1
"""

_EXPLAIN = """Show what a norm pools, as a picture, and what there is to know of it.

In the picture all values that share a statistic have one colour and one letter; of a norm that takes each value for
itself there is a curve. Below it stand the formula, where it fits and where not, and how to use it: all on one screen.
With --details: parameters, state, what training and inference use, cost, masks and the paper, too. Several norms are
separated by commas or blanks. What your own norm does is found out by trying it.

Example: normzoo explain batch,group:groups=4 --shape 4,8,2,2 --svg pools.svg
"""

_LIST = """Show the norms by family, and the templates, datasets and the rest that there are.

Example: normzoo list norms
"""

_DOCTOR = """Show what normzoo runs on here, what is wrong with it, and what to do.

Versions and their bounds, processor and GPUs, the C++ compiler, the backend, the compile cache, the store, and the
downloaded datasets. The output belongs in every bug report.

Exit code: 0 when nothing is wrong, 1 when something is.

Example: normzoo doctor
"""

app = App(
    name="normzoo",
    help="Which normalization should this network use? normzoo trains them side by side and says what differs.",
    help_epilogue="Start with: normzoo compare --batch-sizes 2,8,32",
    version=normzoo.__version__,
    default_parameter=Parameter(json_list=False, json_dict=False),  # lists are written in one way
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
_COMMANDS = {
    "Compare norms": {
        "compare": ("normzoo.cli.compare:compare", _COMPARE),
        "report": ("normzoo.cli.report:report", _REPORT),
    },
    "Look into stored results": {
        "runs": ("normzoo.cli.runs:runs", _RUNS),
        "show": ("normzoo.cli.show:show", _SHOW),
        "diff": ("normzoo.cli.diff:diff", _DIFF),
        "export": ("normzoo.cli.export:export", _EXPORT),
        "merge": ("normzoo.cli.merge:merge", _MERGE),
    },
    "Learn about norms": {
        "explain": ("normzoo.cli.explain:explain", _EXPLAIN),
        "list": ("normzoo.cli.list:list_entries", _LIST),
    },
}
for _order, (_purpose, _commands) in enumerate(_COMMANDS.items()):
    _group = Group(_purpose, sort_key=_order)
    for _name, (_target, _text) in _commands.items():
        app.command(_target, name=_name, help=_text, group=_group, help_epilogue="")
_bench = App(name="bench", help=_BENCH, group=Group("Measure speed", sort_key=len(_COMMANDS)), help_epilogue="")
_bench.command("normzoo.cli.bench:layers", name="layers", help=_BENCH_LAYERS)
_bench.command("normzoo.cli.bench:lstm", name="lstm", help=_BENCH_LSTM)
app.command(_bench)
_program = Group("This program", sort_key=len(_COMMANDS) + 1)
app.command("normzoo.cli.doctor:doctor", name="doctor", help=_DOCTOR, group=_program, help_epilogue="")
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
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SIMPLER)
    with steady_streams():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        Path.cwd()
        console = stdout_console(markup=True)
        code = app(arguments, console=console, exit_on_error=False, print_error=False) or EXIT_OK
        sys.stdout.flush()
        return code
    except CycloptsError as error:
        return _refuse(_usage_message(error))
    except NormzooError as error:
        code = _refuse(str(error))
        for line in "\n".join(getattr(error, "__notes__", ())).splitlines():
            sys.stderr.write(f"  {visible(line)}\n")
        return code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read the output has seen enough
        give_up(sys.stdout)
        return EXIT_OK
    except OSError as error:
        give_up(sys.stdout)
        return _refuse(_system_message(error))


def _system_message(error: OSError) -> str:
    """Say what the system refuses: the working folder, a file, or else the output."""
    reason = error.strerror or str(error)
    try:
        Path.cwd()
    except OSError:
        return f"the working folder is not there any more ({reason}); change into one that is"
    return f"'{error.filename}': {reason}" if error.filename else f"the output cannot be written: {reason}"


def _refuse(message: str) -> int:
    words = (
        word if len(word) <= _LONGEST else f"{word[:_LONGEST]}... ({len(word):,} characters)"
        for word in message.split()
    )
    line = visible(" ".join(words))
    if len(line) > _BEGIN + _END:
        line = f"{line[:_BEGIN]} ... ({len(line):,} characters) ... {line[-_END:]}"
    sys.stderr.write(f"normzoo: error: {line}\n")
    return EXIT_USAGE


def _usage_message(error: CycloptsError) -> str:
    """Return the error in one line; for stray words, how lists are written, or which flag a number may belong to."""
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(error.unused_tokens or ())
        if words.isdecimal() and error.target and "comparison" in inspect.signature(error.target).parameters:
            return f"unexpected '{words}'; use --comparison {words}"
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
