"""Standardizing the weights of a model's convolutions."""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from normzoo.errors import UsageError
from normzoo.layers._weights import GAMMA_OF_RELU, ScaledWeightStandardization, WeightStandardization
from normzoo.surgery._keep import refuse_wrapped
from normzoo.surgery._select import Selector, unselected

Model = TypeVar("Model", bound=nn.Module)

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def standardize_weights(
    model: Model,
    *,
    scaled: bool = False,
    gamma: float = GAMMA_OF_RELU,
    dense: bool = False,
    only: Selector | Iterable[Selector] | None = None,
    skip: Selector | Iterable[Selector] | None = None,
) -> Model:
    """Standardize the weights of a model's convolutions, in place, as a parametrization of torch.nn's.

    From now on a convolution computes with its weights less their mean, over their deviation, both of an output
    channel (Qiao et al. 2019). What is trained and decays is what it had before, which a state dict has under another
    name now, ``parametrizations.weight.original``; ``torch.nn.utils.parametrize.remove_parametrizations`` puts the
    standardized weights in its place. What is parametrized already stays as it is, and so does a convolution with a
    single weight for each output, which has no deviation.

    Args:
        model: any module.
        scaled: scale them, with a learned gain for each output, so that variances are kept from layer to layer without
            a norm (Brock et al. 2021).
        gamma: the constant of the activation for that: about 1.71 for ReLU, 1 for none.
        dense: those of dense layers, too.
        only: standardize no others. A name is that of a layer, or of a block with all layers in it; what is no name is
            a regular expression for one (``re.fullmatch``).
        skip: standardize all but these.

    Returns:
        The model.

    Raises:
        UsageError: ``only`` or ``skip`` names nothing (``UnknownNameError``), layers are lazy, or the model is wrapped
            for several processes already.

    >>> network = standardize_weights(nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8)))
    >>> network[0].weight.mean((1, 2, 3)).abs().max().item() < 1e-6, len(standardized(network))
    (True, 1)
    """
    refuse_wrapped(model, "standardize_weights", "standardized")
    kinds = (*_CONVOLUTIONS, nn.Linear) if dense else _CONVOLUTIONS
    layers = list(_layers(model, kinds))
    left = unselected(layers, only, skip, kind="layer")
    chosen = [layer for index, (layer, _) in enumerate(layers) if index not in left]
    if any(isinstance(layer, LazyModuleMixin) and layer.has_uninitialized_params() for layer in chosen):
        raise UsageError("standardize_weights: the model has lazy layers; call it once, then standardize")
    for layer in chosen:
        weight: Tensor = layer.weight  # type: ignore[assignment]
        if "weight" not in layer._parameters or weight[0].numel() == 1:  # it is parametrized, or made by a hook
            continue
        parametrization = (
            ScaledWeightStandardization(len(weight), gamma, device=weight.device, dtype=weight.dtype)
            if scaled
            else WeightStandardization()
        )
        register_parametrization(layer, "weight", parametrization)
    return model


def standardized(model: nn.Module) -> list[str]:
    """Return the names of the layers whose weights are standardized."""
    return [
        name
        for name, module in model.named_modules()
        if is_parametrized(module, "weight")
        and any(isinstance(each, WeightStandardization) for each in module.parametrizations.weight)
    ]


class _Layer(NamedTuple):
    """A convolution or dense layer, and all its names."""

    module: nn.Module
    names: list[str]


def _layers(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterable[_Layer]:
    found: dict[nn.Module, _Layer] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, kinds):
            found.setdefault(module, _Layer(module, [])).names.append(name)
    return found.values()
