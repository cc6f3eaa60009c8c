"""The comparison as a library: what the command does, for scripts and notebooks.

>>> import normzoo
>>> comparison = normzoo.compare(norms=["batch", "none"], batch_sizes=[2, 8])  # doctest: +SKIP
>>> comparison.to_frame()  # doctest: +SKIP
"""

import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cached_property
from itertools import chain, starmap
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from normzoo._given import Component, dataset_spec, is_known_here_alone, named, plain
from normzoo.errors import UsageError, counted
from normzoo.experiment.comparison import Display, Rerun, carry_out, early_workers
from normzoo.experiment.config.execution import DeviceChoice
from normzoo.experiment.config.resolve import Configuration, reproducing_command, resolve
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor.in_process import InProcessExecutor
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.executor.protocol import Executor
from normzoo.experiment.plan import Plan
from normzoo.experiment.planning.facts import data_lines
from normzoo.experiment.results.lookup import earlier_looks
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store
from normzoo.experiment.results.tabular import Rows, TableKind, flat_epochs, flat_run
from normzoo.experiment.results.union import Numbers, parts_of, read_comparison
from normzoo.experiment.runner import Listener

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import Console, ConsoleOptions, RenderableType

    from normzoo.data import RawArrays
    from normzoo.report import Summary


def compare(
    *,
    norms: Sequence[Component] | str | None = None,
    optional: Sequence[Component] | str | None = None,
    templates: Sequence[Component] | Component | None = None,
    dataset: "str | Mapping[str, Any] | Sequence[Any] | Callable[..., Any] | RawArrays | None" = None,
    task: Component | None = None,
    batch_sizes: Sequence[int] | str | None = None,
    seeds: int | None = None,
    first_seed: int | None = None,
    folds: int | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    lrs: Sequence[float] | None = None,
    lr_rule: Literal["linear", "sqrt", "fixed"] | None = None,
    lr_reference: int | None = None,
    optimizer: Component | None = None,
    momentum: float | None = None,
    schedule: Component | None = None,
    warmup: float | None = None,
    weight_decay: float | None = None,
    weight_decay_on: Literal["weights", "all"] | None = None,
    label_smoothing: float | None = None,
    clip_norm: float | None = None,
    precision: Literal["32-true", "bf16-mixed"] | None = None,
    strategy: Literal["auto", "stacked", "sequential"] | None = None,
    compile: Literal["auto", "always", "never"] | None = None,  # noqa: A002  # the flag's name
    eval_stats: Sequence[Literal["running", "recalibrated", "batch"]] | str | None = None,
    augment: Sequence[Component] | Component | None = None,
    baseline: Component | None = None,
    target: float | None = None,
    device: DeviceChoice | None = None,
    jobs: Literal["auto"] | int | None = None,
    timeout: float | None = None,
    data_root: Path | str | None = None,
    download: bool | None = None,
    resident_memory: int | str | None = None,
    store: Path | str | None = None,
    rerun: Rerun | None = None,
    progress: bool = True,
    executor: Executor | None = None,
) -> "Comparison":
    """Train a matrix of norms, templates, batch sizes and seeds, and return what it shows.

    The settings are those of ``normzoo compare``, with the same defaults: ``normzoo compare --help`` describes them.
    Results are kept in the store as they come in; the same call trains nothing twice.

    Norms, templates, datasets, tasks, optimizers, schedules and augmentations may be given as they are, instead of by
    name. A class that can be imported is trained in worker processes like any other; one that only this session knows,
    such as a class of a notebook, is trained in this process, and all of its comparison with it.

    Args:
        norms: to compare; ``all``, and ``family:NAME``, name many.
        optional: those of them that a network may do without, if it does not take them.
        templates: networks to train them in.
        dataset: by name, or as it is: ``(x_train, y_train, x_test, y_test)``, a mapping of these and the other names of
            an ``.npz`` file, ``RawArrays``, torch Datasets ``(train, test)``, ``(train, val, test)`` or a mapping of
            these names, or a function that returns one of these.
        task: what is learned.
        batch_sizes: to train at.
        seeds: how many.
        first_seed: the first of them.
        folds: cross-validation: into how many parts all samples are cut, which take turns as the test set over the
            seeds, at least one seed for each.
        epochs: passes over the training set.
        lr: learning rate at the reference batch size.
        lrs: learning rates to choose from, instead.
        lr_rule: how the learning rate follows the batch size.
        lr_reference: batch size at which the learning rate applies as given.
        optimizer: what trains.
        momentum: of the optimizer.
        schedule: how the learning rate changes from step to step.
        warmup: of the schedule: the share of all steps over which the learning rate rises.
        weight_decay: as the optimizer understands it; not on norms and biases.
        weight_decay_on: on these, too.
        label_smoothing: of the task.
        clip_norm: limit for the norm of the gradient.
        precision: by Lightning's names.
        strategy: seeds side by side or one after the other.
        compile: whether training steps are compiled.
        eval_stats: statistics by which norms that keep running ones are evaluated, too.
        augment: what is done to the images of training batches, in this order.
        baseline: reference norm.
        target: validation value of the deciding metric, to which time and updates are shown.
        device: to train on.
        jobs: worker processes.
        timeout: time limit per run in seconds; each step before training may take 600 s, or as long as
            that.
        data_root: folder of the downloaded datasets.
        download: fetch a missing dataset.
        resident_memory: how many bytes of a dataset a worker keeps as tensors, also as text, such as ``2GB``.
        store: file in which results are kept.
        rerun: train again what failed, or all.
        progress: show how far it is, on stderr: live in a terminal, else a line now and then.
        executor: where to train; worker processes of this machine by default.

    Raises:
        UsageError: what is asked for cannot be carried out.
        NormzooError: no worker process could be started, or it died before there were runs.
        KeyboardInterrupt: it was interrupted; what was finished is kept, and the same call goes on from there.
    """
    asked = {name: value for name, value in locals().items() if name not in ("rerun", "progress", "executor")}
    if rerun not in (None, *get_args(Rerun)):
        raise UsageError(f"rerun: expected {' or '.join(get_args(Rerun))}, got {rerun!r}")
    naming = ExitStack()
    naming.enter_context(_NAMING)
    with naming, dataset_spec(dataset) as asked["dataset"]:
        configuration = resolve([], [], named(asked))
        if not is_known_here_alone(configuration.matrix):
            naming.close()
        if executor is not None:
            return _carry_out(configuration, executor, rerun, progress=progress)
        ours = _executor_for(configuration)
        recalls = isinstance(ours, LocalExecutor) and (dataset is None or isinstance(dataset, str))
        return _carry_out(configuration, ours, rerun, progress=progress, recalls=recalls)


