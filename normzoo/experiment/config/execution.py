"""How to run: everything that changes a result by rounding at most. Torch-free."""

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from normzoo.experiment.config.environment import available_cpus
from normzoo.experiment.config.values import Rate, shown

DeviceChoice = Literal["auto", "cpu", "cuda", "mps", "xpu"]
"""Where to train: kinds of devices, as torch names them; ``cuda`` is also AMD's. ``auto`` is ``cuda`` or ``cpu``."""

MAX_AUTO_JOBS = 8
"""Each worker holds torch in memory (about half a GiB)."""

MAX_PER_GPU = 4
"""How many workers share a GPU at most."""


class Execution(BaseModel):
    """Where and with what to run."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    device: DeviceChoice = Field("auto", description="Device to train on; auto: cuda where torch finds one, else cpu.")
    jobs: Literal["auto"] | int = Field(
        "auto", description="Worker processes; auto: one per processor, or per GPU (up to four for long training)."
    )
    timeout: Rate | None = Field(
        None,
        le=1e9,
        description="Time limit per run in seconds; a stack of n runs gets n times as long. Each step before training, "
        "such as loading the data or trying a network, may take 600 s, or as long as a run where that is longer.",
    )
    data_root: Path = Field(Path("data"), description="Folder of the downloaded datasets.")
    download: bool = Field(False, description="Download a missing dataset.")
    resident_memory: Literal["auto"] | ByteSize = Field(
        "auto",
        description="How much of a dataset a worker keeps as tensors, such as 2GB; a larger one is read as it is "
        "trained on, with the same results. auto: the workers' share of half of the free memory.",
    )
    store: Path = Field(Path("normzoo.sqlite"), description="File in which results are kept.")

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_normzoo(cls, values: Any) -> Any:
        """Read what was written when strategy and compiling were no part of the matrix."""
        if isinstance(values, dict) and "engine" in values:
            return {name: value for name, value in values.items() if name not in ("engine", "compile")}
        return values

    @field_validator("jobs", mode="before")
    @classmethod
    def _jobs(cls, jobs: Any) -> Any:
        if jobs == "auto":
            return jobs
        try:
            count = int(jobs)
        except (TypeError, ValueError):
            count = 0
        if count < 1 or isinstance(jobs, float | bool):
            raise ValueError(f"expected 'auto' or a number of at least 1, got '{shown(jobs)}'")
        return count

    @field_validator("resident_memory", mode="before")
    @classmethod
    def _resident_memory(cls, size: Any) -> Any:
        if size == "auto":
            return size
        try:
            count = -1 if isinstance(size, bool | float) else TypeAdapter(ByteSize).validate_python(size)
        except ValidationError:
            count = -1
        if count < 0:
            raise ValueError(f"expected 'auto' or a size such as 500MB or 2GB, got '{shown(size)}'")
        return count

    def jobs_for(self, device: str, groups: int, gpus: int = 1, per_gpu: int = 1) -> int:
        """Return how many workers to run for so many groups; on GPUs ``per_gpu`` each, or one per processor."""
        on_gpus = max(gpus, min(gpus * per_gpu, available_cpus()))
        automatic = on_gpus if device != "cpu" else min(available_cpus(), MAX_AUTO_JOBS)
        return max(1, min(automatic if self.jobs == "auto" else self.jobs, groups))
