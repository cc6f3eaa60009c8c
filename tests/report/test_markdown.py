"""The markdown report: its tables parse, its paths are relative, and it is the same every time."""

import re
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from normzoo.experiment.spec import MatrixSpec
from normzoo.report import failure_lines, findings, provenance, summarize, to_markdown

from .synthetic import Outcome, filled


def outcome(norm: str, size: int, seed: int) -> Outcome:
    if norm == "instance" and size == 2:
        return "diverged"
    return None if (norm, size, seed) == ("layer", 8, 0) else 0.01 * len(norm) + 0.02 * size + 0.003 * seed


def report(matrix: MatrixSpec | None = None, **options: Any) -> str:
    matrix = matrix or MatrixSpec(seeds=3)
    records = filled(matrix, outcome, environment={"torch": "2.9", "device": "cpu"}, notes=("a note",))
    given = {"command": "normzoo compare --seeds 3", "failures": failure_lines(records), **options}
    return to_markdown(summarize(matrix, records), provenance=provenance(records), **given)


def tables(text: str) -> list[list[list[str]]]:
    """Return the pipe tables as rows of cells."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    return [[re.split(r" (?<!\\)\| ", line.strip("| ")) for line in block.splitlines()] for block in blocks]


def test_there_is_a_table_per_template_with_as_many_cells_in_every_row() -> None:
    found = tables(report())
    assert len(found) == 2
    for table in found:
        assert [len(row) for row in table] == [6] * 7
        assert table[0] == ["norm", "batch 2", "batch 8", "batch 32", "32 → 2", "s/epoch"]
        assert table[1] == [":--", "--:", "--:", "--:", "--:", "--:"]


def test_the_cells_are_those_of_the_terminal_on_one_line() -> None:
    rows = {row[0]: row for row in tables(report())[0]}
    assert rows["`instance`"] == ["`instance`", "diverged 3/3", "24.3 ±0.7 ●", "72.3 ±0.7 ●", "–", "1.0"]  # noqa: RUF001
    assert rows["`layer`"][2] == "21.5 ±1.9 ○ (2/3)"


def test_a_pipe_in_a_name_does_not_break_the_table() -> None:
    text = report(MatrixSpec(norms=("batch", "my.module:Norm:mode=a|b"), seeds=3))
    assert {len(row) for table in tables(text) for row in table} == {6}
    assert r"`my.module:Norm:mode=a\|b`" in text


def test_a_single_batch_size_has_no_change() -> None:
    assert tables(report(MatrixSpec(batch_sizes="8", seeds=3)))[0][0] == ["norm", "batch 8", "s/epoch"]


def test_the_findings_come_before_the_tables() -> None:
    matrix = MatrixSpec(seeds=3)
    expected = findings(summarize(matrix, filled(matrix, outcome)))
    head = report().partition("\n|")[0]
    assert re.findall(r"^- (.*)$", head, flags=re.MULTILINE) == expected


def test_a_plot_is_linked_by_its_relative_path() -> None:
    (link,) = re.findall(r"!\[.+\]\((.*)\)", report(plot_paths=[PurePosixPath("plots/the accuracy.png")]))
    assert link == "plots/the%20accuracy.png"


def test_an_absolute_plot_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"plot paths must be relative to the report's folder, got '/elsewhere/a.png'"):
        report(plot_paths=["/elsewhere/a.png"])


def test_failures_are_listed_as_given_and_their_section_is_left_out_without_any() -> None:
    assert "## Runs without a result\n\n```text\ndiverged: cnn, instance" in report()
    assert "Runs without a result" not in report(failures=[])


def test_backticks_in_a_failure_do_not_end_its_fence() -> None:
    assert "````text\nfailed: ```oh```\n````" in report(failures=["failed: ```oh```"])


def test_the_command_is_given_exactly() -> None:
    assert "## How to reproduce\n\n```sh\nnormzoo compare --seeds 3\n```" in report()


def test_the_method_names_checksum_rates_and_placement() -> None:
    text = report().partition("## How it was measured")[2]
    assert "`0123abcd`" in text
    assert "(0.003125 at 2, 0.0125 at 8, 0.05 at 32)" in text
    assert "the norm stands after the activation (cnn)" in text
    assert "Selection: none" in text
    assert "Placement" not in report(MatrixSpec(templates="lstm", seeds=3)).partition("<details>")[0]


def test_the_details_hold_the_configuration_as_yaml_and_the_environment() -> None:
    matrix = MatrixSpec(seeds=3, norms="none,batch")
    details = report(matrix).partition("<details>")[2]
    configuration = details.partition("```yaml\n")[2].partition("\n```")[0]
    assert MatrixSpec(**yaml.safe_load(configuration)) == matrix
    assert "\n- device: cpu\n- torch: 2.9\n- engine: loop\n" in details
    # 2 templates x 2 norms x 3 batch sizes x 3 seeds, 2 epochs of 1 s each.
    assert "training time, all runs: 72.0 s" in details


def test_the_same_records_give_the_same_text_in_any_order() -> None:
    matrix = MatrixSpec(seeds=3)
    records = filled(matrix, outcome)
    backwards = dict(reversed(records.items()))
    one, two = (
        to_markdown(summarize(matrix, given), provenance=provenance(given), command="", failures=failure_lines(given))
        for given in (records, backwards)
    )
    assert one == two


def test_a_report_without_any_record_is_still_a_report() -> None:
    matrix = MatrixSpec()
    text = to_markdown(summarize(matrix, {}), provenance=provenance({}), command="normzoo compare")
    assert "75 of 75 runs are missing" in text
    assert {len(row) for table in tables(text) for row in table} == {6}
