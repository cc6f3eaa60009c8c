"""``normzoo compare``: train the matrix, keep the results, print the tables."""

import shlex
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group as FlagGroup
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from normzoo.cli import EXIT_FAILED_RUNS, EXIT_INTERRUPTED, EXIT_OK
from normzoo.cli._console import give_up, stderr_console, stdout_console
from normzoo.cli._flags import with_flags
from normzoo.cli._stores import tell_passed_over
from normzoo.errors import ConfigError, counted
from normzoo.experiment.comparison import Outcome, Rerun, carry_out, done_keys, early_workers, plan_comparison
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration, Shorthands, resolve
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.plan import Plan
from normzoo.experiment.planning.facts import data_lines
from normzoo.experiment.planning.groups import total_steps
from normzoo.experiment.results.lookup import earlier_looks
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.experiment.runner import Listener
from normzoo.interrupts import interrupts_raised
from normzoo.progress.state import duration
from normzoo.registry.backends import backend_of_process

if TYPE_CHECKING:
    from normzoo.report import Summary  # scipy takes a while

_COMMAND = FlagGroup("This command", sort_key=3)
_INTERRUPTED = "normzoo: interrupted; what was finished is kept, and the same command goes on from there\n"


def _own(text: str, name: str | None = None) -> Parameter:
    """Return a flag of this command, which is no setting of a matrix."""
    return Parameter(name=name, group=_COMMAND, help=text, negative="", show_default=False)


@with_flags(Matrix=MatrixSpec, Shorthands=Shorthands, Execution=Execution)
def compare(
    *,
    config: Annotated[list[Path] | None, _own("YAML file of settings; repeatable, later ones win.")] = None,
    set_: Annotated[list[str] | None, _own("A setting as key=value; repeatable. Flags win over it.", "--set")] = None,
    rerun: Annotated[Rerun | None, _own("Train again: failed (also out of memory or time), or all.")] = None,
    dry_run: Annotated[bool, _own("Show what would be trained, and train nothing.")] = False,
    show_config: Annotated[bool, _own("Print the resolved settings as YAML, and train nothing.")] = False,
    details: Annotated[
        bool, _own("Print every comparison, the effect of the batch size, and how it was measured.")
    ] = False,
    report: Annotated[
        Path | None, _own("Also write the report to PATH: NAME.md, or the tables alone, NAME.tex.")
    ] = None,
    html: Annotated[bool, _own("With --report: also as one self-contained page, NAME.html.")] = False,
    force: Annotated[bool, _own("With --report: also overwrite files that normzoo did not write.")] = False,
    **settings: Any,
) -> int:
    """Train the matrix over several seeds, and print what differs; ``settings`` are the models' flags."""
    configuration = resolve(config or [], set_ or [], settings)
    if show_config:
        sys.stdout.write(configuration.to_yaml())
        return EXIT_OK
    backend_of_process()  # before workers are started that would refuse it
    if html and report is None:
        raise ConfigError("html: --html writes a report as a page; name one with --report PATH.md")
    if force and report is None:
        raise ConfigError("force: --force writes a report over a file; name one with --report PATH.md")
    if dry_run:
        return _preview(configuration, rerun)
    return _Comparison(configuration, rerun, report, html=html, force=force, details=details).run()


def _preview(configuration: Configuration, rerun: Rerun | None) -> int:
    """Show the plan; the store is only read."""
    path = configuration.execution.store
    opened = Store(path, writable=False) if path.exists() else nullcontext()
    with opened as store, LocalExecutor(configuration.execution) as executor, interrupts_raised():
        plan = plan_comparison(
            configuration, store, executor, rerun=rerun, recalls=True, with_estimate=True, preparing=_preparing
        )
    show_plan(plan, stdout_console())
    return EXIT_OK


def _preparing() -> AbstractContextManager[Callable[[int, int], None]]:
    from normzoo.progress.live import preparing

    return preparing(stderr_console())


