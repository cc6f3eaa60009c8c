"""Does a report hold what the store holds?"""

from pathlib import Path

from .growth import Growth

PNG = b"\x89PNG\r\n\x1a\n"


def check_report(path: Path, *words: str) -> str:
    """Return a report that has its plot beside it and holds these words."""
    text = path.read_text(encoding="utf-8")
    assert path.with_suffix(".png").read_bytes().startswith(PNG)
    assert f"({path.with_suffix('.png').name})" in text
    for word in words:
        assert word in text, word
    return text


def test_compare_writes_a_report_with_its_plot_when_asked(growth: Growth) -> None:
    """In a folder that it makes, and it says where; without being asked it writes none."""
    path = Path("reports") / "digits.md"
    check_report(
        growth.folder / path,
        "cnn on digits",
        "lstm on digits",
        "normzoo compare --batch-sizes 64 --norms none,batch --seeds 2",
    )
    assert growth.seeds.outcome.stdout.endswith(f"written: {path}, {path.with_suffix('.png')}\n")
    assert "written" not in growth.first.outcome.stdout


def test_report_writes_the_latest_comparison(growth: Growth) -> None:
    """From the store alone, after the fact."""
    assert growth.latest.code == 0
    assert growth.latest.stdout == "written: latest.md, latest.png\n"
    assert growth.latest.stderr == ""
    text = check_report(growth.folder / "latest.md", "cnn on digits", "--templates cnn")
    assert "--rerun" not in text  # it is to be trained anew anyway, by whoever reads it
    assert "lstm on digits" not in text


def test_report_writes_an_earlier_one_by_its_number(growth: Growth) -> None:
    """As it was asked for then; missing folders are made."""
    assert growth.earliest.code == 0
    text = check_report(growth.folder / "made" / "for" / "it" / "earliest.md", "cnn on digits", "lstm on digits")
    assert "layer" not in text.partition("Recorded")[0]


def test_a_comparison_that_is_not_there_is_refused(growth: Growth) -> None:
    """The message says which there are."""
    assert growth.absent.code == 2
    assert growth.absent.stdout == ""
    message = "normzoo: error: store: 'normzoo.sqlite' holds no comparison 99; it holds 1 to 4\n"
    assert growth.absent.stderr == message
    assert not (growth.folder / "absent.md").exists()
