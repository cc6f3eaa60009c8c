"""Does a terminal get colours and a live display, and nobody else?"""

import re
from pathlib import Path

import pytest

from .command import CNN
from .growth import Growth
from .terminal import run_in_terminal

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7])[;m]")


def plain(text: str) -> str:
    """Take away colours and movements of the cursor."""
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text)


def test_a_terminal_shows_bars_while_training_and_the_tables_after(growth: Growth) -> None:
    """The overall bar counts runs, the run in flight has a line of its own, and both are gone in the end."""
    outcome = growth.anew.outcome
    assert outcome.code == 0
    shown = plain(outcome.stdout)
    assert "runs" in shown
    assert "0/1" in shown
    assert f"{CNN}, none, batch size 64, seed 0" in shown
    assert "epoch 0/1" in shown
    after = shown.rpartition("epoch 0/1")[2]
    assert f"{CNN} on digits" in after
    assert "Traceback" not in shown


def test_the_cursor_is_back_after_the_live_display(growth: Growth) -> None:
    """It is hidden while bars move."""
    hidden, shown = (growth.anew.outcome.stdout.rfind(f"\x1b[?25{letter}") for letter in "lh")
    assert -1 < hidden < shown


@pytest.mark.slow
def test_a_terminal_gets_colours_unless_no_color_is_set(tmp_path: Path) -> None:
    """https://no-color.org: colours go, bold may stay."""
    coloured = run_in_terminal(tmp_path, "--help")
    uncoloured = run_in_terminal(tmp_path, "--help", NO_COLOR="1")
    assert coloured.code == uncoloured.code == 0
    assert COLOUR.search(coloured.stdout)
    assert not COLOUR.search(uncoloured.stdout)
    assert plain(coloured.stdout) == plain(uncoloured.stdout)


def test_an_encoding_without_the_signs_of_the_tables_is_no_reason_to_fail(growth: Growth) -> None:
    """What it lacks is another sign, as wide; the numbers are there, and what is marked."""
    assert growth.ascii.code == 0
    assert growth.ascii.stderr == ""
    assert f"{CNN} on digits" in growth.ascii.stdout
    assert growth.ascii.stdout.isascii()
    assert "?" not in growth.ascii.stdout
