"""A transformer encoder over an image's patches, the steps of a sequence or tokens; its norms stand in four ways.

A sublayer f is attention or an mlp. Where norms stand:

    post      x = norm(x + f(x))                 Vaswani et al. (2017), "Attention Is All You Need"
    pre       x = x + f(norm(x))                 Xiong et al. (2020), "On Layer Normalization in the Transformer
                                                 Architecture"
    sandwich  x = x + norm(f(norm(x)))           Ding et al. (2021), "CogView: Mastering Text-to-Image Generation via
                                                 Transformers"
    peri      x = x + norm(f(norm(x)))           Kim et al. (2025), "Peri-LN: Revisiting Normalization Layer in the
                                                 Transformer Architecture"

All but ``post`` have a norm at the end, after the last sublayer. ``peri`` has one on the embedding, too, and differs
from ``sandwich`` in that alone.
"""

from math import gcd
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from normzoo.errors import ComponentError
from normzoo.layers import NoNorm
from normzoo.layers._make import NormFactory, contains_activation
from normzoo.registry import InputKind
from normzoo.templates._norm_slots import (
    accepts,
    build,
    centers_positions,
    check_sizes,
    fit_for_padding,
    is_batch_independent,
    left_out,
    masked,
)
from normzoo.templates._padding import max_over_steps, mean_over_steps, without_padding

Placement = Literal["post", "pre", "sandwich", "peri"]

POSITIONS_STD = 0.02
"""Of what is learned per position, at the start."""


class Transformer(nn.Module):
    """Tokens with learned positions, sublayers of attention and mlp in turn, and a classifier on the tokens' mean.

    Norms see tokens ``(N, T, C)`` as sequences ``(N, C, T)``: batch norm pools samples and tokens, ``layer`` channels
    and tokens, and ``channel-layer`` the channels of each token, which is the layer norm of the papers. So with
    ``causal`` it is attention alone that looks at no later token; a norm that pools tokens does. Where outputs are
    wanted for every step, attention is causal, and norms see each token as a vector ``(N * T, C)`` of its own: then no
    norm pools the tokens of a sample but one that pools samples. Sequences may be of different lengths: attention,
    norms and the mean leave out what is beyond their ends. Instance norm makes
    the mean over tokens its bias, and is left out at the last place; in ``sandwich`` and ``peri`` give it
    ``pool=max``. The mlps have a GELU. Weights start as torch starts them.

    Args:
        norm: makes the norm of each place from its number of channels.
        shape: of a sample: (C, H, W) of images, (C, T) of sequences, each of whose steps is a token, or (T,) of tokens.
        outputs: how many numbers to put out for each sample: logits of the classes, for instance.
        vocabulary: how many different tokens there are; None where samples are no tokens.
        ragged: not 0 where sequences are of different lengths, and NaN beyond their ends.
        per_step: outputs are wanted for every step.
        patch: pixels along each side of an image's patches, each of which is a token.
        width: channels of a token.
        depth: how many sublayers of each kind there are.
        heads: of attention.
        mlp_ratio: units of an mlp per channel.
        placement: of the norms, see above.
        qk_norm: further norms on the queries and keys of each head, Henry et al. (2020), "Query-Key Normalization for
            Transformers". One norm serves all heads, to which they are further samples. Departure: products are
            scaled by 1 / sqrt(channels), as without, and the norm's weight can learn another scale.
        causal: attention looks at no later token.
        dropout: which share of the embedding, and of what each sublayer adds, is dropped in training.
        pool: over tokens, before the classifier.
        sites: at which sublayers norms stand: ``attention``, ``mlp``, or ``all`` and also at the ends. ``qk_norm`` is
            apart from it.

    Raises:
        ValueError: the patch does not divide the image, or the heads the width; there is no sublayer; tokens come
            without ``vocabulary``, or images with it.
        ComponentError: the norm takes no sequences (no vectors, where outputs are of every step), contains an
            activation, or takes no mask where it would need one.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        norm: NormFactory,
        *,
        shape: tuple[int, ...],
        outputs: int,
        vocabulary: int | None = None,
        ragged: int = 0,
        per_step: bool = False,
        patch: int = 4,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        mlp_ratio: int = 2,
        placement: Placement = "pre",
        qk_norm: bool = False,
        causal: bool = False,
        dropout: float = 0.0,
        pool: Literal["mean", "max"] = "mean",
        sites: Literal["all", "attention", "mlp"] = "all",
    ) -> None:
        super().__init__()
        self.pool, self.ragged, self.per_step = pool, ragged, per_step
        kind: InputKind = "vectors" if per_step else "sequences"
        check_sizes("Transformer", width=width)
        if heads < 1 or width % heads:
            raise ValueError(
                f"Transformer: heads must divide width, got width={width}, heads={heads}; use one of {_divisors(width)}"
            )
        check_sizes("Transformer", depth=depth, mlp_ratio=mlp_ratio)

        def norms(where: str, *, wanted: bool, channels: int = width, last: bool = False) -> list[nn.Module]:
            if not wanted:
                return []
            is_averaged = last and pool == "mean" and not per_step
            return [TokenNorm(norm, channels, where, kind, is_averaged=is_averaged, ragged=bool(ragged))]

        def dropouts() -> list[nn.Module]:
            return [nn.Dropout(dropout)] if dropout else []

        def sublayer(name: Literal["attention", "mlp"], part: nn.Module, *, last: bool = False) -> Sublayer:
            is_site = sites in ("all", name)
            branch = [
                *norms(f"before the {name}", wanted=is_site and placement != "post"),
                part,
                *norms(f"after the {name}", wanted=is_site and placement in ("sandwich", "peri")),
                *dropouts(),
            ]
            after_sum = norms(f"on the sum after the {name}", wanted=is_site and placement == "post", last=last)
            return Sublayer(branch, after_sum)

        self.embedding, tokens = _embedding(shape, patch, vocabulary, width)
        self.positions = nn.Parameter(POSITIONS_STD * torch.randn(tokens, width))
        opening = norms("on the embedding", wanted=sites == "all" and placement == "peri")
        self.opening = OfTokens(*opening, *dropouts())
        self.sublayers = OfTokens()
        for index in range(depth):
            q_norm, k_norm = (
                norms(f"on the {name}", wanted=qk_norm, channels=width // heads) for name in ("queries", "keys")
            )
            attention = Attention(width, heads, q_norm, k_norm, causal=causal or per_step)
            mlp = nn.Sequential(nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width))
            self.sublayers.append(sublayer("attention", attention))
            self.sublayers.append(sublayer("mlp", mlp, last=index == depth - 1))
        closing = norms("at the end", wanted=sites == "all" and placement != "post", last=True)
        self.closing = OfTokens(*closing)
        self.head = nn.Linear(width, outputs)
        slots = {name: module for name, module in self.named_modules() if isinstance(module, TokenNorm)}
        self.places = {name: slot.where for name, slot in slots.items()}
        self.notes = left_out(norm, [(slot.where, slot.channels, kind) for slot in slots.values()])
        if per_step and not all(is_batch_independent(slot.norm) for slot in slots.values()):
            self.notes += (
                "in training its statistics are also over later tokens, which the network is to predict; not in "
                "evaluation",
            )
        if any(slot.erases for slot in slots.values()):
            note = "no norm at the last place, as the mean over its tokens would be the same for every sample"
            if placement in ("sandwich", "peri"):
                note += ", as it is of what each sublayer adds; use pool=max"
            self.notes += (note,)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)``, sequences ``(N, C, T)`` or tokens ``(N, T)`` to outputs ``(N, outputs)``.

        For every step outputs are ``(N, T, outputs)``.
        """
        values, mask = without_padding(inputs) if self.ragged else (inputs, None)
        tokens = self.embedding(values)
        x = self.opening(tokens + self.positions[..., : tokens.shape[-2], :], mask)
        x = self.closing(self.sublayers(x, mask), mask)
        if not self.per_step:
            x = mean_over_steps(x, mask) if self.pool == "mean" else max_over_steps(x, mask)
        y: Tensor = self.head(x)
        return y


