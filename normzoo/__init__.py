"""normzoo: normalization layers from scratch, and one command that compares them.

The layers are in :mod:`normzoo.layers`; ``normzoo compare`` is the command, and :func:`normzoo.compare` the same for
scripts and notebooks. Importing this package alone does not import torch: what is used first does.

>>> import normzoo
>>> normzoo.layers.BatchNorm1d(3)
BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from normzoo.errors import NormzooError, UsageError

if TYPE_CHECKING:
    from normzoo import layers
    from normzoo.comparison import Comparison, compare

__all__ = ["Comparison", "NormzooError", "UsageError", "__version__", "compare", "layers"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "layers":
        return import_module("normzoo.layers")
    if name in ("Comparison", "compare"):
        return getattr(import_module("normzoo.comparison"), name)
    raise AttributeError(f"module 'normzoo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
