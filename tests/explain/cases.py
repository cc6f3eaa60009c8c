"""The norms and shapes of which the tests here ask their questions."""

from collections.abc import Iterable

import pytest

from normzoo.registry import NORMS

OPTIONS = (
    "group:groups=1",
    "group:groups=2",
    "group:groups=4,affine=False,eps=0.1",
    "group+ws:groups=2",
    "instance:affine=False",
    "instance:bias=False",
    "instance:track_running_stats=True",
    "instance:track_running_stats=True,momentum=0",
    "batch:track_running_stats=False",
    "batch:momentum=none",
    "batch:affine=False,eps=0.1",
    "batch:bias=False,momentum=0.3",
    "layer:affine=False",
    "channel-layer:bias=False,eps=0.1",
    "ghost:size=2",
    "ghost:size=1,track_running_stats=False",
    "position:affine=True",
    "rms:bias=False",
    "rms:affine=False,eps=0.1",
)
ONE_POOL = [name for name, entry in NORMS.items() if entry.explanation.pooling or name == "none"]
SPECS = (*(name for name in ONE_POOL if not name.startswith("group")), *OPTIONS)
"""Every norm that has one pool, the control, and options of each; those of eight groups are left out, as the shapes
here have fewer channels."""

MAPS = (2, 4, 2, 2)
OTHER_SHAPES = ((3, 4), (2, 4, 3), (2, 4, 2, 1, 2))
POOLING = ("batch", "ghost:size=2", "layer", "channel-layer", "position", "instance", "group:groups=2", "rms", "none")
"""Each way of pooling once; of inputs of other shapes than maps other options say the same."""


STARTS = ("dyt:alpha=2", "derf:alpha=2", "batch-instance:rho=0.25")
"""What starts at an option."""


def _switched() -> list[str]:
    """Return the norms that have not one pool, each also with every switch the other way; of others the newer ones."""
    specs = []
    for name, entry in NORMS.items():
        options = entry.explanation.options
        fitting = ["groups=2"] if "groups" in options else []  # the shapes here have few channels
        switches = [
            f"{option}={not default}"
            for option, default in options.items()
            if isinstance(default, bool) and (name not in ONE_POOL or option in ("zero_centered", "unbiased"))
        ]
        told = [[*fitting, switch] for switch in switches] + [fitting] * (name not in ONE_POOL)
        specs += [":".join(filter(None, (name, ",".join(each)))) for each in told]
    return specs


EVERY = (*SPECS, *STARTS, *_switched())
"""Every norm, also with options."""

QUICK = ("batch", "group:groups=2", "rms", "none", "extended", "dyt")
"""Of which quick tests ask: with running averages, of a sample, without a mean, the control, of two pools, of none."""


def each_of(specs: Iterable[str]) -> pytest.MarkDecorator:
    """Ask of each of these norms."""
    slow = pytest.mark.slow
    return pytest.mark.parametrize("spec", [pytest.param(spec, marks=() if spec in QUICK else slow) for spec in specs])


def goes_with(spec: str, shape: tuple[int, ...]) -> bool:
    """Whether a norm has several values for each statistic."""
    return len(shape) > 2 or not spec.startswith(("instance", "ghost:"))


IN_OTHER_SHAPES = [(spec, shape) for spec in POOLING for shape in OTHER_SHAPES if goes_with(spec, shape)]


def each_with_shapes(cases: Iterable[tuple[str, tuple[int, ...]]]) -> pytest.MarkDecorator:
    """Ask of each of these norms and shapes."""
    slow = pytest.mark.slow
    marked = [pytest.param(*case, marks=() if case[0] in QUICK else slow) for case in cases]
    return pytest.mark.parametrize(("spec", "shape"), marked)


each_in_all_shapes = each_with_shapes([*((spec, MAPS) for spec in SPECS), *IN_OTHER_SHAPES])
