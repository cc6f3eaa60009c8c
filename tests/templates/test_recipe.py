"""Do schedules follow torch's own step by step, and are optimizers and their weight decay what was asked for?"""

import re
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
)
from torch.testing import assert_close

from normzoo.errors import UsageError
from normzoo.layers import BatchNorm, norm_factory
from normzoo.registry import SCHEDULES
from normzoo.templates import Cnn, Lstm, MemberModule, is_elementwise, make_optimizer, make_schedule

LR = 0.2
OWN = f"{__package__}.own_optimizers"
Make = Callable[[torch.optim.Optimizer, int], LRScheduler]


def warmed(share: float, then: Make) -> Make:
    """Return torch's way to put a linear warm-up before a schedule."""

    def make(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
        rise = round(share * steps)
        first = LinearLR(optimizer, start_factor=1 / (rise + 1), total_iters=rise)
        return SequentialLR(optimizer, [first, then(optimizer, steps - rise)], milestones=[rise])

    return make


def constant(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    return ConstantLR(optimizer, factor=1, total_iters=steps)


def cosine(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    return CosineAnnealingLR(optimizer, steps)


def cosine_to_a_tenth(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    return CosineAnnealingLR(optimizer, steps, eta_min=LR / 10)


def steps_down(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    return MultiStepLR(optimizer, [round(steps / 2), round(steps * 3 / 4)])


def one_step_down(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    return MultiStepLR(optimizer, [round(steps * 0.3)], gamma=0.5)


def onecycle(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    return OneCycleLR(optimizer, max_lr=LR, total_steps=steps, cycle_momentum=False)


def other_onecycle(optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    return OneCycleLR(
        optimizer,
        max_lr=LR,
        total_steps=steps,
        pct_start=0.15,
        div_factor=8,
        final_div_factor=50,
        anneal_strategy="linear",
        cycle_momentum=False,
    )


TORCHS: dict[str, Make] = {
    "constant": constant,
    "cosine": cosine,
    "step": steps_down,
    "onecycle": onecycle,
    "constant:warmup=0.1": warmed(0.1, constant),
    "cosine:warmup=0.25": warmed(0.25, cosine),
    "cosine:final=0.1,warmup=0.1": warmed(0.1, cosine_to_a_tenth),
    "step:warmup=0.1": warmed(0.1, steps_down),
    "step:at=0.3,gamma=0.5": one_step_down,
    "onecycle:anneal_strategy=linear,div_factor=8,final_div_factor=50,warmup=0.15": other_onecycle,
}


@pytest.mark.slow_but_one
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")  # SequentialLR's own doing
@pytest.mark.parametrize("steps", [7, 100])
@pytest.mark.parametrize("spec", TORCHS)
def test_a_schedule_is_torchs_own_at_every_step(spec: str, steps: int) -> None:
    """With and without a warm-up, by its defaults and by other options."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = TORCHS[spec](optimizer, steps)
    schedule = make_schedule(spec, steps) or (lambda _: 1.0)
    for step in range(steps):
        assert LR * schedule(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9, abs=1e-12), step
        optimizer.step()
        scheduler.step()


def test_every_schedule_is_a_case() -> None:
    """With its defaults and with a warm-up."""
    for name in SCHEDULES:
        assert name in TORCHS
        assert any(spec.startswith(f"{name}:") and "warmup" in spec for spec in TORCHS)


@pytest.mark.parametrize("spec", [*TORCHS, f"{OWN}:triangle:peak=0.25"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_schedule_serves_any_number_of_steps(spec: str, steps: int) -> None:
    """Also few, and a step beyond the last, as where steps are timed: it is as the last."""
    schedule = make_schedule(spec, steps) or (lambda _: 1.0)
    rates = [schedule(step) for step in range(steps + 2)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[-1] == rates[-3]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "cosine:warmup=1",
            "schedule 'cosine:warmup=1': warmup is a share of all steps, at least 0 and below 1, got 1",
        ),
        ("onecycle:warmup=-0.1", "warmup is a share of all steps, at least 0 and below 1, got -0.1"),
        ("cosine:final=2", "final must be from 0 to 1, got 2"),
        ("step:at=0.5-1.5", "at must be shares of the steps between 0 and 1, got 0.5, 1.5"),
        ("step:gamma=0", "gamma must be greater than 0, got 0"),
        ("onecycle:div_factor=0", "div_factor and final_div_factor must be greater than 0, got 0 and 10000"),
        ("onecycle:anneal_strategy=sine", "anneal_strategy must be one of cos, linear, got 'sine'"),
        ("cosine:warm=0.1", "it has no option 'warm'; did you mean 'warmup'?"),
        ("cosine:steps=5", "steps is no option; normzoo sets it"),
        ("cos", "unknown schedule 'cos'"),
        (f"{OWN}:broken", f"schedule '{OWN}:broken' fails at step 1 of 100: KeyError: 1"),
        (f"{OWN}:undefined", "must return a finite number of at least 0, it returned nan at step 50 of 100"),
        (f"{OWN}:falling:by=0.02", "must return a finite number of at least 0, it returned -0.02 at step 51 of 100"),
        (
            f"{OWN}:counting",
            "returns another number when it is asked for a step once more; make it depend on its",
        ),
        (f"{OWN}:endless", "must return a finite number of at least 0, it returned inf at step 99 of 100"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(spec: str, message: str) -> None:
    """With the option, the rule and the value."""
    with pytest.raises(UsageError, match=re.escape(message)):
        make_schedule(spec, 100)


@pytest.mark.parametrize(
    ("spec", "decay", "message"),
    [
        ("sgd:momentum=-1", 0, "optimizer 'sgd:momentum=-1' cannot be made: ValueError: Invalid momentum value: -1"),
        ("sgd:momentum=0,nesterov=true", 0, "ValueError: Nesterov momentum requires a momentum and zero dampening"),
        ("adamw:betas=0.9", 0, "betas are two numbers, such as 0.9-0.999, got 1"),
        ("adam:beta=0.9-0.99", 0, "it has no option 'beta'; did you mean 'betas'?"),
        ("sgd:lr=0.1", 0, "lr is no option; normzoo sets it"),
        ("sgd:weight_decay=0.1", 0, "weight_decay is no option; normzoo sets it"),
        ("sdg", 0, "unknown optimizer 'sdg'; did you mean 'sgd'?"),
        (f"{OWN}:no_optimizer", 0, "it must be a torch.optim.Optimizer, it is a int"),
        (f"{OWN}:Normalized", 0.1, "has no weight_decay, and would ignore it; leave weight_decay at 0"),
        (f"{OWN}:Lions", 0, "did you mean 'Lion'"),
    ],
)
def test_an_optimizer_that_cannot_be_is_refused(spec: str, decay: float, message: str) -> None:
    """With the option, the rule and the value."""
    with pytest.raises(UsageError, match=re.escape(message)):
        make_optimizer(spec, [nn.Parameter(torch.zeros(2))], 0.1, weight_decay=decay)


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("spec", "decay", "expected"),
    [
        (f"{OWN}:Lion", 0.1, True),
        ("torch.optim:NAdam", 0.1, True),
        ("torch.optim:Adadelta", 0.0, True),
        ("adamw", 0.1, True),
        (f"{OWN}:Counting", 0.0, True),
        (f"{OWN}:Normalized", 0.0, False),
        (f"{OWN}:Late", 0.0, False),
        (f"{OWN}:Weighing", 0.0, True),
        (f"{OWN}:Weighing", 0.1, False),
        ("torch.optim:Adafactor", 0.0, False),
    ],
)
def test_what_looks_at_whole_parameters_is_not_elementwise(spec: str, decay: float, expected: bool) -> None:
    """It is found out by trying: together and alone."""
    assert is_elementwise(spec, nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(3, 2)), weight_decay=decay) is expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [(f"{OWN}:Failing", "no step"), ("torch.optim:LBFGS", "closure"), ("torch.optim:Muon", "2D")],
)
def test_what_fails_on_a_network_by_itself_raises(spec: str, message: str) -> None:
    """Without a stack it would fail, too."""
    with pytest.raises(Exception, match=message):
        is_elementwise(spec, nn.Conv2d(2, 3, 3))


def test_an_own_optimizer_goes_on_without_a_member() -> None:
    """What it remembers of the others stays, also what is of no member."""
    networks = [nn.Linear(3, 3) for _ in range(3)]
    module = MemberModule(networks, lrs=[0.1] * 3, optimizer=f"{OWN}:Counting")
    x, y = torch.randn(2, 4, 3, 3), torch.randint(3, (2, 4, 3))
    module.training_step((x, y), 0)
    module.keep([0, 2])
    module.on_train_epoch_start()
    module.training_step((x[:, :, [0, 2]], y[:, :, [0, 2]]), 0)
    alone = MemberModule([networks[2]], lrs=[0.1], optimizer=f"{OWN}:Counting")
    alone.training_step((x[:, :, 2:], y[:, :, 2:]), 0)
    alone.training_step((x[:, :, 2:], y[:, :, 2:]), 0)
    assert_close([each[1:] for each in module.parameters()], list(alone.parameters()))
    (optimizer,) = module.optimizer.optimizers
    assert {float(state["steps"]) for state in optimizer.state.values()} == {4.0}


class Own(nn.Module):
    """A network that is mapped over the members, with names in names."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), BatchNorm(4), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(144, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.body(x))
        return result


def cnn() -> nn.Module:
    return Cnn(norm_factory("batch"), shape=(1, 8, 8), outputs=3, widths=(4,), hidden=4)


def lstm() -> nn.Module:
    return Lstm(norm_factory("batch"), shape=(1, 8, 8), outputs=3, hidden=4)


@pytest.mark.slow_but_one
@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.1, 0.2)], ids=["one rate", "two rates"])
@pytest.mark.parametrize("stacked", [True, False], ids=["stacked", "alone"])
@pytest.mark.parametrize("make", [Own, cnn, lstm])
def test_weights_decay_and_norms_and_biases_do_not(
    make: Callable[[], nn.Module], rates: tuple[float, ...], *, stacked: bool
) -> None:
    """By the names of one network, in a stack of parts, in one that is mapped, and by itself."""
    members = [make() for _ in rates] if stacked else [make()]
    module = MemberModule(members, lrs=rates[: len(members)], optimizer="sgd", weight_decay=0.1, stacked=stacked)
    before = {name: each.detach().clone() + 1 for name, each in module.network.named_parameters()}
    for name, each in module.network.named_parameters():
        each.data = before[name].clone()
    module.optimizer.step(sum(((each * 0).sum() for each in module.network.parameters()), torch.zeros(())))
    changed = {
        name.removeprefix("module.").replace("/", ".")
        for name, each in module.network.named_parameters()
        if not torch.equal(each, before[name])
    }
    wanted = {name for name, each in members[0].named_parameters() if each.ndim > 1 and "bias" not in name}
    assert changed == wanted != set()


@pytest.mark.parametrize("spec", ["adamw", "torch.optim:AdamW", f"{OWN}:decaying"])
def test_nothing_decays_unless_that_is_asked_for(spec: str) -> None:
    """Whatever an optimizer's own default is; without a gradient it then moves nothing."""
    weight = nn.Parameter(torch.ones(2, 2))
    optimizer = make_optimizer(spec, [weight], 0.1)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert torch.equal(weight, torch.ones(2, 2))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0]


def test_all_decay_where_that_is_asked_for() -> None:
    """Norms and biases, too."""
    module = MemberModule([cnn()], lrs=[0.1], weight_decay=0.1, decays_all=True)
    (optimizer,) = module.optimizer.optimizers
    decays = [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
    assert decays == [(len(list(module.parameters())), 0.1)]


@pytest.mark.parametrize("stacked", [True, False], ids=["stacked", "alone"])
def test_a_network_trains_by_a_recipe_as_in_a_plain_loop_of_torch(*, stacked: bool) -> None:
    """One cycle, AdamW with decay on its weights, smoothed labels and a limit, over two epochs; each its own rate."""
    from normzoo.tasks import Classification

    rates, steps = ((0.01, 0.03), 6) if stacked else ((0.01,), 6)
    members = [Own().double() for _ in rates]
    x, y = torch.randn(steps, 5, len(rates), 1, 8, 8).double(), torch.randint(3, (steps, 5, len(rates)))
    expected = [
        plain_loop(Own().double(), member.state_dict(), x[:, :, index], y[:, :, index], rates[index])
        for index, member in enumerate(members)
    ]
    module = MemberModule(
        members,
        lrs=rates,
        task=Classification(smoothing=0.1),
        optimizer="adamw",
        schedule=make_schedule("onecycle", steps),
        weight_decay=0.5,
        clip_norm=0.5,
        stacked=stacked,
    )
    for half in (slice(0, 3), slice(3, 6)):
        module.on_train_epoch_start()
        module.training_step((x[half], y[half]), 0)
    found = list(module.network.parameters())
    assert_close(found, [torch.stack(each) for each in zip(*expected, strict=True)] if stacked else expected[0])


def plain_loop(
    network: nn.Module, state: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor, lr: float
) -> list[torch.Tensor]:
    network.load_state_dict(state)
    weights = [each for each in network.parameters() if each.ndim > 1]
    others = [each for each in network.parameters() if each.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 0.5}, {"params": others, "weight_decay": 0.0}], lr=lr
    )
    scheduler = OneCycleLR(optimizer, max_lr=lr, total_steps=len(x), cycle_momentum=False)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    for inputs, targets in zip(x, y, strict=True):
        optimizer.zero_grad()
        loss(network(inputs), targets).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
    return [each.detach() for each in network.parameters()]
