"""Are sequences of different lengths, and texts, compared from end to end?"""

import sys
from pathlib import Path

import numpy as np
import pytest

import normzoo
from normzoo.experiment.executor.in_process import InProcessExecutor

OWN = '''
from torch import nn


class OfMeans(nn.Module):
    """Classifies the mean over the steps that count."""

    def __init__(self, norm, in_channels, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_channels, 8), norm(8), nn.ReLU(), nn.Linear(8, outputs))

    def forward(self, x, mask):
        return self.layers((x * mask.unsqueeze(1)).sum(-1) / mask.sum(-1, keepdim=True))


class Leaky(OfMeans):
    """Says that it finds the ends itself, and does not."""

    def __init__(self, norm, in_channels, outputs, ragged):
        super().__init__(norm, in_channels, outputs)

    def forward(self, x):
        return self.layers(x.mean(-1))
'''


def write_waves(folder: Path) -> Path:
    """Write waves of two channels, 3 to 12 steps long, of two frequencies, as the archives of time series do."""
    random = np.random.default_rng(0)
    for name, cases in (("TRAIN", 42), ("TEST", 30)):
        lines = ["@problemName waves", "@timeStamps false", "@univariate false", "@classLabel true low high", "@data"]
        for case in range(cases):
            label = ("low", "high")[case % 2]
            steps = np.arange(random.integers(3, 13)) * (0.4, 1.5)[case % 2] + random.uniform(0, 6)
            channels = (np.sin(steps), np.cos(steps))
            lines.append(":".join([*(",".join(f"{value:.4f}" for value in each) for each in channels), label]))
        (folder / f"waves_{name}.ts").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "waves_TRAIN.ts"


@pytest.mark.slow
def test_sequences_of_different_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both templates and a network of one's own, by all statistics; the second time nothing is trained."""
    (tmp_path / "own_sequences.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_sequences", raising=False)
    path = write_waves(tmp_path)

    def compare(*templates: str) -> normzoo.Comparison:
        return normzoo.compare(
            templates=templates,
            norms=["batch", "layer"],
            batch_sizes=[6],
            dataset=f"ts:{path}",
            seeds=2,
            epochs=3,
            eval_stats="recalibrated,batch",
            store=tmp_path / "runs.sqlite",
            executor=InProcessExecutor(),
            progress=False,
        )

    templates = ("lstm:hidden=4", "transformer:heads=2,width=8", "own_sequences:OfMeans")
    first = compare(*templates)
    assert {record.status.value for record in first.records.values()} == {"ok"}
    assert max(record.test_value or 0 for record in first.records.values()) > 0.5
    for record in first.records.values():
        assert record.data == (
            "sequences of shape (2, 12), 3 to 12 steps long in training, standardized per channel by mean and standard "
            "deviation of the training samples",
            "classes by their labels: 0 = high, 1 = low",
            "numbers of positions and values are told for the longest sequences",
        )
        assert record.spec.dataset == "ts"
        assert set(record.eval_stats) == ({"recalibrated", "batch"} if record.spec.norm == "batch" else set())
    assert compare(*templates).records == first.records
    (report,) = (each for each in first.report(tmp_path / "report.md") if each.suffix == ".md")
    assert "Samples: sequences of shape (2, 12), 3 to 12 steps long" in report.read_text(encoding="utf-8")
    for template, told in (
        ("own_sequences:Leaky", "steps beyond the end of a sequence are NaN, and they reach its outputs; mask them"),
        ("cnn", "it does not take sequences of shape (2, 12) and of different lengths; use lstm, transformer"),
    ):
        with pytest.raises(normzoo.UsageError) as caught:
            compare(template)
        assert told in str(caught.value)


@pytest.mark.slow
def test_the_next_character_of_a_text(tmp_path: Path) -> None:
    """What is learned follows from the data; the lower perplexity is the better one."""
    (tmp_path / "some.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60, encoding="utf-8")
    comparison = normzoo.compare(
        templates=["lstm:hidden=12", "transformer:heads=2,width=16"],
        norms=["layer", "none"],
        batch_sizes=[4],
        dataset=f"text:{tmp_path / 'some.txt'}:length=16",
        seeds=2,
        epochs=3,
        lr=0.1,
        lr_rule="fixed",
        store=tmp_path / "runs.sqlite",
        executor=InProcessExecutor(),
        progress=False,
    )
    for record in comparison.records.values():
        assert record.spec.task == "next-token"
        assert [metric.name for metric in record.metrics] == ["perplexity", "bits"]
        assert record.test_value is not None
        assert record.constant_value is not None
        assert 1 < record.test_value < record.constant_value
        last = record.epochs[-1].test
        assert last["bits"] == pytest.approx(np.log2(last["perplexity"]), rel=1e-5)
    assert "Test perplexity after 3 epochs (lower is better)" in str(comparison)