def _embedding(shape: tuple[int, ...], patch: int, vocabulary: int | None, width: int) -> tuple[nn.Module, int]:
    """Return what makes tokens of ``width`` channels of an input, and how many."""
    if len(shape) == 1:
        if vocabulary is None:
            raise ValueError(
                f"Transformer: samples of shape {shape} must be tokens, whose number of kinds is not given; use "
                "vocabulary=..., or for vectors of numbers the mlp"
            )
        return nn.Embedding(vocabulary, width), shape[0]
    if vocabulary is not None:
        raise ValueError(f"Transformer: vocabulary is for tokens, got samples of shape {shape}; leave it out")
    if len(shape) == 2:
        return nn.Sequential(Steps(), nn.Linear(shape[0], width)), shape[1]
    channels, height, across = shape
    common = gcd(height, across)
    if patch < 1 or common % patch:
        raise ValueError(
            f"Transformer: patch must divide height and width of the images, got patch={patch} for {height}x{across}; "
            f"use one of {_divisors(common)}"
        )
    linear = nn.Linear(channels * patch * patch, width)
    return nn.Sequential(Patches(patch), linear), height * across // patch**2


def _divisors(number: int) -> str:
    return ", ".join(str(each) for each in range(1, number + 1) if number % each == 0)


class Patches(nn.Module):
    """Cuts images into square patches of some pixels along each side."""

    consists_of_parts: ClassVar[bool] = True

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, T, C * side * side)``."""
        *outer, height, width = images.shape
        cut = images.reshape(*outer, height // self.side, self.side, width // self.side, self.side)
        return cut.movedim((-4, -2), (-5, -4)).flatten(-3).flatten(-3, -2)


class Steps(nn.Module):
    """Takes the steps of sequences for tokens."""

    consists_of_parts: ClassVar[bool] = True

    def forward(self, sequences: Tensor) -> Tensor:
        """Map ``(N, C, T)`` to ``(N, T, C)``."""
        return sequences.transpose(-2, -1)


class OfTokens(nn.Sequential):
    """One part after another, of which those that look at other tokens are told which count."""

    consists_of_parts: ClassVar[bool] = True

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map tokens ``(N, T, C)`` to tokens, of which those count that are True in ``mask`` ``(N, T)``."""
        for part in self:
            x = part(x, mask) if isinstance(part, TokenNorm | Sublayer | Attention) else part(x)
        return x


