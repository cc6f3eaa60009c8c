"""Is each image of a training batch changed as it should be, by random numbers of its member's seed alone?"""

import math
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from normzoo.data import Augmentations, BlocksOfSteps, Split
from normzoo.data.augmentation import Augmentation, Crop, Cutout, Flip
from normzoo.errors import ComponentError, ConfigError, DataError, UsageError

OWN = """
import torch

def noise(images, strength: float = 0.5):
    return images + strength * torch.rand_like(images)

class Jitter:
    numbers = 1
    def __init__(self, strength: float = 0.2):
        self.strength = strength
    def __call__(self, images, random):
        return images * (1 + self.strength * random[:, :, None, None])

def smaller(images):
    return images[:, :, 1:]

def listed(images):
    return images.tolist()

class Unfinished:
    pass

class Failing:
    def __init__(self):
        raise KeyError("size")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Augmentations of the user's own, in a file."""
    (tmp_path / "own_augmentations.py").write_text(OWN, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "own_augmentations", raising=False)
    monkeypatch.syspath_prepend(tmp_path)


def flipped(image: Tensor, random: list[float]) -> Tensor:
    return torch.tensor([[row[::-1] for row in channel] for channel in image.tolist()]) if random[0] < 0.5 else image


def shifted(pixels: int, place: Callable[[int, int], int | None]) -> Callable[[Tensor, list[float]], Tensor]:
    """Return what takes each value from where it came from, pixel by pixel; ``place`` says what lies outside."""

    def crop(image: Tensor, random: list[float]) -> Tensor:
        down, right = (math.floor(number * (2 * pixels + 1)) - pixels for number in random)
        made = torch.zeros_like(image)
        for y in range(image.shape[1]):
            for x in range(image.shape[2]):
                row, column = place(y + down, image.shape[1]), place(x + right, image.shape[2])
                if row is not None and column is not None:
                    made[:, y, x] = image[:, row, column]
        return made

    return crop


def zeros(index: int, length: int) -> int | None:
    return index if 0 <= index < length else None


def mirror(index: int, length: int) -> int:
    return -index if index < 0 else 2 * (length - 1) - index if index >= length else index


def covered(size: int) -> Callable[[Tensor, list[float]], Tensor]:
    def cutout(image: Tensor, random: list[float]) -> Tensor:
        made = image.clone()
        y, x = (math.floor(number * side) for number, side in zip(random, image.shape[1:], strict=True))
        top, left = y - size // 2, x - size // 2
        made[:, max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)] = 0
        return made

    return cutout


