"""Does every request that the parent knows to be mistaken end with exit code 2 and one line that says why?"""

from pathlib import Path

import pytest

from .command import run
from .refusals import AT_ONCE, check


@pytest.mark.parametrize("name", AT_ONCE)
def test_it_is_refused(name: str, materials: Path) -> None:
    """Flags, names, files of settings and stores."""
    arguments, message = AT_ONCE[name]
    check(run(materials, *arguments), message)


def test_it_leaves_no_trace(materials: Path) -> None:
    """No store, no report, and no folder is made."""
    before = sorted(materials.rglob("*"))
    for name in ("norm", "yaml-misspelt", "store-nowhere", "report-suffix", "report-store-missing"):
        run(materials, *AT_ONCE[name].arguments)
    assert sorted(materials.rglob("*")) == before
