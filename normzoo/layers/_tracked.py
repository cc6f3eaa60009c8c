"""Norms over channels that can keep running statistics, under torch.nn's names."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Unpack, get_args

import torch
from torch import Tensor, nn

from normzoo.layers._base import Norm
from normzoo.layers._kernels.spec import Running
from normzoo.layers._policies import Policies, SmallBatch
from normzoo.layers._pooled import PooledNorm


class Tracking(Norm):
    """What norms with running statistics share: torch.nn's buffers, and when they stand for a batch's own statistics.

    While training, each input's mean and unbiased variance per channel move ``running_mean`` and ``running_var`` by the
    fraction ``momentum``; in evaluation these stand for the input's own.
    """

    num_features: int
    momentum: float | None
    track_running_stats: bool
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def _track(
        self,
        momentum: float | None,
        track_running_stats: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        """Make the buffers, or none of them."""
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        tracked: Mapping[str, Tensor | None] = dict.fromkeys(("running_mean", "running_var", "num_batches_tracked"))
        if track_running_stats:
            tracked = {
                "running_mean": torch.zeros(self.num_features, device=device, dtype=dtype),
                "running_var": torch.ones(self.num_features, device=device, dtype=dtype),
                "num_batches_tracked": torch.tensor(0, dtype=torch.long, device=device),
            }
        self._check_small_batch(track_running_stats=track_running_stats)
        if self.skip_nonfinite:
            if not track_running_stats:
                raise ValueError(
                    self._message(
                        "skip_nonfinite is about running statistics",
                        f"got {track_running_stats=}",
                        "keep them, or leave it out",
                    )
                )
            tracked = {**tracked, "num_batches_skipped": torch.tensor(0, dtype=torch.long, device=device)}
        for name, value in tracked.items():
            self.register_buffer(name, value)

    def _check_small_batch(self, *, track_running_stats: bool) -> None:
        """Raise a ``ValueError`` where what is to be done with small batches makes no sense."""
        known, policy, least = get_args(SmallBatch), self.small_batch, self.min_values
        if policy not in known:
            raise ValueError(
                self._message("small_batch is not known", f"got {policy!r}", f"use one of {', '.join(known)}")
            )
        if policy == "running" and not track_running_stats:
            raise ValueError(
                self._message(
                    "small_batch='running' needs running statistics",
                    f"got {track_running_stats=}",
                    "keep them, or use small_batch='instance'",
                )
            )
        if isinstance(least, bool) or not isinstance(least, Integral) or least < 2:
            raise ValueError(
                self._message("min_values must be a whole number of at least 2", f"got {least!r}", "use for example 16")
            )

    def reset_parameters(self) -> None:
        """Set ``weight`` to one, ``bias`` to zero, and forget the running statistics."""
        self.reset_running_stats()
        super().reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to zero, the running variance to one and the counts of batches to zero."""
        if self.running_mean is not None and self.running_var is not None:
            nn.init.zeros_(self.running_mean)
            nn.init.ones_(self.running_var)
        for counter in (self.num_batches_tracked, self._buffers.get("num_batches_skipped")):
            if counter is not None:
                counter.zero_()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load tensors; a state that does not count batches that were skipped, such as torch.nn's, leaves the count."""
        skipped = self._buffers.get("num_batches_skipped")
        if skipped is not None:
            state_dict.setdefault(f"{prefix}num_batches_skipped", skipped)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _averaging(self) -> tuple[Tensor | None, float | None]:
        """Return the counter of batches, if there is one to count up, and the weight of the newest batch.

        Without a weight, it is the one that makes a plain average over all batches so far.
        """
        batches = self.num_batches_tracked
        return batches, (self.momentum or 0.0) if batches is None else self.momentum

    def _given_statistics(self) -> Running | None:
        if self.training or self.running_mean is None or self.running_var is None:
            return None
        return Running(self.running_mean, self.running_var)

    def _memory(self) -> Running | None:
        if not self._remembers():
            return None
        buffers = self._buffers  # attributes take ten times as long, and are right where these are parametrized
        mean, var = buffers.get("running_mean"), buffers.get("running_var")
        if mean is None or var is None:
            mean, var = self.running_mean, self.running_var
        return None if mean is None else Running(mean, var, *self._averaging(), buffers.get("num_batches_skipped"))

    def _remembers(self) -> bool:
        """Whether a batch that is normalized by its own statistics moves the running ones, if there are any."""
        return self.training and self.track_running_stats


class TrackedNorm(Tracking, PooledNorm):
    """What batch and instance norm share: ``num_features``, and running statistics.

    Attributes:
        ranks: the numbers of dimensions an input may have; None for any from ``(N, C)`` on.
    """

    ranks: ClassVar[tuple[int, ...] | None] = None
    refuses_single_values_always: ClassVar[bool] = True

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        *,
        bias: bool,
        **policies: Unpack[Policies],
    ) -> None:
        super().__init__(
            (num_features,),
            eps=eps,
            weight=affine,
            bias=affine and bias,
            device=device,
            dtype=dtype,
            **policies,
        )
        self.num_features = num_features
        self.affine = affine
        self._track(momentum, track_running_stats, device, dtype)
        self.reset_parameters()

    @property
    def is_batch_independent(self) -> bool:
        """Whether a sample's output depends on that sample alone, and on nothing remembered."""
        return super().is_batch_independent and self.running_mean is None

    def _check_shape(self, shape: Sequence[int]) -> None:
        ranks = self.ranks
        rank = len(shape)
        if (rank not in ranks) if ranks is not None else (rank < 2):
            wanted = " or ".join(f"{rank}D" for rank in ranks) if ranks is not None else "at least 2D"
            raise self._error(
                f"the input must be {wanted} (N, C, *)", f"got {rank}D of shape {tuple(shape)}", self._rank_hint(rank)
            )
        self._check_channels(shape, shape[1])

    def _check_channels(self, shape: Sequence[int], channels: int) -> None:
        if channels != self.num_features and not self._has_tensors_of(channels):
            raise self._error(
                "the input's channels must equal num_features",
                f"got {channels} channels in shape {tuple(shape)} and num_features={self.num_features}",
                self._way_to_channels(
                    shape, self.num_features, f"construct it with num_features={channels} or change the input"
                ),
            )

    def _rank_hint(self, rank: int) -> str:
        if self.ranks is None:
            return "add a batch dimension"
        family = type(self).__name__.rstrip("123d")
        if 3 <= rank <= 5:
            return f"use {family}{rank - 2}d"
        return "reshape it" if self.needs_positions else f"reshape it or use {family}"

    def _can_evaluate_single_values(self) -> bool:
        return self.running_mean is not None

    def extra_repr(self) -> str:
        """Return the arguments, as torch.nn prints them."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}{self._policies()}"
        )
