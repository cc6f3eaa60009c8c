"""The order in which a split is read: shuffled for training, in order for evaluation."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from normzoo.data._dataset import Split
from normzoo.data.augmentation import Augmentations
from normzoo.errors import DataError

Batch = tuple[Tensor, Tensor]
BLOCK_BYTES, BLOCK_BYTES_ELSEWHERE = 2**21, 2**26
"""How many bytes of inputs a block of steps holds, about: as fit into a cache; where samples are on a GPU, more, since
what the host does between blocks takes as long as a step."""

OF_AUGMENTATION = 2**30
"""Added to the seed of a member, so that its augmentation has random numbers of its own.

Its order is drawn by the seed itself, what its network draws by the seed and 2^31; torch's generators of a processor
know a seed by its last 32 bits.
"""


class Batches:
    """Whole batches of a split, in a new order at every iteration.

    One iteration is one epoch. The orders are drawn one after another from a generator of this object's own,
    so they depend on the seed and the number of samples, not on the batch size, the device or anything else
    that draws random numbers. The samples left over when the batches are whole are dropped for that epoch:
    a batch of one would have no variance.

    >>> split = Split(torch.arange(5.0).reshape(5, 1, 1, 1), torch.arange(5))
    >>> [targets.tolist() for _, targets in Batches(split, 2, seed=0)]
    [[4, 0], [1, 3]]

    Raises:
        DataError: the batch size is below 1 or above the number of samples.
    """

    def __init__(self, split: Split, batch_size: int, *, seed: int) -> None:
        if not 1 <= batch_size <= len(split):
            raise DataError(
                f"batch size {batch_size}: a batch holds at least 1 and at most the {len(split)} samples of its "
                f"split; use a batch size from 1 to {len(split)}"
            )
        self._split = split
        self._batch_size = batch_size
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self._split) // self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        # Drawn here and not in the generator function, so that an epoch that is begun always has its own order.
        order = self.order()
        return self._split.read(slices(len(order), self._batch_size), order)

    def order(self) -> Tensor:
        """Draw the next epoch's order: the indices of its samples, batch by batch."""
        order = torch.randperm(len(self._split), generator=self._generator)
        return order[: len(self) * self._batch_size]


class BlocksOfSteps:
    """Whole batches for several members at once, each in the order that ``Batches`` gives its seed.

    Lightning asks for an iterator once before it trains, so that the first epoch has the second order that is drawn.

    One iteration is one epoch, in blocks of steps: inputs ``(steps, N, M, C, H, W)``, targets ``(steps, N, M, *)``.

    Args:
        split: what to read.
        batch_size: N.
        seeds: one for each of the M members.
        augmentations: what is done to the inputs, which depends on a member's seed alone; neither the batch size, the
            other members nor the device changes what is drawn for the samples of an epoch, one after the other.

    Raises:
        DataError: the batch size is below 1 or above the number of samples.
    """

    def __init__(
        self, split: Split, batch_size: int, *, seeds: Sequence[int], augmentations: Augmentations | None = None
    ) -> None:
        self._split, self._batch_size, self._augmentations = split, batch_size, augmentations
        self._members = [Batches(split, batch_size, seed=seed) for seed in seeds]
        self._generators = [torch.Generator().manual_seed(OF_AUGMENTATION + seed) for seed in seeds]
        self._steps = len(self._members[0])
        step_bytes = batch_size * len(seeds) * split.samples.shape[1:].numel() * split.samples.dtype.itemsize
        is_elsewhere = isinstance(split.samples, Tensor) and split.samples.device.type != "cpu"
        room = BLOCK_BYTES_ELSEWHERE if is_elsewhere else BLOCK_BYTES
        self._block = max(1, min(self._steps, room // step_bytes))

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these members alone, in as many blocks as before."""
        self._members = [self._members[member] for member in members]
        self._generators = [self._generators[member] for member in members]

    def __len__(self) -> int:
        return -(-self._steps // self._block)

    def __iter__(self) -> Iterator[Batch]:
        orders = torch.stack([member.order() for member in self._members], 1).view(self._steps, self._batch_size, -1)
        blocks = self._split.read(slices(self._steps, self._block), orders)
        if self._augmentations is None:
            return blocks
        drawn = torch.stack([self._augmentations.draw(len(self._split), each) for each in self._generators], 1)
        used = drawn[: self._steps * self._batch_size].view(self._steps, self._batch_size, *drawn.shape[1:])
        return self._augmented(blocks, used, self._augmentations)

    def _augmented(self, blocks: Iterator[Batch], drawn: Tensor, augmentations: Augmentations) -> Iterator[Batch]:
        on_device = drawn.to(self._split.targets.device)  # once in an epoch, as the host waits for it
        parts = (torch.split(each, self._block) for each in (on_device, drawn))
        for (inputs, targets), random, on_host in zip(blocks, *parts, strict=True):
            yield augmentations(inputs, random, on_host), targets


class OrderedBatches:
    """All samples of a split in their own order, for evaluation; the last batch may be smaller.

    The batches are views, not copies, where samples are resident.

    Raises:
        DataError: the batch size is below 1.
    """

    def __init__(self, split: Split, batch_size: int = 1000) -> None:
        if batch_size < 1:
            raise DataError(f"batch size {batch_size}: a batch holds at least 1 sample; use 1 or more")
        self._split = split
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._split) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return self._split.read(slices(len(self._split), self._batch_size))


def slices(length: int, size: int) -> list[slice]:
    """Cut a length into slices of a size, of which the last may be shorter."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]
