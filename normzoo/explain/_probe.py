"""Finds out what a norm does by trying it: which outputs move with which inputs. Imports torch."""

import copy
import warnings
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from normzoo.errors import ComponentError, error_line
from normzoo.explain._pools import DIMENSIONS, Pools, Sizes
from normzoo.explain._subject import Curve, Probe, written_shape
from normzoo.layers import make_norm
from normzoo.registry import NORMS

MAX_VALUES = 1024
"""Of an input, as each is moved by itself."""

DRAWS = 8
"""How many inputs are tried at most: an activation hides what is moved where its output is constant."""

ENDS, POINTS = 5.0, 101
"""A curve is of inputs from minus ``ENDS`` to ``ENDS``."""

MOVED = 1e-9
"""How far an output must move in float64 to depend on what was moved."""


def probe(spec: str, shape: tuple[int, ...]) -> Probe:
    """Try a norm on inputs of a shape ``(N, C, *)``.

    Its parameters are drawn for it, since some hide what a layer does where they start, such as factors of zero.

    Raises:
        UnknownNameError: no norm of that name.
        ComponentError: it cannot be made, fails on such inputs, changes their shape or returns what is not finite; or
            there are too many values.
    """
    if prod(shape) > MAX_VALUES:
        raise ComponentError(
            f"norm '{spec}': it is explained by moving each value of an input, of at most {MAX_VALUES:,}, got "
            f"{prod(shape):,} in shape {written_shape(shape)}; use for example --shape 4,8,2,2"
        )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        made = make_norm(spec, shape[1])
        if isinstance(made, LazyModuleMixin):  # its parameters are made by its first input
            _called(made.eval(), torch.zeros(shape), spec)
            made.train()
        layer = copy.deepcopy(made).double()
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, 0.5, 1.5)
        x = torch.randn(shape, dtype=torch.float64)
        y = _output(layer, x, spec, training=True)
        moves = _moves(layer, shape, spec)
        sizes = (shape[0], shape[1], prod(shape[2:]))
        pools, overlaps = _pools(moves, sizes)
        is_elementwise = bool((moves == torch.eye(len(moves), dtype=torch.bool)).all())
        target, _ = NORMS.load(spec)
        return Probe(
            pools=pools,
            overlaps=overlaps,
            is_constant=not bool(moves.any()),
            is_random=not y.equal(_output(layer, x, spec, training=True, seed=2)),
            reach=_reach(moves, sizes),
            curve=_curve(made, shape) if is_elementwise else (),
            does=next(iter((getattr(target, "__doc__", "") or "").strip().splitlines()), ""),
            parameters=tuple(_described(name, each) for name, each in made.named_parameters()),
            state=tuple(_described(name, each) for name, each in made.named_buffers()),
            evaluation=_evaluation(layer, x, y, spec),
        )


def _output(layer: nn.Module, x: Tensor, spec: str, *, training: bool, seed: int = 1) -> Tensor:
    """Return what a layer puts out, with the random numbers of a seed; one that remembers is copied before."""
    torch.default_generator.manual_seed(seed)  # torch.manual_seed takes longer than most norms, which are on the host
    copied = copy.deepcopy(layer) if any(True for _ in layer.buffers()) else layer
    y = _called(copied.train(training), x.clone(), spec)
    if not isinstance(y, Tensor) or y.shape != x.shape:
        got = f"shape {written_shape(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise ComponentError(
            f"norm '{spec}': it must keep the shape of its input, {written_shape(x.shape)}, and returned {got}"
        )
    if not y.is_floating_point():
        raise ComponentError(f"norm '{spec}': it must return numbers of the type of its input, and returned {y.dtype}")
    if not bool(y.isfinite().all()):
        raise ComponentError(
            f"norm '{spec}': it returned {y[~y.isfinite()][0].item()} for inputs that are finite, from which nothing "
            "can be found out"
        )
    return y


def _called(layer: nn.Module, x: Tensor, spec: str) -> object:
    try:
        with torch.no_grad():
            return layer(x)
    except Exception as error:
        raise ComponentError(
            f"norm '{spec}': it fails on shape {written_shape(x.shape)}: {error_line(error)}"
        ) from error


