"""Which norms of the registry tests ask their questions of."""

from typing import Final

from normzoo.registry import NORMS

CLASSIC: Final = ("batch", "layer", "channel-layer", "instance", "group", "rms", "none")
"""For questions that take long, or that do not depend on a norm's formula."""

FORMULAS: Final = tuple(name for name, entry in NORMS.items() if entry.explanation.pooling is None and name != "none")
"""Those that have not one pool."""
