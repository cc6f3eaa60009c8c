"""What is done to the images of training batches: flips, shifts, cutouts, and the user's own.

Whatever is random is drawn for each sample by a generator of its member's own, before an epoch begins. So it depends on
the seed alone, as the order of the samples does, and on a GPU no step waits for the host.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from normzoo.devices import same_random_numbers, seed_device
from normzoo.errors import ComponentError, ConfigError, DataError, error_line
from normzoo.registry import AUGMENTATIONS

_SEEDS = 2**24
"""How many seeds a uniform number in float32 makes."""


class Augmentation(Protocol):
    """Changes images by random numbers that it is given; nothing else in it is random.

    Attributes:
        numbers: how many it takes for each image.
    """

    numbers: int

    def __call__(self, images: Tensor, random: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)``, changed by uniform numbers ``(N, numbers)`` in [0, 1)."""
        ...


class Flip:
    """Mirror an image left to right, with probability 1/2."""

    numbers = 1

    def __call__(self, images: Tensor, random: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)``, mirrored by uniform numbers ``(N, 1)``."""
        return torch.where(random[:, :, None, None] < 0.5, images.flip(-1), images)


class Crop:
    """Cut an image of the same size out of the padded one: shift it by at most so many pixels in each direction.

    All shifts are equally probable. He et al. 2016 pad images of 32x32 by 4.

    Args:
        argument: the pixels.
        padding: ``zeros``, which in standardized images are the mean of each channel over the training set, or
            ``reflect``: the image continued as in a mirror.
    """

    numbers = 2

    def __init__(self, argument: str, padding: Literal["zeros", "reflect"] = "zeros") -> None:
        self._pixels = _pixels("crop", argument)
        self._mode = "constant" if padding == "zeros" else padding

    def __call__(self, images: Tensor, random: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)``, shifted by uniform numbers ``(N, 2)``.

        Raises:
            ConfigError: a shift could leave nothing of an image.
        """
        height, width = images.shape[2:]
        if self._pixels >= min(height, width):
            raise ConfigError(
                f"augment: crop:{self._pixels} may leave nothing of images of {height}x{width}; use at most "
                f"crop:{min(height, width) - 1}"
            )
        first = (random * (2 * self._pixels + 1)).long()
        windows = pad(images, [self._pixels] * 4, self._mode).unfold(2, height, 1).unfold(3, width, 1)
        return windows[torch.arange(len(images), device=images.device), :, first[:, 0], first[:, 1]]


