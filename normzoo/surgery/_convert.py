"""Exchanging the norms of a model for others."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from normzoo.errors import ComponentError, UsageError, error_text
from normzoo.layers import GRU, LSTM, GhostBatchNorm, LayerNorm, SampleRMSNorm, SyncBatchNorm, norm_factory
from normzoo.layers._group import nearest_divisor
from normzoo.layers._kernels.torch_internals import TorchBatchNorm
from normzoo.layers._make import MADE_FOR, SPEC, NormFactory, contains_activation, needs_positions
from normzoo.layers._policies import DEFAULTS
from normzoo.layers._recurrent._steps import StepNorms, has_buffers, why_not_in_steps
from normzoo.registry import NORMS
from normzoo.surgery._keep import refuse_wrapped, set_if_there, take_hooks, take_mode, take_over
from normzoo.surgery._norms import Adapter, Found, look_at
from normzoo.surgery._report import ConversionReport, Exchanged, Left
from normzoo.surgery._select import Selector, unselected

_GROUPS = ("groups", "num_groups")
"""Options that say how many groups there are; they must divide the channels."""

_SYNCHRONIZED = (nn.SyncBatchNorm, SyncBatchNorm)


class Converted(NamedTuple):
    """A model whose norms were exchanged, and what became of each."""

    model: nn.Module
    report: ConversionReport


def convert(
    model: nn.Module,
    norm: str | NormFactory,
    *,
    only: Selector | Iterable[Selector] | None = None,
    skip: Selector | Iterable[Selector] | None = None,
) -> Converted:
    """Exchange the norms of a model for another, in place; ``convert(copy.deepcopy(model), ...)`` leaves it as it is.

    Batch, instance, group, layer and RMS norms are found: those of torch.nn, of normzoo, torchvision's and timm's,
    also with an activation. What is kept: ``weight`` and ``bias`` as the very same parameters, where their shapes
    agree; running statistics, where both norms have them; ``eps``, and whether there is a ``weight`` and a ``bias``,
    where the spec does not say otherwise; device, dtype, training mode, what is frozen, and hooks. A module that occurs
    twice is exchanged once. Random numbers are not used up. If anything cannot be built, nothing is exchanged.

    Args:
        model: any module; it may itself be a norm.
        norm: a spec of ``normzoo list``, such as ``group:groups=32``, a class by its import path, or a function of a
            number of channels that makes a norm. Of a spec, the nearest number of groups is taken that divides the
            channels; what a function makes is taken as it is, with parameters and statistics of what stood there.
        only: exchange no others. A name is that of a norm, or of a block with all norms in it; what is no name is a
            regular expression for one (``re.fullmatch``).
        skip: exchange all but these.

    Returns:
        The model (another module only where it was itself a norm) and the report.

    Raises:
        UsageError: ``only`` or ``skip`` names nothing (``UnknownNameError``), or the model is wrapped for several
            processes already.
        ComponentError: the norm cannot be built.

    >>> model, report = convert(nn.Sequential(nn.Conv2d(3, 72, 3), nn.BatchNorm2d(72)), "group:groups=32")
    >>> model[1]
    GroupNorm(36, 72, eps=1e-05, affine=True, bias=True)
    >>> report.exchanged["1"].notes
    ('36 groups, as 32 do not divide 72',)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"convert: the model must be a torch.nn.Module, got {type(model).__name__}")
    refuse_wrapped(model, "convert", "converted")
    source = _Source(norm)
    exchanged: dict[str, Exchanged] = {}
    left: dict[str, Left] = {}
    replacements: list[tuple[_Site, nn.Module]] = []
    with torch.random.fork_rng(devices=[]):
        sites = list(_sites(model))
        reasons = unselected(sites, only, skip, kind="norm")
        for index, site in enumerate(sites):
            name, *also = site.names
            reason = reasons.get(index) or (site.look if isinstance(site.look, str) else "")
            if not reason and isinstance(site.look, Found):
                made = _exchange(site, site.look, source)
                if isinstance(made, str):
                    reason = made
                else:
                    replacements.append((site, made.module))
                    was, became = (_class_name(each) for each in (site.module, made.module))
                    exchanged[name] = Exchanged(was, became, site.look.shape[0], made.notes, tuple(also), made.to_know)
            if reason:
                left[name] = Left(_class_name(site.module), reason, tuple(also))
    for site, module in replacements:
        take_hooks(site.module, module)
        for parent, key in site.places:
            if parent is None:
                model = module
            else:
                parent._modules[key] = module
    news = {id(module) for _, module in replacements}
    _name_norms(model, news, source.name)
    _leave_fused_paths(model, news)
    return Converted(model, ConversionReport(source.name, exchanged, left))


