"""What norms, templates and the report are called; and that a comparison was looked at before."""

import re

import pytest

from normzoo.cli.report import _label
from normzoo.errors import ConfigError, UsageError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.registry import SCHEDULES, Entry
from normzoo.report import findings, heading, planned_plots, sections, summarize, summary_rows, to_markdown
from normzoo.report.render.method import schedule

from .synthetic import filled, terminal

MATRIX = MatrixSpec(norms="batch,group:groups=4,none", templates="cnn,cnn:placement=pre", batch_sizes="2,8", seeds=8)
RECORDS = filled(MATRIX, lambda norm, size, seed: 0.5 + 0.01 * len(norm) * size + 0.01 * seed)
LABELS = {"batch": "BN", "group:groups=4": "Ours", "none": "no norm", "cnn:placement=pre": "CNN, norm first"}


def test_a_label_stands_wherever_the_name_would() -> None:
    summary = summarize(MATRIX, RECORDS, labels=LABELS, title="My title")
    shown = to_markdown(heading(summary), sections(summary)) + terminal(summary) + " ".join(findings(summary))
    assert shown.startswith("# My title\n")
    for label in LABELS.values():
        assert label in shown
    assert not re.search(r"group:groups=4|cnn:placement=pre|\bnone\b|\bbatch\b (?!size|\d)", shown)
    assert "vs no norm" in shown
    assert "minus Ours" in shown
    assert "CNN, norm first on digits, norms on maps and vectors, before the activation" in shown
    assert any("from no norm" in plot.text for plot in planned_plots(summary, "report"))


def test_numbers_and_exports_are_those_without_labels() -> None:
    with_labels, without = summarize(MATRIX, RECORDS, labels=LABELS), summarize(MATRIX, RECORDS)
    assert summary_rows(with_labels) == summary_rows(without)


def test_a_label_is_given_by_any_form_of_a_spec() -> None:
    matrix = MatrixSpec(norms="group:groups=8,none", templates="cnn", seeds=1)
    assert summarize(matrix, {}, labels={"group": "GN"}).norms == ("GN", "none")
    assert summarize(matrix, {}, labels={"none": "no"}).reference == "no"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"layer": "LN"}, r"labels: 'layer' is not compared; it is one of batch, group:groups=4, none, cnn, "),
        ({"no such": "x"}, r"labels: 'no such' is not compared"),
        ({"batch": "none"}, r"labels: two of batch, group:groups=4, none would be called 'none'"),
        ({"batch": " "}, r"labels: 'batch' is to be called ' '; a label is a line of text"),
        ({"batch": "a\nb"}, r"labels: 'batch' is to be called"),
    ],
)
def test_labels_that_make_no_sense_are_refused(labels: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        summarize(MATRIX, {}, labels=labels)


def test_a_label_that_the_command_is_given_is_split_at_its_last_equals_sign() -> None:
    assert _label("my.norms:Good:groups=4=Ours (4)") == ("my.norms:Good:groups=4", "Ours (4)")
    for text in ("batch", "=BN"):
        with pytest.raises(ConfigError, match=f"labels: '{text}' is no NAME=LABEL"):
            _label(text)


@pytest.mark.slow
def test_seeds_that_were_added_after_a_look_are_said_to_be() -> None:
    """Looks at fewer seeds than a test needs tested nothing, and the same seeds are the same look."""

    def looked(*seeds: int, first: int = 0) -> list[MatrixSpec]:
        return [MATRIX.model_copy(update={"seeds": each, "first_seed": first}) for each in seeds]

    summary = summarize(MATRIX, RECORDS, earlier=[*looked(3, 6, 8, 7, 6), *looked(8, first=4), *looked(20)])
    text = " ".join(terminal(summary).split())
    assert "Look 5 at this comparison, with 6, 7, 8, 20 and 8 seeds, not planned" in text
    for earlier in ([], [5], [8]):
        assert "Look" not in terminal(summarize(MATRIX, RECORDS, earlier=looked(*earlier)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "number"),
    [
        ({}, 0),
        ({"seeds": 5, "batch_sizes": (2, 8, 32, 64)}, 0),
        ({"norms": (*MATRIX.norms, "rms"), "seeds": 6}, 1),
        ({"norms": (*MATRIX.norms, "rms")}, 1),
        ({"templates": (*MATRIX.templates, "vgg")}, 1),
        ({"batch_sizes": (*MATRIX.batch_sizes, 64)}, 1),
        ({"norms": MATRIX.norms[1:], "batch_sizes": (*MATRIX.batch_sizes, 64)}, 0),
    ],
)
def test_a_part_of_what_was_tested_before_is_said_to_be_chosen(settings: dict[str, object], number: int) -> None:
    """From how many: a part that was picked by what the whole showed claims far more than one in twenty."""
    wider = MATRIX.model_copy(update=settings)
    n_norms, sizes = len(wider.norms), len(wider.batch_sizes)
    expected = number * len(wider.templates) * n_norms * (n_norms - 1) // 2 * (sizes + (sizes > 1))
    summary = summarize(MATRIX, RECORDS, earlier=[wider])
    assert summary.chosen_from == expected
    said = f"An earlier comparison on some of these seeds had up to {expected:,} differences: if these"
    assert (said in " ".join(terminal(summary).split())) == bool(number)


def test_a_single_difference_is_one() -> None:
    """Not "these 1"."""
    one = MATRIX.model_copy(update={"norms": MATRIX.norms[:2], "templates": ("cnn",), "batch_sizes": (2,)})
    said = " ".join(terminal(summarize(one, RECORDS, earlier=[MATRIX])).split())
    assert "had up to 18 differences: if this one was chosen by what it showed" in said


def test_a_schedule_without_a_sentence_of_its_own_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that has just been added to the registry, with options of its own."""
    added = {**SCHEDULES, "triangle": Entry(target="builtins:max", options={"peak": 0.5}, summary="", source="")}
    monkeypatch.setattr(SCHEDULES, "_entries", added)
    assert schedule("triangle:peak=0.2") == " Over the steps it follows triangle:peak=0.2."
    assert schedule("constant") == ""
