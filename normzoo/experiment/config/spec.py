"""What to run: the matrix a user asks for, and the single runs it consists of. Torch-free."""

import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from normzoo.errors import ConfigError
from normzoo.experiment.config.values import (
    LARGEST,
    Augmentations,
    Chain,
    Count,
    Dataset,
    Decay,
    EvalStats,
    Norm,
    Norms,
    NotNegative,
    Number,
    Optimizer,
    Rate,
    Rates,
    Schedule,
    Sizes,
    Stats,
    Task,
    Templates,
)
from normzoo.metric import Metric
from normzoo.registry import ALL, NORMS, TEMPLATES, Spec

PROTOCOL = 3
"""Version of the training procedure. It enters every run's key: raise it when the same spec trains differently."""

RECALIBRATION = 2
"""Version of how statistics are recalibrated, in the keys of the runs that are evaluated by them. 2: exact moments."""

LrRule = Literal["linear", "sqrt", "fixed"]
Strategy = Literal["stacked", "sequential"]
StrategyChoice = Literal["auto", "stacked", "sequential"]
CompileChoice = Literal["auto", "always", "never"]
Precision = Literal["32-true", "bf16-mixed"]
Decays = Literal["weights", "all"]
"""What weight decay is on: all parameters but those of norms and biases, or these, too."""


_LATER = ("further_eval_stats", "augment", "schedule", "weight_decay", "weight_decay_on", "folds")
"""Fields of a run that are not in its key where they have their default."""


class RunSpec(BaseModel):
    """One run: everything that decides its result, and nothing else (no device, jobs or paths).

    Components are specs in their canonical form.

    Attributes:
        template: the network.
        norm: what it normalizes with.
        dataset: what it is trained on, without a path: that decides nothing.
        dataset_checksum: of the arrays and their split; of folds, that of the first.
        task: what is learned.
        sources: for the user's own components (template, norm, task, optimizer, schedule, augmentations), by field, the
            checksum of the file it comes from; of several, in their order. For a network of torchvision's or timm's,
            the version of that.
        strategy: how the seeds are trained; it changes the order of sums, which moves results by rounding, and so the
            outcome of training that is chaotic.
        compile: whether the training step is to be compiled, which does the same.
        optimizer: what trains it.
        lr: the learning rate in force, after the rule for the batch size; the highest where a schedule has it change.
        schedule: how it changes over the steps.
        weight_decay: as the optimizer understands it: adamw shrinks weights by learning rate times decay, the others
            add decay times weights to the gradient.
        weight_decay_on: which parameters that is done to.
        clip_norm: limit for the norm of the gradient over all parameters; None for none.
        precision: float32, or bfloat16 where autocast deems it fit, by Lightning's names.
        further_eval_stats: by which statistics the trained network is evaluated, too, beside the running ones; none
            where its norm keeps no running ones. It decides nothing but what is recorded.
        augment: what is done to the inputs of training batches, in this order.
        folds: into how many parts all samples are cut, of which one is the test set (``fold``); 1: they are split as
            the dataset is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: str
    norm: str
    dataset: str
    dataset_checksum: str
    task: str = "classification"
    sources: dict[str, str] = {}
    strategy: Strategy = "stacked"
    compile: bool = False
    batch_size: int = Field(ge=1, le=LARGEST)
    seed: int = Field(ge=0, le=2 * LARGEST)
    epochs: int = Field(ge=1, le=LARGEST)
    optimizer: str
    lr: float = Field(gt=0, allow_inf_nan=False)
    schedule: str = "constant"
    weight_decay: float = 0.0
    weight_decay_on: Decays = "weights"
    clip_norm: float | None = None
    precision: Precision = "32-true"
    further_eval_stats: tuple[EvalStats, ...] = ()
    augment: tuple[str, ...] = ()
    folds: int = Field(1, ge=1, le=LARGEST)

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_normzoo(cls, values: Any) -> Any:
        """Read what was written before the options of a template were part of its spec."""
        if isinstance(values, dict) and "options" in values:
            values = dict(values)
            options = {name: _written(value) for name, value in values.pop("options").items()}
            source = values.pop("norm_source", None)
            values["template"] = TEMPLATES.canonical(str(Spec(values["template"], options)))
            values["norm"] = NORMS.canonical(values["norm"])
            values["sources"] = {"norm": source} if source else {}
        return values

    @property
    def key(self) -> str:
        """Hash of the canonical JSON of the spec and the protocol version; the same on every machine.

        Fields that came later are in it only where they are not the default: else a run is what it was before. So is
        the version of what a run is evaluated by only where it is.
        """
        versions = {"recalibration": RECALIBRATION} if "recalibrated" in self.further_eval_stats else {}
        defaults = {name for name, value in _later_defaults().items() if getattr(self, name) == value}
        return _digest({"protocol": PROTOCOL, **versions, **self.model_dump(mode="json", exclude=defaults)})

    @property
    def label(self) -> str:
        """The run in a few words, as it is named wherever runs are shown."""
        return f"{self.place}, seed {self.seed}"

    @property
    def place(self) -> str:
        """Where the run stands in the tables, in a few words."""
        return f"{self.template}, {self.norm}, batch size {self.batch_size}"

    @property
    def fold(self) -> int:
        """Which part of the samples is the test set, counted from 0: the parts take turns over the seeds."""
        return self.seed % self.folds

    @property
    def group_key(self) -> str:
        """The same for all runs that differ only in their seed and learning rate, and share a fold."""
        return _digest({"fold": self.fold, **self.model_dump(mode="json", exclude={"seed", "lr"})})


def _written(value: Any) -> Any:
    """Write a value as it stands in a spec: a list with dashes."""
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else value


@cache
def _later_defaults() -> dict[str, Any]:
    return {name: RunSpec.model_fields[name].get_default() for name in _LATER}


def _digest(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class LeftOut(BaseModel):
    """A norm that is not trained in a network, as it does not go there.

    Attributes:
        norm: its spec.
        template: the network; empty for all of them.
        reason: why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    norm: str
    template: str
    reason: str