def _moves(layer: nn.Module, shape: tuple[int, ...], spec: str, *, training: bool = True) -> Tensor:
    """Return, for each value of the input, which outputs move with it."""
    values = prod(shape)
    found = torch.zeros(values, values, dtype=torch.bool)
    for draw in range(DRAWS):
        torch.manual_seed(draw)
        x = torch.randn(shape, dtype=torch.float64) + 1
        y = _output(layer, x, spec, training=training)
        before = found.clone()
        for value in range(values):
            moved = x.clone()
            moved.view(-1)[value] += 0.5
            found[value] |= ((_output(layer, moved, spec, training=training) - y).abs() > MOVED).flatten()
        if found.equal(before) or (draw == 0 and bool(found.diagonal().all())):
            break
    return found


def _pools(moves: Tensor, sizes: Sizes) -> tuple[Pools, bool]:
    """Return what moves together, and whether it overlaps: then what moves with one of the values that move most."""
    first = moves.int().argmax(1)  # of each value, the first output that it moves
    if not bool((moves == (first[:, None] == first[None, :])).all()):
        counts = moves.sum(1)
        most = (counts == counts.max()).nonzero().flatten().tolist()
        return Pools(sizes, None, tuple(0 if moved else None for moved in moves[most[len(most) // 2]].tolist())), True
    order = {value: number for number, value in enumerate(dict.fromkeys(first.tolist()))}
    numbers = tuple(order[value] for value in first.tolist())
    within = moves[0].reshape(sizes)
    extent = [int(within.any(dims).sum()) for dims in ((1, 2), (0, 2), (0, 1))]
    if all(size % each == 0 for size, each in zip(sizes, extent, strict=True)):
        samples, channels, positions = (size // each for size, each in zip(sizes, extent, strict=True))
        blocks = Pools(sizes, (samples, channels, positions))
        places = torch.cartesian_prod(*map(torch.arange, sizes)).tolist()
        if tuple(blocks.number(*place) for place in places) == numbers:
            return blocks, False
    return Pools(sizes, None, numbers), False


def _reach(moves: Tensor, sizes: Sizes) -> tuple[str, ...]:
    """Return the dimensions along which some value moves an output elsewhere."""
    places = (torch.unravel_index(indices, sizes) for indices in moves.nonzero(as_tuple=True))
    return tuple(name for name, own, other in zip(DIMENSIONS, *places, strict=True) if not own.equal(other))


def _curve(layer: nn.Module, shape: tuple[int, ...]) -> Curve:
    """Return the outputs of a layer as it starts for inputs from one end to the other."""
    inputs = torch.linspace(-ENDS, ENDS, POINTS)
    x = inputs.reshape(-1, *(1 for _ in shape[1:])).expand(-1, *shape[1:]).contiguous()
    try:
        with torch.no_grad():
            outputs = copy.deepcopy(layer)(x).flatten(1)[:, 0]
    except Exception:  # of a user's own that takes these samples alone
        return ()
    return tuple(zip(inputs.tolist(), outputs.tolist(), strict=True))


def _described(name: str, tensor: Tensor) -> str:
    values = tensor.detach().double()
    is_one = bool((values == values.flatten()[0]).all()) if values.numel() else False
    start = f"starts at {values.flatten()[0].item():g}" if is_one else "starts at several values"
    return f"{name} {written_shape(tensor.shape)}: {start}"


def _evaluation(layer: nn.Module, x: Tensor, y: Tensor, spec: str) -> str:
    """Say how evaluation differs from training, after a step of that."""
    trained = copy.deepcopy(layer).train()
    with torch.no_grad():
        trained(x.clone())
    if torch.allclose(_output(trained, x, spec, training=False), y):
        return "As in training."
    moves = _moves(trained, tuple(x.shape), spec, training=False)
    if bool((moves == torch.eye(len(moves), dtype=torch.bool)).all()):
        return "Another output than in training: each depends on its own input value alone, and on what is remembered."
    return "Another output than in training."
