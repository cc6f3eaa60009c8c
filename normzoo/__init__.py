"""normzoo: normalization layers from scratch, and one command that compares them.

The layers are in :mod:`normzoo.layers`; ``normzoo compare`` is the command. Importing this package alone does not
import torch: ``normzoo.layers`` does, when it is first used.

>>> import normzoo
>>> normzoo.layers.BatchNorm1d(3)
BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
"""

from importlib import import_module
from types import ModuleType

from normzoo.errors import NormzooError, UsageError

__all__ = ["NormzooError", "UsageError", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    if name == "layers":
        return import_module("normzoo.layers")
    raise AttributeError(f"module 'normzoo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "layers"]
