"""The other libraries with these norms: torch.nn, and timm, Liger-Kernel and apex where they are installed."""

from collections.abc import Callable
from typing import Any

from torch import nn

from normzoo import layers
from normzoo.bench.spec import Case

Builder = Callable[[Case], Any]
"""Returns the peer's layer for a case; None if it has none. ImportError: it is not installed."""

GROUPS = 8


def ours(case: Case) -> Any:
    """Return normzoo's layer."""
    return _from(layers, case)


def torch_nn(case: Case) -> Any:
    """Return torch.nn's layer."""
    return _from(nn, case)


def _from(source: Any, case: Case) -> Any:
    """Return the layer of a module that has torch.nn's names."""
    channels, rank = case.shape[1], max(len(case.shape) - 2, 1)
    match case.norm:
        case "batch":
            return getattr(source, f"BatchNorm{rank}d")(channels)
        case "instance":
            return getattr(source, f"InstanceNorm{rank}d")(channels, affine=True)
        case "group":
            return source.GroupNorm(GROUPS, channels)
        case "layer":
            return source.GroupNorm(1, channels)
        case "LayerNorm":
            return source.LayerNorm(case.shape[-1])
        case "RMSNorm":
            return source.RMSNorm(case.shape[-1], eps=1e-5)


def timm(case: Case) -> Any:
    """Return timm's layer, in its default setting."""
    from timm import layers

    theirs: Any = layers
    match case.norm:
        case "group":
            return theirs.GroupNorm(case.shape[1], GROUPS, eps=1e-5)
        case "layer":
            return theirs.GroupNorm1(case.shape[1])
        case "LayerNorm":
            return theirs.LayerNorm(case.shape[-1], eps=1e-5)
        case "RMSNorm":
            return theirs.RmsNorm(case.shape[-1], eps=1e-5)
    return None


def liger(case: Case) -> Any:
    """Return Liger-Kernel's layer, whose kernels are written in Triton."""
    from liger_kernel import transformers as theirs

    match case.norm:
        case "LayerNorm":
            return theirs.LigerLayerNorm(case.shape[-1], eps=1e-5)
        case "RMSNorm":
            return theirs.LigerRMSNorm(case.shape[-1], eps=1e-5)
    return None


def apex(case: Case) -> Any:
    """Return apex's layer."""
    from apex import normalization as theirs

    match case.norm:
        case "LayerNorm":
            return theirs.FusedLayerNorm(case.shape[-1], eps=1e-5)
        case "RMSNorm":
            return theirs.FusedRMSNorm(case.shape[-1], eps=1e-5)
    return None


PEERS: dict[str, tuple[Builder, str]] = {
    "timm": (timm, "timm"),
    "Liger-Kernel": (liger, "liger-kernel"),
    "apex": (apex, "apex"),
}
"""By name: how to build their layer, and the distribution they come from. Liger-Kernel and apex run on a GPU only."""

GPU_ONLY = ("Liger-Kernel", "apex")
