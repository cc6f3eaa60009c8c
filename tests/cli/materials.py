"""A folder full of things that a command must refuse."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from normzoo.experiment.results.store import Store

FILES = {
    "empty.yaml": "",
    "malformed.yaml": "batch_sizes: [2, 8\n",
    "misspelt.yaml": "batch_size: [2, 8]\n",
    "list.yaml": "- batch_sizes\n",
    "notes.sqlite": "This is no database, but a text that is long enough to be taken for the header of one. " * 3,
    "own_norms.py": (
        "from torch import nn\n\n\n"
        "class NoModule:\n    def __init__(self, num_features):\n        pass\n\n\n"
        "class Optional(nn.Module):\n    def __init__(self, num_features, gain=1.0):\n        super().__init__()\n"
    ),
}


def lay_out(folder: Path) -> None:
    """Write it all."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "folder").mkdir()
    Store(folder / "newer.sqlite").close()
    _execute(folder / "newer.sqlite", "PRAGMA user_version = 99")
    _execute(folder / "other.sqlite", "CREATE TABLE measurements (value REAL)")
    arrays = _arrays()
    x_train: Any = arrays["x_train"]
    with_nan, objects = x_train.copy(), np.empty(len(x_train), dtype=object)
    with_nan[3, 2, 1] = np.nan
    variants: dict[str, dict[str, Any]] = {
        "keyless.npz": {name: value for name, value in arrays.items() if name != "y_test"},
        "unequal.npz": {**arrays, "y_train": arrays["y_train"][:-1]},
        "nan.npz": {**arrays, "x_train": with_nan},
        "objects.npz": {**arrays, "x_train": objects},
    }
    for name, content in variants.items():
        np.savez(folder / name, **content)


def script(folder: Path, name: str, text: str) -> str:
    """Write a program that can be run, in place of a compiler."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def file_in(folder: Path, name: str = "file", text: str = "") -> Path:
    """Write a file, and return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _arrays() -> dict[str, Any]:
    random = np.random.default_rng(0)
    splits = {"train": 40, "test": 20}
    images = {f"x_{split}": random.normal(size=(size, 8, 8)).astype(np.float32) for split, size in splits.items()}
    return {**images, **{f"y_{split}": np.arange(size) % 2 for split, size in splits.items()}}


def _execute(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()
