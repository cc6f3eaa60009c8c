"""Is data that is read as it is trained on the same data, and is it noticed where it is not?"""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import normzoo.memory
from normzoo.data import Dataset, load_dataset
from normzoo.errors import DataError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.results.records import RunRecord
from normzoo.experiment.worker import memory
from normzoo.experiment.worker.memory import resident_limit
from normzoo.experiment.worker.messages import Checked, Message, Prepare, Rejected, TaskDone, TimeSteps, Train, Trying
from normzoo.experiment.worker.serve import Server
from normzoo.experiment.worker.time_steps import time_steps
from normzoo.experiment.worker.train import train_group

from .conftest import ignore, tiny_spec

LSTM = "lstm:hidden=4"


def write(path: Path, *, ragged: bool = False, seed: int = 0) -> str:
    """Write 60 training samples and 20 test samples, images or sequences, and return the dataset's name."""
    random = np.random.default_rng(seed)
    shape = (80, 9, 3) if ragged else (80, 8, 8, 1)
    labels = np.arange(80) % 3
    values = random.standard_normal(shape) + 0.3 * labels.reshape(80, *(1 for _ in shape[1:]))
    arrays = {"x": values, "y": labels, **({"lengths": random.integers(1, 10, 80)} if ragged else {})}
    splits = {"train": slice(60), "test": slice(60, None)}
    named: dict[str, Any] = {f"{name}_{split}": arrays[name][cut] for name in arrays for split, cut in splits.items()}
    np.savez(path, **named)
    return f"npz:{path}"


def trained(specs: Sequence[RunSpec], dataset: Dataset, device: str = "cpu", **heard: Any) -> list[dict[str, Any]]:
    """Train runs, and return what their records say but for the time and the memory that it took."""
    records: list[RunRecord] = []
    train_group(
        specs, dataset, device, **{"on_start": ignore, "on_epoch": ignore, "on_record": records.append, **heard}
    )
    timed = {"started_at", "seconds", "samples_per_second", "peak_memory_bytes"}
    return [
        record.model_dump(exclude={**dict.fromkeys(timed, True), "epochs": {"__all__": {"seconds"}}})
        for record in records
    ]


