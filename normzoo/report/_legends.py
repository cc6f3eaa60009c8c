"""What the numbers and signs in the tables are, in sentences; only what occurs is explained."""

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report._captions import counted
from normzoo.report._cells import BEST, PLUS_MINUS, SURVIVORS, TIED, TOLD, change_header, percent
from normzoo.report._detail_cells import LEAST_P
from normzoo.report._numbers import Summary, Table
from normzoo.report._words import enumerated
from normzoo.report.statistics.differences import LEVEL, MOST_EXACT, least_p_value
from normzoo.report.statistics.family import Family, seeds_needed
from normzoo.report.statistics.power import MOST_SEEDS, Power

TEST = f"exact paired sign-flip test over seeds (t test from {MOST_EXACT + 1} seeds on)"


def legend(summary: Summary) -> str:
    """Explain the first table of each template."""
    cells = [cell for table in summary.tables for cell in table.cells]
    marks = {cell.mark for cell in cells}
    parts = [_accuracy(summary.matrix, is_whole=all(cell.ok == cell.planned for cell in cells))]
    if summary.test_samples:
        parts.append(f"{_test_set(summary.test_samples)}.")
    if "best" in marks:
        parts.append(
            f"{BEST} best of its column, {TIED} cannot be told from it, the others are behind: {TEST}, adjusted by "
            f"Holm over all pairs of the column, level {LEVEL:g}."
        )
    if any(cell.is_of_survivors for cell in cells):
        parts.append(
            f"{SURVIVORS} of the survivors: runs that diverged or failed have no accuracy; such a norm ranks behind "
            "those without, and what is of survivors is not tested."
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
        f"p: {_verdict(summary.versus, 'differences', 'over all templates and batch sizes')}"
        f"{_floor(summary.versus) if summary.versus.is_tested else ''}",
        f"beats: share of the seeds that both have in which it is ahead of {reference}; a tie counts half, a diverged "
        "run as beaten.",
        "rank: mean rank among the norms, 1 the best, over the seeds that all of them have; a diverged run is last.",
        f"r: correlation with {reference} over seeds, on which pairing rests.",
    ]
    pairs = [cell.versus.difference.pairs for cell in cells if cell.versus and cell.versus.difference]
    if any(count < summary.matrix.seeds for count in pairs):
        parts.append(
            "(n=...): pairs, where a seed lacks one of the two; such a difference is over the seeds in common, and "
            f"with fewer than {seeds_needed(1)} it is not tested."
        )
    return " ".join(parts)


def _interval(matrix: MatrixSpec) -> str:
    return "" if matrix.seeds == 1 else f", {PLUS_MINUS} half width of its 95 % t interval"


def _verdict(family: Family, what: str, where: str) -> str:
    """Say by which test, over which family, or why there is none."""
    if not family.size:
        return "nothing to test."
    if not family.is_tested:
        return "n too small for a test."
    return (
        f"{TEST}, adjusted by Holm over the family of {counted(family.size, what.removesuffix('s'))} ({where}); "
        f"{TOLD} below {LEVEL:g}."
    )


def _floor(family: Family) -> str:
    """Say how small a p value can be, and why an interval may say otherwise."""
    floor = family.size * least_p_value(family.pairs)
    least = f" With n = {family.pairs} it cannot be less than {floor:.3f}." if floor >= LEAST_P else ""
    return (
        f"{least} An interval is of one difference by itself, so it may leave out zero where p is not below the level."
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
    found = [
        f"{percent(power.resolvable)} points at batch size {power.batch_size} (n = {power.pairs})"
        for power in table.powers
        if power.resolvable is not None
    ]
    lacking = [f"{power.batch_size} (n = {power.pairs})" for power in table.powers if power.resolvable is None]
    point = [f"{_seeds(power)} at {power.batch_size}" for power in table.powers]
    parts = (
        [f"A true difference from {reference} is found four times in five if it is {enumerated(found)}."]
        if found
        else []
    )
    if lacking:
        parts.append(f"Seeds are too few to find any difference, however large, at batch size {enumerated(lacking)}.")
    return " ".join([*parts, f"One of a single point would take so many seeds: {enumerated(point)}."])


def _seeds(power: Power) -> str:
    return f"{'over ' if power.seeds_for_a_point >= MOST_SEEDS else ''}{power.seeds_for_a_point:,}"


def untested_note(family: Family, what: str) -> str | None:
    """Say that a family of tests has too few seeds, and how many would do; None where it has enough."""
    if family.is_tested or not family.size:
        return None
    return (
        f"n too small for a test of the {what}: there are {family.size}, and one of so many can be told from zero with "
        f"{family.needed} seeds or more; the same command with --seeds {family.needed} adds what is missing"
    )
