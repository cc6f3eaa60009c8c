"""Where the norms of a template stand: found out by looking at what they are given. Runs in a worker, imports torch."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from normzoo.experiment.planning.facts import PlaceFacts
from normzoo.layers import NoNorm
from normzoo.layers._kernels.torch_internals import TorchBatchNorm
from normzoo.layers._make import MADE_FOR
from normzoo.registry import NORMS
from normzoo.templates._norm_slots import kind_of


def look_for_places(network: nn.Module, inputs: Tensor, norm: str) -> tuple[tuple[PlaceFacts, ...], Tensor]:
    """Carry out a forward pass, and return where norms stood in it, each place once, and the outputs.

    A template may say in its attribute ``places`` how a place is called: words, by the name of the norm, of a module
    that holds it, or of what stands there without one. Otherwise a norm's place is the name of its module.

    Args:
        network: whose norms are marked, as by ``make_network``; its hooks stay.
        inputs: ``(N, *)``.
        norm: the spec of its norm.
    """
    seen: dict[PlaceFacts, None] = {}

    def look(where: str, module: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        given = next((each for each in (*arguments, *named.values()) if isinstance(each, Tensor)), None)
        if given is not None and given.ndim > 1 and given.numel():
            seen[_place(where, module, tuple(given.shape), len(inputs), norm)] = None

    for where, module in modules_of_places(network):
        module.register_forward_pre_hook(partial(look, where), with_kwargs=True)
    outputs = network(inputs)
    return tuple(seen), outputs


def modules_of_places(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield every norm of a network with where it stands, and what stands where the template has left one out."""
    told = getattr(network, "places", None)
    words = {str(name): str(where) for name, where in told.items()} if isinstance(told, Mapping) else {}
    modules = dict(network.named_modules())
    norms = [name for name, module in modules.items() if MADE_FOR in vars(module) or isinstance(module, NoNorm)]
    holders = {name: next((each for each in words if f"{name}.".startswith(f"{each}.")), name) for name in norms}
    for name in norms:
        yield words.get(holders[name], name), modules[name]
    for name in words:
        if name in modules and name not in holders.values():
            yield words[name], modules[name]


def _place(where: str, module: nn.Module, shape: tuple[int, ...], samples: int, norm: str) -> PlaceFacts:
    made_for = vars(module).get(MADE_FOR)
    channels = made_for if isinstance(made_for, int) else shape[1]
    has_norm = made_for is not None and not isinstance(module, NoNorm)
    return PlaceFacts(
        where=where,
        kind=kind_of(len(shape)),
        channels=channels,
        positions=max(1, torch.Size(shape[1:]).numel() // channels),
        rows=shape[0] // samples if shape[0] % samples == 0 else 1,
        has_norm=has_norm,
        pools_as=_pools_as(norm, module) if has_norm else "",
    )


def _pools_as(norm: str, module: nn.Module) -> str:
    """Return the norm of the registry that pools what this one does; of others' norms, batch norms alone are known."""
    if not NORMS.parse(norm).is_own:
        return norm
    return "batch" if isinstance(module, TorchBatchNorm) else ""
