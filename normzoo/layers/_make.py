"""One factory for all norms."""

from collections.abc import Callable, Mapping
from functools import cache, partial, wraps
from inspect import Parameter, signature
from typing import Any

import torch
from torch import nn

from normzoo.errors import ComponentError, error_text
from normzoo.layers._kernels.torch_internals import TorchInstanceNorm
from normzoo.registry import CHANNELS, NORMS, Option, first_parameter, written

NormFactory = Callable[..., nn.Module]
"""Takes a number of channels, and perhaps ``device`` and ``dtype``; returns a norm of that many."""

SPEC = "spec"
"""The attribute of a factory that says of which spec it makes norms."""

MADE_FOR = "made_for_channels"
"""The attribute by which a norm of any class is known for one; its number of channels."""


def make_norm(spec: str, num_features: int) -> nn.Module:
    """Build the norm that a spec names, for inputs ``(N, num_features)`` or ``(N, num_features, *)``.

    Args:
        spec: a registered name with options, ``group:groups=8``, or a class of your own,
            ``my_package.my_module:MyNorm``, which is called with the channels and the options. The channels go to
            the parameter that means them (``num_features``, ``num_channels``, ``normalized_shape``, ...), or to the
            first. A lazy module of torch's gets the options alone.
        num_features: channels, the size of dimension 1 of the input.

    Raises:
        UnknownNameError: no norm of that name.
        ComponentError: the class cannot be imported, refuses its arguments or is no ``torch.nn.Module``.

    >>> make_norm("group:groups=8", num_features=64)
    GroupNorm(8, 64, eps=1e-05, affine=True, bias=True)
    """
    return _built(spec, _maker(spec), num_features)


def _built(spec: str, make: Callable[[int], object], num_features: int) -> nn.Module:
    try:
        layer = make(num_features)
    except Exception as error:
        reason = error_text(error) or type(error).__name__
        raise ComponentError(f"norm '{spec}' cannot be built for {num_features} channels: {reason}") from error
    if not isinstance(layer, nn.Module):
        made = type(layer).__name__
        raise ComponentError(f"norm '{spec}': it must make a torch.nn.Module, it made a {made}")
    return layer


def _maker(spec: str) -> Callable[[int], object]:
    """Return what makes a norm of a number of channels; one that is lazy looks at its first input."""
    target, options = NORMS.load(spec)
    if hasattr(target, "cls_to_become"):  # torch.nn's lazy modules, which become another class
        return lambda _: target(**options)
    try:
        parameters = signature(target).parameters
    except ValueError:  # some built-in types do not tell
        return partial(target, **options)
    name = first_parameter(parameters, CHANNELS)
    if name is None or parameters[name].kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL):
        return partial(target, **options)
    return lambda channels: target(**{name: channels}, **options)


def norm_factory(spec: str) -> NormFactory:
    """Return the factory of a spec, for use as ``norm_layer(num_features)`` in networks of torchvision and timm.

    It also takes ``device`` and ``dtype``, as timm's networks give them, and options in place of the spec's. Its
    attribute ``spec`` is what it was made of.

    >>> norm_factory("group:groups=4")(16)
    GroupNorm(4, 16, eps=1e-05, affine=True, bias=True)

    Raises:
        UnknownNameError: no norm of that name.
        ComponentError: the class cannot be imported or does not take the options.
    """
    maker = cache(_maker)  # a network has many norms of one spec
    maker(spec)  # what is wrong with it is said here, not where a network is built

    def factory(
        num_features: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **options: Option,
    ) -> nn.Module:
        asked = _with_options(spec, options)
        try:
            make = maker(asked)
        except ComponentError as error:
            raise _refused(spec, asked, options, error) from error
        layer = _built(asked, make, num_features)
        return layer if device is None and dtype is None else layer.to(device=device, dtype=dtype)

    setattr(factory, SPEC, spec)
    return factory


def _with_options(spec: str, options: Mapping[str, Option]) -> str:
    if not options:
        return spec
    parsed = NORMS.parse(spec)
    return str(parsed._replace(options={**parsed.options, **options}))


def _refused(spec: str, asked: str, options: Mapping[str, Option], error: ComponentError) -> ComponentError:
    """Say what is wrong with the options of a call, by the spec and the options that somebody wrote."""
    called = ", ".join(f"{name}={written(value)}" for name, value in options.items())
    reason = str(error).removeprefix(f"norm '{asked}': ")
    return ComponentError(
        f"norm '{spec}', called with {called}: {reason}; options that not every norm takes belong to the norm, as in "
        "batch:eps=0.001, and not to the call"
    )


def marking(norm: NormFactory) -> NormFactory:
    """Return what makes the same norms, each marked with the number of channels that it is made for (``MADE_FOR``)."""

    @wraps(norm)
    def factory(num_features: int, **options: Any) -> nn.Module:
        layer = norm(num_features, **options)
        setattr(layer, MADE_FOR, num_features)
        return layer

    return factory


def needs_positions(layer: nn.Module) -> bool:
    """Whether a norm means nothing for plain vectors, as instance norm; a norm of the user's own may declare it too."""
    return bool(getattr(layer, "needs_positions", isinstance(layer, TorchInstanceNorm)))


def takes_mask(layer: nn.Module) -> bool:
    """Whether a layer, or what is mapped over members, takes a mask beside its input."""
    told: nn.Module = getattr(layer, "skeleton", layer)
    return _declares_mask(type(told).forward)


@cache
def _declares_mask(forward: Callable[..., Any]) -> bool:
    return "mask" in signature(forward).parameters


def contains_activation(layer: nn.Module) -> bool:
    """Whether a norm applies an activation of its own, so that a template is to put none beside it.

    A norm declares it by ``contains_activation``; those of timm by ``apply_act``, or by a part ``act`` that is no
    identity.
    """
    declared = getattr(layer, "contains_activation", None)
    if declared is None:
        declared = getattr(layer, "apply_act", None)
    if declared is None:
        act = getattr(layer, "act", None)
        declared = isinstance(act, nn.Module) and not isinstance(act, nn.Identity)
    return bool(declared)
