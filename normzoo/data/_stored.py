"""Inputs that stay as they were stored, and become tensors part by part, as they are read."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from normzoo.data._part import ChannelStatistics, Part, fill
from normzoo.tasks import Array

AHEAD = 2
"""How many parts are prepared while another is worked with."""


class StoredInputs:
    """Inputs ``(N, C, *)`` of a split that do not fit as a tensor: in memory as they were given, or mapped from a file.

    They are indexed as a tensor is, by samples, and give the same tensors, to the last bit: these, too, are made by
    ``fill``, in float64 on the host. A device would have fewer bytes to be sent if it standardized by itself, but may
    divide in another way.

    Args:
        part: the samples.
        statistics: what they are standardized by; None for tokens.
        device: where the tensors are to be.
    """

    def __init__(self, part: Part, statistics: ChannelStatistics | None, device: torch.device | str = "cpu") -> None:
        self._part, self._statistics = part, statistics
        self.device = torch.empty(0, device=device).device  # by its number, as "cuda" is another one in another thread
        self._is_pinned = self.device.type == "cuda"  # only so may what is sent be read while the host goes on
        self.dtype = torch.int64 if statistics is None else torch.float32
        samples, *positions, channels = part.shape
        self.shape = torch.Size(part.shape if statistics is None else (samples, channels, *positions))

    def __len__(self) -> int:
        return len(self._part)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        """Return inputs by a slice, or by indices on the host: those ``(*I)`` give a tensor ``(*I, C, *)``."""
        chosen = self._indices(index)
        return self._on_device(self._filled(self._empty(chosen), chosen))

    def ahead(self, indices: Iterable[slice | Tensor]) -> Iterator[Tensor]:
        """Yield inputs by one index after the other; a thread prepares the next ones meanwhile.

        What goes wrong in the thread is raised where its part would come. It ends with the iteration, however that
        ends. It leaves the device alone, since nothing else may be at it while a training step is recorded.
        """
        thread, coming = ThreadPoolExecutor(1, thread_name_prefix="normzoo-inputs"), deque[Future[Tensor]]()
        try:
            for index in indices:
                chosen = self._indices(index)
                coming.append(thread.submit(self._filled, self._empty(chosen), chosen))
                if len(coming) > AHEAD:
                    yield self._on_device(coming.popleft().result())
            while coming:
                yield self._on_device(coming.popleft().result())
        finally:
            thread.shutdown(cancel_futures=True)

    def resident(self) -> Tensor:
        """Return all inputs as one tensor."""
        tensor = torch.empty(self.shape, dtype=self.dtype)
        fill(tensor.numpy(), self._part, self._statistics)
        return tensor.to(self.device)

    def to(self, device: torch.device | str) -> "StoredInputs":
        """Return inputs that give tensors on another device."""
        return StoredInputs(self._part, self._statistics, device)

    @property
    def lengths(self) -> Array | None:
        """Of sequences, how many steps of each count, ``(N,)``; None where all do."""
        return self._part.all_lengths()

    def _indices(self, index: slice | Tensor) -> Array:
        return np.arange(*index.indices(len(self))) if isinstance(index, slice) else index.numpy()

    def _empty(self, chosen: Array) -> Tensor:
        """Return what inputs are written to; for a CUDA GPU in pinned memory."""
        shape = (*chosen.shape, *self.shape[1:])
        return torch.empty(shape, dtype=self.dtype, pin_memory=self._is_pinned)

    def _filled(self, tensor: Tensor, chosen: Array) -> Tensor:
        fill(tensor.numpy().reshape(-1, *self.shape[1:]), self._part.take(chosen.reshape(-1)), self._statistics)
        return tensor

    def _on_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=self._is_pinned)