class TokenNorm(nn.Module):
    """A norm of tokens ``(N, T, C)``, which it sees as sequences ``(N, C, T)`` or as vectors ``(N * T, C)``.

    One that takes none is left out.

    Args:
        norm: makes the norm.
        channels: of a token.
        where: it stands, in words.
        kind: what tokens are seen as.
        is_averaged: what follows is the mean over tokens; a norm that makes it the same for all is left out, too.
        ragged: a mask will be given.

    Raises:
        ComponentError: it contains an activation, or takes no mask where it would need one.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self,
        norm: NormFactory,
        channels: int,
        where: str,
        kind: InputKind = "sequences",
        *,
        is_averaged: bool = False,
        ragged: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.where, self.kind = channels, where, kind
        layer = build(norm, channels)
        if contains_activation(layer):
            raise ComponentError("it contains an activation, and the transformer's norms stand where there is none")
        is_taken = accepts(layer, channels, kind)
        if is_taken and ragged:
            fit_for_padding(layer, channels, kind)
        self.erases = is_taken and is_averaged and centers_positions(layer, channels)
        self.norm = layer if is_taken and not self.erases else NoNorm(channels)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map ``(N, T, C)`` to ``(N, T, C)``."""
        if self.kind == "vectors":
            rows = x.movedim(-2, 1)
            counts = None if mask is None else mask.movedim(-1, 1).flatten(0, 1)
            return masked(self.norm, rows.flatten(0, 1), counts).reshape(rows.shape).movedim(1, -2)
        return masked(self.norm, x.transpose(-2, -1), mask).transpose(-2, -1)


class Sublayer(nn.Module):
    """Adds what a branch makes of tokens ``(N, T, C)`` to them; perhaps a norm follows."""

    consists_of_parts: ClassVar[bool] = True

    def __init__(self, branch: list[nn.Module], after_sum: list[nn.Module]) -> None:
        super().__init__()
        self.branch, self.after_sum = OfTokens(*branch), OfTokens(*after_sum)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map ``(N, T, C)`` to ``(N, T, C)``."""
        y: Tensor = self.after_sum(x + self.branch(x, mask), mask)
        return y


class Attention(nn.Module):
    """Self-attention of several heads (Vaswani et al. 2017).

    Args:
        width: channels of a token.
        heads: into which they are divided.
        q_norm: norms of the queries of a head, or none.
        k_norm: norms of its keys, or none.
        causal: no token looks at later ones.
    """

    consists_of_parts: ClassVar[bool] = True

    def __init__(
        self, width: int, heads: int, q_norm: list[nn.Module], k_norm: list[nn.Module], *, causal: bool
    ) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.q_norm, self.k_norm = OfTokens(*q_norm), OfTokens(*k_norm)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map ``(N, T, C)`` to ``(N, T, C)``, of which those count that are True in ``mask`` ``(N, T)``."""
        q, k, v = (self._by_head(each) for each in self.qkv(x).chunk(3, -1))
        if mask is not None:
            mask = mask.unsqueeze(1).expand(-1, self.heads, *mask.shape[1:]).flatten(0, 1)
        q, k = self.q_norm(q, mask), self.k_norm(k, mask)
        q, k, values = (each.flatten(0, -3).unsqueeze(1) for each in (q, k, v))  # four dimensions have fast kernels
        allowed = None if mask is None else self._allowed(mask)
        is_causal = self.causal and allowed is None
        attended = scaled_dot_product_attention(q, k, values, allowed, is_causal=is_causal).reshape(v.shape)
        of_heads = attended.reshape(-1, self.heads, *attended.shape[1:])
        y: Tensor = self.output(of_heads.movedim(1, -2).flatten(-2))
        return y

    def _allowed(self, mask: Tensor) -> Tensor:
        """Return which tokens each may look at, ``(N * heads, 1, 1 or T, T)``; ``mask`` ``(N * heads, T)`` counts."""
        allowed = mask.flatten(0, -2)[:, None, None]
        steps = mask.shape[-1]
        return (
            allowed & torch.ones(steps, steps, dtype=torch.bool, device=mask.device).tril() if self.causal else allowed
        )

    def _by_head(self, x: Tensor) -> Tensor:
        """Map ``(N, T, C)`` to ``(N * heads, T, C / heads)``."""
        return x.reshape(*x.shape[:-1], self.heads, -1).movedim(-2, 1).flatten(0, 1)
