"""What the numbers and signs in the tables are, in sentences; only what occurs is explained."""

from normzoo.experiment.spec import MatrixSpec
from normzoo.report._captions import counted
from normzoo.report._cells import BEST, PLUS_MINUS, SURVIVORS, TIED, TOLD, change_header, percent
from normzoo.report._family import Family
from normzoo.report._numbers import Summary, Table
from normzoo.report._statistics import LEVEL, MOST_EXACT

TEST = f"exact paired sign-flip test over seeds (t test from {MOST_EXACT + 1} seeds on)"


def legend(summary: Summary) -> str:
    """Explain the first table of each template."""
    cells = [cell for table in summary.tables for cell in table.cells]
    marks = {cell.mark for cell in cells}
    parts = [_accuracy(summary.matrix, is_whole=all(cell.ok == cell.planned for cell in cells))]
    if summary.test_samples:
        parts.append(f"{_test_set(summary.test_samples)}.")
    if marks & {"best", "tied"}:
        parts.append(f"{BEST} best of its column.")
    if "tied" in marks:
        parts.append(f"{TIED} cannot be told from it ({TEST}, Holm over all pairs of the column, level {LEVEL:g}).")
    if any(cell.is_of_survivors for cell in cells):
        parts.append(
            f"{SURVIVORS} of the survivors: runs that diverged or failed have no accuracy; such a norm ranks behind "
            "those without, and no difference of survivors is marked as told from zero."
        )
    if len(summary.matrix.batch_sizes) > 1:
        parts.append(f"{change_header(summary.matrix.batch_sizes)}: mean paired difference in points, untested.")
    parts.append(
        "s/epoch: training seconds of a run per epoch, over the batch sizes, timed while nothing else was trained."
    )
    return " ".join(parts)


def _accuracy(matrix: MatrixSpec, *, is_whole: bool) -> str:
    what = f"Test accuracy in %, after the last of {counted(matrix.epochs, 'epoch')}"
    if matrix.seeds == 1:
        return f"{what}, of a single seed."
    fewer = "" if is_whole else ", fewer where the cell says so"
    return f"{what}: mean {PLUS_MINUS} half width of the 95 % t interval over n = {matrix.seeds} seeds{fewer}."


def _test_set(samples: int) -> str:
    return f"The test set has {samples:,} samples: one is {100 / samples:.2g} points"


def versus_legend(summary: Summary) -> str:
    """Explain the table in which every norm is held against the baseline, and its family of tests."""
    reference = summary.matrix.reference
    cells = [cell for table in summary.tables for cell in table.cells]
    parts = [
        f"vs {reference}: mean difference from {reference} at the same batch size, in points, paired by "
        f"seed{_interval(summary.matrix)}.",
        f"p: {_verdict(summary.versus, 'differences', 'over all templates and batch sizes')}",
        f"beats: share of seeds in which it is ahead of {reference}, a tie counting half and a diverged run as beaten.",
        "rank: mean over seeds of the rank among the norms, 1 the best, a diverged run last.",
        f"r: correlation with {reference} over seeds, on which pairing rests.",
    ]
    pairs = [cell.versus.difference.pairs for cell in cells if cell.versus and cell.versus.difference]
    if any(count < summary.matrix.seeds for count in pairs):
        parts.append(
            "(n=...): pairs, where a seed lacks one of the two; such a difference is over the seeds in common."
        )
    return " ".join(parts)


def _interval(matrix: MatrixSpec) -> str:
    return "" if matrix.seeds == 1 else f", {PLUS_MINUS} half width of its 95 % t interval"


def _verdict(family: Family, what: str, where: str) -> str:
    """Say by which test, over which family, or why there is none."""
    if not family.size:
        return "nothing to test."
    if not family.is_testable:
        return "n too small for a test."
    return (
        f"{TEST}, adjusted by Holm over the family of {counted(family.size, what.removesuffix('s'))} ({where}); "
        f"{TOLD} below {LEVEL:g}."
    )


def effect_legend(summary: Summary) -> str:
    """Explain the table of slopes, and its family of tests."""
    return " ".join(
        [
            "slope: accuracy gained with each doubling of the batch size, in points: mean over seeds of the "
            f"least-squares slope against its base-2 logarithm{_interval(summary.matrix)}.",
            "minus X: by how much the row's slope exceeds that of X, paired by seed; where that is positive, the row "
            "loses more than X when the batch shrinks.",
            f"Tests: {_verdict(summary.contrasts, 'contrasts', 'of every two norms, over all templates')}",
        ]
    )


def power_sentence(summary: Summary, table: Table) -> str | None:
    """Say what this number of seeds can resolve beside the baseline, and what one point would take."""
    if not table.powers:
        return None
    reference = summary.matrix.reference
    resolved = [
        f"{percent(power.resolvable)} points at batch size {power.batch_size} (n = {power.pairs})"
        for power in table.powers
        if power.resolvable is not None
    ]
    lacking = [str(power.batch_size) for power in table.powers if power.resolvable is None]
    point = ", ".join(f"{power.seeds_for_a_point:,} at batch size {power.batch_size}" for power in table.powers)
    parts = [f"the true difference from {reference} that is found: {', '.join(resolved)}"] if resolved else []
    if lacking:
        parts.append(f"too few seeds to find any at batch size {', '.join(lacking)}")
    return f"Power 80 %, for a typical norm: {'; '.join(parts)}. Seeds for a difference of one point: {point}."


def untested_note(family: Family, what: str) -> str | None:
    """Say that a family of tests has too few seeds, and how many would do; None where it has enough."""
    if family.is_testable or not family.size:
        return None
    return (
        f"n too small for a test of the {what}: there are {family.size}, and the exact test can tell one of so many "
        f"from zero with {family.needed} seeds or more"
    )
