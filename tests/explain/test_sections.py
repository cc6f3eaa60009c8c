"""Is everything said that was asked for, under the options at hand?"""

import pytest

from normzoo.explain import sections, subject
from normzoo.explain._sections import brief, code
from normzoo.layers import make_norm
from normzoo.registry import NORMS

from .cases import EVERY, IN_OTHER_SHAPES, each_of, each_with_shapes

HEADINGS = [
    "pools",
    "formula",
    "where",
    "parameters",
    "state",
    "training",
    "inference",
    "cost",
    "precision",
    "fits",
    "fits less",
    "mask",
    "paper",
    "in Python",
    "to compare",
]
MAPS = (4, 8, 2, 2)


def said(spec: str, heading: str, shape: tuple[int, ...] = MAPS) -> str:
    return "\n".join(next(each.lines for each in sections(subject(spec, shape)) if each.heading == heading))


@each_with_shapes([*IN_OTHER_SHAPES, *((spec, MAPS) for spec in EVERY)])
def test_every_section_says_something(spec: str, shape: tuple[int, ...]) -> None:
    """With every number put in; nothing is said twice."""
    found = sections(subject(spec, shape))
    assert [each.heading for each in found] == HEADINGS
    for section in found:
        assert section.lines
        assert len(set(section.lines)) == len(section.lines)
        for line in section.lines:
            assert line == line.strip() != ""
            assert not set("{}") & set(line)
            assert "None" not in line.split()


@pytest.mark.parametrize(
    ("spec", "numbers"),
    [
        ("batch", "8 pools of 16 values each (4 samples x 4 positions), one for each of 8 channels."),
        ("layer", "4 pools of 32 values each (8 channels x 4 positions), one for each of 4 samples."),
        ("instance", "32 pools of 4 values each, one for each of 4 samples x 8 channels."),
        (
            "group:groups=4",
            "16 pools of 8 values each (2 channels x 4 positions), one for each of 4 samples x 4 groups.",
        ),
        ("none", "There are no pools, and no letters."),
    ],
)
def test_pools_in_numbers(spec: str, numbers: str) -> None:
    """How many, of how many values, one for each of what."""
    assert said(spec, "pools").split("\n")[0] == numbers


def test_one_pool_is_not_several() -> None:
    """Singular where it is due."""
    assert said("layer", "pools", (1, 8)).split("\n")[0] == "1 pool of 8 values, one for each of 1 sample."


@pytest.mark.parametrize(
    ("spec", "formula"),
    [
        ("batch", "y = w * (x - mean) / sqrt(var + eps) + b"),
        ("batch:bias=False", "y = w * (x - mean) / sqrt(var + eps)"),
        ("group:affine=False", "y = (x - mean) / sqrt(var + eps)"),
        ("rms", "y = w * x / sqrt(mean(x^2) + eps) + b"),
        ("none", "y = x"),
        ("grn", "y = x + w * x * norm / (mean(norm) + eps) + b"),
        ("frn-tlu", "y = max(w * x / sqrt(mean(x^2) + eps) + b, t)"),
        ("frn", "y = w * x / sqrt(mean(x^2) + eps) + b"),
        ("batch-channel", "y = w_g * (z - mean_g) / sqrt(var_g + eps) + b_g"),
        ("batch-channel:zero_centered=True", "y = (1 + w_g) * (z - mean_g) / sqrt(var_g + eps) + b_g"),
        ("domain", "y = w * (x - mean) / sqrt(var + eps) + b"),
    ],
)
def test_the_formula_has_what_the_layer_has(spec: str, formula: str) -> None:
    """Weight and bias only where there are any."""
    assert said(spec, "formula") == formula


def test_parameters_and_state_have_shapes() -> None:
    """One value per channel; batch norm also counts."""
    assert said("batch", "parameters").startswith("weight (8,): w,")
    assert "num_batches_tracked (): " in said("batch", "state")
    assert said("layer", "state") == "None: nothing is remembered."
    assert said("layer:affine=False", "parameters") == "None."