def convert_sync_batchnorm(model: nn.Module, process_group: Any = None) -> nn.Module:
    """Exchange the batch norms of a model for ``SyncBatchNorm``, in place, with all that they hold; see ``convert``.

    What ``torch.nn.SyncBatchNorm.convert_sync_batchnorm`` does, for processes of any device. Do it before the model is
    wrapped for several processes. ``GhostBatchNorm``, whose statistics are to be over few samples, stays.

    Args:
        model: any module.
        process_group: the processes whose samples are one batch (``torch.distributed.ProcessGroup``); None: all.

    Returns:
        The model; another module only where it was itself a batch norm.

    >>> convert_sync_batchnorm(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))[1]
    SyncBatchNorm(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    def is_batch_norm(_: str, norm: nn.Module) -> bool:
        return any(isinstance(part, TorchBatchNorm) and not isinstance(part, GhostBatchNorm) for part in norm.modules())

    model, _ = convert(model, "sync", only=is_batch_norm)
    for module in model.modules():
        if isinstance(module, SyncBatchNorm):
            module.process_group = process_group
    return model


@dataclass(frozen=True)
class _Site:
    """A norm, and everywhere it stands.

    Attributes:
        module: the norm.
        look: what there is to know of it, or why it is left.
        near: a tensor of its own, or else the parameter before it in the model, whose device and dtype are taken.
        places: the modules that hold it, and under which name; no module where it is the model itself.
        names: its full names, one for each place.
        steps: what it stands in of a recurrent layer of ours.
    """

    module: nn.Module
    look: Found | str
    near: Tensor | None
    steps: StepNorms | None
    places: list[tuple[nn.Module | None, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def _sites(model: nn.Module) -> Iterable[_Site]:
    """Return the norms of a model in its order, each once; nothing within a norm is looked at."""
    sites: dict[int, _Site] = {}
    seen: set[int] = set()
    near: Tensor | None = None

    def visit(module: nn.Module, name: str, parent: nn.Module | None, key: str, steps: StepNorms | None = None) -> None:
        nonlocal near
        steps = module if isinstance(module, StepNorms) else steps
        if id(module) not in seen:
            seen.add(id(module))
            look = look_at(module)
            own = _first_tensor(module.parameters(recurse=look is not None), module.buffers(recurse=look is not None))
            near = near if own is None else own
            if look is None:
                for child, part in module._modules.items():
                    if part is not None:
                        visit(part, f"{name}.{child}" if name else child, module, child, steps)
                return
            sites[id(module)] = _Site(module, look, near, steps)
        if id(module) in sites:
            sites[id(module)].places.append((parent, key))
            sites[id(module)].names.append(name)

    visit(model, "", None, "")
    return sites.values()


def _first_tensor(*tensors: Iterator[Tensor]) -> Tensor | None:
    return next((each for some in tensors for each in some if each.is_floating_point() or each.is_complex()), None)


def _class_name(module: nn.Module) -> str:
    return type(module.norm if isinstance(module, Adapter) else module).__name__


# What takes their place


class _Source:
    """Makes the norms that are asked for.

    Attributes:
        name: what was asked for.
        given: the options that the spec names. What a function makes has been told everything.
    """

    def __init__(self, norm: str | NormFactory) -> None:
        if isinstance(norm, nn.Module):
            raise UsageError(
                f"convert: norm must make a norm for each place, got a {type(norm).__name__} that is made; pass its "
                "class, or a function that makes one"
            )
        spec = norm if isinstance(norm, str) else getattr(norm, SPEC, None)
        self._make: Callable[..., object] = norm_factory(norm) if isinstance(norm, str) else norm
        self.name = str(spec or getattr(norm, "__name__", type(norm).__name__))
        self.given: Collection[str] | None = None
        self._groups: tuple[str, int] | None = None
        if spec is not None:
            self.given = frozenset(NORMS.parse(spec).options)
            self._groups = _groups_of(spec)

    def make(self, channels: int | tuple[int, ...]) -> tuple[nn.Module, list[str]]:
        """Return a norm and what to note of it."""
        options: dict[str, Any] = {}
        notes = []
        if self._groups and isinstance(channels, int):
            name, groups = self._groups
            if groups < 1:
                raise ComponentError(f"norm '{self.name}': {name} must be at least 1, got {groups}; use {name}=1")
            if channels % groups:
                options[name] = nearest = nearest_divisor(channels, groups)
                notes.append(f"{nearest} groups, as {groups} do not divide {channels}")
        try:
            layer = self._make(channels, **options)
        except UsageError:
            raise
        except Exception as error:
            reason = error_text(error) or type(error).__name__
            raise ComponentError(f"norm '{self.name}' cannot be made for {channels} channels: {reason}") from error
        if not isinstance(layer, nn.Module):
            raise ComponentError(
                f"norm '{self.name}': it must make a torch.nn.Module, it made a {type(layer).__name__}"
            )
        if isinstance(layer, nn.modules.lazy.LazyModuleMixin):
            known = layer.cls_to_become.__name__ if layer.cls_to_become else "one that is not"
            raise ComponentError(f"norm '{self.name}': a lazy norm waits for its first input; use torch.nn:{known}")
        return layer, notes


def _groups_of(spec: str) -> tuple[str, int] | None:
    """Return the option of a spec that says how many groups there are, and the number."""
    target, options = NORMS.load(spec)
    try:
        defaults = {name: each.default for name, each in signature(target).parameters.items()}
    except (TypeError, ValueError):  # some built-in types do not tell
        defaults = {}
    for name in _GROUPS:
        groups = options.get(name, defaults.get(name, Parameter.empty))
        if isinstance(groups, int):
            return name, groups
    return None


class _Made(NamedTuple):
    """What takes the place of a norm, and what to note of it."""

    module: nn.Module
    notes: tuple[str, ...]
    to_know: tuple[str, ...]


def _name_norms(model: nn.Module, made: Collection[int], name: str) -> None:
    """Have recurrent layers of ours say which norm they have, where all of theirs were exchanged."""
    for layer in model.modules():
        if isinstance(layer, LSTM | GRU):
            norms = [norm for steps in layer.children() if isinstance(steps, StepNorms) for norm in steps]
            if norms and all(id(norm) in made for norm in norms):
                layer.norm = name


def _exchange(site: _Site, old: Found, source: _Source) -> _Made | str:
    """Return what takes the place of a norm, or why nothing can."""
    layer, notes = source.make(old.shape[0])
    new = look_at(layer)
    if isinstance(new, Found) and new.pools_rows and len(old.shape) > 1:
        layer, notes = source.make(old.shape)
        new = look_at(layer)
    if not isinstance(new, Found):  # somebody's own, whose channels are second
        setattr(layer, MADE_FOR, old.shape[0])
        new = Found(layer, "own", old.shape[:1], 1)
    if len(old.shape) == 2 and not new.pools_rows:
        return f"its channels among {old.shape} are unknown"
    if old.ranks and new.ranks and not set(old.ranks) & set(new.ranks):
        inputs, wanted = (" or ".join(map(str, ranks)) for ranks in (old.ranks, new.ranks))
        return f"its inputs have {inputs} dimensions, not {wanted}"
    if reason := _why_not_in_steps(site, layer):
        return f"{source.name} {reason}"
    own = _first_tensor(layer.parameters(), layer.buffers())
    if site.near is not None and own is not None and (own.device, own.dtype) != (site.near.device, site.near.dtype):
        layer.to(site.near.device, site.near.dtype)
    kept = take_over(old, new, source.given)
    if needs_positions(layer) and not needs_positions(old.norm) and (old.ranks is None or 2 in old.ranks):
        kept.append("fails on vectors (N, C)")
    if getattr(layer, "standardizes_weights", None):
        kept.append("weights as they are: use standardize_weights")
    warnings = _warnings(old, new, layer)
    mode = take_mode(old.norm, layer)
    module: nn.Module = layer
    norm_axis = old.axis if new.pools_rows and len(old.shape) > 1 else new.axis
    if norm_axis != old.axis or old.drop is not None or old.act is not None:
        module = Adapter(layer, shape=old.shape, axis=old.axis, norm_axis=norm_axis, drop=old.drop, act=old.act)
        module.training = mode
    return _Made(module, (*notes, *kept, *warnings), (*notes, *warnings))


def _why_not_in_steps(site: _Site, layer: nn.Module) -> str:
    """Return why a norm cannot take the place of one of our recurrent layers'; empty if it can."""
    if site.steps is None:
        return ""
    if len(site.steps) == 1 and has_buffers(layer) and not has_buffers(site.module):
        return "keeps statistics for each time step, and one norm is there for all: make the layer with it"
    return why_not_in_steps(layer)


