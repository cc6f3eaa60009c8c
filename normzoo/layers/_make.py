"""One factory for all norms."""

import inspect
from collections.abc import Callable

import torch
from torch import nn

from normzoo.errors import NormError
from normzoo.registry import is_import_path, load, norm_entry, parse_spec

NormFactory = Callable[..., nn.Module]
"""Takes a number of channels, and perhaps ``device`` and ``dtype``; returns a norm of that many."""


def make_norm(spec: str, num_features: int) -> nn.Module:
    """Build the norm that a spec names, for inputs ``(N, num_features)`` or ``(N, num_features, *)``.

    Args:
        spec: a registered name with options, ``group:groups=8``, or a class of your own,
            ``my_package.my_module:MyNorm``, which is called as ``MyNorm(num_features, **options)``.
        num_features: channels, the size of dimension 1 of the input.

    Raises:
        UnknownNameError: no norm of that name.
        NormError: the class cannot be imported, refuses its arguments or is no ``torch.nn.Module``.

    >>> make_norm("group:groups=8", num_features=64)
    GroupNorm(8, 64, eps=1e-05, affine=True, bias=True)
    """
    parsed = parse_spec(spec)
    if is_import_path(parsed):
        target, options = load(parsed.target), parsed.options
    else:
        entry = norm_entry(parsed)
        target, options = load(entry.target), {**entry.options, **parsed.options}
    for option in ("device", "dtype"):
        if option in parsed.options:
            raise NormError(f"norm '{spec}': {option} is no part of a norm's definition; move the layer with .to(...)")
    if not callable(target):
        raise NormError(f"norm '{spec}': {parsed.target} is no class or function that makes a torch.nn.Module")
    try:
        layer = target(num_features, **options)
    except Exception as error:
        raise NormError(
            f"norm '{spec}' cannot be built for {num_features} channels: {_reason(error, target)}"
        ) from error
    if not isinstance(layer, nn.Module):
        raise NormError(f"norm '{spec}': {parsed.target} must make a torch.nn.Module, it made a {type(layer).__name__}")
    return layer


def _reason(error: Exception, target: Callable[..., object]) -> str:
    """Return why a norm was not built; for arguments it does not take, those that it does."""
    if isinstance(error, TypeError):
        try:
            parameters = list(inspect.signature(target).parameters)[1:]
        except ValueError:  # some built-in types do not tell
            return str(error)
        return f"{error} ({'it takes: ' + ', '.join(parameters) if parameters else 'it takes no options'})"
    return str(error) or type(error).__name__


def norm_factory(spec: str) -> NormFactory:
    """Return the factory of a spec, for use as ``norm_layer(num_features)`` in networks of torchvision and timm.

    It also takes ``device`` and ``dtype``, as timm's networks give them.

    >>> norm_factory("group:groups=4")(16)
    GroupNorm(4, 16, eps=1e-05, affine=True, bias=True)
    """

    def factory(
        num_features: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> nn.Module:
        return make_norm(spec, num_features).to(device=device, dtype=dtype)

    return factory
