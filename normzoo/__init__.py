"""normzoo: normalization layers from scratch, and one command that compares them.

The layers are in :mod:`normzoo.layers`; ``normzoo compare`` is the command. Importing this
package alone does not import torch.
"""

from normzoo.errors import NormzooError, UsageError

__all__ = ["NormzooError", "UsageError", "__version__"]

__version__ = "0.1.0"
