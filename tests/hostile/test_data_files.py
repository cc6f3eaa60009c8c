"""Is data that is damaged or lies refused in one clear line, by what reads it, without end of time or memory?"""

import random
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
import torch

from normzoo.cli import _refuse
from normzoo.data import load_dataset
from normzoo.errors import UsageError
from normzoo.experiment.config.resolve import resolve
from normzoo.tasks import make_task

from .data_files import spoil
from .verdicts import Verdict, of_refusal, weigh

pytest.importorskip("pyarrow")

ROOM = 2 << 30
"""Bytes that reading one may ask for."""


@contextmanager
def little_memory() -> Iterator[None]:
    """Have this process be refused more memory than ``ROOM``."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def load(spec: str, root: Path, folds: int) -> Verdict:
    """Read a dataset as a comparison does: first what it is for, then its samples."""
    try:
        matrix = resolve([], [], {"dataset": spec, "data_root": str(root), "folds": str(folds)}).matrix
        with little_memory():
            dataset = load_dataset(spec, task=make_task(matrix.task), root=root, folds=folds)
    except UsageError as error:
        with redirect_stderr(StringIO()) as said:
            _refuse(str(error))
        verdict = of_refusal(said.getvalue())
        return verdict if spec.partition(":")[0] in verdict.said else Verdict("unclear", verdict.said)
    for split in (dataset.train, dataset.validation, dataset.test):
        samples, targets = split.samples[:8], split.targets[:8]
        if len(samples) != len(targets) or not (dataset.ragged or bool(torch.isfinite(samples).all())):
            return Verdict("unclear", f"loaded, with {samples} and {targets}")
    return Verdict("done")


def cases(folder: Path, numbers: range) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    for number in numbers:
        shutil.rmtree(folder / "here", ignore_errors=True)
        (folder / "here").mkdir()
        spec = spoil(folder / "here", number)
        folds = random.Random(number).choice([1, 1, 1, 3])
        yield f"{number}: {spec!r}", partial(load, spec, folder / "here" / "data", folds)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, in which also what is decoded is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("spec", ["npz:/dev/zero", "csv:/dev/zero", "text:/dev/zero", "ts:/dev/zero:test=/dev/zero"])
def test_a_device_without_an_end_is_no_data(folder: Path, spec: str) -> None:
    """Neither for what reads the samples nor for what looks at a file before."""
    assert "no such file" in load(spec, folder, 1).said


def test_what_is_wrong_with_data_is_said(folder: Path, record_property: Callable[[str, object], None]) -> None:
    weigh(record_property, "data files", cases(folder, range(15)))
    assert not list(folder.rglob("PWNED*"))


@pytest.mark.hostile
@pytest.mark.slow
@pytest.mark.parametrize("start", range(15, 315, 20))
def test_what_is_wrong_with_one_of_many_files_is_said(
    folder: Path, record_property: Callable[[str, object], None], start: int
) -> None:
    weigh(record_property, "data files", cases(folder, range(start, start + 20)))
    assert not list(folder.rglob("PWNED*"))
