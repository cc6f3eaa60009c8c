"""Any network as a template: it is called with what it declares, and one that takes no norm has its own exchanged."""

import copy
import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from normzoo.errors import ComponentError, UsageError
from normzoo.layers import NoNorm
from normzoo.layers._make import NormFactory, marking, needs_positions
from normzoo.registry import TEMPLATES, InputKind
from normzoo.registry.entries import TemplateEntry
from normzoo.surgery import convert, standardize_weights
from normzoo.surgery._weights import standardized
from normzoo.templates._norm_slots import Shape, accepts, kind_of, left_out, norm_act
from normzoo.templates._padding import Unpadded

SAMPLES = 2
"""That a network whose norms are exchanged is tried on, to see what each of them is given."""

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def make_network(
    template: str,
    norm: NormFactory,
    *,
    shape: Shape,
    outputs: int,
    vocabulary: int | None = None,
    ragged: int = 0,
    per_step: bool = False,
) -> nn.Module:
    """Make the network that a spec names, with a norm.

    What it names is called with those of these that it declares: ``norm``, ``norm_act``, ``shape``, ``in_channels`` or
    ``in_chans``, ``outputs``, ``classes`` or ``num_classes``, ``vocabulary``, ``ragged``, ``per_step``. If it declares
    neither ``norm`` nor ``norm_act``, the norms that the network has are exchanged; ``notes`` of the network say which,
    and where the norm is left out.

    Args:
        template: the spec.
        norm: makes a norm from its number of channels.
        shape: of a sample: (C, H, W) of images, (C, T) of sequences, (C, D, H, W) of volumes, (F,) of vectors, (T,) of
            tokens.
        outputs: how many numbers to put out for each sample, or each of its steps.
        vocabulary: how many different tokens there are; None where samples are no tokens.
        ragged: of sequences of different lengths, which are NaN beyond their ends, how many steps the longest one of
            training has; 0 where they are of one length. A network that does not take ``ragged`` is told which steps
            count: its ``forward`` takes ``mask`` or ``lengths``.
        per_step: outputs are wanted for every step.

    Raises:
        UsageError: it does not take such samples.
        UnknownNameError: no template of that name.
        ComponentError: it cannot be imported, does not take its options, makes no network or one without norms, or
            the norm has no place in it.
    """
    _check_samples(template, shape, vocabulary=vocabulary, ragged=bool(ragged), per_step=per_step)
    with torch.random.fork_rng(devices=[]):  # a file may use up random numbers when it is imported first
        target, options = TEMPLATES.load(template)
    if isinstance(target, nn.Module):
        raise UsageError("it is a network, and what makes one is wanted; name its class, or a function")
    norm = marking(norm)  # by which it is found in the network, and spared by weight decay
    calls: list[int] = []

    @wraps(norm)
    def counted(*args: Any, **options: Any) -> nn.Module:
        calls.append(1)
        return norm(*args, **options)

    maker = NormActMaker(counted)
    available: dict[str, Any] = {
        "norm": counted,
        "norm_act": maker,
        "shape": shape,
        **dict.fromkeys(("in_channels", "in_chans"), shape[0]),
        **dict.fromkeys(("outputs", "classes", "num_classes"), outputs),
        "vocabulary": vocabulary,
        "ragged": ragged,
        "per_step": per_step,
    }
    if argument := TEMPLATES.parse(template).argument:
        available["argument"] = argument
    declared = {name: available[name] for name in available if name in _parameters(target)}
    missing = [
        name
        for name, each in _parameters(target).items()
        if each.default is each.empty and each.kind not in _ANY and name not in {**declared, **options}
    ]
    if missing:
        raise UsageError(
            f"it needs '{missing[0]}', which normzoo does not give it; rename it to one of {', '.join(available)} if "
            f"it is one of these, or give it as an option, {template}:{missing[0]}=..., or a default"
        )
    made = target(**declared, **options)
    if not isinstance(made, nn.Module):
        raise ComponentError(f"it must make a torch.nn.Module, it made a {type(made).__name__}")
    network = Unpadded(made) if ragged and "ragged" not in declared else made
    example = _example(shape, vocabulary)
    if any(isinstance(part, LazyModuleMixin) for part in network.modules()):
        _try(network, example)  # their parameters are made by a first input
    if not {"norm", "norm_act"} & declared.keys():
        network, notes = _exchange_norms(network, norm, example)
    elif calls:
        notes = maker.notes()
    else:
        raise UsageError(
            "it takes a norm and never calls it; call norm(channels) for every place, or call that parameter "
            "otherwise, to have its own norms exchanged"
        )
    notes = (*notes, *_standardize_weights(network))
    network.notes = (*getattr(made, "notes", ()), *notes)  # type: ignore[assignment]
    return network


def _standardize_weights(network: nn.Module) -> tuple[str, ...]:
    """Standardize the weights of a network's convolutions if its norms ask for it, and say so."""
    asked = [getattr(module, "standardizes_weights", None) for module in network.modules()]
    wanted = next((each for each in asked if each is not None), None)
    if wanted is None:
        return ()
    count = len(standardized(standardize_weights(network, **wanted)))
    if not count:
        return ("no weights are standardized, as it has no convolutions",)
    return (f"the weights of {count} convolution{'s are' if count > 1 else ' are'} standardized",)