def _warnings(old: Found, new: Found, layer: nn.Module) -> list[str]:
    """Return what to know of a norm in its new place."""
    notes = []
    if contains_activation(layer):
        notes.append(
            "activates: remove one that follows"
            if old.act is None
            else f"its activation replaces {type(old.act).__name__}"
        )
    if len(old.shape) > 2 and not new.pools_rows:
        notes.append(f"channels first in {old.shape}")
    pools_map = isinstance(layer, SampleRMSNorm) or (isinstance(layer, nn.GroupNorm) and layer.num_groups == 1)
    if pools_map and old.kind in ("layer", "rms") and len(old.shape) == 1:
        by_itself = "torch.nn:RMSNorm" if isinstance(layer, SampleRMSNorm) else "channel-layer"
        notes.append(f"pools positions, unlike {by_itself}")
    if isinstance(old.norm, _SYNCHRONIZED) and not isinstance(layer, _SYNCHRONIZED):
        notes.append("no longer synchronized")
    return notes


def _leave_fused_paths(model: nn.Module, made: Collection[int]) -> None:
    """Have torch.nn's transformers call new norms, which in evaluation they take for layer norms and pass over."""
    for module in model.modules():
        layers = module.layers if isinstance(module, nn.TransformerEncoder) else [module]
        norms = [
            norm for each in layers if isinstance(each, nn.TransformerEncoderLayer) for norm in (each.norm1, each.norm2)
        ]
        if any(id(norm) in made and not _is_plain_layer_norm(norm) for norm in norms):
            # torch.nn asks for these two before it looks at the norms
            set_if_there(module, "activation_relu_or_gelu", 0)
            set_if_there(module, "use_nested_tensor", False)


def _is_plain_layer_norm(norm: nn.Module) -> bool:
    """Whether a norm is what its weight, bias and eps say by the formula of torch.nn's layer norm."""
    if not isinstance(norm, nn.LayerNorm) or "forward" in vars(norm) or is_parametrized(norm):
        return False
    is_ours = isinstance(norm, LayerNorm)
    forward = LayerNorm.forward if is_ours else nn.LayerNorm.forward
    has_options = is_ours and any(getattr(norm, name) != default for name, default in DEFAULTS.items())
    return type(norm).forward is forward and not has_options and norm.weight is not None and norm.bias is not None
