"""The norms, one entry each: what it pools, its formula and its source."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from normzoo.registry import explanations
from normzoo.registry._explanation import Explanation
from normzoo.registry._spec import Option, Spec, find, parse_options


@dataclass(frozen=True, kw_only=True)
class NormEntry:
    """A norm that can be asked for by name.

    ``target`` is called as ``target(num_features, **options)`` and returns the layer; ``options`` are the
    registry's own defaults, which a spec overrides.
    """

    target: str
    pools: str
    formula: str
    source: str
    explanation: Explanation
    options: Mapping[str, Option] = field(default_factory=dict)


_STANDARDIZE = "w * (x - mean) / sqrt(var + eps) + b"

NORMS: dict[str, NormEntry] = {
    "batch": NormEntry(
        target="normzoo.layers:BatchNorm",
        pools="all samples: one mean and variance per channel",
        formula=_STANDARDIZE + "; running mean and var in evaluation",
        source="Ioffe & Szegedy 2015",
        explanation=explanations.BATCH,
    ),
    "layer": NormEntry(
        target="normzoo.layers._group:layer_norm",
        pools="all channels: one mean and variance per sample",
        formula=_STANDARDIZE,
        source="Ba et al. 2016; on maps as in Wu & He 2018",
        explanation=explanations.LAYER,
    ),
    "instance": NormEntry(
        target="normzoo.layers:InstanceNorm",
        pools="nothing: one mean and variance per sample and channel",
        formula=_STANDARDIZE,
        source="Ulyanov et al. 2016",
        explanation=explanations.INSTANCE,
        options={"affine": True},
    ),
    "group": NormEntry(
        target="normzoo.layers._group:group_norm",
        pools="the channels of a group: one mean and variance per sample and group",
        formula=_STANDARDIZE,
        source="Wu & He 2018",
        explanation=explanations.GROUP,
        options={"groups": 8},
    ),
    "rms": NormEntry(
        target="normzoo.layers:SampleRMSNorm",
        pools="all channels: one root mean square per sample",
        formula="w * x / sqrt(mean(x^2) + eps) + b",
        source="Zhang & Sennrich 2019",
        explanation=explanations.RMS,
    ),
    "none": NormEntry(
        target="normzoo.layers:NoNorm",
        pools="nothing is normalized: the control",
        formula="x",
        source="-",
        explanation=explanations.NONE,
    ),
}


def parse_spec(text: str) -> Spec:
    """Read how a norm is asked for: ``NAME[:key=value,...]``, or ``pkg.module:Name[:key=value,...]`` for one's own.

    >>> parse_spec("group:groups=8,eps=1e-3")
    Spec(target='group', options={'groups': 8, 'eps': 0.001})
    >>> parse_spec("my_package.my_module:MyNorm")
    Spec(target='my_package.my_module:MyNorm', options={})

    Raises:
        NormError: an option is not of the form ``key=value``.
    """
    parts = [part.strip() for part in text.split(":")]
    is_path = len(parts) > 1 and parts[0] not in NORMS and "=" not in parts[1]
    target = ":".join(parts[:2]) if is_path else parts[0]
    return Spec(target, parse_options(text, ":".join(parts[2 if is_path else 1 :])))


def is_import_path(spec: Spec) -> bool:
    """Whether the spec names a class of the user's own, ``pkg.module:Name``."""
    return ":" in spec.target


def norm_entry(spec: Spec) -> NormEntry:
    """Return the registered entry of a spec, or raise an ``UnknownNameError`` with a suggestion."""
    return find("norm", NORMS, spec.target, hint="; your own: pkg.module:MyNorm")


def canonical_norm(text: str) -> str:
    """Write a spec in its one canonical form, with the registry's defaults filled in.

    >>> canonical_norm("group") == canonical_norm("group:groups=8")
    True

    Raises:
        UnknownNameError: no norm of that name.
        NormError: the spec does not read.
    """
    spec = parse_spec(text)
    defaults = {} if is_import_path(spec) else norm_entry(spec).options
    return str(Spec(spec.target, {**defaults, **spec.options}))


def short_norm(text: str) -> str:
    """Write a spec as briefly as possible, without the registry's defaults.

    >>> short_norm("group:groups=8"), short_norm("group:groups=4")
    ('group', 'group:groups=4')
    """
    spec = parse_spec(text)
    defaults = {} if is_import_path(spec) else norm_entry(spec).options
    own = {key: value for key, value in spec.options.items() if key not in defaults or defaults[key] != value}
    return str(Spec(spec.target, own))
