"""Is the LSTM's benchmark fair, and does its command work?"""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch

from normzoo.bench import measure_lstm as measuring
from normzoo.bench import worker
from normzoo.bench.lstm import LstmBench, LstmBenchSpec, aims, table, to_markdown
from normzoo.bench.spec import Timing
from normzoo.cli import bench as command
from normzoo.cli import main
from normzoo.layers import LSTM

SMALL: dict[str, Any] = {"steps": 3, "batch_size": 4, "inputs": 5, "hidden": 6, "seconds": 0.01}


def bench_of(**medians: float) -> LstmBench:
    timings = {name: Timing(median=each, lower=each, upper=each) for name, each in medians.items()}
    environment = {"device": "cpu", "cpu": "a CPU", "threads": 2, "torch": "2.14", "commit": "1234567"}
    return LstmBench(spec=LstmBenchSpec(), environment=environment, timings=timings, rounds=20)


TIMES = {"torch.nn": 0.01, "loop": 0.06, "auto": 0.02, "eager": 0.03, "products": 0.005}


@pytest.mark.slow
def test_contenders_are_timed_by_turns() -> None:
    """Each as often, after ours and the loop have been found to agree; with layer norm the whole command does so."""
    timings, rounds = measuring.measure_lstm(
        LstmBenchSpec.model_validate({**SMALL, "norm": "batch"}), torch.device("cpu")
    )
    assert set(timings) == set(TIMES)
    assert rounds >= measuring.MIN_ROUNDS
    assert all(0 < each.lower <= each.median <= each.upper for each in timings.values())


def test_what_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(LSTM):
        def forward(self, *arguments: Any) -> Any:
            y, last = super().forward(*arguments)
            assert isinstance(y, torch.Tensor)
            return y * 1.01, last

    monkeypatch.setattr(measuring, "LSTM", Wrong)
    with pytest.raises(RuntimeError, match="ours is off by "):
        measuring.measure_lstm(LstmBenchSpec.model_validate(SMALL), torch.device("cpu"))


def test_the_table_shows_ratios_of_medians() -> None:
    """To torch.nn's LSTM, and of the loop; aims say whether they are reached."""
    bench = bench_of(**TIMES)
    assert table(bench).rows[2] == ("normzoo.layers.LSTM, backend auto", "20.0", "2.00", "3.00")
    assert [aim.reached for aim in aims(bench)] == [True, True]
    assert [aim.reached for aim in aims(bench_of(**{**TIMES, "auto": 0.03}))] == [False, False]
    text = to_markdown(bench, name="lstm", notes="A note.")
    assert "normzoo bench lstm --report lstm.md" in text
    assert "A note." in text


def test_what_was_measured_is_kept_even_if_the_table_cannot_be_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As into a pipe that nobody reads any more."""

    def closed() -> NoReturn:
        raise BrokenPipeError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "run_lstm_bench", lambda _: bench_of(**TIMES))
    monkeypatch.setattr(command, "stdout_console", closed)
    main(["bench", "lstm", "--report", "lstm.md"])
    assert LstmBench.model_validate_json(Path("lstm.json").read_text()) == bench_of(**TIMES)


@pytest.mark.slow
def test_the_command_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints a table of 80 columns and writes JSON and a report.

    It measures here. That a process which measures is started and heard, the test below asks.
    """

    def run(command: list[str], *, input: str, **_: object) -> subprocess.CompletedProcess[str]:  # noqa: A002
        worker.time_lstm(input)
        return subprocess.CompletedProcess(command, 0, *capsys.readouterr())

    monkeypatch.setattr("normzoo.bench.lstm.subprocess", SimpleNamespace(run=run))  # torch's own runs others
    monkeypatch.chdir(tmp_path)
    flags = "--steps 2 --batch-size 4 --inputs 5 --hidden 6 --seconds 0.01 --threads 1"
    assert main(["bench", "lstm", *flags.split(), "--report", "lstm.md"]) == 0
    printed = capsys.readouterr().out
    assert "LSTM with layer norm: 2 steps of 4 x 5, 6 units" in printed
    assert max(map(len, printed.splitlines())) <= 80
    bench = LstmBench.model_validate_json(Path("lstm.json").read_text())
    assert (bench.environment["threads"], set(bench.timings)) == (1, set(TIMES))


@pytest.mark.slow
def test_what_cannot_be_measured_is_refused_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings at once, and a device that is not there by what the process that measures says."""
    assert main(["bench", "lstm", "--steps", "0"]) == 2
    assert "steps" in capsys.readouterr().err
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert main(["bench", "lstm", "--device", "cuda"]) == 2
    assert "device: cuda was asked for, and torch finds no CUDA device" in capsys.readouterr().err
