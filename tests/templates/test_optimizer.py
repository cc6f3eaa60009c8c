"""Is each member of a stack updated as torch's own optimizer would update it alone?"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.testing import assert_close

from normzoo.registry import OPTIMIZERS
from normzoo.templates import MemberOptimizer, make_schedule

STEPS = 20
DECAY = 0.1
TORCHS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr=lr),
    "adamw": lambda parameters, lr: torch.optim.AdamW(parameters, lr=lr, weight_decay=0),
    "rmsprop": lambda parameters, lr: torch.optim.RMSprop(parameters, lr=lr),
    "sgd:momentum=0": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr),
    "sgd:momentum=0.8,nesterov=true": lambda parameters, lr: torch.optim.SGD(
        parameters, lr=lr, momentum=0.8, nesterov=True
    ),
    "adamw:amsgrad=true,betas=0.8-0.95,eps=0.001": lambda parameters, lr: torch.optim.AdamW(
        parameters, lr=lr, betas=(0.8, 0.95), eps=0.001, amsgrad=True, weight_decay=0
    ),
    "rmsprop:alpha=0.9,centered=true,momentum=0.5": lambda parameters, lr: torch.optim.RMSprop(
        parameters, lr=lr, alpha=0.9, centered=True, momentum=0.5
    ),
    "torch.optim:NAdam": lambda parameters, lr: torch.optim.NAdam(parameters, lr=lr),
}
RATES = {"one": (0.01, 0.01, 0.01, 0.01), "two": (0.01, 0.01, 0.002, 0.002), "four": (0.01, 0.02, 0.03, 0.04)}
SHAPES = ((3, 2), (3,), ())
"""Of one member's parameters; a single number is one, too."""

each_name = pytest.mark.parametrize("name", OPTIMIZERS)
each_name_and_options = pytest.mark.parametrize("name", TORCHS)
each_clip_norm = pytest.mark.parametrize("clip_norm", [None, 10.0], ids=["", "clipped"])


def problem(members: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return each member's parameters and where they are to go, the further the later the member."""
    stacks = [(torch.randn(members, *shape), torch.randn(members, *shape)) for shape in SHAPES]
    spread = torch.arange(1.0, members + 1).double()
    return (
        [start.double() for start, _ in stacks],
        [goal.double() * spread.reshape(-1, *(1 for _ in goal.shape[1:])) for _, goal in stacks],
    )


def losses(parameters: Sequence[Tensor], goals: Sequence[Tensor]) -> Tensor:
    """Return each member's loss, ``(M,)``: not a parabola, so that gradients change their direction."""
    terms = [(parameter - goal).reshape(len(goal), -1) for parameter, goal in zip(parameters, goals, strict=True)]
    return sum(((term**2).sum(1) + (3 * term).cos().sum(1) for term in terms), torch.zeros(()))


def alone(
    name: str,
    starts: Sequence[Tensor],
    goals: Sequence[Tensor],
    lr: float,
    clip_norm: float | None,
    decay: float = 0.0,
    schedule: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler] | None = None,
) -> tuple[list[Tensor], list[float]]:
    """Train one member, ``(1, *)``, by torch's optimizer; return its parameters, and the norms before clipping.

    Weight decay is on the first of the parameters.
    """
    parameters = [nn.Parameter(start.clone()) for start in starts]
    groups = [{"params": parameters[:1], "weight_decay": decay}, {"params": parameters[1:]}]
    optimizer = TORCHS[name](groups, lr)
    scheduler = schedule(optimizer) if schedule else None
    norms = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.autograd.backward(losses(parameters, goals).sum())
        norms.append(clip_grad_norm_(parameters, clip_norm or torch.inf).item())
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return [parameter.detach() for parameter in parameters], norms


