"""Is every norm explained, in agreement with its entry?"""

import re
from dataclasses import fields

import pytest

from normzoo.errors import UnknownNameError
from normzoo.registry import FAMILIES, NORMS, NormEntry, Pooling, about_family, named_together


def test_a_norm_without_explanation_is_no_entry() -> None:
    """It cannot be forgotten: the entry cannot be written down without it."""
    entry = NORMS["batch"]
    said = {each.name: getattr(entry, each.name) for each in fields(entry) if each.init and each.name != "explanation"}
    with pytest.raises(TypeError, match="explanation"):
        NormEntry(**said)


@pytest.mark.parametrize("name", NORMS)
def test_every_explanation_is_filled_in(name: str) -> None:
    """Every text is there, advice in whole sentences; what has not one pool says what it does; all have a paper."""
    about = NORMS[name].explanation
    for text in (about.normalized, about.statistics):
        assert text.strip()
    for lines in (about.training, about.inference, about.cost):
        assert all(line.text.strip() for line in lines)
        assert lines
    for advice in (about.fits, about.misfits):
        assert advice
        assert all(line.endswith(".") and line[0].isupper() for line in advice)
    assert (about.pooling is None) == bool(about.does)
    assert (about.paper is None) == (name == "none")


@pytest.mark.parametrize("name", [name for name, entry in NORMS.items() if entry.explanation.pooling])
def test_what_is_shared_along_each_dimension_is_known(name: str) -> None:
    """Each for itself, all together, or as an option says."""
    about = NORMS[name].explanation
    assert about.pooling is not None
    for each in fields(Pooling):
        assert getattr(about.pooling, each.name).removeprefix("up to ") in {"each", "all", *about.options}


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("batch", "all samples: one mean and variance per channel"),
        ("ghost", "the samples of a part: one mean and variance per part and channel"),
        ("position", "all channels: one mean and variance per sample and position"),
        ("layer", "all channels: one mean and variance per sample"),
        ("channel-layer", "all channels: one mean and variance per sample and position"),
        ("instance", "nothing: one mean and variance per sample and channel"),
        ("group", "the channels of a group: one mean and variance per sample and group"),
        ("rms", "all channels: one root mean square per sample"),
        ("none", "nothing is normalized: the control"),
    ],
)
def test_what_is_pooled_is_put_into_words(name: str, summary: str) -> None:
    """By one function, from the pooling alone; the entry says the same, and so does whatever shows it."""
    assert NORMS[name].explanation.summary == NORMS[name].summary == summary


@pytest.mark.parametrize("name", NORMS)
def test_conditions_name_options_that_some_norm_has(name: str) -> None:
    """A misspelt one would always hold."""
    known = {option for entry in NORMS.values() for option in entry.explanation.options}
    about = NORMS[name].explanation
    for each in (*about.tensors, *about.training, *about.inference, *about.cost):
        assert {*each.needs, *each.unless} <= known


@pytest.mark.parametrize("name", NORMS)
def test_the_formula_is_the_entrys(name: str) -> None:
    """What ``normzoo list`` shows holds the same."""
    assert NORMS[name].explanation.normalized.replace("x /", "").strip() in NORMS[name].formula


@pytest.mark.parametrize("name", [name for name in NORMS if name != "none"])
def test_the_paper_is_the_source(name: str) -> None:
    """The entry's short form names the first author and the year."""
    paper = NORMS[name].explanation.paper
    assert paper is not None
    surname = paper.authors.split(",")[0].split()[-1]
    assert NORMS[name].source.startswith(surname)
    assert str(paper.year) in NORMS[name].source
    if paper.arxiv is not None:
        assert re.fullmatch(r"\d{4}\.\d{5}", paper.arxiv)
        assert int(paper.arxiv[:2]) in (paper.year % 100, paper.year % 100 - 1)  # it may have come out a year later


def test_every_family_says_what_it_is() -> None:
    """In the first line of a file of its name; every norm is in one family."""
    for family in FAMILIES:
        assert about_family(family).endswith(".")
    assert [name for family in FAMILIES.values() for name in family] == list(NORMS)


def test_norms_are_named_together() -> None:
    """All that do not stand apart, or a family; a name of one is none of these, and a misspelt family is told."""
    assert named_together("all") == tuple(name for name, entry in NORMS.items() if not entry.apart)
    assert named_together("family: pools") == tuple(FAMILIES["pools"])
    assert named_together("group:groups=4") is None
    assert named_together("my_norms:MyNorm") is None
    with pytest.raises(UnknownNameError, match="unknown family of norms 'pool'; did you mean 'pools'"):
        named_together("family:pool")
