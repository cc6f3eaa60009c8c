"""A multilayer perceptron: dense layers, each with an activation and a norm."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal

from torch import Tensor, nn

from normzoo.layers._make import NormFactory, needs_positions
from normzoo.registry import InputKind
from normzoo.templates._norm_slots import build, check_sizes, left_out, norm_act

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}


class Mlp(nn.Module):
    """A hidden dense layer per width, each with an activation and a norm, then a classifier without.

    It is for plain vectors; images, volumes and sequences of one length are flattened. A norm that needs positions,
    such as instance norm, is left out, and ``notes`` says so; one that contains its activation gets none beside it.
    Weights start as torch starts them.

    Args:
        norm: makes the norm of each place from its number of channels.
        shape: of a sample: ``(F,)``, or any other, which is flattened.
        outputs: how many numbers to put out for each sample: logits of the classes, for instance.
        widths: units of the hidden layers.
        placement: the norm after the activation (``post``) or before it (``pre``).
        activation: of the hidden layers.
        dropout: which share of the hidden units is dropped in training, after norm and activation.
        sites: where norms stand: at ``all`` hidden layers, or at the ``first`` or the ``last`` of them.

    Raises:
        ValueError: there is no hidden layer.
        ComponentError: the norm takes no vectors.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        norm: NormFactory,
        *,
        shape: tuple[int, ...],
        outputs: int,
        widths: Sequence[int] = (256, 128),
        placement: Literal["post", "pre"] = "post",
        activation: Literal["relu", "gelu", "silu", "tanh"] = "relu",
        dropout: float = 0.0,
        sites: Literal["all", "first", "last"] = "all",
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("Mlp: norms stand at hidden layers, got no widths; use for example widths=64")
        check_sizes("Mlp", widths=widths)
        act = ACTIVATIONS[activation]
        chosen = {"all": range(len(widths)), "first": (0,), "last": (len(widths) - 1,)}[sites]
        layers: list[nn.Module] = [nn.Flatten()]
        slots: list[tuple[str, int, InputKind]] = []
        self.places: dict[str, str] = {}
        for index, (fan_in, fan_out) in enumerate(zip((prod(shape), *widths), widths, strict=False)):
            layers.append(nn.Linear(fan_in, fan_out))
            parts: list[nn.Module] = [act()]
            if index in chosen:
                parts = norm_act(norm, fan_out, "vectors", placement=placement, activation=act)
                slots.append(("after the dense layers", fan_out, "vectors"))
                at = len(layers) + (len(parts) - 1 if placement == "post" else 0)
                self.places[f"layers.{at}"] = "after the dense layers"
            layers.extend(parts)
            if dropout:
                layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(widths[-1], outputs))
        self.layers = nn.Sequential(*layers)
        if needs_positions(build(norm, widths[0])):
            self.notes: tuple[str, ...] = ("no norm at all, as vectors have no positions, which it needs",)
        else:
            self.notes = left_out(norm, slots)

    def forward(self, samples: Tensor) -> Tensor:
        """Map vectors ``(N, F)``, or samples ``(N, C, *)``, to outputs ``(N, outputs)``."""
        y: Tensor = self.layers(samples)
        return y
