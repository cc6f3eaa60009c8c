"""Every template in a small size, for 8x8 images of one channel."""

from typing import Any

from torch import nn

from normzoo.layers._make import NormFactory
from normzoo.registry import TEMPLATES, load

SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"placement": "post", "widths": (8, 16), "hidden": 32, "sites": "all"},
    "lstm": {"hidden": 32},
    "mlp": {"widths": (32, 16)},
    "resnet": {"depth": 8, "width": 8, "shortcut": "B"},
    "transformer": {"width": 16, "depth": 1},
    "vgg": {"width": 8, "hidden": 32, "sites": "all"},
}
"""The options of each."""


def small_network(template: str, norm: NormFactory, *, outputs: int = 3, **changes: Any) -> nn.Module:
    """Build a template's network with its small options, or others."""
    build: Any = load(TEMPLATES[template].target)
    network: nn.Module = build(norm, **{"shape": (1, 8, 8), "outputs": outputs, **SMALL[template], **changes})
    return network
