"""``normzoo runs``: what is in a store, comparison by comparison and run by run."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from normzoo.cli._console import plain_console
from normzoo.cli._stores import tell_passed_over
from normzoo.cli._tables import GAP, moment, plain_table, table_lines, test_result, width_of
from normzoo.errors import counted
from normzoo.experiment.config.values import split_list
from normzoo.experiment.results.lookup import find_comparison, short_length
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.experiment.results.reproduce import harmless
from normzoo.experiment.results.store import Listed, Store, StoredComparison
from normzoo.registry import NORMS, TEMPLATES, find

_NOT_THERE = "not there"
_FEW, _MANY = 20, 500
_WIDE = 120


def runs(
    *,
    store: Annotated[Path, Parameter(help="File in which results are kept.")] = Path("normzoo.sqlite"),
    comparison: Annotated[int | None, Parameter(help="Only runs of the comparison of this number.")] = None,
    status: Annotated[str | None, Parameter(help=f"Only runs of these: {', '.join(Status)}.")] = None,
    norm: Annotated[str | None, Parameter(help="Only runs of these norms; group means all of its options.")] = None,
    template: Annotated[str | None, Parameter(help="Only runs of these templates.")] = None,
    limit: Annotated[
        int | None,
        Parameter(
            help=f"How many to list at most, the latest; {_FEW} by default, or {_MANY} of those asked for.",
            validator=Number(gte=1),
        ),
    ] = None,
) -> int:
    """List the comparisons in the store, unless one is asked for, and the runs."""
    wanted = _filter(status, norm, template)
    is_filtered = any(value is not None for value in (comparison, status, norm, template))
    most = limit or (_MANY if is_filtered else _FEW)
    with Store(store, writable=False) as opened:
        listed, comparisons = opened.listed(), opened.comparisons()
        shown = comparisons if comparison is None else [find_comparison(comparison, comparisons, store)]
        of_comparison = {key for each in shown for key in each.keys}
        found = [run for run in listed if wanted(run) and (comparison is None or run.key in of_comparison)]
        rows = _rows(opened, [run.key for run in found[-most:]])
    console = plain_console()
    if comparison is not None or not is_filtered:
        _show_comparisons(shown, {run.key: run.status for run in listed}, most, console)
    if rows:
        _show_runs(rows, short_length([run.key for run in listed]), console)
    console.print(_count(found, len(rows), is_filtered=is_filtered), soft_wrap=True)
    return tell_passed_over(opened)


def _filter(status: str | None, norm: str | None, template: str | None) -> Callable[[Listed], bool]:
    """Return what decides whether a run is listed; refuse names that there are not."""
    statuses, templates = _names(status), _names(template)
    for name in statuses or ():
        find("status", dict.fromkeys(Status), name)
    for name in templates or ():
        TEMPLATES.canonical(name)
    norms = None if norm is None else [(name, NORMS.canonical(name)) for name in _names(norm) or ()]

    def wanted(run: Listed) -> bool:
        return (
            (statuses is None or run.status in statuses)
            and (
                templates is None or any(run.template == name or _template(run.template) == name for name in templates)
            )
            and (norms is None or any(run.norm == whole or _target(run.norm) == name for name, whole in norms))
        )

    return wanted


def _names(text: str | None) -> list[str] | None:
    return None if text is None else list(split_list(text))


def _template(template: str) -> str:
    return TEMPLATES.parse(template).target


def _target(norm: str) -> str:
    return NORMS.parse(norm).target


def _show_comparisons(
    comparisons: Sequence[StoredComparison], statuses: Mapping[str, str], limit: int, console: Console
) -> None:
    if not comparisons:
        return
    between = ",\n" if console.width < _WIDE else ", "
    rows = [
        (str(each.id), moment(each.created_at), between.join(_by_status(each.keys, statuses)), harmless(each.command))
        for each in comparisons[-limit:]
    ]
    columns = ("comparison", "began (UTC)", "runs", "command")
    console.print(plain_table(columns, rows, right=columns[:1], fold=("runs", "command")))
    if len(comparisons) > limit:
        console.print(
            f"The latest {limit} of {counted(len(comparisons), 'comparison')}; --limit shows more.", soft_wrap=True
        )
    console.print()


def _by_status(keys: Iterable[str], statuses: Mapping[str, str]) -> list[str]:
    counts = Counter(statuses.get(key, _NOT_THERE) for key in keys)
    return [f"{counts[status]:,} {status}" for status in (*Status, _NOT_THERE) if counts[status]]


class _Column(NamedTuple):
    """A column of the list of runs; one that is not essential is left out where it does not fit."""

    name: str
    write: Callable[[RunRecord], str]
    essential: bool = True
    is_number: bool = False


_COLUMNS = (
    _Column("status", lambda record: record.status),
    _Column("template", lambda record: record.spec.template),
    _Column("norm", lambda record: record.spec.norm),
    _Column("dataset", lambda record: record.spec.dataset, essential=False),
    _Column("batch", lambda record: str(record.spec.batch_size), is_number=True),
    _Column("seed", lambda record: str(record.spec.seed), is_number=True),
    _Column("lr", lambda record: f"{record.spec.lr:g}", is_number=True),
    _Column("test", test_result, is_number=True),
    _Column("seconds", lambda record: f"{record.seconds:.1f}", essential=False, is_number=True),
    _Column("strategy", lambda record: record.spec.strategy, essential=False),
    _Column("began (UTC)", lambda record: moment(record.started_at), essential=False),
)


def _rows(store: Store, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return what is shown of runs in their columns, by key. They are read as they lie in the store, one by one."""
    read = {key: tuple(column.write(record) for column in _COLUMNS) for key, record in store.each_record(sorted(keys))}
    return {key: read[key] for key in keys if key in read}


def _show_runs(rows: Mapping[str, tuple[str, ...]], length: int, console: Console) -> None:
    names = ("key", *(column.name for column in _COLUMNS))
    cells = dict(zip(names, ([key[:length] for key in rows], *zip(*rows.values(), strict=True)), strict=True))
    left_out = _too_much(cells, console.width)
    shown = {name: values for name, values in cells.items() if name not in left_out}
    numbers = [column.name for column in _COLUMNS if column.is_number]
    header, *lines = table_lines(shown, width=console.width, right=numbers, fold="norm")
    console.print(header, style="bold", soft_wrap=True)
    console.file.writelines(f"{line}\n" for line in lines)
    if left_out:
        told = (f"{name}, all {cells[name][0]}" if len(set(cells[name])) == 1 else name for name in left_out)
        console.print(f"Not shown in {console.width} columns: {'; '.join(told)}.")


def _too_much(cells: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """Return the columns that do not fit beside the essential ones."""
    widths = {name: width_of(name, set(values)) + GAP for name, values in cells.items()}
    optional = [column.name for column in _COLUMNS if not column.essential]
    room = width + GAP - sum(each for name, each in widths.items() if name not in optional)
    left_out = []
    for name in optional:
        room -= widths[name]
        if room < 0:
            left_out.append(name)
            room += widths[name]
    return left_out


def _count(found: Sequence[Listed], shown: int, *, is_filtered: bool) -> str:
    """Say how many runs there are, of what status, and whether all of them are listed."""
    if not found:
        return "No runs match." if is_filtered else "There are no runs in the store yet; `normzoo compare` trains some."
    by_status = ", ".join(_by_status([run.key for run in found], {run.key: run.status for run in found}))
    total = f"{counted(len(found), 'run')}: {by_status}."
    return total if shown == len(found) else f"{total} Listed are the latest {shown:,}; --limit lists more."
