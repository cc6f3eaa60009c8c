"""How tools of torch that work on a whole model come to see a norm.

Tools find norms by the classes of torch.nn, which ours therefore have among their bases. Three need more: torch.fx,
which keeps only torch's own modules whole, torch.jit.script, which compiles a module's own Python, and the fusing of
torch.ao.quantization, which asks for the very class. All three are given torch.nn's layer with the same tensors.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from torch import nn
from torch.fx import Proxy

from normzoo.errors import InputError
from normzoo.layers._kernels.torch_internals import quantization_fusers


def as_torch_layer(norm: Any, *, must_be: bool = False) -> nn.Module:
    """Return torch.nn's layer with the tensors, settings and hooks of one of ours.

    All of these are shared, so that what is moved or cast is so in both. Returned as it is: what is not torch.nn's,
    such as a norm of any rank; what has options that torch.nn's has not; what has a forward pass of a user's; and what
    is parametrized, whose tensors are made by its own class.

    Raises:
        InputError: if it ``must_be``, and has such options.
    """
    if options := norm._policies() if hasattr(norm, "_policies") else "":
        if must_be and not has_own_forward(norm):
            raise InputError(
                f"{type(norm).__name__}: this tool takes norms for torch.nn's, which have no such options, got "
                f"{options.removeprefix(', ')}; use torch.export or torch.compile"
            )
        return norm  # type: ignore[no-any-return]
    kind = next((base for base in type(norm).__mro__ if issubclass(base, nn.Module) and _is_layer_of_torch(base)), None)
    if kind is None or has_own_forward(norm) or "parametrizations" in norm._modules:
        return norm  # type: ignore[no-any-return]
    layer = nn.Module.__new__(kind)
    layer.__dict__.update(norm.__dict__)
    return layer


def _is_layer_of_torch(kind: type[nn.Module]) -> bool:
    return (
        kind.__module__.startswith("torch.nn.modules.") and kind is not nn.Module and not kind.__name__.startswith("_")
    )


def has_own_forward(norm: nn.Module) -> bool:
    """Whether the forward pass is that of a user's subclass."""
    return not type(norm).forward.__module__.startswith("normzoo.layers.")


def _without_own_forward(norm: nn.Module) -> nn.Module:
    """Return our layer with the tensors of a user's subclass, without the forward pass and the hooks of that."""
    kind = next(base for base in type(norm).__mro__ if base.__module__.startswith("normzoo.layers."))
    layer: nn.Module = nn.Module.__new__(kind)
    layer.__dict__.update(norm.__dict__)
    for name in ("_forward_pre_hooks", "_forward_hooks"):
        layer.__dict__[name] = OrderedDict()
    return layer


def traced_by_fx(norm: nn.Module, x: Proxy, mask: Any) -> Any:
    """Be a leaf of the graph that torch.fx is tracing, as torch.nn's layers are, whatever the tracer takes for one.

    In evaluation a norm with running statistics goes into the graph as torch.nn's layer, with which tools such as
    ``torch.fx.experimental.optimization.fuse`` can fuse a convolution. It shares all tensors with ours, which stays as
    it is in the model that is traced.
    """
    tracer: Any = x.tracer
    path = tracer.path_of_module(norm)
    # What a user's own forward pass and its hooks do is in the graph by the operations that they consist of.
    layer = _without_own_forward(norm) if has_own_forward(norm) else norm
    if mask is None and not norm.training and getattr(norm, "track_running_stats", False):
        layer = as_torch_layer(layer)
    if not path:  # the norm itself is what is traced: by the operations that torch.nn's consists of
        alone: Any = as_torch_layer(layer, must_be=True)
        if not has_own_forward(alone):
            raise InputError(
                f"{type(norm).__name__}: torch.fx follows a norm by itself through torch.nn's operations, got one that "
                "torch.nn does not have; trace a network that holds it"
            )
        return alone.forward(x)
    if layer is not norm:
        tracer.root = _exchanged(tracer.root, path.split("."), layer)
    arguments: tuple[Any, ...] = (x,) if mask is None else (x, mask)
    return tracer.create_proxy("call_module", path, arguments, {})


def _exchanged(module: nn.Module, path: list[str], layer: nn.Module) -> nn.Module:
    """Return a module with another layer at a path; what lies on the way is copied, and nothing that is in it."""
    copied: nn.Module = module.__new__(type(module))
    copied.__dict__.update(module.__dict__)
    name, *rest = path
    inner = module._modules[name]
    if inner is None:
        raise AttributeError(f"no module '{name}' in {type(module).__name__}")
    copied.__dict__["_modules"] = {**module._modules, name: _exchanged(inner, rest, layer) if rest else layer}
    return copied


def let_quantization_fuse(kinds: Iterable[type[nn.Module]]) -> None:
    """Have ``torch.ao.quantization.fuse_modules`` fuse some of our classes as it does torch.nn's in their place."""
    fusers = quantization_fusers()
    for kind in kinds:
        for types, fuse in list(fusers.items()):
            ours = tuple(kind if issubclass(kind, each) else each for each in types)
            if ours != types:
                fusers.setdefault(ours, partial(_fuse_as_torch_layers, fuse))


def _fuse_as_torch_layers(fuse: Callable[..., Any], is_qat: bool, *layers: nn.Module) -> Any:
    return fuse(is_qat, *(as_torch_layer(layer, must_be=True) for layer in layers))
