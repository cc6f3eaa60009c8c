"""Small pieces of sentences."""

from collections.abc import Sequence

from normzoo.report._detail_cells import LEAST_P


def enumerated(names: Sequence[str]) -> str:
    """Write names one after the other.

    >>> enumerated(["batch"]), enumerated(["batch", "layer", "none"])
    ('batch', 'batch, layer and none')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def at_most(p_value: float, count: int) -> str:
    """Write the highest p value of so many.

    >>> at_most(0.047, 1), at_most(0.047, 3), at_most(0.0001, 3)
    ('= 0.047', 'at most 0.047', '< 0.001')
    """
    if p_value < LEAST_P:
        return f"< {LEAST_P}"
    return f"= {p_value:.3f}" if count == 1 else f"at most {p_value:.3f}"
