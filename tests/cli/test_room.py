"""Is what is most wanted shown where there is no room for all?"""

import pytest

from normzoo.cli._room import left_out, most_wanted, rows_that_fit

TEMPLATES, NORMS = ("cnn", "lstm"), ("batch", "layer", "none")


@pytest.mark.parametrize(
    ("wanted", "count", "kept"),
    [
        (set(), 4, [2, 4, 8, 16]),
        (set(), 9, [2, 4, 8, 16]),
        (set(), 2, [2, 4]),
        ({16}, 2, [2, 16]),
        ({8, 16}, 1, [8]),
        ({8}, 0, []),
        ({8}, -3, []),
    ],
)
def test_the_wanted_come_first_and_the_order_stays(wanted: set[int], count: int, kept: list[int]) -> None:
    """Whatever is kept stands in the order of the matrix."""
    assert most_wanted((2, 4, 8, 16), wanted, count) == kept


@pytest.mark.parametrize(
    ("height", "rows"),
    [
        (8, {"cnn": ["batch", "layer", "none"], "lstm": ["batch", "layer", "none"]}),
        (7, {"cnn": ["batch", "layer"], "lstm": ["batch", "layer", "none"]}),
        (5, {"lstm": ["batch", "layer", "none"]}),
        (4, {"lstm": ["batch", "layer", "none"]}),
        (3, {"lstm": ["batch", "layer"]}),
        (2, {"lstm": ["layer"]}),
        (1, {}),
        (-1, {}),
    ],
)
def test_templates_in_flight_come_before_others(height: int, rows: dict[str, list[str]]) -> None:
    """In the lstm layer is in flight, in the cnn none is: each takes a line for its header and one per norm."""
    assert rows_that_fit(TEMPLATES, NORMS, {"lstm": {"layer"}}, height) == rows


def test_what_there_is_no_room_for_is_said() -> None:
    """Batch sizes, templates, norms; nothing where all is shown."""
    assert left_out(TEMPLATES, NORMS, 0, {"cnn": NORMS, "lstm": NORMS}) == ""
    assert left_out(TEMPLATES, NORMS, 1, {"cnn": NORMS, "lstm": NORMS}) == "no room for 1 batch size"
    assert left_out(TEMPLATES, NORMS, 2, {"lstm": NORMS[:1]}) == (
        "no room for 2 batch sizes, 1 template, 2 of lstm's norms"
    )