_NAMING = threading.RLock()
"""Held while what only this session knows has names, which another thread may have for something else."""


def _executor_for(configuration: Configuration) -> Executor:
    """Return worker processes, or this process where something is known to it alone, or it may have no children."""
    if is_known_here_alone(configuration.matrix) or current_process().daemon:
        return InProcessExecutor()
    return LocalExecutor(configuration.execution, early=early_workers(configuration))


def _carry_out(
    configuration: Configuration, executor: Executor, rerun: Rerun | None, *, progress: bool, recalls: bool = False
) -> "Comparison":
    command = shlex.join([Path(sys.argv[0]).name or "python", *sys.argv[1:]])
    with Store(configuration.execution.store) as store, executor:
        outcome = carry_out(
            configuration,
            store,
            executor,
            _display(store, progress),
            command=command,
            rerun=rerun,
            recalls=recalls,
            preparing=_preparing if progress and sys.stderr and sys.stderr.isatty() else nullcontext,
        )
        if outcome.is_interrupted:
            raise KeyboardInterrupt
        matrix = outcome.matrix
        return Comparison(matrix, store.records(outcome.keys), earlier_looks(matrix, store.comparisons()))


def _display(store: Store, progress: bool) -> Display:
    def display(plan: Plan) -> AbstractContextManager[Listener]:
        if not progress or sys.stderr is None:  # as of a program without a console
            return nullcontext(_Silent())
        from normzoo.progress.live import progress_for
        from normzoo.visible import SafeConsole

        return progress_for(plan.matrix, plan, store, SafeConsole(stderr=True, force_jupyter=False))

    return display


def _preparing() -> AbstractContextManager[Callable[[int, int], None]]:
    from normzoo.progress.live import preparing
    from normzoo.visible import SafeConsole

    return preparing(SafeConsole(stderr=True, force_jupyter=False))


class _Silent:
    """Shows nothing."""

    def started(self, *_: object) -> None: ...
    def epoch(self, *_: object) -> None: ...
    def finished(self, *_: object) -> None: ...
    def tried_again(self, *_: object) -> None: ...