class _Comparison:
    """One comparison from its configuration to its exit code."""

    def __init__(
        self,
        configuration: Configuration,
        rerun: Rerun | None,
        report: Path | None,
        *,
        html: bool,
        force: bool,
        details: bool,
    ) -> None:
        self._configuration, self._rerun = configuration, rerun
        self._report, self._html, self._force = report, html, force
        self._details, self._start, self._stored = details, time.monotonic(), set[str]()
        self._interrupted = False

    def run(self) -> int:
        if self._report is not None:
            from normzoo.report.files import check_report_path

            check_report_path(self._report, html=self._html, force=self._force)
            _refuse_store(self._report, self._configuration.execution.store)
        execution = self._configuration.execution
        early = early_workers(self._configuration)
        with Store(execution.store) as store, LocalExecutor(execution, early=early) as executor:
            # What shows the tables takes seconds to load: let that be while torch is loaded, too.
            threading.Thread(target=import_module, args=("normzoo.report",), daemon=True).start()
            self._stored = done_keys(store.statuses(), self._rerun)
            try:
                outcome = self._carry_out(store, executor)
            except KeyboardInterrupt:
                sys.stderr.write(_INTERRUPTED)
                return EXIT_INTERRUPTED
            self._interrupted = outcome.is_interrupted
            return self._conclude(outcome, store)

    def _carry_out(self, store: Store, executor: LocalExecutor) -> Outcome:
        with interrupts_raised():
            return carry_out(
                self._configuration,
                store,
                executor,
                lambda plan: self._display(plan, store),
                command=command_line(),
                rerun=self._rerun,
                recalls=True,
                preparing=_preparing,
            )

    def _display(self, plan: Plan, store: Store) -> AbstractContextManager[Listener]:
        from normzoo.progress.live import progress_for

        console = stderr_console()
        for line in (*left_out_lines(plan.matrix), *strategy_lines(plan), *fold_lines(plan.matrix)):
            console.print(line, highlight=False, soft_wrap=True)
        return progress_for(plan.matrix, plan, store, console)

    def _conclude(self, outcome: Outcome, store: Store) -> int:
        from normzoo.report import summarize
        from normzoo.report.files import write_report, written_line

        matrix, keys = outcome.matrix, outcome.keys
        records = store.records(keys)
        if self._interrupted and all(not record.status.is_final for record in records.values()):
            sys.stderr.write(f"normzoo: interrupted before any run was finished; {self._how_to_go_on()}\n")
            return EXIT_INTERRUPTED
        summary = summarize(matrix, records, earlier=earlier_looks(matrix, store.comparisons()))
        with _kept_in(store.path):
            console = stdout_console()
            _print_summary(summary, records, console, details=self._details)
            for line in tried_again_lines(outcome.tried_again):
                console.print(f"\n{line}", highlight=False)
            if not self._interrupted:
                _print_next(matrix, store.path, console, done=self._done(keys), details=self._details)
            sys.stdout.flush()
        if self._report:
            written = write_report(self._report, summary, records, html=self._html, force=self._force)
            with _kept_in(store.path):
                sys.stdout.write(f"\n{written_line(written)}")
                sys.stdout.flush()
        tell_passed_over(store)
        if self._interrupted:
            finished = sum(record.status.is_final for record in records.values())
            sys.stderr.write(
                f"\nnormzoo: interrupted; {finished} of {len(keys)} runs are finished and kept in {store.path}; "
                f"{self._how_to_go_on()}\n"
            )
            return EXIT_INTERRUPTED
        return EXIT_OK if _is_whole(summary, records) else EXIT_FAILED_RUNS

    def _done(self, keys: Sequence[str]) -> str:
        trained = len(keys) - len(self._stored.intersection(keys))
        if not trained:
            return f"All {len(keys):,} runs were stored." if len(keys) > 1 else "The run was stored."
        kept = len(keys) - trained
        stored = f", {kept:,} {'was' if kept == 1 else 'were'} stored" if kept else ""
        return f"{counted(trained, 'run')} trained in {duration(time.monotonic() - self._start)}{stored}."

    def _how_to_go_on(self) -> str:
        if self._rerun == "all":
            return "what was not trained again keeps its earlier result"
        return f"to go on, repeat:\n  {command_line()}"


@contextmanager
def _kept_in(store: Path) -> Iterator[None]:
    """Go on where the tables cannot be written: results are kept."""
    try:
        yield
    except BrokenPipeError:  # whoever read them has seen enough
        give_up(sys.stdout)
    except OSError as error:
        give_up(sys.stdout)
        sys.stderr.write(
            f"normzoo: the output cannot be written: {error.strerror or error}; results are kept in {store}\n"
        )


def _refuse_store(report: Path, store: Path) -> None:
    """Refuse a report in place of a store that is about to be made."""
    if report.resolve() == store.resolve():
        raise ConfigError(f"report: '{report}' is the store itself; name another file")


def _is_whole(summary: "Summary", records: Mapping[str, RunRecord]) -> bool:
    """Whether every run has a result; that a learning rate diverged which was not chosen is one."""
    cells = [cell for table in summary.tables for cell in table.cells]
    return all(cell.ok == cell.planned for cell in cells) and all(
        record.status.has_result for record in records.values()
    )


def _print_summary(summary: "Summary", records: Mapping[str, RunRecord], console: Console, *, details: bool) -> None:
    """Print the tables with their findings, and the runs that have no result."""
    from normzoo.report import Depth, failure_lines, provenance, sections, to_rich

    said = sections(summary, provenance=provenance(records), failures=failure_lines(records))
    depth = Depth.DETAILS if details else Depth.BRIEF
    console.print(*to_rich(said, width=console.width, depth=depth), highlight=False)


def tried_again_lines(tried_again: Mapping[str, str]) -> list[str]:
    """Say how many runs were tried again, and why.

    >>> tried_again_lines({"5c12": "signal 9", "2007": "signal 9"})
    ['2 runs were tried again: their worker was killed (signal 9)']
    """
    return [
        f"{counted(count, 'run')} {'was' if count == 1 else 'were'} tried again: "
        f"{'its' if count == 1 else 'their'} worker was killed ({killed_by})"
        for killed_by, count in Counter(tried_again.values()).items()
    ]