RUNS: dict[str, list[RunSpec]] = {
    "side by side, augmented": [
        tiny_spec(norm="batch", strategy="stacked", batch_size=8, epochs=2, seed=seed, augment=("flip", "crop:2"))
        for seed in (0, 1)
    ],
    "evaluated by other statistics": [
        tiny_spec(norm="batch", batch_size=8, further_eval_stats=("recalibrated", "batch"))
    ],
    "sequences": [tiny_spec(template=LSTM, norm="layer", batch_size=8, strategy="stacked")],
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("runs", RUNS)
def test_a_run_on_stored_data_is_that_on_resident_data_to_the_digit(
    runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses, metrics, which samples are right, and what is said of the data."""
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES", 1)  # so that a step is a block, and there are many
    dataset = write(tmp_path / "mine.npz", ragged=runs == "sequences")
    stored = load_dataset(dataset, resident_bytes=0)
    assert stored.is_stored
    records = trained(RUNS[runs], stored)
    assert [record["status"] for record in records] == ["ok"] * len(records)
    assert records == trained(RUNS[runs], load_dataset(dataset))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("runs", RUNS)
def test_a_run_on_stored_data_is_that_on_resident_data_on_the_gpu(runs: str, tmp_path: Path) -> None:
    """But for rounding, as sums on a GPU may be in another order each time; the samples are the same to the bit."""
    dataset = write(tmp_path / "mine.npz", ragged=runs == "sequences")
    stored, resident = (load_dataset(dataset, resident_bytes=limit).to("cuda") for limit in (0, None))
    for one, other in zip(trained(RUNS[runs], stored, "cuda"), trained(RUNS[runs], resident, "cuda"), strict=True):
        assert one["status"] == "ok"
        losses = [[epoch["train_loss"] for epoch in record["epochs"]] for record in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_steps_on_stored_data_are_timed(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path / "mine.npz"), resident_bytes=0)
    (timing,) = time_steps([((tiny_spec(batch_size=8),), "key")], dataset, "cpu")
    assert timing.seconds_per_step is not None, timing.reason


def waiting() -> list[str]:
    """Return the threads that prepare samples."""
    return [each.name for each in threading.enumerate() if each.name.startswith("normzoo-inputs")]


def test_a_file_that_is_cut_short_while_it_is_trained_on_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and is no result of the run, which can be trained again; no thread stays behind."""
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES", 1)
    path, epochs = tmp_path / "mine.npz", []
    dataset = load_dataset(write(path), resident_bytes=0)

    def cut_short(*epoch: Any) -> None:
        epochs.append(epoch)
        os.truncate(path, 300)

    with pytest.raises(DataError) as caught:
        trained([tiny_spec(batch_size=8, epochs=3)], dataset, on_epoch=cut_short)
    assert str(caught.value) == (
        f"npz '{path}': the file was changed while it was read; start again once it is complete"
    )
    assert len(epochs) == 1
    assert waiting() == []


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_no_thread_stays_behind_a_training_that_ends_in_the_middle_of_an_epoch(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES", 1)
    dataset, seen = load_dataset(write(tmp_path / "mine.npz"), resident_bytes=0), []

    def ends(*_: Any) -> None:
        seen.extend(waiting())
        raise error

    monkeypatch.setattr("normzoo.templates.MemberModule.training_step", ends)
    assert trained([tiny_spec(batch_size=8)], dataset)[0]["status"] == "failed"
    assert len(seen) == 1
    assert waiting() == []


def tell(server: Server, told: list[Message], task: Any) -> list[Message]:
    told.clear()
    server.carry_out(task)
    return [message for message in told if not isinstance(message, Trying)]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("kind", [Train, TimeSteps])
def test_data_that_is_replaced_after_planning_is_refused(kind: type, folds: int, tmp_path: Path) -> None:
    """By each worker that loads it by itself; it does not train the runs of one dataset on another."""
    dataset = write(tmp_path / "mine.npz")
    planned = load_dataset(dataset, folds=folds).checksum
    run = tiny_spec(dataset=dataset, dataset_checksum=planned, batch_size=8, folds=folds, seed=1)
    what = {"runs": (run,)} if kind is Train else {"groups": (((run,), "key"),)}
    task = kind(
        dataset=dataset, task="classification", execution=Execution(device="cpu"), device="cpu", threads=1, **what
    )
    told: list[Message] = []
    assert not any(isinstance(each, Rejected) for each in tell(Server(told.append), told, task))
    write(tmp_path / "mine.npz", seed=1)
    assert tell(Server(told.append), told, task) == [
        Rejected(
            f"dataset '{dataset}' is another one than when this was planned (checksum "
            f"{load_dataset(dataset, folds=folds).checksum}, planned with {planned}); once it stays as it is, give the "
            "same command again"
        ),
        TaskDone(),
    ]


@pytest.mark.slow
def test_where_data_does_not_fit_is_said_before_it_is_trained_on(tmp_path: Path) -> None:
    """And it is trained on as it was prepared."""
    matrix = MatrixSpec(dataset=write(tmp_path / "mine.npz"), templates=("cnn:hidden=4,widths=4",), norms=("none",))
    told: list[Message] = []
    server = Server(told.append)
    notes = {}
    for size in ("1kB", "1GB"):
        checked, _ = tell(server, told, Prepare(matrix, Execution(device="cpu", resident_memory=size)))
        assert isinstance(checked, Checked)
        notes[size] = checked.prepared.dataset.notes
    assert notes == {
        "1kB": (
            "as tensors it takes more than the 1.0KB that a worker keeps (--resident-memory), so it is read as it is "
            "trained on, with the same results",
        ),
        "1GB": (),
    }


@pytest.mark.parametrize(("jobs", "expected"), [(1, 500_000), (4, 125_000)])
def test_workers_share_half_of_the_memory_that_is_free(
    jobs: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_free_bytes", lambda _: 1_000_000)
    assert resident_limit(Execution(jobs=jobs), "cpu") == expected


def test_what_may_be_resident_can_be_said() -> None:
    assert resident_limit(Execution(resident_memory="2GB"), "cpu") == 2_000_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="free memory is told as Linux does it")
def test_free_memory_is_some_of_the_memory_that_there_is() -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 2**20 < memory._free_bytes("cpu") <= whole


def limit_group(folder: Path, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have control groups in a folder, and this process in one of them."""
    (folder / "cgroup").write_text(f"4:memory:/other\n0::{own}\n")
    monkeypatch.setattr(normzoo.memory, "_CGROUPS", folder)
    monkeypatch.setattr(normzoo.memory, "_OWN_CGROUP", folder / "cgroup")


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free on the machine is not all free to what runs in one."""
    limit_group(tmp_path, "/", monkeypatch)
    (tmp_path / "memory.current").write_text("2000000\n")
    (tmp_path / "memory.max").write_text("5000000\n")
    assert memory._free_bytes("cpu") == 3_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._free_bytes("cpu") > 3_000_000


@pytest.mark.parametrize("limited", ["system.slice", "system.slice/job_7", "system.slice/job_7/step_0"])
def test_the_limit_of_a_job_counts_wherever_it_is_set(
    limited: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the groups that a process is in, a scheduler limits one or several; others' limits are none of its."""
    limit_group(tmp_path, "/system.slice/job_7/step_0", monkeypatch)
    (tmp_path / "system.slice/job_7/step_0").mkdir(parents=True)
    (tmp_path / "system.slice/job_8").mkdir()
    for folder, limit in ((limited, 5_000_000), ("system.slice/job_8", 3_000_000)):
        (tmp_path / folder / "memory.current").write_text("2000000\n")
        (tmp_path / folder / "memory.max").write_text(f"{limit}\n")
    assert memory._free_bytes("cpu") == 3_000_000
    assert normzoo.memory.total_bytes() == 5_000_000
