"""Is found out by trying what a norm does that the registry says nothing of?"""

import itertools
import math
import re

import pytest
import torch

from normzoo.errors import ComponentError
from normzoo.explain import Subject, brief_to_rich, lay_out, picture_to_rich, sections, subject, to_svg
from normzoo.explain._picture import axes, plot
from normzoo.explain._probe import probe

from .cases import SPECS
from .test_agreement import pool_numbers

MAPS = (2, 4, 2, 2)


def own(name: str, shape: tuple[int, ...] = MAPS) -> Subject:
    return subject(f"explain.own_norms:{name}", shape)


def said(asked: Subject, heading: str) -> str:
    return "\n".join(next(each.lines for each in sections(asked) if each.heading == heading))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("spec", ["batch", "layer", "channel-layer", "instance", "group:groups=2", "rms"])
def test_the_pools_of_a_known_norm_are_found(spec: str) -> None:
    """As equal blocks, where its class is given by its path."""
    known = subject(spec, MAPS)
    assert known.entry is not None
    target, _, options = spec.partition(":")
    path = known.entry.target if target != "group" else "normzoo.layers._group:group_norm"
    assert spec in SPECS
    assert subject(":".join(filter(None, (path, options))), MAPS).pools == known.pools


def test_pools_that_are_no_blocks_are_drawn_and_said() -> None:
    """Channels 0 and 2, 1 and 3: by their letters."""
    asked = own("Paired")
    numbers = pool_numbers(asked)
    assert numbers[0, 0].equal(numbers[0, 2])
    assert len(set(numbers.flatten().tolist())) == asked.pools.count == 4
    assert said(asked, "pools") == "4 pools of 8 values, which are no equal blocks of neighbours."
    rows = [row.split() for row in picture_to_rich(asked, lay_out(asked)).plain.splitlines()]
    assert ["n0", *"AABBAABB"] in rows
    assert ["n1", *"CCDDCCDD"] in rows
    assert 'data-value="1 3 1"' in to_svg([asked])


def test_what_overlaps_has_no_pools() -> None:
    """It is drawn what moves with one value."""
    asked = own("Window")
    assert said(asked, "pools") == (
        "There are no pools: outputs depend on sets of values that overlap but differ, across channels of one "
        "sample and position."
    )
    labels = [asked.pools.label(*place) for place in itertools.product((0, 1), range(4), range(4))]
    marked = [index for index, label in enumerate(labels) if label == "A"]
    assert labels.count(".") == len(labels) - 3
    assert marked[1] - marked[0] == marked[2] - marked[1] == 4  # the same place of three channels
    assert axes(asked).startswith("A: what moves with one value; rows: samples")


@pytest.mark.parametrize(
    ("name", "across"),
    [
        ("Largest", "across channels and positions of one sample."),
        ("Median", "across positions of one sample and channel."),
    ],
)
def test_how_far_an_output_depends_on_others_is_said(name: str, across: str) -> None:
    """Of norms by one of their values, which moves all others while they move themselves alone."""
    asked = own(name)
    assert said(asked, "pools").endswith(f"overlap but differ, {across}")
    assert not any(line.endswith("...") for line in brief_to_rich(asked).plain.splitlines())


def test_what_is_random_is_called_so() -> None:
    """And what is not is not."""
    assert said(own("Dropped"), "pools").splitlines()[1] == (
        "In training the same input gives another output each time: this is of one draw."
    )
    assert "draw" not in said(own("Largest"), "pools")


def test_the_ends_of_a_curve_are_rounded() -> None:
    """No number that is zero but for rounding stands beside it."""
    rows = brief_to_rich(own("Squared")).plain.splitlines()
    assert [row.split()[0] for row in rows if "|" in row and not row.lstrip().startswith("|")] == ["25", "0"]


@pytest.mark.slow
def test_neither_an_activation_nor_a_factor_of_zero_hides_what_is_pooled() -> None:
    """Outputs that are constant on one input are tried on others."""
    asked = own("Rectified")
    assert asked.pools == subject("layer", MAPS).pools
    assert said(asked, "parameters") == "norm.weight (4,): starts at 0\nnorm.bias (4,): starts at 0"


