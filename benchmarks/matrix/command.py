"""The command ``python -m benchmarks.matrix``: time ``normzoo compare`` against the same work done in other ways."""

import itertools
import sys
from typing import Any

from cyclopts import App
from cyclopts.exceptions import CycloptsError
from rich.console import Console

from benchmarks.matrix.run import run_matrix_bench
from benchmarks.matrix.spec import MatrixBenchSpec
from benchmarks.matrix.tables import to_markdown, to_rich
from normzoo.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from normzoo.cli._flags import with_flags
from normzoo.cli.bench import BenchFiles, ForceFlag, JsonPath, ReportPath, progress_bar, read_settings
from normzoo.errors import NormzooError

HELP = """Time a whole comparison against the same work done in other ways.

The ways are the command itself, a Lightning Trainer for every run, a bare torch loop for every run, and a process for
every run; the table shows ratios. The others are timed for one seed and multiplied by the number of seeds; still, the
whole benchmark takes long. Run it in the root of a checkout.

The files of --json and --report are written again after each step, marked as incomplete until all is measured: what
ends the benchmark early, such as a time limit, takes one step at most.

Example: python -m benchmarks.matrix --templates cnn --batch-sizes 32 --norms batch,none --seeds 3 --epochs 1
"""

app = App(
    name="python -m benchmarks.matrix",
    help=HELP,
    result_action="return_value",
    version_flags=(),
    suppress_keyboard_interrupt=False,
)


@app.default
@with_flags(Benchmark=MatrixBenchSpec)
def matrix(*, json: JsonPath = None, report: ReportPath = None, force: ForceFlag = False, **settings: Any) -> int:
    """Measure, print the table, and write what was asked for."""
    spec = read_settings(MatrixBenchSpec, settings)
    files = BenchFiles(to_markdown, json, report, force=force)
    step_numbers = itertools.count()
    with files.saying_what_is_kept("benchmarks.matrix"), progress_bar() as progress:
        task = progress.add_task("starting", total=spec.steps())
        bench = run_matrix_bench(
            spec, lambda step: progress.update(task, completed=next(step_numbers), description=step), files.keep
        )
    console = Console()
    for part in to_rich(bench):
        console.print(part, highlight=False)
    files.write(bench)
    return EXIT_OK


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 0, 2 for a mistaken request, 130 when interrupted."""
    try:
        return app(arguments, exit_on_error=False, print_error=False) or EXIT_OK
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (CycloptsError, NormzooError) as error:
        sys.stderr.write(f"benchmarks.matrix: error: {' '.join(str(error).split())}\n")
        sys.stderr.write("".join(f"  {note}\n" for note in getattr(error, "__notes__", ())))
        return EXIT_USAGE
