"""Does loading take little more memory than the tensors that come of it?"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from .fakes import write_npz

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited as Linux does it"),
]

LIMITED = """
import json, os, resource, sys
from pathlib import Path
from normzoo.data import load_dataset

def resident(small, large, room, folds):
    load_dataset(small, folds=folds)  # what is imported and set up along the way is not meant
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    limit = int(status["VmData"].split()[0]) * 1024 + room
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    dataset = load_dataset(large, folds=folds)
    return sum(split.inputs.nbytes for split in (dataset.train, dataset.validation, dataset.test))

for line in sys.stdin:
    if os.fork() == 0:
        try:
            told = resident(**json.loads(line))
        except BaseException as error:
            told = repr(error)
        print(json.dumps(told), flush=True)
        os._exit(0)
    _, status = os.wait()
    if status:  # ended by what is no exception
        print(json.dumps(f"it ended with status {status}"), flush=True)
"""
"""Loads a small file, then a large one with so many bytes more of memory; what is mapped from files takes none.

Each time in a process of its own, forked from one that has loaded torch.
"""

Resident = Callable[..., Any]


@pytest.fixture(scope="module")
def resident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resident]:
    """Return what loads two datasets, and says of how many bytes the tensors of the second are, or what failed."""
    environment = {**os.environ, "NORMZOO_CACHE": str(tmp_path_factory.mktemp("cache"))}
    command = [sys.executable, "-c", LIMITED]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(small: str, large: str, folds: int = 1, room: int = RESIDENT * 12 // 10) -> Any:
            asked = {"small": small, "large": large, "folds": folds, "room": room}
            print(json.dumps(asked), file=stdin, flush=True)
            return json.loads(stdout.readline())

        yield ask
        stdin.close()


SAMPLES, TESTED, SHAPE = 1_600, 400, (64, 128, 1)
RESIDENT = 4 * (SAMPLES + TESTED) * 64 * 128
"""Bytes of the tensors: 65.5 MB."""


@pytest.mark.parametrize(
    ("dtype", "save", "folds"),
    [("float64", np.savez, 1), ("uint8", np.savez, 1), ("float64", np.savez_compressed, 1), ("float64", np.savez, 4)],
    ids=["float64", "uint8", "compressed float64", "float64 in folds"],
)
def test_loading_takes_at_most_a_fifth_more_than_the_tensors(
    resident: Resident, dtype: str, save: Any, folds: int, tmp_path: Path
) -> None:
    """A copy of the data, of a split or of the part that is held out, would not fit."""
    images = np.zeros((SAMPLES, *SHAPE), dtype)
    images[:, ::8] = np.random.default_rng(0).integers(0, 256, (SAMPLES, 8, *SHAPE[1:]))
    labels = np.arange(SAMPLES) % 4
    large = tmp_path / "large.npz"
    save(large, x_train=images, y_train=labels, x_test=images[:TESTED], y_test=labels[:TESTED])
    assert resident(f"npz:{write_npz(tmp_path)}", f"npz:{large}", folds) == RESIDENT


def test_so_does_loading_a_folder_of_pictures(resident: Resident, tmp_path: Path) -> None:
    """While they are decoded, and when they come from the cache."""
    random = np.random.default_rng(0)
    for name, count, size in (("few", 10, (8, 8)), ("many", 250, (128, 256))):
        for folder in ("cat", "dog"):
            (tmp_path / name / folder).mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 256, size, dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / name / folder / f"{index}.bmp")
    for _ in range(2):
        assert resident(f"folder:{tmp_path / 'few'}", f"folder:{tmp_path / 'many'}") == RESIDENT


ROWS, NUMBERS, CATEGORIES = 100_000, 60, 60
FEATURES = 4 * ROWS * (NUMBERS + CATEGORIES)
"""Bytes of the tensors of a table: 48 MB."""

READING = 32 << 20
"""Bytes besides, for the rows that are being read, and some tens for each row: its target, its place, its hash."""


@pytest.mark.parametrize(("suffix", "folds"), [("csv", 1), ("parquet", 4)], ids=["CSV", "Parquet in folds"])
def test_so_does_loading_a_table(resident: Resident, suffix: str, folds: int, tmp_path: Path) -> None:
    """Neither all rows as they were read nor all features in float64 would fit."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.integers(0, 1000, (ROWS, NUMBERS)), columns=[f"x{n}" for n in range(NUMBERS)])
    table["port"] = np.array([f"port {n}" for n in range(CATEGORIES)])[np.arange(ROWS) % CATEGORIES]
    table["class"] = np.where(random.random(ROWS) < 0.5, "yes", "no")
    for name, rows in (("few", table[:1000]), ("many", table)):
        path = tmp_path / f"{name}.{suffix}"
        rows.to_csv(path, index=False) if suffix == "csv" else rows.to_parquet(path, index=False)
    few, many = (f"{suffix}:{tmp_path / name}.{suffix}" for name in ("few", "many"))
    assert resident(few, many, folds, room=FEATURES * 12 // 10 + READING) == FEATURES