def _example(shape: Shape, vocabulary: int | None) -> Tensor:
    """Return samples that a network can be tried on."""
    return torch.zeros(SAMPLES, *shape, dtype=torch.float32 if vocabulary is None else torch.int64)


_KINDS = {1: "vectors", 2: "sequences", 3: "images", 4: "volumes"}


def _check_samples(template: str, shape: Shape, *, vocabulary: int | None, ragged: bool, per_step: bool) -> None:
    """Refuse samples that a template of the registry does not take, and name those that do."""
    spec = TEMPLATES.parse(template)
    if spec.is_own:
        return
    kind = _KINDS[len(shape)] if vocabulary is None else "tokens"

    def takes(entry: TemplateEntry) -> bool:
        return kind in entry.takes and (entry.takes_ragged or not ragged) and (entry.per_step or not per_step)

    if takes(TEMPLATES.entry(spec)):
        return
    samples = f"{kind} of shape {shape}"
    if ragged:
        samples += " and of different lengths"
    if per_step:
        samples += ", with outputs for every step"
    others = [name for name, entry in TEMPLATES.items() if takes(entry)]
    raise UsageError(f"it does not take {samples}; use {', '.join(others) or 'a network of your own'}")


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):  # some built-in types do not tell
        return {}


class NormActMaker:
    """Makes a norm and an activation in one module, and remembers where: ``norm_act`` as a template is given it.

    Args:
        norm: makes a norm from its number of channels.
    """

    def __init__(self, norm: NormFactory) -> None:
        self._norm = norm
        self._slots: list[tuple[str, int, InputKind]] = []

    def __call__(
        self, features: int, kind: InputKind = "maps", *, placement: str = "pre", activation: type[nn.Module] = nn.ReLU
    ) -> nn.Sequential:
        """Return a norm before (``pre``) or after (``post``) an activation; see ``norm_act``.

        Args:
            features: number of channels.
            kind: of the inputs: ``maps``, ``sequences`` or ``vectors``.
            placement: where the norm is to stand.
            activation: makes the activation.
        """
        self._slots.append((f"on {kind}", features, kind))
        return nn.Sequential(*norm_act(self._norm, features, kind, placement=placement, activation=activation))

    def notes(self) -> tuple[str, ...]:
        """Return a note for each kind of inputs that the norm is left out of; see ``left_out``."""
        return left_out(self._norm, self._slots)


class _Slot(NamedTuple):
    """What stands where a network has a norm.

    Attributes:
        channels: of what it is given.
        kind: of its inputs.
        positions: of each channel.
    """

    channels: int
    kind: InputKind
    positions: int

    def tried(self, norm: NormFactory) -> tuple[str, int, InputKind]:
        """Return where it is in words, and what a norm must take there; see ``left_out``.

        Where there is one position, what needs positions can do with maps as little as with vectors.
        """
        if self.kind != "vectors" and self.positions == 1 and needs_positions(norm(self.channels)):
            return f"on {self.kind} of one position", self.channels, "vectors"
        return f"on {self.kind}", self.channels, self.kind


def _exchange_norms(network: nn.Module, norm: NormFactory, example: Tensor) -> tuple[nn.Module, tuple[str, ...]]:
    """Exchange the norms of a network, and return it with notes: which, and where the norm is left out."""
    slots, kept = _slots(network, example)
    if not slots:
        raise UsageError("it takes no norm, and a forward pass reaches none that could be exchanged")

    def exchanged(channels: int) -> nn.Module:
        return convert(nn.GroupNorm(1, channels), norm).model

    tried = {name: slot.tried(exchanged) for name, slot in slots.items()}
    refused = {name for name, (_, channels, kind) in tried.items() if not accepts(exchanged(channels), channels, kind)}
    left = left_out(exchanged, list(tried.values()))
    model, report = convert(network, norm, skip=lambda name, _: name in refused)
    model, removed = convert(model, NoNorm, only=lambda name, _: name in refused)
    was = Counter(each.was for done in (report, removed) for each in done.exchanged.values())
    told = dict.fromkeys(note for each in report.exchanged.values() for note in each.to_know)
    counted = ", ".join(f"{count} {kind}" for kind, count in was.items())
    return model, (f"its own norms are exchanged: {counted}", *kept, *told, *left)


def _slots(network: nn.Module, example: Tensor) -> tuple[dict[str, _Slot], list[str]]:
    """Return what the norms of a network are given, by their names, and notes on those that cannot be exchanged.

    What a forward pass in evaluation does not reach, such as the further classifiers of GoogLeNet, is not among them.
    """
    trial, report = convert(copy.deepcopy(network), NoNorm)
    slots: dict[str, _Slot] = {}

    def look(name: str, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sizes = inputs[0].shape
        slots[name] = _Slot(sizes[1], kind_of(len(sizes)), sizes[2:].numel())

    for name in report.exchanged:
        for part in trial.get_submodule(name).modules():
            if isinstance(part, NoNorm):
                part.register_forward_pre_hook(partial(look, name))
    with torch.random.fork_rng(devices=[]):
        _try(trial, example)
    kept = Counter((each.was, each.reason) for each in report.left.values())
    return slots, [f"left as they are: {count} {was}, as {reason}" for (was, reason), count in kept.items()]


def _try(network: nn.Module, example: Tensor) -> None:
    """Carry out a forward pass in evaluation."""
    modes = [(part, part.training) for part in network.modules()]
    with torch.no_grad():
        network.eval()(example)
    for part, was_training in modes:
        part.training = was_training
