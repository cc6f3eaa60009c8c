"""Does `normzoo show` show everything that is kept of a run?"""

import math
import shlex
from pathlib import Path

import pytest

from normzoo.experiment.results.records import Place
from normzoo.experiment.results.store import Store

from .in_process import call, cells, fill
from .synthetic import run_record, run_spec

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 3, in [bold]f[/bold]\nValueError: [red]no[/red]\n'
SECTIONS = {
    *("Configuration", "Epochs", "How it went", "Environment"),
    *("Notes", "Places", "Error", "Traceback", "Train it again"),
}


def sections(text: str) -> dict[str, list[list[str]]]:
    """Return the cells of the lines below every title; those above the first below the empty one."""
    found: dict[str, list[list[str]]] = {"": []}
    title = ""
    for line in text.splitlines():
        if line in SECTIONS:
            title = line
            found[title] = []
        else:
            found[title] += cells(line)
    return found


def test_configuration_account_and_environment_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By the names that they have in an export."""
    record = run_record(
        members=5,
        peak_memory_bytes=3 * 2**20,
        environment={"torch": "2.9", "threads": 2, "commit": None},
        notes=("no norm [here]",),
    )
    store = fill(tmp_path / "s.sqlite", record)
    shown = sections(call(capsys, "show", record.spec.key, "--store", store).stdout)
    assert shown[""] == [[f"Run {record.spec.key}: ok"], ["cnn, group, batch size 32, seed 0"]]
    assert ["norm", "group"] in shown["Configuration"]
    assert ["strategy", "stacked"] in shown["Configuration"]
    assert ["clip_norm", "-"] in shown["Configuration"]
    account = dict(shown["How it went"])
    assert (account["members"], account["comparisons"]) == ("5", "1")
    assert account["peak_memory_bytes"] == "3145728 (3 MiB)"
    assert account["started_at"] == "2025-01-01 00:00 UTC"
    assert shown["Environment"] == [["torch", "2.9"], ["threads", "2"], ["commit", "-"]]
    assert shown["Notes"] == [["no norm [here]"]]
    assert "Error" not in shown


def test_where_the_norm_stands_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line for each place; older records have none."""
    maps = Place(where="after the convolutions", kind="maps", channels=32, positions=64, has_norm=True, pooled=128)
    left_out = Place(where="at the end", kind="vectors", channels=8, positions=1, has_norm=False, pooled=None)
    record = run_record(places=(maps, left_out))
    shown = sections(call(capsys, "show", record.spec.key, "--store", fill(tmp_path / "s.sqlite", record)).stdout)
    assert shown["Places"] == [
        ["after the convolutions: maps, channels 32, positions 64, values per statistic 128"],
        ["at the end: vectors, channels 8, no norm"],
    ]
    assert "places" not in dict(shown["How it went"])
    plain = run_record(run_spec(seed=1))
    assert "Places" not in sections(
        call(capsys, "show", plain.spec.key, "--store", fill(tmp_path / "t.sqlite", plain)).stdout
    )


