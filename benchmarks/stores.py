"""``python -m benchmarks.stores``: what commands take on a store of so many runs: seconds of a processor, and memory.

The store holds comparisons of 10,020 runs each on digits. Nothing is trained for it: its records are made up, but for
what a worker finds out of the data and the networks, so that the first comparison can be repeated.
"""

import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import arguments, check_record, write_record
from normzoo.experiment.comparison import plan_comparison
from normzoo.experiment.config.environment import describe_environment
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.planning.facts import Prepared
from normzoo.experiment.results.records import EpochRecord, Place, RunRecord, Status, pack_hits
from normzoo.experiment.results.store import Store

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
    """Make a store of comparisons, each of further seeds, with a record for each of their runs."""
    execution = Execution(store=path, device="cpu", jobs=1)
    with Store(path) as store, LocalExecutor(execution) as executor:
        for number in range(comparisons):
            asked = matrix.model_copy(update={"first_seed": number * matrix.seeds})
            configuration = Configuration(asked, execution)
            plan = plan_comparison(configuration, store, executor, recalls=True)
            with store.transaction():
                for run in plan.runs:
                    store.add(made_up(run, plan.prepared))
                keys = [run.key for run in plan.runs]
                store.add_comparison(f"normzoo {COMMAND}", replace(configuration, matrix=plan.matrix), keys)


def made_up(spec: RunSpec, prepared: Prepared) -> RunRecord:
    """Return a record of a run as training would leave it behind, the same each time."""
    chance = random.Random(spec.key)  # noqa: S311
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
        By what it does, the command, its exit code, the seconds of a processor that it and its workers took, those that
        passed, and the most memory of one of its processes in MiB.
    """
    with Store(store, writable=False) as opened:
        key, other, *_ = keys = list(opened.statuses())
    found = {}
    for what in looks:
        words = shlex.split(LOOKS[what].format(key=key, other=other, folder=folder, store=store))
        found[what] = {"command": LOOKS[what], **_run([*words, *([] if "merge" in words else ["--store", str(store)])])}
    return {
        "runs": len(keys),
        "megabytes": round(store.stat().st_size / 1e6),
        "commands": found,
        "environment": describe_environment(),
    }


def _run(words: Sequence[str]) -> dict[str, Any]:
    began = time.monotonic()
    command = [sys.executable, "-m", "normzoo", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "code": process.returncode,
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.monotonic() - began, 1),
        "mebibytes": round(used.ru_maxrss / 1024),
    }


def to_markdown(measured: dict[str, Any]) -> str:
    """Write what was measured as a page."""
    names = {"folder": "out", "store": "store.sqlite", "key": "KEY", "other": "OTHER"}
    rows = [
        f"| {what} | `normzoo {each['command'].format(**names)}` | {each['cpu']:.1f} | {each['mebibytes']} |"
        for what, each in measured["commands"].items()
    ]
    failed = [what for what, each in measured["commands"].items() if each["code"]]
    return "\n".join(
        [
            f"# What do commands take on a store of {measured['runs']:,} runs?",
            "",
            f"It has {measured['megabytes']} MB, and {COMPARISONS} comparisons. Seconds of a processor, of the command "
            "with its workers, and the most memory of one of its processes, in MiB; the doctor's is of one that loads "
            "torch.",
            *(["", f"Not carried out: {', '.join(failed)}."] if failed else []),
            "",
            "| what | command | s | MiB |",
            "| :-- | :-- | --: | --: |",
            *rows,
            "",
            "`python -m benchmarks.stores reports/stores` measures it again: "
            + ", ".join(f"{name} {value}" for name, value in measured["environment"].items())
            + ".",
            "",
        ]
    )


def main() -> None:
    """Make the store, measure all commands, and write what was found to PATH.json and PATH.md."""
    (path,), force = arguments("PATH")
    check_record(Path(path), force=force)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.sqlite"
        make_store(store)
        measured = measure(store, Path(folder))
    write_record("stores", Path(path), measured, to_markdown(measured), force=force)


if __name__ == "__main__":
    main()
