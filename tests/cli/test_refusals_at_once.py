"""Does every request that the parent knows to be mistaken end with exit code 2 and one line that says why?"""

from contextlib import chdir
from pathlib import Path

import pytest

from .command import run
from .in_process import call
from .refusals import AT_ONCE, check


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", AT_ONCE)
def test_it_is_refused(name: str, materials: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Flags, names, files of settings and stores."""
    arguments, message = AT_ONCE[name]
    with chdir(materials):
        check(call(capsys, *arguments), message)


@pytest.mark.slow
def test_the_whole_command_refuses_and_leaves_no_trace(materials: Path) -> None:
    """From the shell to its exit code; no store, no report, and no folder is made."""
    before = sorted(materials.rglob("*"))
    for name in ("store-nowhere", "report-store-missing"):
        check(run(materials, *AT_ONCE[name].arguments), AT_ONCE[name].message)
    assert sorted(materials.rglob("*")) == before
