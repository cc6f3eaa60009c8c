"""No norm at all."""

from typing import Final

from normzoo.registry._explanation import Explanation, Line, NormEntry
from normzoo.registry.norms._sentences import SAME

FAMILY: Final = "control"

_NONE = Explanation(
    pooling=None,
    does="nothing is normalized: the control",
    centered=False,
    normalized="x",
    statistics="Nothing is measured and nothing is normalized.",
    options={},
    tensors=(),
    training=(Line(text="Nothing: the input is the output."),),
    inference=(SAME,),
    cost=(Line(text="No pass over the values, nothing kept for backward, no state: the least there is."),),
    fits=(
        "Comparisons, as the control: what a norm gives shows only beside a network without one.",
        "Shallow networks, and networks made to do without a norm: by their initialization (Zhang, Dauphin & Ma 2019) "
        "or by clipped gradients and standardized weights (Brock et al. 2021).",
    ),
    misfits=(
        "Deep networks at high learning rates: without batch norm ResNet-110 diverges on CIFAR-10 at rates at which it "
        "trains with it (Bjorck et al. 2018).",
    ),
    paper=None,
)


ENTRIES: Final = {
    "none": NormEntry(
        target="normzoo.layers:NoNorm",
        formula="x",
        source="-",
        explanation=_NONE,
    ),
}