CASES: dict[str, tuple[Augmentation, Callable[[Tensor, list[float]], Tensor]]] = {
    "flip": (Flip(), flipped),
    "crop:1": (Crop("1"), shifted(1, zeros)),
    "crop:4": (Crop("4"), shifted(4, zeros)),
    "crop:4:padding=reflect": (Crop("4", padding="reflect"), shifted(4, mirror)),
    "cutout:1": (Cutout("1"), covered(1)),
    "cutout:4": (Cutout("4"), covered(4)),
    "cutout:5": (Cutout("5"), covered(5)),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", CASES)
def test_each_does_to_every_image_what_a_loop_does(name: str) -> None:
    """To the last bit, on images that are no squares, with several channels; what is given stays as it is."""
    augmentation, one = CASES[name]
    generator = Generator().manual_seed(1)
    images = torch.randn(200, 3, 6, 9, generator=generator)
    random = torch.rand(200, augmentation.numbers, generator=generator)
    before = images.clone()
    augmented = augmentation(images, random)
    expected = torch.stack([one(image, numbers) for image, numbers in zip(images, random.tolist(), strict=True)])
    assert torch.equal(augmented, expected)
    assert torch.equal(images, before)
    assert not torch.equal(augmented, images)


@pytest.mark.parametrize("name", CASES)
def test_the_spec_makes_it(name: str) -> None:
    """Through the registry, on a block of steps of two members."""
    augmentation, _ = CASES[name]
    images = torch.randn(2, 5, 2, 1, 8, 8)
    augmentations = Augmentations([name])
    random = augmentations.draw(20, Generator().manual_seed(0)).view(2, 5, 2, -1)
    expected = augmentation(images.flatten(0, 2), random.flatten(0, 2)).view_as(images)
    assert torch.equal(augmentations(images, random, random), expected)


def test_all_shifts_are_equally_probable() -> None:
    """Each of 9 x 9 in both directions, where a pixel's place tells the shift: within five standard deviations."""
    samples, shifts = 16_200, 81
    images = torch.arange(1.0, 82.0).view(1, 1, 9, 9).expand(samples, 1, 9, 9)
    random = Augmentations(["crop:4"]).draw(samples, Generator().manual_seed(0))
    centres = Crop("4")(images, random)[:, 0, 4, 4]  # which are never padding
    counts = centres.long().bincount(minlength=shifts + 1)[1:]
    assert (counts - samples / shifts).abs().max() < 5 * math.sqrt(samples / shifts)


def test_half_of_the_images_are_flipped() -> None:
    """Each by itself: as many pairs of neighbours are treated alike as not."""
    images = torch.tensor([0.0, 1.0]).expand(10_000, 1, 1, 2)
    flips = Flip()(images, Augmentations(["flip"]).draw(10_000, Generator().manual_seed(0)))[:, 0, 0, 0]
    assert abs(flips.mean() - 0.5) < 5 * 0.5 / math.sqrt(10_000)
    assert abs((flips[::2] == flips[1::2]).float().mean() - 0.5) < 5 * 0.5 / math.sqrt(5_000)


def test_the_centre_of_a_cutout_is_anywhere() -> None:
    """At every pixel as often, and so smaller at the edges."""
    samples = 12_800
    random = Augmentations(["cutout:1"]).draw(samples, Generator().manual_seed(0))
    is_covered = Cutout("1")(torch.ones(samples, 1, 8, 8), random) == 0
    assert torch.equal(is_covered.sum((1, 2, 3)), torch.ones(samples, dtype=torch.long))
    assert (is_covered.sum(0) - 200).abs().max() < 5 * math.sqrt(200)


def test_the_last_random_number_is_within() -> None:
    """The largest one below 1 is the last shift and the last centre, however float32 rounds."""
    last = torch.full((1, 2), 1 - 2.0**-24)
    for side in range(2, 40):
        images = torch.arange(float(side * side)).view(1, 1, side, side)
        assert Crop(str(side - 1))(images, last)[0, 0, 0, 0] == images[0, 0, -1, -1]
        assert Cutout("1")(images, last)[0, 0, -1, -1] == 0


def test_nothing_waits_for_the_device() -> None:
    """On the meta device, where whatever asks for a value fails."""
    augmentations = Augmentations(list(CASES))
    drawn = augmentations.draw(12, Generator()).view(2, 3, 2, -1)
    images = torch.empty(2, 3, 2, 1, 8, 8, device="meta")
    assert augmentations(images, drawn.to("meta"), drawn).shape == images.shape


def test_they_come_in_the_order_given() -> None:
    """What is cut out first may be shifted then; each has random numbers of its own."""
    images = torch.ones(1, 64, 1, 1, 8, 8)
    made = {}
    of_three: dict[str, Augmentation] = {"cutout:3": Cutout("3"), "crop:3": Crop("3")}
    for specs in (["cutout:3", "crop:3"], ["crop:3", "cutout:3"]):
        augmentations = Augmentations(specs)
        random = augmentations.draw(64, Generator().manual_seed(0)).view(1, 64, 1, 4)
        flat = images.flatten(0, 2)
        for number, spec in enumerate(specs):
            flat = of_three[spec](flat, random.flatten(0, 2)[:, 2 * number : 2 * number + 2])
        made[specs[0]] = augmentations(images, random, random)
        assert torch.equal(made[specs[0]].flatten(0, 2), flat)
    assert not torch.equal(made["cutout:3"], made["crop:3"])


def numbered(samples: int, *, side: int = 8) -> Split:
    """Samples whose image and target both say which they are."""
    numbers = torch.arange(samples)
    images = numbers[:, None, None, None] + torch.arange(side * side).view(1, 1, side, side) / 100
    return Split(images.float(), numbers)


def blocks(seeds: tuple[int, ...], *specs: str, batch_size: int = 4) -> BlocksOfSteps:
    return BlocksOfSteps(numbered(22), batch_size, seeds=seeds, augmentations=Augmentations(specs) if specs else None)


def epoch(read: BlocksOfSteps) -> tuple[Tensor, Tensor]:
    """Return all steps of the next epoch: inputs and targets."""
    inputs, targets = zip(*read, strict=True)
    return torch.cat(inputs), torch.cat(targets)


ALL = ("flip", "crop:2", "cutout:3")
WITH_OWN = (*ALL, "own_augmentations:noise", "own_augmentations:Jitter:strength=0.5", "own_augmentations:noise")


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("specs", [ALL, WITH_OWN], ids=["ours", "own"])
def test_a_member_sees_the_same_in_every_stack(specs: tuple[str, ...]) -> None:
    """Bit for bit, epoch after epoch: by its seed alone, and members of one seed the same."""
    together, alone = blocks((3, 0, 3), *specs), [blocks((seed,), *specs) for seed in (3, 0, 3)]
    seen = []
    for _ in range(3):
        inputs, _ = epoch(together)
        seen.append(inputs)
        for member, read in enumerate(alone):
            assert torch.equal(inputs[:, :, [member]], epoch(read)[0])
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("kept", [(0,), (1, 2)], ids=str)
def test_members_that_are_kept_go_on_as_if_the_others_were_there(kept: tuple[int, ...]) -> None:
    """From the epoch that is next for them."""
    ours, all_of_them = blocks((5, 6, 7), *WITH_OWN), blocks((5, 6, 7), *WITH_OWN)
    epoch(ours), epoch(all_of_them)
    ours.keep(kept)
    for _ in range(2):
        assert torch.equal(epoch(ours)[0], epoch(all_of_them)[0][:, :, list(kept)])


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_how_steps_are_cut_into_blocks_changes_nothing(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks hold what fits into a cache."""
    whole = blocks((0, 1), *WITH_OWN)
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES", steps * 4 * 2 * 64 * 4)
    cut = blocks((0, 1), *WITH_OWN)
    assert (len(whole), len(cut)) == (1, -(-5 // steps))
    for _ in range(2):
        assert torch.equal(epoch(cut)[0], epoch(whole)[0])


def test_what_happens_to_the_samples_does_not_depend_on_the_batch_size() -> None:
    """One after the other, in the order of the epoch."""
    twos, elevens = blocks((0,), *ALL, batch_size=2), blocks((0,), *ALL, batch_size=11)
    for _ in range(2):
        assert torch.equal(epoch(twos)[0].flatten(0, 2), epoch(elevens)[0].flatten(0, 2))


def test_the_order_is_what_it_is_without() -> None:
    """And targets are those of the images, which are left as they are in the data."""
    split = numbered(22)
    augmented = BlocksOfSteps(split, 4, seeds=(1, 2), augmentations=Augmentations(["flip"]))
    plain = BlocksOfSteps(split, 4, seeds=(1, 2))
    for _ in range(2):
        (inputs, targets), (_, expected) = epoch(augmented), epoch(plain)
        assert torch.equal(targets, expected)
        assert torch.equal(inputs.flatten(3).mean(-1).round(), targets.float())
        assert torch.equal(inputs.sort(-1)[0], split.inputs[targets])
    assert torch.equal(split.inputs, numbered(22).inputs)


def test_random_numbers_are_not_those_of_the_order() -> None:
    """An augmentation that followed from where a sample stands would be no random one."""
    drawn = Augmentations(["flip"]).draw(22, Generator().manual_seed(3))
    inputs, targets = epoch(blocks((3,), "flip"))
    is_flipped = inputs.flatten(0, 2)[:, 0, 0, 0] != numbered(22).inputs[targets.flatten()][:, 0, 0, 0]
    assert not torch.equal(is_flipped, drawn[:20, 0] < 0.5)


@pytest.mark.usefixtures("own")
def test_torchs_own_random_numbers_are_left_alone() -> None:
    """What a network draws does not depend on an augmentation, nor an augmentation on what was drawn."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = epoch(blocks((0,), *WITH_OWN))[0]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(epoch(blocks((0,), *WITH_OWN))[0], first)


@pytest.mark.usefixtures("own")
def test_two_of_the_same_kind_have_their_own_random_numbers() -> None:
    """Twice the same noise would be one of twice the strength."""
    noise = "own_augmentations:noise:strength=1.0"
    (once, targets), (twice, _) = epoch(blocks((0,), noise)), epoch(blocks((0,), noise, noise))
    clean = numbered(22).inputs[targets]
    assert not torch.allclose(twice - clean, 2 * (once - clean), atol=0.1)


def test_a_transform_of_torchvision_is_called_with_a_batch_of_a_member() -> None:
    """It draws once in each call: all images of a step and member get the same, and others in other ones."""
    inputs, targets = epoch(blocks((0, 1), "torchvision.transforms.v2:RandomHorizontalFlip:p=0.5"))
    is_flipped = inputs[..., 0, 0] != numbered(22).inputs[targets][..., 0, 0]
    of_batches = is_flipped.squeeze(-1).float().mean(1)
    assert set(of_batches.flatten().tolist()) == {0.0, 1.0}


REFUSED: dict[str, tuple[type[UsageError], str]] = {
    "crop:0": (ConfigError, "augment: crop:0: expected a number of pixels of at least 1, such as crop:4"),
    "cutout:-3": (ConfigError, "augment: cutout:-3: expected a number of pixels of at least 1, such as cutout:4"),
    "cutout:big": (ConfigError, "augment: cutout:big: expected a number of pixels of at least 1"),
    "crop:8": (ConfigError, "augment: crop:8 may leave nothing of images of 8x9; use at most crop:7"),
    "crop:8:padding=reflect": (ConfigError, "augment: crop:8 may leave nothing of images of 8x9"),
    "cutout:9": (ConfigError, "augment: cutout:9 is larger than images of 8x9; use at most cutout:8"),
    "crop:2:padding=wrap": (ComponentError, "padding must be one of zeros, reflect, got 'wrap'"),
    "flip:p=0.5": (ComponentError, "augmentation 'flip:p=0.5': it has no option 'p'"),
    "own_augmentations:Jitter:size=2": (ComponentError, "it has no option 'size' (it takes: strength)"),
    "own_augmentations:smaller": (
        ComponentError,
        "augmentation 'own_augmentations:smaller': it must keep the shape and type of images, (2, 1, 8, 9), "
        "torch.float32; it returned (2, 1, 7, 9), torch.float32",
    ),
    "own_augmentations:listed": (ComponentError, "it returned <class 'list'>"),
    "own_augmentations:Unfinished": (ComponentError, "a Unfinished cannot be called with images"),
    "own_augmentations:Failing": (ComponentError, "cannot be made: KeyError: 'size'"),
}


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("spec", REFUSED)
def test_what_makes_no_sense_is_refused(spec: str) -> None:
    """With its rule and a way out, where it is made or first used."""
    kind, message = REFUSED[spec]
    with pytest.raises(kind) as caught:
        tried(spec, torch.zeros(1, 2, 1, 1, 8, 9))
    assert message in str(caught.value)


def test_inputs_that_are_no_images_are_refused() -> None:
    """Such as vectors."""
    with pytest.raises(DataError, match=r"^augment: is for images of shape \(C, H, W\), and inputs are of \(5,\)$"):
        tried("flip", torch.zeros(1, 2, 1, 5))


def tried(spec: str, images: Tensor) -> Tensor:
    augmentations = Augmentations([spec])
    random = augmentations.draw(2, Generator()).view(1, 2, 1, -1)
    return augmentations(images, random, random)


def test_the_largest_that_fit_are_taken() -> None:
    """A shift that leaves a row, a square as large as the image."""
    for spec in ("crop:7", "crop:7:padding=reflect", "cutout:8"):
        assert tried(spec, torch.zeros(1, 2, 1, 1, 8, 9)).shape == (1, 2, 1, 1, 8, 9)


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Fail where the host waits for the GPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it does not find everything
        torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_augments_as_the_processor_does(request: pytest.FixtureRequest) -> None:
    """The same images, there, and without waiting for it."""
    augmentations = Augmentations(list(CASES))
    drawn = augmentations.draw(12, Generator().manual_seed(0)).view(2, 3, 2, -1)
    images = torch.randn(2, 3, 2, 1, 8, 8)
    on_gpu, random = images.cuda(), drawn.cuda()
    request.getfixturevalue("no_waiting")
    augmented = augmentations(on_gpu, random, drawn)
    torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(augmented.cpu(), augmentations(images, drawn, drawn))