class Cutout:
    """Cover a square of an image with zeros, which in standardized images are the mean of each channel.

    Its centre may be at any pixel, so that a part of it may lie outside (DeVries & Taylor 2017).

    Args:
        argument: the pixels of a side.
    """

    numbers = 2

    def __init__(self, argument: str) -> None:
        self._size = _pixels("cutout", argument)

    def __call__(self, images: Tensor, random: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)``, covered by uniform numbers ``(N, 2)``.

        Raises:
            ConfigError: the square is larger than an image.
        """
        height, width = images.shape[2:]
        if self._size > min(height, width):
            raise ConfigError(
                f"augment: cutout:{self._size} is larger than images of {height}x{width}; use at most "
                f"cutout:{min(height, width)}"
            )
        rows, columns = self._covered(random[:, 0], height), self._covered(random[:, 1], width)
        return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)

    def _covered(self, random: Tensor, length: int) -> Tensor:
        """Return which places of a side the square covers, ``(N, length)``."""
        first = (random * length).long() - self._size // 2
        places = torch.arange(length, device=random.device) - first[:, None]
        return (places >= 0) & (places < self._size)


def _pixels(name: str, argument: str) -> int:
    """Read the argument of an augmentation."""
    if not argument.isdecimal() or int(argument) < 1:
        raise ConfigError(f"augment: {name}:{argument}: expected a number of pixels of at least 1, such as {name}:4")
    return int(argument)


class _Made(NamedTuple):
    """An augmentation that was made from a spec; ``numbers`` is None if it draws its random numbers itself."""

    spec: str
    function: Callable[..., Any]
    numbers: int | None


class Augmentations:
    """Augmentations in their order, for several members at once.

    An ``Augmentation``, which has an attribute ``numbers``, is called once for all members. Any other is called with
    the images of each member's batch alone, after torch's generators were seeded; they are put back afterwards.

    Args:
        specs: such as ``flip`` and ``crop:4``, or import paths of the user's own: a class, which is called with the
            options, or a function, which gets them with the images.

    >>> augmentations = Augmentations(["flip", "crop:2"])
    >>> drawn = augmentations.draw(4, Generator().manual_seed(0)).view(1, 4, 1, 3)
    >>> augmentations(torch.ones(1, 4, 1, 3, 8, 8), drawn, drawn).shape
    torch.Size([1, 4, 1, 3, 8, 8])

    Raises:
        UsageError: a spec names nothing that could be made.
    """

    def __init__(self, specs: Sequence[str]) -> None:
        self._each = [_make(spec) for spec in specs]

    def draw(self, samples: int, generator: Generator) -> Tensor:
        """Draw the random numbers of so many samples of a member, ``(samples, K)``, uniform in [0, 1)."""
        return torch.rand(samples, sum(_count(each) for each in self._each), generator=generator)

    @torch.no_grad()
    def __call__(self, images: Tensor, random: Tensor, on_host: Tensor) -> Tensor:
        """Augment a block of steps.

        Args:
            images: ``(steps, N, M, C, H, W)``, standardized.
            random: what was drawn, ``(steps, N, M, K)``, on the device of the images.
            on_host: the same on the host.

        Raises:
            DataError: the inputs are no images.
            ConfigError: an augmentation does not fit images of this size.
            ComponentError: one of the user's own returns something else than such images.
        """
        if images.ndim != 6:
            raise DataError(f"augment: is for images of shape (C, H, W), and inputs are of {tuple(images.shape[3:])}")
        first = 0
        for each in self._each:
            part = slice(first, first := first + _count(each))
            if each.numbers is None:
                images = _by_batch(each, images, on_host[:, 0, :, part.start])
            else:
                flat = images.flatten(0, 2)
                images = _checked(each, flat, each.function(flat, random[..., part].flatten(0, 2))).view_as(images)
        return images


def _make(spec: str) -> _Made:
    target, options = AUGMENTATIONS.load(spec)
    argument = AUGMENTATIONS.parse(spec).argument
    if argument:
        options["argument"] = argument
    if not inspect.isclass(target):
        return _Made(spec, partial(target, **options), getattr(target, "numbers", None))
    try:
        made = target(**options)
    except ConfigError:
        raise
    except Exception as error:
        raise ComponentError(f"augmentation '{spec}' cannot be made: {error_line(error)}") from error
    if not callable(made):
        raise ComponentError(f"augmentation '{spec}': a {target.__name__} cannot be called with images")
    return _Made(spec, made, getattr(made, "numbers", None))


def _count(each: _Made) -> int:
    """Return how many numbers are drawn for a sample; of one becomes a seed."""
    return 1 if each.numbers is None else each.numbers


def _by_batch(each: _Made, images: Tensor, random: Tensor) -> Tensor:
    """Call an augmentation with the images of each step and member, after seeding by numbers ``(steps, M)``."""
    seeds = (random * _SEEDS).long().tolist()
    with same_random_numbers(images.device.type, images.device.index):
        steps = []
        for of_step, of_members in zip(images, seeds, strict=True):
            members = []
            for batch, seed in zip(of_step.unbind(1), of_members, strict=True):
                _seed(seed, batch.device)
                given = batch.contiguous()
                members.append(_checked(each, given, each.function(given)))
            steps.append(torch.stack(members, 1))
        return torch.stack(steps)


def _seed(seed: int, device: torch.device) -> None:
    """Seed torch's generators of the host and of a device; ``torch.manual_seed`` takes a hundred times as long."""
    torch.default_generator.manual_seed(seed)
    seed_device(device.type, seed)


def _checked(each: _Made, images: Tensor, augmented: object) -> Tensor:
    """Return augmented images, which must be as those that were given."""
    if isinstance(augmented, Tensor) and (augmented.shape, augmented.dtype) == (images.shape, images.dtype):
        return augmented
    got = f"{tuple(augmented.shape)}, {augmented.dtype}" if isinstance(augmented, Tensor) else repr(type(augmented))
    raise ComponentError(
        f"augmentation '{each.spec}': it must keep the shape and type of images, {tuple(images.shape)}, "
        f"{images.dtype}; it returned {got}"
    )
