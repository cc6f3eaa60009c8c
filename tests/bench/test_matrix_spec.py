"""Is what is timed that which was asked for?"""

from pathlib import Path
from typing import get_args

import pytest

from benchmarks.matrix.command import main
from benchmarks.matrix.spec import MatrixBenchSpec, Norm, Template
from normzoo.experiment.config.spec import MatrixSpec


def test_the_defaults_are_those_of_compare() -> None:
    """What is timed by default is what ``normzoo compare`` does by default."""
    assert MatrixBenchSpec().matrix() == MatrixSpec()
    assert MatrixBenchSpec().command() == "python -m benchmarks.matrix"


def test_the_peers_know_all_that_compare_does_by_default() -> None:
    """A norm or template that is new in the default must get a peer, too."""
    assert set(MatrixSpec().norms) <= set(get_args(Norm))
    assert set(MatrixSpec().templates) <= set(get_args(Template))


def test_a_cell_is_a_template_at_a_batch_size() -> None:
    """They come in the order of the tables; every way is timed in each, and the whole once per round."""
    spec = MatrixBenchSpec.model_validate({"templates": "lstm,cnn", "batch_sizes": "32,2", "rounds": 2})
    cells = ["lstm, batch size 2", "lstm, batch size 32", "cnn, batch size 2", "cnn, batch size 32"]
    assert [str(cell) for cell in spec.cells()] == cells
    assert spec.steps() == 2 * (4 * 4 + 1)
    alone = MatrixBenchSpec.model_validate({"templates": "cnn", "batch_sizes": 2, "ways": "bare,normzoo,bare"})
    assert alone.ways == ("bare", "normzoo")
    assert alone.peers() == ("bare",)
    assert alone.steps() == 2


def test_the_command_measures_the_same_again() -> None:
    """It names what is not the default, in words that a shell reads back."""
    spec = MatrixBenchSpec.model_validate({"norms": "batch,none", "peer_seeds": 2, "data_root": Path("my data")})
    assert spec.command() == "python -m benchmarks.matrix --norms batch,none --data-root 'my data' --peer-seeds 2"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--norms", "batch,bach"], "norms: Input should be 'batch', 'layer', 'instance', 'group' or 'none'"),
        (["--norms", "batch,batch"], "norms: norm 'batch' is the same as 'batch'"),
        (["--batch-sizes", "0"], "batch_sizes: Input should be greater than or equal to 1"),
        (["--dataset", "digit"], "dataset: unknown dataset 'digit'; did you mean 'digits'?"),
        (["--ways", "bare"], "ways: normzoo must be among them, since the others' times are multiples of its"),
        (["--peer-seeds", "9"], "peer_seeds: at most the 8 seeds of the comparison, got 9"),
        (["--json", "no-such-folder/speed.json"], "json: 'no-such-folder/speed.json' cannot be written"),
        (["--report", "speed.txt"], "report: 'speed.txt' must be a markdown file, NAME.md"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistaken_requests(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is wrong, and the exit code is 2."""
    assert main(flags) == 2
    error = capsys.readouterr().err
    assert f"error: {message}" in error
    assert error.count("\n") == 1
