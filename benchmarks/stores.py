"""``python -m benchmarks.stores``: what commands take on a store of so many runs: seconds of a processor, and memory.

The store holds comparisons of 10,020 runs each on digits. Nothing is trained for it: its records are made up, but for
what a worker finds out of the data and the networks, so that the first comparison can be repeated.
"""

import json
import os
import platform
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from normzoo.experiment.comparison import plan_comparison
from normzoo.experiment.config.environment import describe_environment
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.results.records import EpochRecord, Place, RunRecord, Status, pack_hits
from normzoo.experiment.results.store import Store
from normzoo.outputs import check_output, marked, write_outputs

MATRIX = MatrixSpec(templates="cnn,lstm", batch_sizes="2,4,8,10,16,32", seeds=167, epochs=4)
COMMAND = "compare --templates cnn,lstm --batch-sizes 2,4,8,10,16,32 --seeds 167 --epochs 4 --device cpu --jobs 1"
COMPARISONS = 10

LOOKS = {
    "all runs": "runs --limit 100000",
    "runs": "runs",
    "one run": "show {key}",
    "two runs": "diff {key} {other}",
    "report of a comparison": "report -o {folder}/a.md",
    "report of all": "report -o {folder}/all.md --all",
    "export": "export -o {folder}/runs.csv",
    "export of epochs": "export --kind epochs -o {folder}/epochs.csv",
    "export as JSON": "export -o {folder}/runs.json",
    "export of cells": "export --kind summary -o {folder}/cells.csv",
    "merge into a new store": "merge {store} --into {folder}/merged.sqlite",
    "merge again": "merge {store} --into {folder}/merged.sqlite",
    "doctor": "doctor",
    "the same comparison again": COMMAND,
}
"""Commands that read the store, by what they do."""


def make_store(path: Path, comparisons: int = COMPARISONS, matrix: MatrixSpec = MATRIX) -> None:
    """Make a store of comparisons, which differ in their learning rate, with a record for each of their runs."""
    execution = Execution(store=path, device="cpu", jobs=1)
    with Store(path) as store, LocalExecutor(execution) as executor:
        for number in range(comparisons):
            asked = matrix if not number else MatrixSpec(**{**matrix.model_dump(), "lr": matrix.lr + number / 1000})
            configuration = Configuration(asked, execution)
            plan = plan_comparison(configuration, store, executor, recalls=True)
            with store.transaction():
                for run in plan.runs:
                    store.add(made_up(run, plan.prepared))
                keys = [run.key for run in plan.runs]
                store.add_comparison(f"normzoo {COMMAND}", replace(configuration, matrix=plan.matrix), keys)


def made_up(spec: RunSpec, prepared: Prepared) -> RunRecord:
    """Return a record of a run as training would leave it behind, the same each time."""
    chance = random.Random(spec.key)
    share = 0.9 + 0.05 * chance.random()
    metrics = [{"loss": 1.5 / epoch, "accuracy": share - 0.2 / epoch} for epoch in range(1, spec.epochs + 1)]
    return RunRecord(
        spec=spec,
        status=Status.OK,
        epochs=tuple(
            EpochRecord(epoch=epoch, train_loss=each["loss"], validation=each, test=each, seconds=0.1 + chance.random())
            for epoch, each in enumerate(metrics, 1)
        ),
        started_at=f"2025-01-01T{chance.randrange(24):02}:{chance.randrange(60):02}:00+00:00",
        seconds=2.0,
        samples_per_second=1000.0,
        peak_memory_bytes=2**29,
        train_samples=prepared.dataset.train,
        validation_samples=prepared.dataset.validation,
        test_samples=prepared.dataset.test,
        constant_value=0.1,
        test_hits=pack_hits([chance.random() < share for _ in range(prepared.dataset.test)]),
        places=tuple(Place.at(spec.batch_size, facts) for facts in prepared.networks[spec.template, spec.norm].places),
        environment={**prepared.environment, "threads": 1},
    )


def measure(store: Path, folder: Path, looks: Sequence[str] = tuple(LOOKS)) -> dict[str, Any]:
    """Run commands on a store, each in a process of its own, with what they write in ``folder``.

    Returns:
        By what it does, the command, its exit code, the seconds of a processor that it took (its workers' with it), those that
        passed, and its most memory in MiB.
    """
    with Store(store, writable=False) as opened:
        key, other, *_ = keys = list(opened.statuses())
    found = {}
    for what in looks:
        words = LOOKS[what].format(key=key, other=other, folder=folder, store=store)
        place = "" if words.startswith("merge") else f" --store {shlex.quote(str(store))}"
        found[what] = {"command": LOOKS[what], **_run([*shlex.split(words + place)])}
    return {
        "runs": len(keys),
        "megabytes": round(store.stat().st_size / 1e6),
        "commands": found,
        "environment": describe_environment(),
    }


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    """Run a command, and return what it took."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "normzoo", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "code": process.returncode,
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.monotonic() - began, 1),
        "mebibytes": round(used.ru_maxrss / 1024),
    }
