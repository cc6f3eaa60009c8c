"""Does what a user's norm prints stay out of the tables?"""

from pathlib import Path

import pytest

from .command import compare

SOURCE = """
from torch import nn

class Talking(nn.Identity):
    def __init__(self, features):
        super().__init__()
        print("made for", features)
"""


@pytest.mark.slow
def test_it_goes_to_stderr(tmp_path: Path) -> None:
    """Stdout holds the tables and nothing else, so that it can be kept in a file."""
    (tmp_path / "talking.py").write_text(SOURCE)
    outcome = compare(tmp_path, "--norms", "none,talking:Talking", "--templates", "cnn", "--seeds", "1")
    assert outcome.code == 0
    assert "made for" in outcome.stderr
    assert "made for" not in outcome.stdout
    assert "talking:Talking" in outcome.stdout
