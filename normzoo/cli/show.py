"""``normzoo show``: everything that is kept of one run."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from normzoo.cli._console import plain_console
from normzoo.cli._stores import tell_passed_over
from normzoo.cli._tables import curve, facts, format_value, indented, moment, plain_table
from normzoo.experiment.results.lookup import find_key
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.reproduce import command_for
from normzoo.experiment.results.store import Store, StoredComparison
from normzoo.experiment.results.tabular import flat
from normzoo.metric import Metric
from normzoo.registry import session_specs
from normzoo.registry._component import REVISION

_ELSEWHERE = {
    *("spec", "status", "epochs", "environment", "notes", "places", "error", "traceback"),
    *("metrics", "loss", "test_hits"),
}
"""What of a record has a place of its own, or is not for reading; the rest is listed by name."""


def show(
    run: Annotated[str, Parameter(help="The run's key, or its beginning, as `normzoo runs` lists it.")],
    /,
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
) -> int:
    """Show one run: configuration, curves, machine, what went wrong, and how to train it again."""
    with Store(store, writable=False) as opened:
        key = find_key(run, opened.statuses(), store)
        record = opened.record(key)
        comparisons = [comparison for comparison in opened.comparisons() if key in comparison.keys]
    console = plain_console()
    console.print(f"Run {key}: {record.status}", style="bold", soft_wrap=True)
    console.print(record.spec.label, soft_wrap=True)
    _section("Configuration", console)
    configured = flat(record.spec.model_dump(mode="json")) | (
        {"fold": record.spec.fold} if record.spec.folds > 1 else {}
    )
    console.print(facts((name, format_value(value)) for name, value in configured.items()))
    _show_epochs(record, console)
    _section("How it went", console)
    console.print(facts(_account(record, comparisons)))
    if record.environment:
        _section("Environment", console)
        console.print(facts((name, format_value(value)) for name, value in flat(record.environment).items()))
    _show_texts(record, console)
    _show_again(key, record, comparisons, console)
    return tell_passed_over(opened)


def _section(title: str, console: Console) -> None:
    console.print()
    console.print(title, style="bold")


def _show_epochs(record: RunRecord, console: Console) -> None:
    """Print the metrics of every epoch, and their curves."""
    _section("Epochs", console)
    if not record.epochs:
        console.print("  None was finished.")
        return
    names = ["loss", *(metric.name for metric in record.metrics)]
    metrics = {metric.name: metric for metric in record.metrics}
    splits = {"val": [epoch.validation for epoch in record.epochs], "test": [epoch.test for epoch in record.epochs]}
    headers = {name: _header(metrics[name]) if name in metrics else name for name in names}
    columns = ["epoch", "train loss", *(f"{split} {headers[name]}" for name in names for split in splits), "seconds"]
    rows = [
        (
            str(epoch.epoch),
            f"{epoch.train_loss:.4f}",
            *(
                metrics[name].write(values[name]) if name in metrics else f"{values[name]:.4f}"
                for name in names
                for values in (epoch.validation, epoch.test)
            ),
            f"{epoch.seconds:.2f}",
        )
        for epoch in record.epochs
    ]
    console.print(indented(plain_table(columns, rows, right=columns)))
    console.print()
    curves = []
    for name in names:
        scale = metrics[name].scale if name in metrics else 1.0
        lines = {"train loss": [epoch.train_loss for epoch in record.epochs]} if name == "loss" else {}
        lines |= {
            f"{split} {headers[name]}": [scale * values[name] for values in each] for split, each in splits.items()
        }
        curves += _curves(lines, ascii_only=console.options.ascii_only)
    console.print(facts(curves))


def _header(metric: Metric) -> str:
    return metric.unit or metric.title


def _curves(curves: Mapping[str, Sequence[float]], *, ascii_only: bool) -> list[tuple[str, str, str]]:
    """Draw curves on one scale, and say what its ends are."""
    finite = [value for values in curves.values() for value in values if math.isfinite(value)]
    lowest, highest = min(finite, default=0.0), max(finite, default=0.0)
    scale = f"{lowest:.4g} to {highest:.4g}" if finite else "never finite"
    return [
        (name, curve(values, lowest, highest, ascii_only=ascii_only), scale if index == 0 else "")
        for index, (name, values) in enumerate(curves.items())
    ]


def _account(record: RunRecord, comparisons: Sequence[StoredComparison]) -> list[tuple[str, str]]:
    """Return times, memory and where the run belongs."""
    values = record.model_dump(exclude=_ELSEWHERE)
    lines = {name: format_value(value) for name, value in flat(values).items()}
    lines["started_at"] = f"{moment(record.started_at)} UTC"
    if record.peak_memory_bytes is not None:
        lines["peak_memory_bytes"] += f" ({record.peak_memory_bytes / 2**20:.0f} MiB)"
    return [*lines.items(), ("comparisons", format_value(", ".join(str(comparison.id) for comparison in comparisons)))]


def _show_texts(record: RunRecord, console: Console) -> None:
    """Print what was said in words: notes, where norms stand, the error and its traceback."""
    texts = {
        "Notes": "\n".join(record.notes),
        "Places": "\n".join(map(str, record.places)),
        "Error": record.error,
        "Traceback": record.traceback,
    }
    for title, text in texts.items():
        if text:
            _section(title, console)
            for line in text.strip("\n").split("\n"):
                console.print(f"  {line}", soft_wrap=True)


def _show_again(key: str, record: RunRecord, comparisons: Sequence[StoredComparison], console: Console) -> None:
    _section("Train it again", console)
    if known := session_specs(record.spec.model_dump()):
        console.print(f"  No command can name {', '.join(known)}, which normzoo.compare was given in Python as it")
        console.print("  is; give it there again.")
        return
    dataset = comparisons[-1].matrix.dataset if comparisons else record.spec.dataset
    command = command_for(key, record, dataset)
    if command is None:
        console.print(
            "  No command of this normzoo trains exactly this run: it was trained by another version, or with"
        )
        console.print("  data or settings that the store does not name.")
        return
    console.print(f"  {command}", soft_wrap=True)
    if record.spec.folds > 1:
        last = record.spec.seed + record.spec.folds - 1
        console.print(f"  (each fold needs a seed: this trains the seeds {record.spec.seed} to {last})")
    if record.members > 1:
        console.print(f"  (it was trained beside {record.members - 1} others, so that the last digits may differ)")
    if any(not source.startswith(REVISION) for source in record.spec.sources.values()):
        console.print("  (it is the same run only if your code and published networks are unchanged)")
