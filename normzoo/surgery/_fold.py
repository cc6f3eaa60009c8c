"""Folding batch norms into the layers before them, for inference.

    weight (x * w + b - mean) / sqrt(var + eps) + bias  =  x * (w scale) + ((b - mean) scale + bias)
    scale = weight / sqrt(var + eps)

In evaluation a batch norm is a factor and a summand per channel, and so is what it follows: a convolution or a dense
layer can do both.
"""

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from inspect import Parameter, signature
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple, TypeGuard

from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized

from normzoo.errors import InputError
from normzoo.layers import BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm
from normzoo.surgery._norms import kind_of

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.Linear)
_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(BatchNorm, BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm),
)
_NORMS_ELSEWHERE = {
    ("torchvision.ops.misc", "FrozenBatchNorm2d"),
    ("timm.layers.norm_act", "BatchNormAct2d"),
    ("timm.layers.norm_act", "FrozenBatchNormAct2d"),
}
"""Those of torchvision and of timm, by the file and the name of a class; after timm's come their drop and their act."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_CONTAINERS, _NESTED = (Mapping, list, tuple, set), 3
"""What modules may be in besides other modules, and how deep it is looked into."""

_ALONE = "follows no convolution or dense layer"
_NOT_FOLLOWED = "torch.fx cannot follow the model, and in no nn.Sequential it follows a convolution or dense layer"


class FoldReport(NamedTuple):
    """What was folded, and what was left.

    Attributes:
        folded: the names of each norm and of the layer that it is in now.
        left: the names of the other batch norms, each with the reason.
        traced: whether torch.fx could follow the forward pass. If not, pairs are neighbours in an ``nn.Sequential``.
    """

    folded: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...]
    traced: bool

    def __str__(self) -> str:
        """Return a line for each batch norm."""
        lines = [f"{norm}: folded into {layer}" for norm, layer in self.folded]
        lines += [f"{norm}: left, {reason}" for norm, reason in self.left]
        if not self.traced:
            lines.append("torch.fx cannot follow this model: only neighbours in nn.Sequential were looked at")
        return "\n".join(lines) or "no batch norms"


class Folded(NamedTuple):
    """A model whose batch norms are folded, and what became of each."""

    model: nn.Module
    report: FoldReport


class FoldedNorm(nn.Module):
    """Stands where a norm after a dense layer was folded; it takes vectors alone.

    Of a further dimension the norm would have taken the first after the samples for channels, and the dense layer
    takes the last.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` of shape ``(N, C)``."""
        if x.ndim != 2:
            raise InputError(
                "fold: a batch norm after a dense layer can be folded for inputs (N, C) alone, got shape "
                f"{tuple(x.shape)}; use the model as it was"
            )
        return x


def fold(model: nn.Module) -> Folded:
    """Return a copy of a model, in evaluation, whose batch norms are in the layers before them where that can be.

    A batch norm of torch.nn, ours, torchvision's or timm's, also a frozen one, is folded into a convolution, a
    transposed one or a dense layer if nothing else uses what that puts out, nor its tensors, and either is called once;
    in its place is then ``nn.Identity``, or the activation that it contained. The forward pass is followed by torch.fx,
    with the defaults of its arguments. Where torch.fx cannot follow it, pairs are neighbours in an ``nn.Sequential``,
    of which it is taken that nobody else uses its parts. That a forward pass gets tensors from ``parameters()`` is not
    noticed. Other parameters keep their names, and the model is as it was.

    Returns:
        The copy and the report.

    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    >>> folded, report = fold(network)
    >>> print(report)
    1: folded into 0
    >>> folded
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
      (2): ReLU()
    )
    """
    model = copy.deepcopy(model).eval()
    names = {module: name for name, module in reversed([*model.named_modules(remove_duplicate=False)])}
    norms = [module for module in model.modules() if _is_batch_norm(module)]
    pairs, traced = _pairs(model)
    held = _held_elsewhere(model)
    folded, left = [], []
    for norm in norms:
        layer = pairs.layers.get(norm)
        if layer is None:
            reason = pairs.reasons.get(norm, _ALONE if traced else _NOT_FOLLOWED)
        elif not held.isdisjoint((layer, norm)):
            reason = "it or the layer before it is in a list or an attribute that is no part of the model, too"
        else:
            reason = _why_not(layer, norm)
        if layer is None or reason:
            left.append((names[norm], reason))
            continue
        _fold_into(layer, norm)
        _put(model, norm, _rest(layer, norm))
        folded.append((names[norm], names[layer]))
    return Folded(model, FoldReport(tuple(folded), tuple(left), traced))


class _Pairs(NamedTuple):
    """What stands directly before each norm, and belongs to it alone; or why nothing does."""

    layers: dict[nn.Module, nn.Module]
    reasons: dict[nn.Module, str]


def _held_elsewhere(model: nn.Module) -> set[nn.Module]:
    """Return the modules that others hold as something else than their parts, where they cannot be exchanged."""
    found: set[nn.Module] = set()
    for module in model.modules():
        waiting = [value for name, value in vars(module).items() if name != "_modules"]
        for _ in range(_NESTED):
            values = [each for value in waiting for each in _members_of(value)]
            found.update(each for each in values if isinstance(each, nn.Module))
            waiting = [each for each in values if isinstance(each, _CONTAINERS)]
    return found


def _members_of(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple | set) else [value] if isinstance(value, nn.Module) else []


def _pairs(model: nn.Module) -> tuple[_Pairs, bool]:
    if _is_replaced(model):  # torch.fx would follow that of its class
        return _neighbours(model), False
    tracer = _Tracer()
    try:
        graph = tracer.trace(model, _defaults(model))
    except Exception:  # whatever a forward pass does with what torch.fx gives it
        return _neighbours(model), False
    passed = {id(attrgetter(str(node.target))(model)) for node in graph.nodes if node.op == "get_attr"}
    return _pairs_of(model, graph, tracer.read | passed), True


class _Tracer(fx.Tracer):
    """Takes layers and norms, also a user's, for what they are, not for the operations in them.

    Attributes:
        read: the tensors of modules that are looked up outside of these, by ``id``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.read: set[int] = set()

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Return an attribute of a module."""
        if isinstance(attr_val, Tensor):
            self.read.add(id(attr_val))
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one node."""
        return isinstance(m, _LAYERS) or _is_batch_norm(m) or super().is_leaf_module(m, module_qualified_name)


def _defaults(model: nn.Module) -> dict[str, Any]:
    parameters = signature(model.forward).parameters
    return {name: each.default for name, each in parameters.items() if each.default is not Parameter.empty}


def _pairs_of(model: nn.Module, graph: fx.Graph, read: Set[int]) -> _Pairs:
    """Look at every call of a norm in a graph; ``read``: the tensors that are used by others than their module."""
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    whole = (model.get_submodule(name) for name in calls)  # such as torch.nn's attention, with dense layers in it
    holders = [each for each in whole if not isinstance(each, _LAYERS) and not _is_batch_norm(each)]
    read = {*read, *(tensor for each in holders for tensor in _tensors(each))}
    found = _Pairs({}, {module: "is not called" for module in model.modules() if _is_batch_norm(module)})
    for node in graph.nodes:
        norm = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if not _is_batch_norm(norm):
            continue
        (source, *others) = node.all_input_nodes
        layer = model.get_submodule(str(source.target)) if source.op == "call_module" else None
        if calls[str(node.target)] > 1:
            found.reasons[norm] = "is called more than once"
        elif others or not isinstance(layer, _LAYERS):
            found.reasons[norm] = _ALONE
        elif len(node.args) + len(node.kwargs) > 1:
            found.reasons[norm] = "is given more than its input"
        elif calls[str(source.target)] > 1:
            found.reasons[norm] = "the layer before it is called more than once"
        elif len(source.users) > 1 or _tensors(layer) & read:
            found.reasons[norm] = "the layer before it is used elsewhere, too"
        elif _tensors(norm) & read:
            found.reasons[norm] = "its tensors are used elsewhere, too"
        else:
            found.layers[norm] = layer
    return found


def _tensors(module: nn.Module) -> set[int]:
    return {id(tensor) for tensor in (*module.parameters(), *module.buffers())}


def _neighbours(model: nn.Module) -> _Pairs:
    """Look at what follows each other in an ``nn.Sequential``."""
    parts = [(parent, list(parent._modules.values())) for parent in model.modules()]
    places = Counter(part for _, own in parts for part in own)
    found = _Pairs({}, {})
    for parent, own in parts:
        if not isinstance(parent, nn.Sequential) or type(parent).forward is not nn.Sequential.forward:
            continue
        if _is_replaced(parent):
            continue
        for layer, norm in pairwise(own):
            if _is_batch_norm(norm) and isinstance(layer, _LAYERS):
                if places[norm] > 1 or places[layer] > 1:
                    found.reasons[norm] = "it or the layer before it stands in several places"
                else:
                    found.layers[norm] = layer
    return found


def _is_batch_norm(module: nn.Module | None) -> TypeGuard[nn.Module]:
    return module is not None and kind_of(module) == "batch"


def _why_not(layer: nn.Module, norm: Any) -> str:
    """Return why a norm cannot be folded into the layer before it; empty if it can."""
    if norm.running_mean is None or norm.running_var is None or not getattr(norm, "track_running_stats", True):
        return "keeps no running statistics"
    for module, kinds, called in ((norm, _NORMS, "it"), (layer, _LAYERS, "the layer before it")):
        if _is_replaced(module) or not (_computes_as(module, kinds) or _name(module) in _NORMS_ELSEWHERE):
            return f"{called} has a forward pass of its own"
        if any(vars(module)[hooks] for hooks in _HOOKS):
            return f"{called} has hooks"
        if is_parametrized(module):
            return f"{called} is parametrized"
    if norm.running_mean.numel() != getattr(layer, "out_features", getattr(layer, "out_channels", None)):
        return "has other channels than the layer before it"
    if _channel_dim(norm) not in ((1, -1) if isinstance(layer, nn.Linear) else (1,)):
        return "takes its channels from another dimension"
    return ""


def _channel_dim(norm: nn.Module) -> int:
    return int(getattr(norm, "channel_dim", 1))


def _computes_as(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    """Whether a module has the forward pass of one of some classes."""
    forward, *others = (
        [getattr(kind, name, None) for name in ("forward", "_conv_forward")] for kind in (type(module), *kinds)
    )
    return forward in others


def _is_replaced(module: nn.Module) -> bool:
    """Whether a module has another forward pass than its class, as one that somebody set on it has."""
    return any(name in vars(module) for name in ("forward", "_conv_forward"))


def _name(module: nn.Module) -> tuple[str, str]:
    return type(module).__module__, type(module).__name__


def _rest(layer: nn.Module, norm: Any) -> nn.Module:
    """Return what is left to do where a norm was."""
    if _name(norm)[0].startswith("timm."):
        return nn.Sequential(norm.drop, norm.act)
    return FoldedNorm() if isinstance(layer, nn.Linear) and _channel_dim(norm) == 1 else nn.Identity()


def _fold_into(layer: Any, norm: Any) -> None:
    """Have a layer do, too, what the norm after it does."""
    groups = layer.groups if isinstance(layer, _TRANSPOSED) else None
    weight = layer.weight if groups is None else _turned(layer.weight, groups)
    mean, var = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    gain = 1 + norm.weight if getattr(norm, "zero_centered", False) and norm.weight is not None else norm.weight
    weight, layer.bias = fuse_conv_bn_weights(weight, layer.bias, mean, var, norm.eps, gain, norm.bias)
    layer.weight = weight if groups is None else nn.Parameter(_turned(weight, groups), layer.weight.requires_grad)


def _turned(weight: Tensor, groups: int) -> Tensor:
    """Exchange inputs and outputs of a weight ``(groups * A, B, *)``, for one ``(groups * B, A, *)``."""
    return weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2).flatten(0, 1)


def _put(model: nn.Module, norm: nn.Module, other: nn.Module) -> None:
    for parent in model.modules():
        for name, part in parent._modules.items():
            if part is norm:
                parent._modules[name] = other