def test_momentum_is_that_of_the_spec() -> None:
    """A fraction, the plain average, or none at all."""
    assert "by the fraction 0.3." in said("batch:momentum=0.3", "training")
    assert said("batch:momentum=none", "training").split("\n")[1].startswith("momentum=none: none makes")
    assert "momentum" not in said("batch:track_running_stats=False", "training")


def test_inference_of_batch_norm_is_by_running_statistics() -> None:
    """Unless there are none; the picture is one of training."""
    assert said("batch", "inference").startswith("running_mean and running_var")
    assert "the picture holds for training only" in said("batch", "inference")
    assert "one pass" in said("batch", "cost")
    assert said("batch:track_running_stats=False", "inference").startswith("The batch's own")
    assert "one pass" not in said("batch:track_running_stats=False", "cost")


def test_a_paper_is_cited_in_full() -> None:
    """Authors, year, title and where to find it."""
    assert said("group", "paper") == 'Yuxin Wu, Kaiming He (2018), "Group Normalization", arXiv:1803.08494'


def test_of_several_statistics_each_is_counted() -> None:
    """By its name."""
    assert said("extended", "pools") == (
        "mean: 8 pools of 16 values each (4 samples x 4 positions), one for each of 8 channels; "
        "variance: 1 pool of 128 values (4 samples x 8 channels x 4 positions)."
    )


@pytest.mark.parametrize("name", NORMS)
def test_what_is_said_in_short_stands_alone(name: str) -> None:
    """At 80 columns: more than a word each, and none that needs what follows in full."""
    about = NORMS[name].explanation
    said = {each.heading: each.lines for each in brief(subject(name, MAPS))}
    for heading, sentences in (("fits", about.fits), ("fits less", about.misfits)):
        (line,) = said[heading]
        begun = line.split("; ")
        assert all(any(each.startswith(phrase) for each in sentences) for phrase in begun)
        assert min(len(phrase.split()) for phrase in begun) > 1
        assert not any(phrase.startswith(("With ", "The ")) for phrase in begun)


def test_what_pools_nothing_says_so() -> None:
    """Each value is for itself."""
    assert said("dyt", "pools") == "There are no pools: each output depends on its own input alone."


@each_of(EVERY)
def test_the_code_makes_the_layer(spec: str) -> None:
    """As the registry does."""
    names: dict[str, object] = {}
    exec("\n".join(code(subject(spec, MAPS))), names)  # noqa: S102  # of our own text
    assert repr(names["norm"]) == repr(make_norm(spec, MAPS[1]))


@each_of(EVERY)
def test_precision_is_spoken_of(spec: str) -> None:
    """Also under autocast, but for what computes nothing."""
    assert ("autocast" in said(spec, "precision")) == (said(spec, "formula") != "y = x")


@pytest.mark.parametrize(
    ("spec", "section", "sentence"),
    [
        ("dyt:alpha=2", "parameters", "starts at 2"),
        ("batch-instance:rho=0.25", "parameters", "starts at 0.25"),
        ("batch:unbiased=true", "where", "(biased, unless unbiased=True)"),
        ("position", "where", "(biased)"),
        ("domain:domains=3", "parameters", "of the first domain unless shared_affine"),
        ("noisy-batch:strength=0", "training", "and no noise"),
    ],
)
def test_sentences_are_those_of_the_options(spec: str, section: str, sentence: str) -> None:
    assert sentence in said(spec, section)


def test_a_comparison_is_named_where_there_can_be_one() -> None:
    """Networks of a comparison have their channels second."""
    for spec, is_named in (("layer", True), ("layer:channel_dim=-1", False)):
        headings = {each.heading for each in sections(subject(spec, MAPS))}
        assert ("to compare" in headings) is is_named


@pytest.mark.parametrize("name", NORMS)
def test_a_switch_is_spoken_of_where_it_is(name: str) -> None:
    """Sentences that several norms share name no option that one of them does not take."""
    about = NORMS[name].explanation
    assert ("unbiased=True" in about.statistics) is ("unbiased" in about.options)
