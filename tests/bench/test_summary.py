"""Do the tables say what was measured?"""

import re

import pytest

from normzoo.bench.spec import Bench
from normzoo.bench.summary import TableData, aims, bandwidth_share, details, geometric_mean, ratio, tables, to_markdown
from normzoo.cli import bench as command
from normzoo.cli import main

from .sample import bench, measurement


def rows(table: TableData) -> dict[str, dict[str, str]]:
    """Return the cells by row and column."""
    return {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}


def test_a_ratio_is_a_multiple_of_torchs_time() -> None:
    """Half the time is 0.5."""
    assert ratio(measurement(auto=50), "auto") == pytest.approx(0.5)


def test_geometric_means() -> None:
    """Twice as fast and twice as slow cancel out; nothing has no mean."""
    assert geometric_mean([0.5, 2.0, 1.0]) == pytest.approx(1.0)
    assert geometric_mean([]) is None


def test_the_first_table_has_a_row_per_norm_and_one_for_all() -> None:
    """Each norm's means are over its shapes; other types, formats and places do not enter."""
    measured = bench(
        measurement(auto=40, eager=100, saved=100),
        measurement(auto=90, eager=400, shape=(8, 8), saved=150),
        measurement(auto=1, eager=1, dtype="bfloat16"),
        measurement(auto=1, eager=1, format="channels_last"),
        measurement(auto=20, mode="eval"),
        measurement(auto=70, place="compiled"),
        measurement(auto=60, norm="group"),
    )
    found = rows(tables(measured)[0])
    assert list(found) == ["batch", "group", "all"]
    expected = {
        "train": "0.60",
        "worst": "0.90",
        "eager": "2.00",
        "eval": "0.20",
        "in compile": "0.70",
        "saved": "0.75",
    }
    assert found["batch"] == {"norm": "batch", **expected}
    assert found["group"]["eval"] == ""
    assert found["all"]["train"] == "0.60"


def test_types_and_formats_have_a_table_where_there_are_several() -> None:
    """One row for each, over all norms."""
    measured = bench(measurement(auto=50), measurement(auto=80, dtype="bfloat16"))
    assert rows(tables(measured)[1])["bfloat16"]["train"] == "0.80"
    assert all("by type" not in table.title for table in tables(bench(measurement())))


def test_other_libraries_are_held_against_ours_on_their_own_cases() -> None:
    """Both columns are over the cases that the library has."""
    measured = bench(measurement(auto=50, timm=100), measurement(auto=10, norm="batch", shape=(2, 2)))
    (table,) = [table for table in tables(measured) if table.header[0] == "library"]
    assert table.rows[0] == ("timm", "train", "1", "1.00", "0.50")


def test_cold_starts_are_shown_per_process() -> None:
    """First with an empty cache, then with what the first left."""
    found = rows(tables(bench(measurement()))[-1])
    assert found["first, empty cache"]["compiled"] == "12.0"
    assert found["second, same cache"]["compiled"] == "6.0"
    assert all("Cold" not in table.title for table in tables(bench(measurement(), cold=False)))


def reached(measured: Bench) -> dict[str, bool | None]:
    return {aim.name: aim.reached for aim in aims(measured)}


def test_aims_are_judged() -> None:
    """At most means at most, and what was not measured is neither reached nor missed."""
    found = reached(bench(measurement(auto=79, eager=161), measurement(auto=160, norm="layer")))
    assert found == {
        "train, geometric mean": False,
        "train, batch and instance alone": False,
        "train, worst norm and shape": False,
        "train, backend eager": True,
        "train, inside torch.compile": None,
        "eval": None,
    }
    assert all(
        reached(
            bench(measurement(auto=50, eager=150), measurement(mode="eval"), measurement(place="compiled"))
        ).values()
    )


def test_on_a_gpu_bandwidth_counts_too() -> None:
    """The aims are other ones there, and large shapes are to reach most of what a copy does."""
    small = measurement(auto=50)
    large = measurement(auto=80_000).model_copy(update={"moved_bytes": 5 * 2**27})
    measured = bench(small, large, device="A GPU")
    assert bandwidth_share(measured, large) == pytest.approx(5 * 2**27 / 8e-2 / 1e10)
    (share,) = [aim for aim in aims(measured) if aim.at_least]
    assert share.value == pytest.approx(0.8389, abs=1e-4)
    assert share.reached
    assert details(measured)[0].header[-1] == "of copy bandwidth"


def test_every_case_has_a_row() -> None:
    """In a table for each place and mode, with torch.nn's time and everyone's ratio."""
    measured = bench(measurement(timm=150), measurement(shape=(2, 3, 4, 5), format="channels_last"))
    (table,) = details(measured)
    assert table.header == ("norm", "shape", "input", "us", "auto", "eager", "timm", "saved")
    assert table.rows[0] == ("batch", "4x8", "float32", "100.0", "0.50", "2.00", "1.50", "0.50")
    assert table.rows[1][1:3] == ("2x3x4x5", "float32, channels last")


def test_the_report_holds_tables_aims_method_and_machine() -> None:
    """And the same measurements give the same text, also after they were written and read."""
    measured = bench(measurement(), measurement(mode="eval"))
    text = to_markdown(measured, name="speed")
    parts = [
        "# Speed of the layers on a CPU",
        "| train, geometric mean | at most 0.8 | 0.50 | reached |",
        "| train, inside torch.compile | at most 1 |  | not measured |",
        "A processor, 2 threads",
        "commit abc",
        "[speed.json](speed.json)",
        "normzoo bench layers --report speed.md",
        "Cold start",
    ]
    for part in parts:
        assert part in text
    partial = measured.model_copy(update={"spec": measured.spec.model_copy(update={"norms": ("batch",)})})
    assert "## Aims" not in to_markdown(partial, name="speed")
    assert to_markdown(Bench.model_validate_json(measured.model_dump_json()), name="speed") == text


def test_no_line_that_is_printed_ends_in_blanks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file or a pipe, of the tables and of every case."""
    measured = bench(measurement(auto=50), measurement(auto=123.4, norm="group"))
    monkeypatch.setattr(command, "run_bench", lambda spec, show: measured)  # noqa: ARG005
    assert main(["bench", "layers", "--details"]) == 0
    printed = capsys.readouterr().out
    assert "group" in printed
    assert re.findall(r".*[ \t]\n", printed) == []
