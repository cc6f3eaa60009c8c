"""Does a comparison show and write what it holds, as tables, frames, files and plots?"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import normzoo
from normzoo.errors import ConfigError, StoreError, UnknownNameError, UsageError
from normzoo.experiment.config.spec import RunSpec

from .in_process import in_process


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> normzoo.Comparison:
    """Two norms at two batch sizes over two epochs, for what only looks at them."""
    store = tmp_path_factory.mktemp("trained") / "normzoo.sqlite"
    return in_process(norms=["batch", "none"], epochs=2, batch_sizes=[64, 128], store=store)


@pytest.mark.slow
def test_frames_hold_runs_epochs_and_the_summary(trained: normzoo.Comparison) -> None:
    """A row for each; numbers as they are recorded, missing ones as missing."""
    summary, runs, epochs = (trained.to_frame(kind) for kind in ("summary", "runs", "epochs"))
    assert (len(summary), len(runs), len(epochs)) == (4, 8, 16)
    assert {"norm", "batch_size", "n", "mean", "low", "high", "vs_reference", "p"} <= set(summary.columns)
    for _, row in summary.iterrows():
        here = runs[(runs["norm"] == row["norm"]) & (runs["batch_size"] == row["batch_size"])]
        assert row["mean"] == pytest.approx(here["test"].mean())
        assert row["low"] < row["mean"] < row["high"]
    assert set(RunSpec.model_fields) - {"sources"} <= set(runs.columns)
    assert {"epoch", "train_loss", "test.accuracy", "seconds"} <= set(epochs.columns)
    with pytest.raises(UsageError, match="expected summary, runs or epochs, got 'run'"):
        trained.to_frame("run")  # type: ignore[arg-type]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("kind", ["summary", "runs", "epochs"])
def test_what_is_in_a_frame_goes_to_a_file(tmp_path: Path, kind: Any, trained: normzoo.Comparison) -> None:
    """By its name as CSV, JSON or Parquet; a name that says no format is refused."""
    frame = trained.to_frame(kind)
    for suffix, read in ((".csv", pd.read_csv), (".json", pd.read_json), (".parquet", pd.read_parquet)):
        trained.export(tmp_path / f"x{suffix}", kind)
        written = read(tmp_path / f"x{suffix}")
        assert list(written.columns) == list(frame.columns)
        assert list(written["norm"]) == list(frame["norm"])
    with pytest.raises(ConfigError, match=r"'x\.txt' does not say its format; end it in \.csv, \.json or \.parquet"):
        trained.export("x.txt", kind)
    with pytest.raises(UsageError, match="expected summary, runs or epochs, got 'run'"):
        trained.export("x.csv", "run")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"'nowhere/x\.csv' cannot be written: it must be a file in a folder"):
        trained.export("nowhere/x.csv", kind)


def test_it_shows_itself(trained: normzoo.Comparison) -> None:
    """Tables for people, HTML for a notebook."""
    assert "batch" in str(trained)
    assert "\n- At batch size 64, " in str(trained)
    assert repr(trained) == "<Comparison on digits: 2 norms, 1 template, 2 batch sizes, 2 seeds; 8 runs>"
    page = trained._repr_html_()
    assert page.startswith("<h1>")
    assert "<table>" in page


@pytest.mark.slow
def test_it_plots_and_writes_itself(tmp_path: Path, trained: normzoo.Comparison) -> None:
    """Markdown for a code host, a page, figures by name."""
    assert isinstance(trained.plot(), Figure)
    assert isinstance(trained.plot("forest"), Figure)
    with pytest.raises(UnknownNameError, match="unknown plot 'forrest'; did you mean 'forest'"):
        trained.plot("forrest")
    written = trained.report(tmp_path / "report.md", html=True)
    assert {path.suffix for path in written} == {".md", ".html", ".svg", ".png"}
    assert all(path.stat().st_size > 0 for path in written)


@pytest.mark.slow
def test_several_comparisons_of_a_store_are_loaded_as_one() -> None:
    """By their numbers, or all there are."""
    first, second = in_process(norms=["batch", "none"]), in_process(norms=["none", "layer"], seeds=1)
    whole = normzoo.Comparison.load(numbers="all")
    assert whole.matrix.norms == ("batch", "none", "layer")
    assert whole.records == {**first.records, **second.records}
    assert normzoo.Comparison.load(numbers=[2, 1]).matrix.norms == ("none", "layer", "batch")
    assert normzoo.Comparison.load(numbers=1).records == first.records
    in_process(norms=["none"], epochs=2)
    with pytest.raises(StoreError, match="epochs is 1 in comparisons 1 and 2, 2 in comparison 3; choose some"):
        normzoo.Comparison.load(numbers="all")


@pytest.mark.slow
def test_a_comparison_prints_what_is_to_know_of_the_data_and_fits_in_eighty_characters() -> None:
    random = np.random.default_rng(0)
    x, y = random.random((80, 5)), np.arange(80) % 2
    comparison = in_process(norms=["batch", "none"], templates="mlp:widths=4", dataset=(x, y, x[:20], y[:20]))
    lines = str(comparison).splitlines()
    assert lines[0].startswith("data: vectors of shape (5,), standardized per feature by mean and standard")
    assert "data: 20 of 20 test samples are also in the training set" in lines
    assert any(line.startswith("mlp:widths=4 on arrays, norms at every hidden layer") for line in lines)
    assert max(map(len, lines)) <= 80
