"""Does ``normzoo explain`` show what was asked for, write it, and refuse what it cannot do in one line?"""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from normzoo.cli import main
from normzoo.registry import NORMS

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Eighty columns without colours, in a folder of its own."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", NORMS)
def test_every_norm_is_explained(name: str, capsys: Capture) -> None:
    """On the shape that is taken unless one is given, in 80 columns."""
    for flags, headings in (
        ([], ("formula", "fits", "fits less", "in Python", "to compare", "all of it")),
        (["--details"], ("formula", "parameters", "training", "inference", "cost", "fits", "fits less", "paper")),
    ):
        assert main(["explain", name, *flags]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert out.startswith(f"{name} on shape (4, 8, 2, 2)")
        assert max(map(len, out.splitlines())) <= 80
        assert len(out.splitlines()) < 24 or flags
        for heading in headings:
            assert any(line.startswith(heading) for line in out.splitlines()), heading


def test_ones_own_is_explained_by_trying_it(tmp_path: Path, capsys: Capture) -> None:
    """From a file of the current folder: its pools, parameters and state, and what it says of itself."""
    (tmp_path / "norm_to_explain.py").write_text(
        'from torch import nn\nclass Mine(nn.BatchNorm1d):\n    """Do as batch norm does."""\n'
    )
    assert main(["explain", "norm_to_explain:Mine", "--shape", "4,3", "--svg", "mine.svg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["norm_to_explain:Mine on shape (4, 3)", "Do as batch norm does."]
    assert "pools       3 pools of 4 values each, one for each of 3 channels." in lines
    assert "to compare  normzoo compare --norms norm_to_explain:Mine,none" in lines
    assert (tmp_path / "mine.svg").exists()


@pytest.mark.slow
def test_a_family_is_explained(capsys: Capture) -> None:
    """One after the other, with a blank line between them."""
    assert main(["explain", "family:uncentered,none"]) == 0
    assert "\n\nnone on shape (4, 8, 2, 2)\n" in capsys.readouterr().out


def test_the_picture_is_that_of_the_shape(capsys: Capture) -> None:
    """Two samples of four channels, in two groups."""
    assert main(["explain", "group:groups=2", "--shape", "2,4,2"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["n0", *"AAAABBBB"] in lines
    assert ["n1", *"CCCCDDDD"] in lines


@pytest.mark.slow_but_one
@pytest.mark.parametrize("words", [["batch,group:groups=4,eps=1e-3"], ["batch", "group:groups=4,eps=1e-3"]], ids=len)
def test_several_are_explained(words: list[str], capsys: Capture) -> None:
    """With commas or blanks between them; an option after a comma belongs to its norm."""
    assert main(["explain", *words, "--details"]) == 0
    out = capsys.readouterr().out
    assert out.count("batch on shape (4, 8, 2, 2)") == 2
    assert out.count("group:eps=0.001,groups=4 on shape (4, 8, 2, 2)") == 2


def test_shapes_are_read_as_torch_prints_them(capsys: Capture) -> None:
    """With parentheses and blanks."""
    assert main(["explain", "layer", "--shape", "(2, 3, 4)"]) == 0
    assert capsys.readouterr().out.startswith("layer on shape (2, 3, 4)")


def test_a_large_input_is_cut_and_it_is_said(capsys: Capture) -> None:
    """Of all that is left out, how much is shown."""
    assert main(["explain", "batch", "--shape", "32,64,32,32", "--details"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "Shown are 7 of 32 samples, 8 of 64 channels, 2 x 2 of 32 x 32 positions" in words


def test_the_picture_is_written(tmp_path: Path, capsys: Capture) -> None:
    """As a file that is the same each time, at any width, over one of the same name."""
    contents = set()
    for _ in range(2):
        assert main(["explain", "batch", "none", "--svg", "pools.svg"]) == 0
        assert capsys.readouterr().out.endswith("\nwritten: pools.svg\n")
        contents.add((tmp_path / "pools.svg").read_bytes())
    (content,) = contents
    assert ET.fromstring(content.decode()).tag.endswith("svg")  # noqa: S314  # drawn by ourselves
    assert [path.name for path in tmp_path.iterdir()] == ["pools.svg"]


def test_the_file_does_not_depend_on_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Though the terminal shows more where it is wider."""
    shown, written = [], []
    for columns in ("80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(["explain", "batch", "--shape", "2,64,2,2", "--svg", "pools.svg"]) == 0
        shown.append(capsys.readouterr().out)
        written.append((tmp_path / "pools.svg").read_bytes())
    assert shown[0] != shown[1]
    assert written[0] == written[1]


REFUSED = {
    "nothing": ([], "explain: name a norm, as in `normzoo explain batch` (known: batch, ghost,"),
    "unknown": (["bach"], "unknown norm 'bach'; did you mean 'batch'?"),
    "own": (["own_norms_nowhere:Mine"], "cannot import 'own_norms_nowhere'"),
    "family": (["family:pool"], "unknown family of norms 'pool'; did you mean 'pools'?"),
    "groups": (["group:groups=3"], "groups must divide channels, got channels=8, groups=3; use groups=2 or 9 channels"),
    "groups-of-six": (["group", "--shape", "4,6,2,2"], "channels=6, groups=8; use groups=6 or 8 channels"),
    "option": (["layer:momentum=0.1"], "it has no option 'momentum' (it takes: eps, affine, "),
    "vectors": (["instance", "--shape", "4,8"], "a mean and variance need more than one value"),
    "shape-short": (["batch", "--shape", "4"], "--shape: must be N,C or N,C,L or"),
    "shape-long": (["batch", "--shape", "1,2,3,4,5,6"], "got '1,2,3,4,5,6'; use for example --shape 4,8,2,2"),
    "shape-zero": (["batch", "--shape", "4,0,2,2"], "whole numbers from 1 to 1000000, got '4,0,2,2'"),
    "shape-text": (["batch", "--shape", "4,8,x"], "got '4,8,x'"),
    "shape-huge": (["batch", "--shape", "4,8,1000001"], "whole numbers from 1 to 1000000"),
    "svg-nowhere": (
        ["batch", "--svg", "missing/a.svg"],
        "--svg: 'missing/a.svg' cannot be written: it must be a file in a folder that is there",
    ),
    "svg-suffix": (["batch", "--svg", "a.png"], "--svg: 'a.png' must be an SVG file, NAME.svg"),
    "svg-folder": (["batch", "--svg", "."], "--svg: '.' must be an SVG file"),
    "flag": (["batch", "--shapes", "4,8"], "Unknown option: --shapes. Did you mean --shape?"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str, tmp_path: Path, capsys: Capture) -> None:
    """Exit code 2, one line on stderr, nothing on stdout, and no file."""
    arguments, message = REFUSED[name]
    assert main(["explain", *arguments]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith("normzoo: error: ")
    assert message in line
    assert out == ""
    assert not any(tmp_path.iterdir())