class MatrixSpec(BaseModel):
    """The matrix of runs that a user asks for: every norm x template x batch size x seed.

    A field without a description is no setting: which norms are ``left_out`` of which networks is found out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    batch_sizes: Sizes = Field((2, 8, 32), description="Batch sizes to train at.")
    norms: Norms = Field(
        ("batch", "layer", "instance", "group", "none"),
        description="Norms to compare: names, specs like group:groups=4, or your own as pkg.module:MyNorm; all, or a "
        "family such as family:pools (`normzoo list norms`).",
    )
    optional: Chain = Field(
        (),
        description="Of the norms, those that a network may do without: one that does not take them is trained with "
        "the others. By default what all and family:NAME stand for.",
    )
    templates: Templates = Field(
        ("cnn", "lstm"),
        description="Networks to train them in: names, specs like cnn:widths=16-32, or pkg.module:MyNet; by default "
        "those that take the samples: of tables mlp, of text and .ts lstm,transformer.",
    )
    dataset: Dataset = Field(
        "digits",
        description="Dataset by name, or your own: folder:PATH, csv:PATH, parquet:PATH, npz:PATH, ts:PATH, text:PATH, "
        "pkg.module:load.",
    )
    task: Task = Field(
        "classification",
        description="What is learned: classification (or classification:smoothing=0.1), regression, pkg.module:MyTask; "
        "by default of a table what its target column holds.",
    )
    seeds: Count = Field(8, description="How many seeds: 8 means the seeds 0 to 7.")
    first_seed: NotNegative = Field(0, description="The first of the seeds, which follow one another.")
    folds: Count = Field(
        1,
        description="Cross-validation, for small data: cut all samples into so many parts, which take turns as the "
        "test set over the seeds. 1: the dataset's own split.",
    )
    epochs: Count = Field(4, description="Passes over the training set, the same for every batch size.")
    lr: Rate = Field(0.05, description="Learning rate at the reference batch size; by default of a regression 0.005.")
    lrs: Rates | None = Field(
        None, description="Learning rates to choose from per norm and batch size, on validation; instead of --lr."
    )
    lr_rule: LrRule = Field("linear", description="How the learning rate follows the batch size.")
    lr_reference: Count = Field(32, description="Batch size at which --lr applies as given.")
    optimizer: Optimizer = Field(
        "sgd",
        description="Optimizer: sgd (momentum 0.9), adam, adamw, rmsprop, specs like sgd:nesterov=true, or "
        "pkg.module:MyOptimizer.",
    )
    schedule: Schedule = Field(
        "constant",
        description="How the learning rate changes from step to step: constant, cosine, onecycle, step, specs like "
        "cosine:warmup=0.05, or pkg.module:my_schedule.",
    )
    weight_decay: Decay = Field(
        0.0, description="Weight decay, not on norms and biases: decoupled in adamw, else added to the gradient."
    )
    weight_decay_on: Decays = Field(
        "weights", description="What weight decay is on: weights alone, or norms and biases as well (all)."
    )
    clip_norm: Rate | None = Field(None, description="Limit for the norm of the gradient over all parameters.")
    precision: Precision = Field("32-true", description="float32, or bfloat16 where autocast deems it fit.")
    strategy: StrategyChoice = Field(
        "auto", description="Train all seeds side by side (stacked) or one after the other; auto: by size."
    )
    compile: CompileChoice = Field("auto", description="Compile the training step; auto: where training takes long.")
    eval_stats: Stats = Field(
        ("running",),
        description="Statistics by which norms that keep running ones are evaluated: running (which decide), and also "
        "recalibrated (over the training set) or batch (of each test batch).",
    )
    augment: Augmentations = Field(
        (),
        description="What is done to the images of training batches, in order: flip, crop:4 (shifts), cutout:8, or "
        "your own as pkg.module:Mine.",
    )
    baseline: Norm | None = Field(
        None, description="Reference norm. Default: none if it is compared, otherwise the first norm."
    )
    target: Number | None = Field(
        None,
        description="Also show the time and the updates until the deciding metric reaches this on validation: 0.9 for "
        "90 %.",
    )
    left_out: tuple[LeftOut, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_normzoo(cls, values: Any) -> Any:
        """Read what was written when options of templates were settings of the matrix."""
        if isinstance(values, dict) and "lr" in values and {"placement", "widths", "hidden"} <= values.keys():
            values = dict(values)
            settings = {name: _written(values.pop(name)) for name in ("placement", "widths", "hidden")}
            values["templates"] = tuple(
                str(Spec(name, {key: value for key, value in settings.items() if key in TEMPLATES[name].options}))
                for name in values["templates"]
            )
        return values

    @field_validator("optional")
    @classmethod
    def _known_optional_norms(cls, norms: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(norms if norms == (ALL,) else map(NORMS.canonical, norms))

    @model_validator(mode="after")
    def _usable_learning_rates(self) -> Self:
        for size in self.batch_sizes:
            for rate in self.rates:
                if not 0 < self.lr_at(size, rate) < float("inf"):
                    raise ValueError(
                        f"lr {rate:g} at batch size {self.lr_reference} makes {self.lr_at(size, rate):g} at {size}"
                    )
        return self

    @model_validator(mode="after")
    def _a_seed_for_every_fold(self) -> Self:
        if self.seeds < self.folds:
            raise ValueError(
                f"folds {self.folds} with seeds {self.seeds}: each fold is the test set of one seed or more; use seeds "
                f"{self.folds} or a multiple, or fewer folds"
            )
        return self

    @model_validator(mode="after")
    def _baseline_among_the_norms(self) -> Self:
        if self.baseline is not None and self.baseline not in self.norms:
            raise ValueError(
                f"baseline '{self.baseline}' is not compared; name one of {', '.join(self.norms)}, or add it to the "
                "norms"
            )
        return self

    @model_validator(mode="after")
    def _optional_among_the_norms(self) -> Self:
        for norm in self.optional:
            if norm not in (*self.norms, ALL):
                raise ValueError(f"optional '{norm}' is not compared; name some of {', '.join(self.norms)}, or all")
        return self

    def is_optional(self, norm: str) -> bool:
        """Whether a network may do without a norm; the reference norm is wanted in each."""
        return norm != self.baseline and (norm in self.optional or self.optional == (ALL,))

    def settings(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return self.model_dump(mode="json", exclude={"left_out"})

    def norms_in(self, template: str) -> tuple[str, ...]:
        """The norms that are trained in a network."""
        without = {each.norm for each in self.left_out if each.template == template}
        return tuple(norm for norm in self.norms if norm not in without)

    def without(self, left_out: Sequence[LeftOut]) -> Self:
        """Return the matrix without some norms in some templates; a norm that no template takes is none of it."""
        less = self.model_copy(update={"left_out": (*self.left_out, *left_out)})
        taken = {norm for template in self.templates for norm in less.norms_in(template)}
        norms = tuple(norm for norm in self.norms if norm in taken)
        optional = tuple(norm for norm in self.optional if norm in (*norms, ALL))
        return less.model_copy(update={"norms": norms, "optional": optional})

    def reasons(self, template: str = "") -> dict[str, list[str]]:
        """Return the norms that are left out of a network, or without one of all, by the reason."""
        found: dict[str, list[str]] = {}
        for each in self.left_out:
            if each.template == template:
                found.setdefault(each.reason, []).append(each.norm)
        return {re.sub("^it ", "each ", why) if len(norms) > 1 else why: norms for why, norms in found.items()}

    @property
    def reference(self) -> str:
        """The norm that the others are compared with."""
        if self.baseline in self.norms:
            return self.baseline
        everywhere = [norm for norm in self.norms if all(norm in self.norms_in(each) for each in self.templates)]
        return "none" if "none" in everywhere else (everywhere or self.norms)[0]

    @property
    def seed_range(self) -> range:
        """The seeds."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates at the reference batch size: those to choose from, or the only one."""
        return self.lrs or (self.lr,)

    def lr_at(self, batch_size: int, rate: float | None = None) -> float:
        """Return the learning rate in force at a batch size, by the rule; ``rate`` is that at the reference."""
        ratio = batch_size / self.lr_reference
        scale = {"linear": ratio, "sqrt": ratio**0.5, "fixed": 1.0}[self.lr_rule]
        return float(f"{(self.lr if rate is None else rate) * scale:.12g}")


def check_target(target: float | None, metric: Metric) -> None:
    """Refuse a target that the deciding metric cannot reach.

    >>> from normzoo.metric import ACCURACY
    >>> check_target(0.9, ACCURACY)

    Raises:
        ConfigError: it is out of the metric's bounds.
    """
    if target is None or metric.is_possible(target):
        return
    bounds = {"at least": metric.lowest, "at most": metric.highest}
    rule = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
    is_written = metric.scale != 1 and metric.is_possible(target / metric.scale)
    hint = f"; write {target:g} {metric.unit}".rstrip() + f" as {target / metric.scale:g}" if is_written else ""
    raise ConfigError(f"target: {metric.title} is {rule}, got {target:g}{hint}")
