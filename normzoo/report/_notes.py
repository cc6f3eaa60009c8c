"""What a reader should know beside a table: what the runs noted, and where no test was possible."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from normzoo.experiment.results.records import RunRecord
from normzoo.report._numbers import Row
from normzoo.report.statistics.family import Family
from normzoo.report.statistics.marks import seeds_for


def record_notes(runs: Mapping[str, Iterable[RunRecord]]) -> list[str]:
    """Return the distinct notes of the runs, each headed by the norms it is about unless it is about all.

    A note that already begins with a norm's name is left as it is.
    """
    norms: dict[str, list[str]] = {}
    for norm, records in runs.items():
        for note in dict.fromkeys(note for record in records for note in record.notes):
            norms.setdefault(note, []).append(norm)
    return [_headed(note, about, list(runs)) for note, about in norms.items()]


def _headed(note: str, about: Sequence[str], norms: Sequence[str]) -> str:
    names_itself = any(note.startswith(norm.partition(":")[0]) for norm in about)
    return note if names_itself or len(about) == len(norms) else f"{', '.join(about)}: {note}"


def mark_notes(rows: Sequence[Row], before: Family) -> list[str]:
    """Say where nothing was tested against the best, and why; ``before`` is the family that is tested first."""
    cells = [(row.norm, cell) for row in rows for cell in row.cells]
    unmarked = [cell for _, cell in cells if cell.mark == "highest"]
    lost = sorted(cell.batch_size for cell in unmarked if cell.is_of_survivors)
    beside = Counter(cell.batch_size for _, cell in cells if cell.mark is not None)
    few = sorted(cell.batch_size for cell in unmarked if not cell.is_of_survivors and beside[cell.batch_size] > 1)
    notes = []
    if lost:
        notes.append(f"no norm has all of its runs at batch size {_listed(lost)}, so none is marked as best")
    if few:
        needed = max(seeds_for(len(rows)), before.needed)
        notes.append(
            f"n too small for a test of the best at batch size {_listed(few)}, so no norm is marked; "
            f"{needed} seeds would do"
        )
    notes += [
        f"n too small for a test: {norm} at batch size {cell.batch_size} shares too few seeds with the best"
        for norm, cell in cells
        if cell.mark == "untested" and cell.batch_size not in (*lost, *few)
    ]
    return notes


def _listed(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sizes))


def edge_notes(rows: Sequence[Row], rates: Sequence[float]) -> list[str]:
    """Say which picks lie at an end of the learning rates that were tried, so that a better one may lie beyond."""
    if len(rates) < 2:
        return []
    ends = {min(rates): "lowest", max(rates): "highest"}
    notes = []
    for rate, which in ends.items():
        where = [
            f"{row.norm} at {cell.batch_size}" for row in rows for cell in row.cells if cell.rate == rate and cell.ok
        ]
        if where:
            notes.append(f"the {which} learning rate tried, {rate:g}, was chosen for {', '.join(where)}")
    return notes
