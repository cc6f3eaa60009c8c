"""Which parameters of a network weight decay is for, and which belong to its norms.

Decay is for the weights of convolutions and dense layers, and leaves scales and biases alone: He et al. (2019), "Bag
of Tricks for Image Classification with Convolutional Neural Networks", section 3.1, after Jia et al. (2018).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from normzoo.errors import UsageError, nearest
from normzoo.surgery._norms import is_norm


def decays(name: str, parameter: Tensor, owner: nn.Module) -> bool:
    """Whether weight decay is for a parameter: it is of no norm, no bias, and has two dimensions or more.

    The last is timm's rule. It spares what has a value per channel in modules that nobody knows, such as a user's own
    norms and the scales of layers. Embeddings decay, as they do there.

    Args:
        name: the parameter's, of which the part after the last dot counts; a bias has ``bias`` among its words, as
            ``in_proj_bias`` and ``bias_hh_l0``.
        parameter: its values.
        owner: the module that holds it.

    >>> layer = nn.Linear(3, 2)
    >>> decays("weight", layer.weight, layer), decays("bias", layer.bias, layer)
    (True, False)
    """
    words = re.split(r"[./]", name)[-1].split("_")
    return parameter.ndim > 1 and "bias" not in words and not is_norm(owner)


class _Owned(NamedTuple):
    """A parameter under one of its names."""

    name: str
    parameter: nn.Parameter
    owner: nn.Module


def _owned(model: nn.Module) -> Iterator[_Owned]:
    """Yield every parameter under each of its names."""
    for prefix, module in model.named_modules(remove_duplicate=False):
        for name, parameter in module._parameters.items():
            if parameter is not None:
                yield _Owned(f"{prefix}.{name}".lstrip("."), parameter, module)


def parameters_without_norms(model: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the parameters that belong to no norm, each once, in their order; one that a norm shares is a norm's.

    >>> [tuple(each.shape) for each in parameters_without_norms(nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)))]
    [(2, 3), (2,)]
    """
    of_norms = {id(parameter) for _, parameter, owner in _owned(model) if is_norm(owner)}
    return (parameter for parameter in model.parameters() if id(parameter) not in of_norms)


def parameter_groups(
    model: nn.Module, *, weight_decay: float, no_decay: str | Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Return two groups for an optimizer: what decays, then what does not (see ``decays``).

    Args:
        model: any network. What it exempts itself does not decay: the names in ``no_weight_decay``, or that this
            returns if it is a method, as in timm's networks.
        weight_decay: of the first group; of the second it is 0.
        no_decay: further parameters to exempt, such as embeddings of positions and class tokens: a regular expression,
            or several, for a whole name, or for its end after a dot.

    Returns:
        ``[{"params": ..., "weight_decay": weight_decay}, {"params": ..., "weight_decay": 0.0}]``. A parameter is there
        once, exempt if it is so under any of its names. Parameters that need no gradient are left out.

    Raises:
        UsageError: an expression of ``no_decay`` is for no parameter, or parameters are lazy.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    >>> optimizer = torch.optim.SGD(parameter_groups(network, weight_decay=1e-4), lr=0.1)
    >>> [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
    [(1, 0.0001), (3, 0.0)]
    """
    owned = list(_owned(model))
    if any(map(is_lazy, model.parameters())):
        raise UsageError("parameter_groups: the model has lazy parameters; call it once, then make the groups")
    exempt = {id(each.parameter) for each in owned if not decays(*each)}
    exempts = getattr(model, "no_weight_decay", ())
    own = [re.escape(name) for name in (exempts() if callable(exempts) else exempts)]
    for pattern in [*own, *([no_decay] if isinstance(no_decay, str) else no_decay)]:
        found = {id(parameter) for name, parameter, _ in owned if re.fullmatch(rf"(.*\.)?({pattern})", name)}
        if not found and pattern not in own:
            raise UsageError(
                f"parameter_groups: '{pattern}' of no_decay is for no parameter"
                f"{nearest(pattern, {part for each in owned for part in (each.name, each.name.split('.')[-1])})}; "
                "give the name of a parameter, its end after a dot, or a regular expression for one of these"
            )
        exempt |= found
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [each for each in trained if id(each) not in exempt], "weight_decay": weight_decay},
        {"params": [each for each in trained if id(each) in exempt], "weight_decay": 0.0},
    ]
