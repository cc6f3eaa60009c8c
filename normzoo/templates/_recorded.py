"""Training steps whose operations are recorded once and then replayed: on a GPU, starting each takes longer than it."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import torch
from torch import Tensor, nn

from normzoo.errors import error_text
from normzoo.layers._noise import Noise
from normzoo.templates._mapped import Mapped
from normzoo.templates._random import StackedDraws
from normzoo.templates._stack import OF_EACH_VALUE

Step = Callable[[Tensor, Tensor], None]

WARM_UP = 3
"""Steps before the recording: libraries allocate and choose their algorithms, optimizers make their state."""


class Recorder(Protocol):
    """Something that records what a function does to tensors, and does it again."""

    def run(self, function: Callable[[], None]) -> None:
        """Carry the function out as it will be when it is recorded."""

    def record(self, function: Callable[[], None]) -> None:
        """Record the function without carrying it out."""

    def replay(self) -> None:
        """Carry out what was recorded, on the same tensors."""


class CudaGraph:
    """A ``torch.cuda.CUDAGraph``, recorded and warmed up on a stream of its own."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def run(self, function: Callable[[], None]) -> None:
        """Carry the function out on the recording's stream."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            function()
        current.wait_stream(self._stream)

    def record(self, function: Callable[[], None]) -> None:
        """Record the function; it must wait for nothing that the device computes. Other threads may do as they like.

        Raises:
            RuntimeError: it does wait. The device goes on as if nothing had been recorded.
        """
        current, pool = torch.cuda.current_stream(), torch.cuda.graph_pool_handle()
        raised: list[RuntimeError] = []

        def kept() -> None:
            try:
                function()
            except RuntimeError as error:
                raised.append(error)
                raise

        try:
            with torch.cuda.graph(self._graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"):
                kept()
        except RuntimeError as error:
            try:
                self._end_failed_recording(pool)
            finally:
                torch.cuda.set_stream(current)
            # What ends a recording says only that it had failed before.
            raise (raised[0] if raised else error) from None

    def _end_failed_recording(self, pool: tuple[int, int]) -> None:
        """Reset what torch leaves as it is: the memory of the recording, and the state of the random numbers.

        These are drawn as in a recording until one has ended well, so a small one is made.
        """
        device = torch.cuda.current_device()
        with suppress(RuntimeError):  # where torch has done so itself
            torch._C._cuda_endAllocateToPool(device, pool)
            torch._C._cuda_releasePool(device, pool)
        with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=self._stream, capture_error_mode="thread_local"):
            torch.zeros(1, device="cuda")

    def replay(self) -> None:
        """Carry out what was recorded."""
        self._graph.replay()


class RecordedSteps:
    """Takes a few steps as they are, then records one, and from then on replays it on each new batch.

    What is replayed reads and writes the tensors of the recording. So whoever replaces parameters, buffers or states
    calls ``forget``; and networks whose forward pass may do more than change tensors in place are not for this:
    ``can_be_recorded``.

    Args:
        step: takes one training step on inputs and labels.
        recorder: makes what records.
    """

    def __init__(self, step: Step, recorder: Callable[[], Recorder] = CudaGraph) -> None:
        self._step, self._make_recorder = step, recorder
        self.forget()

    def forget(self) -> None:
        """Start again, with a few steps as they are."""
        self._recorder: Recorder | None = None
        self._batch: tuple[Tensor, Tensor] | None = None
        self._taken, self._is_unfit = 0, False

    def __call__(self, inputs: Tensor, labels: Tensor) -> None:
        """Take one step; of other shapes than the recorded one, as it is."""
        if self._recorder is None:
            self._recorder = self._make_recorder()
        if self._batch is None and self._taken >= WARM_UP and not self._is_unfit:
            self._record(self._recorder, (inputs.clone(), labels.clone()))
        if self._batch is None or inputs.shape != self._batch[0].shape:
            self._taken += 1
            self._recorder.run(lambda: self._step(inputs, labels))
            return
        self._batch[0].copy_(inputs)
        self._batch[1].copy_(labels)
        self._recorder.replay()

    def _record(self, recorder: Recorder, batch: tuple[Tensor, Tensor]) -> None:
        """Record a step; one that cannot be is taken as it is from then on."""
        try:
            recorder.record(lambda: self._step(*batch))
        except RuntimeError as error:
            self._is_unfit = True
            text = f"training steps are not recorded, and take longer: {error_text(error)}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        else:
            self._batch = batch


_RECORDABLE = (
    nn.AdaptiveAvgPool2d,
    nn.AvgPool2d,
    nn.Conv2d,
    nn.Embedding,
    nn.Flatten,
    nn.Identity,
    nn.Linear,
    nn.MaxPool2d,
    nn.ModuleList,
    nn.Sequential,
    *OF_EACH_VALUE,
)
_NOT_RECORDABLE = (Mapped, Noise, StackedDraws)


def can_be_recorded(network: nn.Module) -> bool:
    """Whether all of a network's parts are known to change nothing but tensors, in place.

    A norm of the user's own may count steps or replace its buffers, of which a recording would know nothing; nor does
    one know the generators that members draw random numbers from.
    """
    return all(
        type(part) in _RECORDABLE
        or (type(part).__module__.startswith("normzoo.") and type(part) not in _NOT_RECORDABLE)
        for part in network.modules()
    )
