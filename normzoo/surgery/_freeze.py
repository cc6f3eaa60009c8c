"""Freezing the norms of a network, for fine-tuning on few samples or in small batches."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn

from normzoo.errors import UsageError
from normzoo.layers._kernels.torch_internals import TorchTrackedNorm
from normzoo.layers._tracked import Tracking
from normzoo.surgery._norms import is_norm

Model = TypeVar("Model", bound=nn.Module)

NEEDED_GRAD = "_required_grad_before_freezing"
"""The attribute in which a norm keeps the names of its parameters that needed a gradient."""


def tracked_norms(model: nn.Module) -> list[TorchTrackedNorm | Tracking]:
    """Return the norms that keep running statistics, each once: batch and instance norms of torch.nn, others', ours."""
    return [module for module in model.modules() if is_tracking(module)]  # type: ignore[misc]


def is_tracking(module: nn.Module) -> bool:
    """Whether a module is a norm that keeps running statistics."""
    if not isinstance(module, TorchTrackedNorm | Tracking):
        return False
    return module.track_running_stats and module.running_mean is not None


def refuse_scripted(model: nn.Module, function: str, kinds: Sequence[str] = ("Norm",)) -> None:
    """Refuse a model with norms that ``torch.jit.script`` has compiled, which are no modules that can be changed.

    Args:
        model: any module.
        function: that changes norms, for the message.
        kinds: what the names of their classes hold.

    Raises:
        UsageError: it has some.
    """
    for module in model.modules():
        name = str(getattr(module, "original_name", ""))
        if isinstance(module, torch.jit.ScriptModule) and any(kind in name for kind in kinds):
            raise UsageError(f"{function}: the model has scripted norms; {function}, then script it")


def keeps_statistics(model: nn.Module) -> bool:
    """Whether some norm of a model normalizes by running statistics when it is evaluated.

    >>> keeps_statistics(nn.BatchNorm1d(3)), keeps_statistics(nn.LayerNorm(3))
    (True, False)
    """
    return bool(tracked_norms(model))


class Held:
    """Stands in for the method ``train`` of a norm, which then stays in one mode, whatever is asked for.

    An attribute of the norm: unlike a subclass it leaves the type as it is, by which tools find norms; unlike a hook it
    is nothing that a call runs or a compiler sees; and it is copied and pickled with the norm.

    Attributes:
        norm: the norm.
        training: the mode that it stays in.
        asked: the mode that it would be in.
        before: what somebody else had put there.
    """

    def __init__(self, norm: nn.Module, training: bool) -> None:
        self.norm, self.training, self.asked = norm, training, norm.training
        self.before = vars(norm).get("train")
        norm.training = training

    def __call__(self, mode: bool = True) -> nn.Module:
        """Give the mode to what is in the norm, such as an activation, and not to the norm."""
        self.asked = mode
        type(self.norm).train(self.norm, mode)
        self.norm.training = self.training
        return self.norm


class Kept:
    """Stands in for the method ``reset_running_stats`` of a norm, whose statistics then stay."""

    def __call__(self) -> None:
        """Leave them."""


def hold_statistics(norm: nn.Module) -> None:
    """Have a norm normalize by the running statistics that it has, which nothing changes but ``recalibrate``."""
    vars(norm).update(train=Held(norm, training=False), reset_running_stats=Kept())


def _release_statistics(norm: nn.Module) -> bool:
    """Undo ``hold_statistics``; return whether there was something to undo."""
    held = vars(norm).get("train")
    if not isinstance(held, Held):
        return False
    for name in ("train", "reset_running_stats"):
        vars(norm).pop(name, None)
    if held.before is not None:
        vars(norm)["train"] = held.before
    return True


def freeze(model: Model, *, statistics: bool = True, affine: bool = True) -> Model:
    """Freeze the norms of a model, in place: it trains on, and training changes nothing of them until ``unfreeze``.

    What is frozen stays so through ``train()``, deepcopy, pickling and loading a state dict, whose keys are the same.
    No module is exchanged. Freezing again adds to what is frozen. ``recalibrate`` replaces frozen statistics, too,
    which then stay frozen; torch's ``update_bn`` does not.

    Args:
        model: any module.
        statistics: have the norms that keep running statistics normalize by these, and no longer change them: batch
            and instance norms. Others have none.
        affine: have the ``weight`` and ``bias`` of every norm need no gradient. Make the optimizer afterwards, or its
            weight decay still moves those that have had one.

    Returns:
        The model.

    Raises:
        UsageError: norms are scripted.

    >>> network = freeze(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))).train()
    >>> network[0].training, network[1].training, network[1].weight.requires_grad
    (True, False, False)
    """
    refuse_scripted(model, "freeze")
    if statistics:
        for norm in tracked_norms(model):
            if not isinstance(vars(norm).get("train"), Held):
                hold_statistics(norm)
    if affine:
        for module in model.modules():
            if is_norm(module):
                needed = [name for name, parameter in _own_parameters(module) if parameter.requires_grad]
                if needed:
                    vars(module)[NEEDED_GRAD] = (*vars(module).get(NEEDED_GRAD, ()), *needed)
                for _, parameter in _own_parameters(module):
                    parameter.requires_grad_(False)
    return model


def unfreeze(model: Model, *, statistics: bool = True, affine: bool = True) -> Model:
    """Undo ``freeze``, in place: parameters that had needed no gradient before still need none.

    A norm is then in training or evaluation as the module around it is. What is not frozen stays as it is.

    Args:
        model: any module.
        statistics: have norms use and change their running statistics as before.
        affine: have those parameters of norms need a gradient that did before.

    Returns:
        The model.

    >>> network = unfreeze(freeze(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))).eval().train())
    >>> network[1].training, network[1].weight.requires_grad
    (True, True)
    """
    if statistics:
        held = vars(model).get("train")
        if isinstance(held, Held) and _release_statistics(model):
            model.training = held.asked
        for parent in model.modules():
            for norm in parent.children():
                if _release_statistics(norm):
                    norm.training = parent.training
    if affine:
        for module in model.modules():
            for name in vars(module).pop(NEEDED_GRAD, ()):
                module.get_parameter(name).requires_grad_()
    return model


def _own_parameters(norm: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters of a norm, also where they are parametrized, but not those of an activation in it."""
    return [each for each in norm.named_parameters() if "." not in each[0] or each[0].startswith("parametrizations.")]