def test_every_epoch_is_a_row_and_every_metric_a_curve(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Losses on one scale, accuracies on another."""
    record = run_record(losses=(1.0, 0.5, 0.1))
    shown = sections(call(capsys, "show", record.spec.key, "--store", fill(tmp_path / "s.sqlite", record)).stdout)
    epochs = shown["Epochs"]
    assert epochs[0] == ["epoch", "train loss", "val loss", "test loss", "val %", "test %", "seconds"]
    assert epochs[1] == ["1", "1.0000", "2.0000", "3.0000", "55.0", "25.0", "0.10"]
    assert epochs[3] == ["3", "0.1000", "0.2000", "0.3000", "65.0", "35.0", "0.10"]
    assert epochs[4:] == [
        ["train loss", "▃▂▁", "0.1 to 3"],
        ["val loss", "▆▃▁"],
        ["test loss", "█▄▁"],
        ["val %", "▆▇█", "25 to 65"],
        ["test %", "▁▂▃"],
    ]


def test_losses_that_are_not_finite_are_shown_as_such(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In the table by name, in the curve by a cross."""
    record = run_record(status="diverged", losses=(2.0, math.inf, math.nan))
    shown = sections(call(capsys, "show", record.spec.key, "--store", fill(tmp_path / "s.sqlite", record)).stdout)
    assert [line[1] for line in shown["Epochs"][1:4]] == ["2.0000", "inf", "nan"]
    assert shown["Epochs"][4][:2] == ["train loss", "▁xx"]


def test_an_error_and_its_traceback_are_shown_to_the_letter(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Brackets are no markup, lines stay lines, and long ones are not broken."""
    error = "ValueError: [red]no[/red] :smile: " + "x" * 100
    record = run_record(status="failed", losses=(), error=error, traceback=TRACEBACK)
    store = fill(tmp_path / "s.sqlite", record)
    outcome = call(capsys, "show", record.spec.key, "--store", store, columns=80)
    assert f"\n  {error}\n" in outcome.stdout
    assert "".join(f"  {line}\n" for line in TRACEBACK.splitlines()) in outcome.stdout
    assert sections(outcome.stdout)["Epochs"] == [["None was finished."]]


def test_the_command_trains_the_runs_cell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In one line, whatever the width, on the data by their path; with what to know of it."""
    spec = run_spec(dataset="npz", seed=3, batch_size=2, lr=0.003125, norm="my.module:Norm", sources={"norm": "abc"})
    record = run_record(spec, environment={"device": "cpu"})
    store = fill(tmp_path / "s.sqlite", record, dataset="npz:my data.npz")
    outcome = call(capsys, "show", spec.key, "--store", store, columns=80)
    (line,) = [line for line in outcome.stdout.splitlines() if "normzoo compare" in line]
    words = shlex.split(line)
    assert words[:4] == ["normzoo", "compare", "--batch-sizes", "2"]
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    assert flags == {
        "--batch-sizes": "2",
        "--norms": "my.module:Norm",
        "--templates": "cnn",
        "--dataset": "npz:my data.npz",
        "--seeds": "1",
        "--first-seed": "3",
        "--strategy": "stacked",
        "--compile": "never",
        "--device": "cpu",
        "--store": "again.sqlite",
    }
    assert "each fold needs a seed" not in outcome.stdout
    assert "only if your code and published networks are unchanged" in outcome.stdout


def test_where_no_command_trains_the_run_none_is_given(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As for a run that another version of normzoo trained."""
    with Store(tmp_path / "s.sqlite") as store:
        store.put("00000000deadbeef", run_record())
    outcome = call(capsys, "show", "0000", "--store", tmp_path / "s.sqlite")
    assert outcome.stdout.startswith("Run 00000000deadbeef: ok\n")
    assert "No command of this normzoo trains exactly this run" in outcome.stdout
    assert "normzoo compare" not in outcome.stdout


def test_what_a_session_alone_knew_has_no_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = fill(tmp_path / "s.sqlite", record := run_record(run_spec(norm="session:Mine")))
    shown = call(capsys, "show", record.spec.key, "--store", store).stdout.partition("Train it again")[2]
    assert "No command can name session:Mine, which normzoo.compare was given in Python" in shown
    assert "normzoo compare" not in shown


def test_keys_are_found_by_their_beginning_or_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What begins more than one names them."""
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        for key in ("0123456789abcdef", "0123456700000000", "fedcba9876543210"):
            store.put(key, run_record())
    assert call(capsys, "show", "FEDC", "--store", path).stdout.startswith("Run fedcba9876543210: ok\n")
    ambiguous = call(capsys, "show", "0123", "--store", path)
    assert ambiguous.code == 2
    assert ambiguous.stderr == (
        f"normzoo: error: store: '{path}' holds 2 runs that begin with '0123' (012345670, 012345678); "
        "type more of the key\n"
    )
    unknown = call(capsys, "show", "1", "--store", path)
    assert unknown.stderr == (f"normzoo: error: store: '{path}' holds no run '1'; `normzoo runs` lists what it holds\n")


def test_an_empty_store_has_nothing_to_show(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The message says what fills it."""
    Store(tmp_path / "s.sqlite").close()
    outcome = call(capsys, "show", "0", "--store", tmp_path / "s.sqlite")
    assert outcome.code == 2
    assert "holds no runs yet; `normzoo compare` trains some" in outcome.stderr