class Comparison:
    """What a comparison shows: tables, findings, plots, and the records behind them.

    In a notebook it shows itself; ``print`` shows the tables of the command, and what is to be known of the data.

    Attributes:
        matrix: what was asked for.
        records: by key, every run.
        earlier: the comparisons before that show some of the same.
    """

    def __init__(
        self, matrix: MatrixSpec, records: Mapping[str, RunRecord], earlier: Sequence[MatrixSpec] = ()
    ) -> None:
        self.matrix, self.records, self.earlier = matrix, dict(records), tuple(earlier)

    @classmethod
    def load(cls, store: Path | str = "normzoo.sqlite", numbers: Numbers = None) -> "Comparison":
        """Read a comparison from a store: the latest, that of a number, or several as one.

        Args:
            store: the file.
            numbers: a number, a list of them, or ``all``. Several must be parts of one comparison: they may differ in
                norms, templates, batch sizes and seeds, and in nothing else that results depend on.

        Raises:
            StoreError: there is none, or they are not parts of one.
            UsageError: ``numbers`` is none of these.
        """
        with Store(Path(store), writable=False) as opened:
            matrix, records = read_comparison(opened, plain(numbers))
            return cls(matrix, records, earlier_looks(matrix, opened.comparisons(), parts_of(opened, plain(numbers))))

    @cached_property
    def summary(self) -> "Summary":
        """The numbers of the tables."""
        from normzoo.report import summarize  # scipy takes a while

        return summarize(self.matrix, self.records, earlier=self.earlier)

    @property
    def findings(self) -> list[str]:
        """What it shows, in sentences."""
        from normzoo.report import findings

        return list(findings(self.summary))

    def table(self, width: int = 100, *, details: bool = False) -> "RenderableType":
        """Return the tables and findings of the command, for ``rich.print``; with ``details`` all of them."""
        from rich.console import Group

        from normzoo.report import Depth, sections, to_rich

        return Group(*to_rich(sections(self.summary), width=width, depth=Depth.DETAILS if details else Depth.BRIEF))

    def to_frame(self, kind: TableKind = "summary") -> "pd.DataFrame":
        """Return a data frame.

        Args:
            kind: ``summary``: a row per template, norm and batch size, with mean, confidence interval, and difference
                from the reference norm with its p value; ``runs``: a row per run; ``epochs``: one per run and epoch.
        """
        import pandas as pd

        return pd.DataFrame(list(self._rows(kind)))

    def export(self, path: Path | str, kind: TableKind = "summary", *, force: bool = False) -> None:
        """Write the rows of ``to_frame`` to a file: ``.csv``, ``.json``, or ``.parquet``, which needs pyarrow.

        Args:
            path: the file.
            kind: as of ``to_frame``.
            force: overwrite a file also if normzoo did not write it; never a database.

        Raises:
            ConfigError: the name says no format, or the file is one that must not or cannot be written.
        """
        from normzoo.export.files import format_of, write_rows

        path = Path(path)
        write_rows(self._rows(kind), path, format_of(path), force=force)

    def _rows(self, kind: TableKind) -> Rows:
        match kind:
            case "summary":
                from normzoo.report import summary_rows

                return Rows(lambda: summary_rows(self.summary))
            case "runs":
                return Rows(lambda: starmap(flat_run, self.records.items()))
            case "epochs":
                return Rows(lambda: chain.from_iterable(starmap(flat_epochs, self.records.items())))
        raise UsageError(f"expected summary, runs or epochs, got '{kind}'")

    def plot(self, name: str | None = None) -> "Figure":
        """Return a plot as a figure of matplotlib.

        Args:
            name: which: ``values`` (the deciding metric against the batch size, the default), ``error``, ``curves``,
                ``seconds``, ``forest`` or ``gap``.

        Raises:
            UnknownNameError: there is no such plot of this comparison.
        """
        from normzoo.report.plots import as_png, draw

        figure: Any = draw(self.summary, name)
        figure._repr_png_ = lambda: as_png(figure)  # a notebook shows figures by itself only with pyplot
        return figure  # type: ignore[no-any-return]

    def report(
        self,
        path: Path | str,
        *,
        html: bool = False,
        title: str = "",
        labels: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> list[Path]:
        """Write the report as markdown with its plots beside it, or the tables as LaTeX, and return the files.

        Args:
            path: a markdown file, or a LaTeX file.
            html: also write it as one self-contained page.
            title: of the report.
            labels: what norms and templates are called, by their specs.
            force: overwrite files also if normzoo did not write them; never a database.

        Raises:
            ConfigError: the path is of another kind, or a file must not or cannot be written.
            UsageError: a label is of nothing that was compared.
        """
        from normzoo.report import summarize
        from normzoo.report.files import write_report

        summary = summarize(self.matrix, self.records, labels=labels, title=title, earlier=self.earlier)
        return write_report(Path(path), summary, self.records, html=html, force=force)

    @property
    def command(self) -> str:
        """The command that trains the same anywhere; what only this session knows, no command names."""
        return reproducing_command(self.matrix)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> Iterator["RenderableType"]:
        from rich.text import Text

        from normzoo.report import provenance

        yield from map(Text, data_lines(self.matrix.dataset, provenance(self.records).data))
        yield self.table(options.max_width)

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(no_color=True, force_jupyter=False)  # as wide as the terminal; 80 where there is none
        with console.capture() as capture:
            console.print(self)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def __repr__(self) -> str:
        from normzoo.report.render.legends import dataset

        matrix = self.matrix
        several = {"norm": matrix.norms, "template": matrix.templates, "batch size": matrix.batch_sizes}
        parts = [*(counted(len(each), noun) for noun, each in several.items()), counted(matrix.seeds, "seed")]
        return f"<Comparison on {dataset(matrix)}: {', '.join(parts)}; {counted(len(self.records), 'run')}>"

    def _repr_html_(self) -> str:
        from normzoo.report import Depth, heading, sections, to_markdown
        from normzoo.report.page.html import fragment

        brief = [section for section in sections(self.summary) if section.depth is Depth.BRIEF]
        return fragment(to_markdown(heading(self.summary), brief))
