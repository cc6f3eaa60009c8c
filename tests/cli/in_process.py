"""Calls commands that only read and write stores, without a process of their own."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest

from normzoo.cli import main
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.results.store import Store

from .command import Outcome


def call(capsys: pytest.CaptureFixture[str], *arguments: object, columns: int | None = None) -> Outcome:
    """Run ``normzoo`` with these arguments, its output in so many columns, or in a pipe."""
    with mock.patch.dict(os.environ):
        for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
            os.environ.pop(name, None)
        if columns is not None:
            os.environ["COLUMNS"] = str(columns)
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return Outcome(code, said.out, said.err)


def fill(
    path: Path,
    *records: RunRecord,
    absent: Sequence[str] = (),
    command: str = "normzoo compare",
    dataset: str = "digits",
) -> Path:
    """Add records to a store, and a comparison that asked for them and for the keys in ``absent``."""
    with Store(path) as store, store.transaction():
        for record in records:
            store.put(record.spec.key, record)
        keys = [*(record.spec.key for record in records), *absent]
        store.add_comparison(command, Configuration(MatrixSpec(dataset=dataset), Execution()), keys)
    return path


def cells(text: str) -> list[list[str]]:
    """Return the cells of every line: what two blanks separate."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if line.strip()]