@pytest.mark.slow
def test_parameters_buffers_and_evaluation_are_found() -> None:
    """Of batch norm as torch has it."""
    asked = subject("torch.nn:BatchNorm2d", MAPS)
    assert said(asked, "parameters") == "weight (4,): starts at 1\nbias (4,): starts at 0"
    assert said(asked, "state").splitlines()[0] == "running_mean (4,): starts at 0"
    assert "each depends on its own input value alone" in said(asked, "evaluation")
    assert said(own("Paired"), "evaluation") == "As in training."
    assert said(own("Paired"), "state") == "None: nothing is remembered."


def test_a_docstring_says_what_it_does() -> None:
    """Its first line; nothing where it has none."""
    for name, does in (("Window", "Divide by what is in the channels beside."), ("Softsign", "")):
        probe = own(name).probe
        assert probe is not None
        assert probe.does == does


@pytest.mark.parametrize(
    ("spec", "function"),
    [("explain.own_norms:Softsign", lambda x: x / (1 + abs(x))), ("dyt:alpha=2.0", lambda x: math.tanh(2 * x))],
)
def test_a_curve_is_of_the_layer(spec: str, function: object) -> None:
    """As it starts, from -5 to 5; it is drawn in rows of characters and as a line."""
    assert callable(function)
    asked = subject(spec, MAPS)
    assert [value for value, _ in asked.curve] == pytest.approx(torch.linspace(-5, 5, 101).tolist())
    assert [output for _, output in asked.curve] == pytest.approx([function(x) for x, _ in asked.curve], abs=1e-5)
    rows = plot(asked.curve, width=61, height=9)
    assert max(map(len, rows)) <= 61
    assert all("*" in row for row in rows[:-1])
    assert rows[-1].split() == ["-5", "0", "5"]
    assert picture_to_rich(asked, lay_out(asked)).plain.count("*") > 30
    (points,) = re.findall('points="([^"]*)"', to_svg([asked]))
    heights = [float(point.split(",")[1]) for point in points.split()]
    assert heights == sorted(heights, reverse=True)


REFUSED = {
    "explain.own_norms:Flattening": "it must keep the shape of its input, (2, 4, 2, 2), and returned shape (2, 16)",
    "torch.nn:BatchNorm3d": "it fails on shape (2, 4, 2, 2): ValueError: expected 5D input",
    "explain.own_norms:Broken": "it returned nan for inputs that are finite, from which nothing can be found out",
    "explain.own_norms:Paired:gian=3": "gian",
    "explain.own_norms:Pair": "did you mean 'Paired'",
}


@pytest.mark.parametrize("spec", REFUSED)
def test_what_cannot_be_tried_is_refused(spec: str) -> None:
    """In a sentence."""
    with pytest.raises(ValueError, match=re.escape(REFUSED[spec])):
        subject(spec, MAPS)


def test_an_output_that_nothing_moves_is_called_so() -> None:
    """And not one of pools that overlap, nor a curve."""
    asked = own("Constant")
    assert said(asked, "pools") == "There are no pools: the output does not depend on the input."
    assert asked.curve == ()


def test_large_inputs_are_refused() -> None:
    """As every value is moved by itself; where each is for itself, a few are enough."""
    with pytest.raises(ComponentError, match=r"of at most 1,024, got 2,048 in shape .* --shape 4,8,2,2"):
        own("Window", (4, 8, 8, 8))
    assert subject("dyt", (32, 64, 32, 32)).curve == subject("dyt", MAPS).curve


def test_a_norm_that_is_made_by_its_first_input_is_tried() -> None:
    """Torch's lazy norms are as those that know their channels."""
    lazy, known = (probe(f"torch.nn:{name}", (2, 3, 2, 2)) for name in ("LazyBatchNorm2d", "BatchNorm2d"))
    assert lazy.pools == known.pools
    assert lazy.parameters == known.parameters
    assert lazy.evaluation == known.evaluation
    with pytest.raises(ComponentError, match=r"LazyBatchNorm1d': it fails on shape \(2, 3, 2, 2\): ValueError: "):
        probe("torch.nn:LazyBatchNorm1d", (2, 3, 2, 2))


def test_a_norm_that_returns_no_such_numbers_is_refused() -> None:
    """Whole numbers cannot be normalized values."""
    with pytest.raises(ComponentError, match=r"must return numbers of the type of its input, and returned torch.int32"):
        own("Rounding")
