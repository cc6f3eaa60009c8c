"""Networks of torchvision and timm by name, as they are published but for what the data demands."""

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from normzoo.errors import UsageError
from normzoo.registry import find
from normzoo.templates._norm_slots import Shape

Stem = Literal["stock", "small"]


def torchvision_model(argument: str, *, shape: Shape, outputs: int, stem: Stem = "stock", **options: Any) -> nn.Module:
    """Return a classification network of torchvision's, with random weights.

    Args:
        argument: its name, such as ``resnet18``.
        shape: channels, height and width of the images.
        outputs: how many numbers to put out for each image.
        stem: ``stock``, or ``small`` for small images: the first convolution becomes 3x3 without a stride, and the
            max pooling after it is left out.
        options: of its constructor.

    Raises:
        UsageError: no network of that name, or it does not take these options or cannot have such a stem.
    """
    from torchvision import models

    find("network of torchvision:", dict.fromkeys(models.list_models(module=models)), argument)
    return _fitted(lambda: models.get_model(argument, num_classes=outputs, **options), options, shape, stem)


def timm_model(argument: str, *, shape: Shape, outputs: int, stem: Stem = "stock", **options: Any) -> nn.Module:
    """Return a network of timm's, with random weights; see ``torchvision_model``.

    Raises:
        UsageError: timm is not installed, has no network of that name, or it does not take these options.
    """
    try:
        import timm
    except ImportError:
        raise UsageError("timm is not installed; use pip install timm") from None
    find("network of timm:", dict.fromkeys(timm.list_models()), argument.partition(".")[0])  # a tag is of weights
    return _fitted(
        lambda: timm.create_model(argument, num_classes=outputs, in_chans=shape[0], **options),
        options,
        shape,
        stem,
    )


def _fitted(make: Callable[[], nn.Module], options: dict[str, Any], shape: Shape, stem: Stem) -> nn.Module:
    """Make a network whose weights are random, with a first convolution for the images."""
    if learned := [name for name in options if name.startswith(("weights", "pretrained"))]:
        raise UsageError(f"{learned[0]} is no option; every network starts from its seed")
    try:
        network = make()
    except TypeError as error:
        raise UsageError(str(error)) from error
    notes = [*_take_channels(network, shape[0]), *(_shrink_stem(network) if stem == "small" else ())]
    network.notes = tuple(notes)  # type: ignore[assignment]
    return network


def _first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    return next(((name, each) for name, each in network.named_modules() if isinstance(each, nn.Conv2d)), None)


def _take_channels(network: nn.Module, channels: int) -> list[str]:
    """Have the first convolution take as many channels as the images have, and say so."""
    found = _first_convolution(network)
    if found is None or found[1].in_channels == channels:
        return []
    name, conv = found
    if conv.groups != 1:
        raise UsageError(f"its first convolution takes {conv.in_channels} channels in groups, got {channels}")
    network.set_submodule(name, _like(conv, in_channels=channels))
    return [f"its first convolution takes {channels} channel{'s' if channels > 1 else ''}, not {conv.in_channels}"]


def _shrink_stem(network: nn.Module) -> list[str]:
    """Let the first convolution keep the size of the images, without pooling after it, and say so."""
    found = _first_convolution(network)
    if found is None or found[1].kernel_size == found[1].stride:
        raise UsageError("stem=small: it does not begin with a convolution of overlapping windows; use stem=stock")
    name, conv = found
    network.set_submodule(name, _like(conv, kernel_size=3, stride=1, padding=1))
    names = [each for each, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.MaxPool2d)]
    after = names[names.index(name) + 1 :][:1]
    if not (after and isinstance(network.get_submodule(after[0]), nn.MaxPool2d)):
        return ["its first convolution is 3x3 without a stride (stem=small)"]
    network.set_submodule(after[0], nn.Identity())
    return ["its first convolution is 3x3 without a stride, and the pooling after it is left out (stem=small)"]


def _like(conv: nn.Conv2d, **changes: Any) -> nn.Conv2d:
    """Return a new convolution with the settings of another but for some."""
    settings: dict[str, Any] = {
        name: getattr(conv, name)
        for name in ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    }
    return nn.Conv2d(**{**settings, "bias": conv.bias is not None, **changes})
