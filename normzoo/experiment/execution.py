"""How to run: everything that does not change a result. Torch-free."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from normzoo.experiment.environment import available_cpus
from normzoo.experiment.spec import Rate

MAX_AUTO_JOBS = 8
"""Each worker holds torch in memory (about half a GiB)."""


class Execution(BaseModel):
    """Where and with what to run."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Device to train on.")
    jobs: Literal["auto"] | int = Field(
        "auto", description="Worker processes; auto: one per processor, or per GPU up to four."
    )
    engine: Literal["auto", "stacked", "loop"] = Field(
        "auto", description="Train all seeds side by side, or one after the other; auto: what is faster."
    )
    compile: Literal["auto", "always", "never"] = Field(
        "auto", description="Compile the training step; auto: where that is expected to repay."
    )
    timeout: Rate | None = Field(
        None, description="Seconds after which a single run is given up; a stack has as many times that as it has runs."
    )
    data_root: Path = Field(Path("data"), description="Folder of the downloaded datasets.")
    download: bool = Field(False, description="Download a missing dataset.")
    store: Path = Field(Path("normzoo.sqlite"), description="File in which results are kept.")

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
            raise ValueError(f"expected 'auto' or a number of at least 1, got '{jobs}'")
        return count

    def jobs_for(self, device: str, groups: int, gpus: int = 1, per_gpu: int = 1) -> int:
        """Return how many workers to run for so many groups; on GPUs ``per_gpu`` each, or one per processor."""
        on_gpus = max(gpus, min(gpus * per_gpu, available_cpus()))
        automatic = on_gpus if device == "cuda" else min(available_cpus(), MAX_AUTO_JOBS)
        return max(1, min(automatic if self.jobs == "auto" else self.jobs, groups))
