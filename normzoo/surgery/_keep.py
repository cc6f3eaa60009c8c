"""What a norm keeps of the one in whose place it comes: settings, tensors, what of it is frozen, mode and hooks."""

from collections.abc import Collection

import torch
from torch import nn

from normzoo.errors import UsageError
from normzoo.layers._policies import DEFAULTS
from normzoo.surgery._freeze import NEEDED_GRAD, Held, hold_statistics, is_tracking
from normzoo.surgery._norms import AFFINE, STATISTICS, Found

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


_WRAPPERS = ("DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule")
"""Classes that know the parameters of what they wrap, and would not learn of new ones."""


def refuse_wrapped(model: nn.Module, function: str, done: str) -> None:
    """Refuse a model that is wrapped for several processes already.

    Raises:
        UsageError: it is.
    """
    for module in model.modules():
        for kind in type(module).__mro__:
            if kind.__name__ in _WRAPPERS:
                raise UsageError(
                    f"{function}: a model within {kind.__name__} cannot be {done}; {function}, then wrap it"
                )


def take_over(old: Found, new: Found, given: Collection[str] | None) -> list[str]:
    """Give a new norm the settings and tensors of an old one; return what could not be kept.

    Args:
        old: what stands there.
        new: what takes its place.
        given: settings that were asked for, and are not the old one's; None: all.
    """
    takes_settings = given is not None and old.is_known and new.is_known and old.kind != "none"
    asked = given or ()
    if takes_settings and "eps" not in asked and isinstance(getattr(old.norm, "eps", None), float | int):
        set_if_there(new.norm, "eps", old.norm.eps)
    if takes_settings:
        set_if_there(new.norm, "process_group", getattr(old.norm, "process_group", None))
    takes_absence = takes_settings and not {"affine", "elementwise_affine", "bias"} & set(asked)
    is_same = takes_settings and old.kind == new.kind and not {"track_running_stats", "momentum"} & set(asked)
    return [
        *_take_parameters(old, new, takes_absence=takes_absence),
        *_take_statistics(old, new, is_same=is_same),
        *_dropped_options(old.norm, new.norm, asked),
    ]


def _dropped_options(old: nn.Module, new: nn.Module, asked: Collection[str]) -> list[str]:
    """Say which options of ours, that torch.nn's norms do not have, the new norm is without."""
    dropped = [
        name
        for name, default in DEFAULTS.items()
        if name not in ("channel_dim", "zero_centered", *asked)  # which are seen to
        and getattr(old, name, default) != getattr(new, name, default) == default
    ]
    return [f"{', '.join(dropped)} dropped"] if dropped else []


def set_if_there(module: nn.Module, name: str, value: object) -> None:
    """Set an attribute that a module has."""
    if hasattr(module, name):
        setattr(module, name, value)


def _take_parameters(old: Found, new: Found, *, takes_absence: bool) -> list[str]:
    """Have a new norm hold the parameters of an old one; ``takes_absence``: and no others.

    Where one of the two multiplies by ``1 + weight``, and the other by ``weight``, that is shifted by one.
    """
    before, after = old.norm, new.norm
    one = getattr(before, "zero_centered", False) - getattr(after, "zero_centered", False)
    learned = list(before.parameters(recurse=False))
    is_fixed = bool(learned) and not any(each.requires_grad for each in learned)
    is_scale = getattr(before, "weight_start", 1) == getattr(after, "weight_start", 1)  # in both, or in neither
    changes: dict[str, list[str]] = {}
    for name in AFFINE:
        value, slot = getattr(before, name, None), getattr(after, name, None)
        shift = one if name == "weight" else 0
        if name == "weight" and slot is not None and not is_scale:
            changes.setdefault("made anew", []).append(name)
        elif slot is None:
            if value is not None and new.kind != "none":
                changes.setdefault("dropped", []).append(name)
        elif value is None and takes_absence:
            after.register_parameter(name, None)
        elif value is None or value.shape != slot.shape:
            changes.setdefault("made anew", []).append(name)
        elif isinstance(value, nn.Parameter) and isinstance(slot, nn.Parameter) and not shift:
            after.register_parameter(name, value)
        else:
            with torch.no_grad():
                slot.copy_(value + shift)
            if shift:
                changes.setdefault("plus one" if shift > 0 else "less one", []).append(name)
            if isinstance(value, nn.Parameter) != isinstance(slot, nn.Parameter):
                changes.setdefault("fixed" if isinstance(value, nn.Parameter) else "no longer fixed", []).append(name)
    if takes_absence:
        for name in ("affine", "elementwise_affine"):
            set_if_there(after, name, getattr(after, "weight", None) is not None)
    changes.setdefault("made anew", []).extend(name for name, _ in after.named_parameters() if name not in AFFINE)
    changes.setdefault("dropped", []).extend(name for name in before._parameters if name not in AFFINE)
    needed = vars(before).get(NEEDED_GRAD, ())
    frozen = []
    for name, parameter in after.named_parameters():
        is_new = all(parameter is not each for each in learned)
        if is_fixed and is_new:
            parameter.requires_grad_(False)
        if needed and (is_new or name in needed):
            frozen.append(name)
    if frozen:
        vars(after)[NEEDED_GRAD] = tuple(frozen)
    return [f"{', '.join(names)} {change}" for change, names in changes.items() if names]


def _take_statistics(old: Found, new: Found, *, is_same: bool) -> list[str]:
    """Have a new norm hold the running statistics of an old one, where both keep them.

    Args:
        old: what stands there.
        new: what takes its place.
        is_same: they are of one kind, and so the new one keeps some, with the same momentum, if the old one does.
    """
    before, after = old.norm, new.norm
    if is_same and hasattr(after, "track_running_stats"):
        set_if_there(after, "track_running_stats", getattr(before, "track_running_stats", True))
        set_if_there(after, "momentum", getattr(before, "momentum", after.momentum))
        for name in (each for each in STATISTICS if each in after._buffers):
            after.register_buffer(name, before._buffers.get(name, after._buffers[name]))
        return []
    kept = [name for name in STATISTICS if after._buffers.get(name) is not None]
    for name in kept:
        value = before._buffers.get(name)
        if value is not None and value.shape == after.get_buffer(name).shape:
            after.register_buffer(name, value)
    if kept and getattr(before, kept[0], None) is None:
        return ["new statistics: train or recalibrate"]
    return []


def take_mode(old: nn.Module, new: nn.Module) -> bool:
    """Put a new norm into the mode of an old one, with frozen statistics if those are; return the mode around it."""
    held = vars(old).get("train")
    mode = held.asked if isinstance(held, Held) else old.training
    new.train(mode)
    if isinstance(held, Held) and is_tracking(new):
        hold_statistics(new)
    return mode


def take_hooks(old: nn.Module, new: nn.Module) -> None:
    """Have a new module call the hooks of an old one; their handles still remove them."""
    for name in _HOOKS:
        hooks = vars(old)[name]
        hooks.update(vars(new)[name])
        vars(new)[name] = hooks
    if old._is_full_backward_hook is not None:
        new._is_full_backward_hook = old._is_full_backward_hook