def _print_next(matrix: MatrixSpec, store: Path, console: Console, *, done: str, details: bool) -> None:
    """Print what was done, where it is kept, and what one may do next."""
    from normzoo.report.statistics.family import MIN_SEEDS

    place = "" if store == Execution().store else f" --store {shlex.quote(str(store))}"
    enough = -(-MIN_SEEDS // matrix.folds) * matrix.folds
    steps = [
        *([] if details else ["--details"]),
        f"normzoo report -o report.md{place}",
        f"--seeds {enough} for tests"
        if matrix.seeds < MIN_SEEDS
        else f"--first-seed {matrix.first_seed + matrix.seeds} for fresh seeds",
    ]
    console.print(f"\n{done} Kept in {store}.", highlight=False)
    console.print(f"Next: {'; '.join(steps)}.", highlight=False)


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["normzoo", *sys.argv[1:]])


def show_plan(plan: Plan, console: Console) -> None:
    """Print, for each template, norm and batch size, how many runs are to be trained and how many are stored."""
    matrix = plan.matrix
    missing = {run.key for group in plan.groups for run in group.runs}
    planned = Counter((run.template, run.norm, run.batch_size) for run in plan.runs)
    to_train = Counter((run.template, run.norm, run.batch_size) for run in plan.runs if run.key in missing)
    table = Table(title="Runs to train (+ already stored)", title_justify="left", title_style="bold")
    for column in ("template", "norm", *(f"batch {size}" for size in matrix.batch_sizes)):
        table.add_column(column)
    for template in matrix.templates:
        for norm in matrix.norms_in(template):
            places = [(template, norm, size) for size in matrix.batch_sizes]
            table.add_row(
                template, norm, *(f"{to_train[place]} (+{planned[place] - to_train[place]})" for place in places)
            )
    console.print(table)
    for line in left_out_lines(matrix):
        console.print(line, highlight=False)
    facts = plan.prepared.dataset
    console.print(
        f"{len(missing)} of {len(plan.runs)} runs to train, {total_steps(plan.groups):,} optimizer steps, "
        f"on {plan.prepared.device} in {plan.slots.count} worker{'s' if plan.slots.count > 1 else ''}; "
        f"{facts.name}: {facts.train} training, {facts.validation} validation and {facts.test} test samples.",
        highlight=False,
    )
    if plan.groups:
        for line in (*strategy_lines(plan), *fold_lines(matrix)):
            console.print(line, highlight=False)
        console.print(f"Expected to take about {duration(plan.seconds)}, by steps that were timed.", highlight=False)


def left_out_lines(matrix: MatrixSpec) -> list[str]:
    """Say which norms are left out, of all networks or of one, and why.

    >>> from normzoo.experiment.config.spec import LeftOut
    >>> left_out_lines(MatrixSpec(left_out=(LeftOut(norm="group", template="lstm", reason="8 groups, 4 channels"),)))
    ['left out of the lstm: group: 8 groups, 4 channels']
    """
    return [
        f"left out{f' of the {template}' if template else ''}: {', '.join(norms)}: {reason}"
        for template in ("", *matrix.templates)
        for reason, norms in matrix.reasons(template).items()
    ]


def strategy_lines(plan: Plan) -> list[str]:
    """Say how each template is trained at which batch sizes."""
    sizes: dict[tuple[str, str, bool], set[int]] = {}
    of_fold = " of a fold" if plan.matrix.folds > 1 else ""
    for group in plan.groups:
        run = group.runs[0]
        sizes.setdefault((run.template, run.strategy, run.compile), set()).add(run.batch_size)
    lines = [
        f"{template} at batch size {', '.join(map(str, sorted(at)))}: "
        f"{WORDS[strategy].format(of_fold)}{', compiled' if compiled else ''} ({strategy})"
        for (template, strategy, compiled), at in sizes.items()
    ]
    lines += [f"not side by side: {reason}" for reason in plan.unstacked]
    dataset = plan.prepared.dataset
    return lines + data_lines(dataset.name, (dataset.description, *dataset.notes))


def fold_lines(matrix: MatrixSpec) -> list[str]:
    """Say where some folds are the test set of more seeds than others, and which number of seeds is even.

    >>> fold_lines(MatrixSpec(seeds=8, folds=5))
    ['folds: of 5 folds, 3 are the test set of one seed more than the others; --seeds 10 would be even']
    """
    more = matrix.seeds % matrix.folds
    if not more:
        return []
    even, are = matrix.seeds - more + matrix.folds, "is" if more == 1 else "are"
    return [
        f"folds: of {matrix.folds} folds, {more} {are} the test set of one seed more than the others; --seeds {even} "
        "would be even"
    ]


WORDS = {"stacked": "all seeds{} side by side", "sequential": "one seed{} after the other"}
