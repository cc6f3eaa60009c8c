"""Does the benchmark of large stores make such a store, and say what commands take? And who writes its files?"""

import json
import re
import sys
from pathlib import Path

import pytest

from benchmarks import check_record, convert, inference, stores, write_record
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.store import Store
from normzoo.outputs import marked

RECORD = Path(__file__).parents[2] / "reports" / "stores"
SMALL = MatrixSpec(templates="mlp:widths=8", norms="batch,none", batch_sizes="2", seeds=2)


@pytest.mark.slow
def test_a_store_is_made_and_commands_on_it_are_measured(tmp_path: Path) -> None:
    """Two comparisons of four runs, with other seeds."""
    stores.make_store(tmp_path / "s.sqlite", 2, SMALL)
    with Store(tmp_path / "s.sqlite", writable=False) as store:
        assert [each.matrix.first_seed for each in store.comparisons()] == [0, 2]
    measured = stores.measure(tmp_path / "s.sqlite", tmp_path, ["all runs"])
    assert measured["runs"] == 8
    (found,) = measured["commands"].values()
    assert (found["code"], found["cpu"] > 0, found["mebibytes"] > 10) == (0, True, True)
    assert "| all runs | `normzoo runs --limit 100000` |" in stores.to_markdown(measured)


def test_the_page_is_what_was_measured() -> None:
    """By code of the repository, of all commands, each of which was carried out; what was aimed at is reached."""
    measured = json.loads(RECORD.with_suffix(".json").read_text(encoding="utf-8"))
    assert RECORD.with_suffix(".md").read_bytes() == marked(stores.to_markdown(measured), ".md")
    assert measured["commands"].keys() == stores.LOOKS.keys()
    assert {each["code"] for each in measured["commands"].values()} == {0}
    assert not measured["environment"]["commit"].endswith("-dirty")
    assert measured["runs"] >= 100_000
    assert measured["commands"]["all runs"]["mebibytes"] < 500


def test_the_figures_of_the_page_on_machines_are_those_of_the_record() -> None:
    """Seconds and memory of a command, row by row."""
    commands = json.loads(RECORD.with_suffix(".json").read_text(encoding="utf-8"))["commands"].values()
    text = (RECORD.parents[1] / "docs" / "machines.md").read_text(encoding="utf-8")
    section = text.partition("## Large stores\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| .* \| ([\d.]+) \| ([\d,]+) \|$", section, re.MULTILINE)
    assert len(rows) > 5
    assert set(rows) <= {(f"{each['cpu']:.1f}", f"{each['mebibytes']:,}") for each in commands}


def test_a_record_is_written_again_and_nothing_else_is(tmp_path: Path) -> None:
    """Unless that is asked for."""
    for _ in range(2):
        write_record("stores", tmp_path / "a", {"runs": 1}, "# A page\n", force=False)
    check_record(tmp_path / "a", force=False)
    assert json.loads((tmp_path / "a.json").read_text()) == {"benchmark": "stores", "runs": 1}
    for suffix in (".json", ".md"):
        (tmp_path / f"b{suffix}").write_text("notes")
        with pytest.raises(SystemExit, match=r"^error: PATH: '.*' is there and was not written by normzoo"):
            check_record(tmp_path / "b", force=False)
        check_record(tmp_path / "b", force=True)
        (tmp_path / f"b{suffix}").unlink()


@pytest.mark.parametrize("name", ["convert", "inference", "stores"])
def test_nothing_is_measured_for_a_file_that_must_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Nor where words lack, or where somebody asks what it does."""
    (tmp_path / "notes.md").write_text("notes")
    module = {"convert": convert, "inference": inference, "stores": stores}[name]
    monkeypatch.setattr(module, "measure", lambda *_: pytest.fail("it measures"))
    count = ["600"] if name == "inference" else []
    monkeypatch.setattr(sys, "argv", [name, *count, str(tmp_path / "notes")])
    with pytest.raises(SystemExit, match="was not written by normzoo"):
        module.main()
    for words, code in (([], 2), (["--help"], 0)):
        monkeypatch.setattr(sys, "argv", [name, *words])
        with pytest.raises(SystemExit, match=f"^{code}$"):
            module.main()
    shown = capsys.readouterr()
    assert "PATH" in shown.err.splitlines()[-1]
    assert "overwrite what no benchmark wrote" in shown.out
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]
