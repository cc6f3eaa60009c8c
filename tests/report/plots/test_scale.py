"""The ticks of logarithmic axes: round numbers within the range, some but not many."""

import pytest

from normzoo.report.plots.style import MAX_TICKS, log_ticks


@pytest.mark.parametrize("low", [3e-7, 0.02, 0.5, 1.0, 7.3, 96.0])
@pytest.mark.parametrize("factor", [1.02, 1.2, 2.0, 5.0, 30.0, 1e3, 1e6, 1e9])
def test_there_are_some_ticks_but_not_many(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor)
    assert 2 <= len(ticks) <= MAX_TICKS
    assert ticks == sorted(set(ticks))
    assert low <= ticks[0]
    assert ticks[-1] <= low * factor * (1 + 1e-9)
    assert len({f"{tick:g}" for tick in ticks}) == len(ticks)
