"""Is what cannot be explained refused in a sentence that says what is possible, and are likenesses found?"""

import re

import pytest

from normzoo.errors import ComponentError, UnknownNameError
from normzoo.explain import sections, subject
from normzoo.explain._subject import same_pools
from normzoo.layers import make_norm

REFUSED = {
    "bach": "unknown norm 'bach'; did you mean 'batch'?",
    "group:groups=3": "groups must divide channels, got channels=8, groups=3; use groups=2 or 9 channels",
    "group:groups=16": "got channels=8, groups=16; use groups=8 or 16 channels",
    "group:groups=0": "groups must be a whole number of at least 1, got '0'",
    "group:groups=2.5": "groups must be a whole number of at least 1, got '2.5'",
    "group:groups=true": "groups must be a whole number of at least 1, got 'True'",
    "group:group=4": "it has no option 'group' (it takes: groups, eps, affine)",
    "none:eps=1": "it has no option 'eps' (it takes no options)",
    "batch:eps=small": "eps must be a number, got 'small'; use for example eps=1e-05",
    "batch:eps=none": "eps must be a number, got 'None'",
    "batch:affine=no": "affine must be true or false, got 'no'",
    "batch:device=cpu": "it has no option 'device'",
    "own.module:Norm": "only norms of the registry can be explained (batch, layer,",
}


@pytest.mark.parametrize(("spec", "message"), REFUSED.items(), ids=REFUSED)
def test_it_is_refused(spec: str, message: str) -> None:
    """Names, options and their values, on eight channels."""
    with pytest.raises((ComponentError, UnknownNameError), match=re.escape(message)) as refusal:
        subject(spec, (4, 8, 2, 2))
    assert f"'{spec}'" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [("instance", (4, 8)), ("batch", (1, 8)), ("batch", (1, 8, 1, 1)), ("group", (4, 8)), ("layer", (4, 1))],
)
def test_single_values_are_refused_as_by_the_layer(spec: str, shape: tuple[int, ...]) -> None:
    """A mean and a variance need two; the way out is a shape that has them."""
    import torch

    with pytest.raises(ComponentError, match="need more than one value, got one value for each from shape"):
        subject(spec, shape)
    with pytest.raises(ValueError, match="need more than one value"):
        make_norm(spec, shape[1])(torch.randn(shape))


def test_a_root_mean_square_is_taken_of_one_value() -> None:
    """As by the layer."""
    assert subject("rms", (4, 1)).pools.extent == (1, 1, 1)


@pytest.mark.parametrize(
    ("spec", "shape", "same"),
    [
        ("group", (4, 8, 2, 2), ["instance"]),
        ("group:groups=1", (4, 8, 2, 2), ["layer"]),
        ("batch", (1, 8, 2, 2), ["instance", "group"]),
        ("layer", (4, 1, 2, 2), ["instance"]),
        ("layer", (1, 1, 2, 2), ["batch", "instance"]),
        ("batch", (4, 8, 2, 2), []),
        ("rms", (4, 8, 2, 2), []),
        ("none", (4, 8, 2, 2), []),
    ],
)
def test_norms_that_pool_alike(spec: str, shape: tuple[int, ...], same: list[str]) -> None:
    """One group is layer norm, a group for each channel instance norm, and so is a batch of one."""
    asked = subject(spec, shape)
    assert same_pools(asked) == same
    (pools,) = [section for section in sections(asked) if section.heading == "pools"]
    assert any("the same values" in line for line in pools.lines) == bool(same)


def test_as_many_groups_as_channels_is_remarked() -> None:
    """With a number of groups that shows what groups are."""
    (pools,) = [section for section in sections(subject("group", (4, 8, 2, 2))) if section.heading == "pools"]
    assert pools.lines[-1] == "groups=8 leaves each of 8 channels for itself; groups=4 would put 2 together."
    subject("group:groups=4", (4, 8, 2, 2))


def test_options_are_the_registrys_and_ones_own() -> None:
    """Those of the spec before those of the registry before those of the layer."""
    assert subject("instance", (2, 4, 3)).options["affine"] is True
    assert subject("instance:affine=False", (2, 4, 3)).options["affine"] is False
    assert subject("group:groups=2", (2, 4, 3)).options == {"groups": 2, "eps": 1e-5, "affine": True}
