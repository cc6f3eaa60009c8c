"""The markdown report: its tables parse, its paths are relative, and it is the same every time."""

import re
from typing import Any

import pytest
import yaml
from scipy import stats

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import planned_plots, summarize

from .synthetic import Outcome, filled, markdown, terminal


def outcome(norm: str, size: int, seed: int) -> Outcome:
    if norm == "instance" and size == 2:
        return "diverged"
    return None if (norm, size, seed) == ("layer", 8, 0) else 0.01 * len(norm) + 0.02 * size + 0.003 * seed


def report(matrix: MatrixSpec | None = None, **options: Any) -> str:
    matrix = matrix or MatrixSpec(seeds=3)
    records = filled(matrix, outcome, environment={"torch": "2.9", "device": "cpu"}, notes=("a note",))
    return markdown(matrix, records, **{"command": "normzoo compare --seeds 3", **options})


def tables(text: str) -> list[list[list[str]]]:
    """Return the pipe tables as rows of cells."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        for block in blocks
    ]


MAIN = ["norm", "batch 2", "batch 8", "batch 32", "32 → 2", "s/epoch"]
VERSUS = ["norm", "batch size", "n", "median", "range", "vs none", "p", "beats", "rank", "r"]
EFFECT = ["norm", "slope", "minus layer", "minus instance", "minus group", "minus none"]


def test_every_template_has_three_tables_with_as_many_cells_in_every_row() -> None:
    """Accuracy; each norm against the baseline, a row per batch size; the effect of the batch size."""
    found = tables(report())
    assert [table[0] for table in found] == [MAIN, MAIN, VERSUS, VERSUS, EFFECT, EFFECT]
    assert [len(table) for table in found] == [7, 7, 17, 17, 7, 7]
    for table in found:
        assert {len(row) for row in table} == {len(table[0])}
        assert set(table[1][1:]) == {"--:"}


def rows(table: list[list[str]]) -> dict[tuple[str, ...], list[str]]:
    """Return the cells of a table by norm, or by norm and batch size."""
    labels = 2 if table[0][1] == "batch size" else 1
    return {tuple(row[:labels]): row[labels:] for row in table[2:]}


def test_the_cells_are_those_of_the_terminal_on_one_line() -> None:
    main = rows(tables(report(MatrixSpec(seeds=10)))[0])
    assert main["`instance`",] == ["diverged 10/10", "25.4 ±0.6 ●", "73.4 ±0.6 ●", "–", "1.0"]  # noqa: RUF001
    assert main["`layer`",][1] == "22.5 ±0.6 (9/10)"


def test_a_norm_against_the_baseline_cell_by_cell() -> None:
    """Layer has one letter more than none: a constant lead of a point over ten seeds."""
    versus = rows(tables(report(MatrixSpec(seeds=10)))[2])
    assert versus["`layer`", "2"] == ["10/10", "10.3", "9.0–11.7", "+1.0 ±0.0", "0.004 *", "100 %", "2.0", "+1.00"]  # noqa: RUF001
    assert versus["`layer`", "8"][0] == "9/10"
    assert versus["`layer`", "8"][3] == "+1.0 ±0.0 (n=9)"
    assert versus["`instance`", "2"] == ["0/10 10 diverged", *["–"] * 4, "0 %", "5.0", "–"]  # noqa: RUF001
    assert versus["`none`", "2"][3:6] == ["–", "–", "–"]  # noqa: RUF001


def test_the_effect_of_the_batch_size_cell_by_cell() -> None:
    """All accuracies rise by two points for each sample in the batch, so from 2 to 32 by 60 points."""
    effect = rows(tables(report(MatrixSpec(seeds=10)))[4])
    assert effect["`batch`",] == ["+15.0 ±0.0", "same (n=9)", "–", "same", "same"]  # noqa: RUF001
    assert effect["`layer`",] == ["+15.0 ±0.0 (n=9)", "", "–", "same (n=9)", "same (n=9)"]  # noqa: RUF001
    assert effect["`instance`",][0] == "–"  # noqa: RUF001


def test_names_of_the_users_own_are_shown_as_they_are() -> None:
    """Nothing in a name becomes markup: neither a pipe nor a tag nor emphasis."""
    text = report(MatrixSpec(norms=("none", "my.module:Norm:mode=a|b", "_m.n:N:x=<b>*i*</b>"), seeds=10))
    assert all(len({len(row) for row in table}) == 1 for table in tables(text))
    assert r"`my.module:Norm:mode=a\|b`" in text
    outside = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<b>|(?<!\\)\*i", outside)
    assert r"\_m.n:N:x=\<b>\*i\*\</b>" in outside


def test_a_single_batch_size_has_no_change() -> None:
    found = tables(report(MatrixSpec(batch_sizes="8", templates="cnn", seeds=3)))
    assert [table[0] for table in found] == [["norm", "batch 8", "s/epoch"], VERSUS]
    assert "Effect of the batch size" not in report(MatrixSpec(batch_sizes="8", seeds=3))


def test_a_single_norm_is_compared_with_nothing() -> None:
    text = report(MatrixSpec(norms="batch", templates="cnn", seeds=3))
    assert [table[0] for table in tables(text)] == [MAIN, ["norm", "slope"]]
    assert "reference" not in text.partition("<details>")[0]


def test_plots_stand_where_they_belong_linked_by_their_names() -> None:
    """Relative to the report, with what they show in words."""
    matrix = MatrixSpec(seeds=3)
    plots = planned_plots(summarize(matrix, filled(matrix, outcome)), "some/where/the report")
    text = report(plots=plots)
    found = re.findall(r"^## (.*)$|^!\[(.*)\]\((.*)\)$", text, flags=re.MULTILINE)
    heading, where = "", {}
    for title, shown, path in found:
        heading = title or heading
        if path:
            where[path] = heading
            assert len(shown) > 40
    assert where == {
        "the%20report-accuracy.png": "lstm on digits",
        "the%20report-error.png": "lstm on digits",
        "the%20report-forest.png": "Comparison with the reference norm, none",
        "the%20report-curves.png": "Learning curves",
        "the%20report-seconds.png": "Learning curves",
        "the%20report-gap.png": "Training, validation and test",
    }


def test_without_plots_there_are_no_empty_sections() -> None:
    assert "## Learning curves" not in report()
    assert "## Training, validation" not in report()


def test_failures_are_listed_as_given_and_their_section_is_left_out_without_any() -> None:
    assert "## Runs without a result\n\n```text\ndiverged: cnn, instance" in report()
    assert "Runs without a result" not in report(failures=[])


def test_backticks_in_a_failure_do_not_end_its_fence() -> None:
    assert "````text\nfailed: ```oh```\n````" in report(failures=["failed: ```oh```"])


def test_the_command_is_given_exactly() -> None:
    assert "## How to reproduce\n\n```sh\nnormzoo compare --seeds 3\n```" in report()


def test_of_what_a_session_alone_knew_it_is_said_that_no_command_names_it() -> None:
    told = "session:Mine is of the Python session that was compared"
    assert told in report(MatrixSpec(norms="session:Mine,none", seeds=3))
    assert "of the Python session" not in report()


def test_the_method_names_checksum_rates_and_placement() -> None:
    text = report().partition("## How it was measured")[2]
    assert "split 0123abcd." in text
    assert "(0.003125 at 2, 0.0125 at 8, 0.05 at 32)" in text
    assert "Placement: cnn has its norms on maps and vectors, after the activation." in text
    assert "Selection: none" in text
    assert "Placement" not in report(MatrixSpec(templates="lstm", seeds=3)).partition("<details>")[0]


def test_the_details_hold_the_configuration_as_yaml_and_the_environment() -> None:
    matrix = MatrixSpec(seeds=3, norms="none,batch")
    details = report(matrix).partition("<details>")[2]
    configuration = details.partition("```yaml\n")[2].partition("\n```")[0]
    assert MatrixSpec(**yaml.safe_load(configuration)) == matrix.model_copy(update={"baseline": "none"})
    assert "\n- device: cpu\n- torch: 2.9\n- strategy: sequential\n" in details
    # 2 templates x 2 norms x 3 batch sizes x 3 seeds, 2 epochs of 1 s each.
    assert "training time, all runs: 72.0 s" in details


def test_the_same_records_give_the_same_text_in_any_order() -> None:
    matrix = MatrixSpec(seeds=3)
    records = filled(matrix, outcome)
    backwards = dict(reversed(records.items()))
    one, two = (markdown(matrix, given) for given in (records, backwards))
    assert one == two


def test_a_report_without_any_record_is_still_a_report() -> None:
    matrix = MatrixSpec()
    text = markdown(matrix, {})
    assert "120 of 120 runs are missing" in text
    assert all(len({len(row) for row in table}) == 1 for table in tables(text))
    assert not re.search(r"nan|None|inf\b", text)


def test_updates_and_sizes_of_the_dataset_are_said_where_they_are_known() -> None:
    matrix = MatrixSpec(seeds=2)
    records = filled(matrix, outcome, train_samples=1296, test_samples=360)
    text = markdown(matrix, records)
    assert "Dataset: digits (1,296 training and 360 test samples), checksum" in text
    assert ": 2,592 at 2, 648 at 8, 160 at 32. The last samples of an epoch that fill no batch" in text
    found = re.search(r"leaves an accuracy of ([\d.]+) % uncertain between ([\d.]+) and ([\d.]+) % \(95 %\)", text)
    assert found
    accuracy, *bounds = (float(value) / 100 for value in found.groups())
    interval = stats.binomtest(round(360 * accuracy), 360).proportion_ci(method="wilson")
    assert bounds == pytest.approx([interval.low, interval.high], abs=0.0006)
    assert "at every batch size, so a smaller one makes more updates." in report()


@pytest.mark.slow_but_one
@pytest.mark.parametrize("seeds", [1, 5, 10])
@pytest.mark.parametrize("case", ["ties", "diverged", "missing at one batch size", "half missing", "nothing"])
def test_degenerate_matrices_make_sense(case: str, seeds: int) -> None:
    """Neither NaN nor None nor a crash, in the report and in the terminal."""

    def degenerate(norm: str, size: int, seed: int) -> Outcome:
        gone = (norm, size) == ("layer", 8) if case == "missing at one batch size" else (len(norm) + size + seed) % 2
        return {
            "ties": 1.0,
            "diverged": "diverged",
            "nothing": None,
        }.get(case, None if gone else 0.5 + 0.01 * seed)  # type: ignore[return-value]

    matrix = MatrixSpec(seeds=seeds)
    records = filled(matrix, degenerate, test_samples=360, train_samples=1296)
    text = markdown(matrix, records)
    for shown in (text, terminal(summarize(matrix, records))):
        assert not re.search(r"\b(nan|None|inf)\b", shown)
    expected = {
        "ties": "100.0 ±0.0" if seeds > 1 else "| 100.0 |",
        "diverged": f"diverged {seeds}/{seeds}",
        "nothing": f"{15 * seeds} of {15 * seeds} runs are missing",
        "missing at one batch size": f"{seeds} of {15 * seeds} runs {'is' if seeds == 1 else 'are'} missing",
    }
    assert expected.get(case, "runs are missing") in text