def cosine(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("rates", "clip_norm", "decay"),
    [(RATES["four"], None, 0.0), (RATES["two"], 10.0, DECAY), (RATES["one"], 10.0, DECAY)],
    ids=["four", "two, clipped, decayed", "one, clipped, decayed"],
)
@each_name_and_options
def test_each_member_is_updated_as_alone(
    name: str, rates: tuple[float, ...], clip_norm: float | None, decay: float
) -> None:
    """Over 20 steps in float64, by torch's own optimizer and, where it is clipped, by its own gradient's norm."""
    starts, goals = problem(4)
    parameters = [nn.Parameter(start.clone()) for start in starts]
    optimizer = MemberOptimizer(
        parameters, name, rates, weight_decay=decay, without_decay=parameters[1:], clip_norm=clip_norm
    )
    for _ in range(STEPS):
        optimizer.step(losses(parameters, goals).sum())
    norms: list[float] = []
    for member, lr in enumerate(rates):
        part = slice(member, member + 1)
        expected, own_norms = alone(
            name, [each[part] for each in starts], [each[part] for each in goals], lr, clip_norm, decay
        )
        norms += own_norms
        assert_close([parameter[part].detach() for parameter in parameters], expected, rtol=0, atol=1e-10)
    if clip_norm is not None:  # it bites, but not always
        assert min(norms) < clip_norm < max(norms)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("when", "kept", "rates", "clip_norm"),
    [
        (7, (0,), RATES["two"], None),
        (7, (3,), RATES["four"], 10.0),
        (7, (1, 2), RATES["two"], 10.0),
        (7, (0, 2, 3), RATES["four"], None),
        (7, (1, 3), RATES["one"], None),
        (0, (1, 2), RATES["one"], 10.0),
    ],
    ids=str,
)
@each_name
def test_members_that_are_kept_go_on_as_if_the_others_had_never_been_there(
    name: str, when: int, kept: tuple[int, ...], rates: tuple[float, ...], clip_norm: float | None
) -> None:
    """Momenta and counts of steps survive; rates stay with their members and their schedule, decay with its weights."""
    starts, goals = problem(4)
    parameters = [nn.Parameter(start.clone()) for start in starts]
    optimizer = MemberOptimizer(
        parameters, name, rates, weight_decay=DECAY, without_decay=parameters[1:], clip_norm=clip_norm
    )
    schedule = make_schedule("cosine", STEPS)
    assert schedule is not None
    for step in range(STEPS):
        if step == when:
            for parameter in parameters:
                parameter.data = parameter.data[list(kept)]
            goals = [goal[list(kept)] for goal in goals]
            optimizer.keep(kept)
        optimizer.scale_rates(schedule(step))
        optimizer.step(losses(parameters, goals).sum())
    for index, member in enumerate(kept):
        own = [start[member : member + 1] for start in starts]
        expected, _ = alone(
            name, own, [goal[index : index + 1] for goal in goals], rates[member], clip_norm, DECAY, cosine
        )
        assert_close([parameter[index : index + 1].detach() for parameter in parameters], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kept", [[3, 1], [1, 1]], ids=str)
def test_members_are_kept_in_order(kept: list[int]) -> None:
    """Since rates and momenta are paired with those that are left."""
    optimizer = MemberOptimizer([nn.Parameter(torch.ones(4, 2))], "sgd", RATES["four"])
    message = f"MemberOptimizer: members must be in order, each once, got {kept}; sort them"
    with pytest.raises(ValueError, match=re.escape(message)):
        optimizer.keep(kept)


@pytest.mark.slow_but_one
@each_clip_norm
@each_name
def test_one_network_that_is_not_stacked_is_updated_as_by_torch(name: str, clip_norm: float | None) -> None:
    """Whatever the first dimension of its parameters stands for; a parameter that is frozen or unused stays."""
    starts, goals = problem(4)
    parameters = [nn.Parameter(start.clone()) for start in starts]
    frozen, unused = nn.Parameter(torch.ones(2), requires_grad=False), nn.Parameter(torch.ones(2))
    optimizer = MemberOptimizer([*parameters, frozen, unused], name, [0.04], clip_norm=clip_norm, stacked=False)
    for _ in range(STEPS):
        optimizer.step(losses(parameters, goals).sum())
    expected, _ = alone(name, starts, goals, 0.04, clip_norm)
    assert_close([parameter.detach() for parameter in parameters], expected, rtol=0, atol=1e-10)
    assert torch.equal(torch.stack([frozen, unused]), torch.ones(2, 2))
    (made,) = optimizer.optimizers
    assert sum(len(group["params"]) for group in made.param_groups) == len(parameters) + 1


@each_clip_norm
@each_name
def test_a_parameter_that_one_has_no_use_for_stays(name: str, clip_norm: float | None) -> None:
    """Without a gradient nothing is updated, also after some members went."""
    starts, goals = problem(4)
    parameters: list[Any] = [nn.Parameter(start.clone()) for start in starts]
    unused = nn.Parameter(torch.ones(4, 2))
    optimizer = MemberOptimizer([*parameters, unused], name, RATES["four"], clip_norm=clip_norm)
    optimizer.step(losses(parameters, goals).sum())
    for parameter in (*parameters, unused):
        parameter.data = parameter.data[1:]
    optimizer.keep([1, 2, 3])
    optimizer.step(losses(parameters, [goal[1:] for goal in goals]).sum())
    assert torch.equal(unused, torch.ones(3, 2))
    assert not torch.equal(parameters[0], starts[0][1:])


def test_every_optimizer_is_a_case() -> None:
    """One that is not would be asked none of the questions here."""
    assert set(OPTIMIZERS) <= set(TORCHS)


@each_name
@pytest.mark.parametrize(
    ("rates", "stacked"), [((0.1,), True), ((0.1,), False), ((0.1, 0.05), True)], ids=["one", "alone", "two rates"]
)
def test_a_parameter_may_be_without_a_gradient_at_times(name: str, rates: tuple[float, ...], *, stacked: bool) -> None:
    """As where a network takes another branch: torch passes it over in that step, and so is it here."""
    start = [torch.randn(len(rates), 3, dtype=torch.float64) for _ in range(2)]
    ours = [nn.Parameter(each.clone()) for each in start]
    torchs = [[nn.Parameter(each[[member]]) for each in start] for member in range(len(rates))]
    optimizer = MemberOptimizer(ours, name, rates, stacked=stacked)
    references = [TORCHS[name](own, rate) for own, rate in zip(torchs, rates, strict=True)]
    for uses_second in (False, True, False, True):

        def loss(parameters: Sequence[Tensor], *, both: bool = uses_second) -> Tensor:
            first, second = ((parameter**2).sum() for parameter in parameters)
            return first + second if both else first

        optimizer.step(loss(ours))
        for own, reference in zip(torchs, references, strict=True):
            reference.zero_grad()
            torch.autograd.backward(loss(own))
            reference.step()
    expected = [torch.cat([each.detach() for each in parts]) for parts in zip(*torchs, strict=True)]
    assert_close([each.detach() for each in ours], expected, rtol=1e-12, atol=0)
