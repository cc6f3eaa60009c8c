"""Are the cases those that were asked for?"""

import pytest

from normzoo.bench.spec import BenchSpec
from normzoo.cli import main


def test_every_norm_meets_every_size_and_kind_of_input() -> None:
    """By default: six norms, from tiny to large, vectors to volumes and rows, each type, format and mode."""
    cases = BenchSpec().cases()
    assert len(set(cases)) == len(cases)
    assert {case.norm for case in cases} == {"batch", "instance", "layer", "group", "LayerNorm", "RMSNorm"}
    assert {len(case.shape) for case in cases if case.norm == "batch"} == {2, 3, 4, 5}
    assert {len(case.shape) for case in cases if case.norm == "instance"} == {3, 4, 5}
    assert {(case.dtype, case.format) for case in cases} == {
        ("float32", "contiguous"),
        ("float32", "channels_last"),
        ("bfloat16", "contiguous"),
    }
    assert {(case.mode, case.place) for case in cases} == {("train", "plain"), ("eval", "plain"), ("train", "compiled")}
    for norm in {case.norm for case in cases}:
        assert {case.size for case in cases if case.norm == norm} == {"tiny", "small", "medium", "large"}


def test_fewer_can_be_asked_for() -> None:
    """Each field narrows the cases down."""
    spec = BenchSpec.model_validate({"norms": "batch,group", "sizes": "large", "dtypes": "float64", "parts": "plain"})
    assert [str(case) for case in spec.cases()] == [
        "batch 32x64x32x32 float64 train",
        "batch 32x64x32x32 float64 eval",
        "group 32x64x32x32 float64 train",
        "group 32x64x32x32 float64 eval",
    ]
    assert spec.command() == "normzoo bench layers --norms batch,group --sizes large --dtypes float64 --parts plain"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--norms", "batch,bach"], "norms: Input should be 'batch', 'instance', 'layer', 'group', 'LayerNorm'"),
        (["--seconds", "0"], "seconds: Input should be greater than 0"),
        (["--norms", "RMSNorm", "--formats", "channels_last", "--parts", "plain"], "nothing to measure"),
        (["--json", "no-such-folder/speed.json"], "json: 'no-such-folder/speed.json' cannot be written"),
        (["--report", "speed.txt"], "report: 'speed.txt' must be a markdown file, NAME.md"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistaken_requests(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is wrong, and the exit code is 2."""
    assert main(["bench", "layers", *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
