"""``python -m benchmarks.inference``: does what a report says hold? Simulated comparisons of which the truth is known.

Every comparison is drawn, summarized and put into words by normzoo itself. Where no norm differs from another, a
sentence that says so is a false claim; at most 5 % of comparisons may have one. Where some differ, claims on the others
are false, and the share in which the difference is found is the power.
"""

import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks import arguments, check_record, write_record
from normzoo.experiment.config.spec import MatrixSpec, RunSpec
from normzoo.experiment.results.records import EpochRecord, RunRecord, Status
from normzoo.report import Summary, Table, findings, summarize
from normzoo.report.analysis.findings import reference_findings
from normzoo.report.statistics.differences import LEVEL

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
"""Values in which no norm differs from another: templates by batch sizes by norms by seeds."""

TEST_SAMPLES, RATES = 360, 3
NORMS = ("batch", "layer", "instance", "group", "none", "rms", *(f"group:groups={count}" for count in (1, 2, 4, 16)))


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw independent runs."""
    return 0.9 + 0.01 * generator.standard_normal(shape)


def correlated(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw runs that share much of a seed's luck under every norm, as pairing wants it."""
    return normal(generator, shape) + 0.03 * generator.standard_normal((*shape[:-2], 1, shape[-1]))


def near_the_top(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw counts near 100 %, of which many are exactly that."""
    return np.round(np.clip(1.002 - generator.exponential(0.004, shape), 0, 1) * TEST_SAMPLES) / TEST_SAMPLES


def heteroscedastic(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw norms of which one scatters ten times as much as another."""
    return 0.8 + np.geomspace(0.003, 0.03, shape[-2])[:, None] * generator.standard_normal(shape)


def skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw runs of which some are much worse than most."""
    return 0.97 - 0.01 * generator.gamma(1.0, size=shape)


def batch_norm_collapsing(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw norms with equal means, of which the first collapses on one seed in ten and is ahead on the others."""
    values = 0.9 + 0.01 * generator.standard_normal(shape)
    lost = generator.random(values[:, :, 0].shape) < 0.1
    values[:, :, 0] += np.where(lost, -0.45, 0.05)
    return values


def collapsing(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw runs of which one in ten collapses."""
    return np.where(generator.random(shape) < 0.1, 0.2, 0.9) + 0.01 * generator.standard_normal(shape)


def with_picked_rates(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw norms that do not differ, each at the learning rate with the best validation mean, as ``--lrs`` picks it.

    What a rate does is the same under every norm, and half of it is other on the validation set than on the test set.
    """
    *blocks, norms, seeds = shape
    luck = 0.01 * generator.standard_normal((*blocks, 1, 1, seeds))
    of_rate = 0.005 * generator.standard_normal((*blocks, 1, RATES, 1))
    on_validation = of_rate + 0.005 * generator.standard_normal(of_rate.shape)
    test, validation = (
        0.9 + effect + luck + 0.006 * generator.standard_normal((*blocks, norms, RATES, seeds))
        for effect in (of_rate, on_validation)
    )
    picked = validation.mean(axis=-1).argmax(axis=-1)
    values: Array = np.take_along_axis(test, picked[..., None, None], axis=-2)[..., 0, :]
    return values


@dataclass(frozen=True)
class Scenario:
    """What is drawn.

    Attributes:
        effects: added to the values of a norm, at every batch size.
        missing: the share of the runs that lack.
    """

    draw: Draw = correlated
    seeds: int = 8
    norms: int = 5
    sizes: tuple[int, ...] = (2, 8, 32)
    templates: tuple[str, ...] = ("cnn", "lstm")
    missing: float = 0.0
    effects: Mapping[str, float] = field(default_factory=dict)

    @property
    def matrix(self) -> MatrixSpec:
        """What is compared."""
        return MatrixSpec(norms=NORMS[: self.norms], templates=self.templates, batch_sizes=self.sizes, seeds=self.seeds)

    def values(self, count: int) -> Iterator[tuple[Array, NDArray[np.bool_]]]:
        """Draw comparisons, the same every time: values, and which of them there are."""
        generator = np.random.default_rng(20)
        shape = (len(self.templates), len(self.sizes), self.norms, self.seeds)
        effects = np.array([self.effects.get(norm, 0.0) for norm in NORMS[: self.norms]])[:, None]
        for _ in range(count):
            yield self.draw(generator, shape) + effects, generator.random(shape) >= self.missing

    def summaries(self, count: int) -> Iterator[Summary]:
        """Summarize comparisons."""
        matrix = self.matrix
        records = _records(matrix)
        for values, present in self.values(count):
            for record, place in records.values():
                record.epochs[-1].test["accuracy"] = float(values[place])
            yield summarize(matrix, {key: record for key, (record, place) in records.items() if present[place]})


def _records(matrix: MatrixSpec) -> dict[str, tuple[RunRecord, tuple[int, ...]]]:
    """Make the records of a matrix, to be filled with values, and where those stand."""
    made = {}
    axes = (matrix.templates, matrix.batch_sizes, matrix.norms, matrix.seed_range)
    for place in product(*(range(len(axis)) for axis in axes)):
        template, size, norm, seed = (axis[index] for axis, index in zip(axes, place, strict=True))
        spec = RunSpec.model_validate(
            {
                "template": template,
                "norm": norm,
                "dataset": "digits",
                "dataset_checksum": "",
                "batch_size": size,
                "seed": seed,
                "epochs": 1,
                "optimizer": "sgd",
                "lr": 0.05,
            }
        )
        metrics = {"loss": 1.0, "accuracy": 0.0}
        epoch = EpochRecord(epoch=1, train_loss=1.0, validation=metrics, test=dict(metrics), seconds=1.0)
        record = RunRecord(spec=spec, status=Status.OK, epochs=(epoch,), started_at="", seconds=1.0)
        made[spec.key] = record, place
    return made


def claims(summary: Summary) -> list[str]:
    """Return all by which something is said to differ: sentences with a p value or a best norm, and signs in tables."""
    said = [*findings(summary), *(text for table in summary.tables for text in reference_findings(summary, table))]
    signs = [
        f"{table.template}, {row.norm}: behind"
        for table in summary.tables
        for row in table.rows
        for cell in row.cells
        if cell.mark == ""
    ]
    signs += [
        f"{table.template}: {each.first} - {each.second} *"
        for table in summary.tables
        for each in table.contrasts
        if each.difference.is_significant
    ]
    signs += [
        f"{table.template}, {row.norm}: p *"
        for table in summary.tables
        for row in table.rows
        for cell in row.cells
        if cell.vs_reference and cell.vs_reference.difference and cell.vs_reference.difference.is_significant
    ]
    return [*(sentence for sentence in said if re.search(r"\(p |is best", sentence)), *signs]


def false_claims(summary: Summary, effects: Mapping[str, float]) -> int:
    """Count what is marked as significant between norms that do not differ; effects are alike at all batch sizes."""
    return sum(_false_claims(table, summary.matrix.reference, effects) for table in summary.tables)


def _false_claims(table: Table, reference: str, effects: Mapping[str, float]) -> int:
    alike = [row for row in table.rows if row.norm not in effects]
    best = max((row for row in table.rows), key=lambda row: effects.get(row.norm, 0.0)).norm
    return (
        sum(contrast.difference.is_significant for contrast in table.contrasts)
        + sum(
            bool(cell.vs_reference and cell.vs_reference.difference and cell.vs_reference.difference.is_significant)
            for row in alike
            for cell in row.cells
            if reference not in effects
        )
        + sum(cell.mark == "" for row in alike for cell in row.cells if best not in effects)
    )


NULLS = {
    "independent runs": Scenario(normal),
    "correlated seeds, 5": Scenario(seeds=5),
    "correlated seeds, 6": Scenario(seeds=6),
    "correlated seeds, 8": Scenario(),
    "correlated seeds, 13": Scenario(seeds=13),
    "correlated seeds, 30": Scenario(seeds=30),
    "three norms, 24 comparisons": Scenario(norms=3, seeds=10),
    "ten norms, 225 comparisons": Scenario(norms=10, sizes=(2, 8, 16, 32), templates=("cnn",)),
    "counts near 100 %": Scenario(near_the_top),
    "counts near 100 %, 14 seeds": Scenario(near_the_top, seeds=14),
    "unequal spreads": Scenario(heteroscedastic),
    "skewed": Scenario(skewed, seeds=10),
    "one run in ten collapses": Scenario(collapsing),
    "one run in ten is missing": Scenario(seeds=10, missing=0.1),
}
"""Comparisons in which no norm differs."""

PICKED = {
    "one batch size": Scenario(with_picked_rates, sizes=(32,), templates=("cnn",)),
    "three batch sizes": Scenario(with_picked_rates, templates=("cnn",)),
    "three batch sizes, 20 seeds": Scenario(with_picked_rates, templates=("cnn",), seeds=20),
}
"""Comparisons in which no norm differs, but some have other learning rates than others: what is claimed is of rates."""

PARTIAL = {
    "one norm far behind": Scenario(effects={"batch": -0.4}),
    "one norm a little behind": Scenario(effects={"batch": -0.02}),
    "one norm behind, counts near 100 %": Scenario(near_the_top, effects={"batch": -0.1}),
    "one norm behind, one run in ten collapses": Scenario(collapsing, effects={"batch": -0.3}),
    "one norm behind, one run in ten is missing": Scenario(seeds=10, missing=0.1, effects={"batch": -0.1}),
    "two norms behind, unequal spreads": Scenario(heteroscedastic, effects={"batch": -0.1, "layer": -0.05}),
}
"""Comparisons in which some norms differ, and claims on the others are false."""


def share_with_claims(scenario: Scenario, count: int) -> float:
    """Return the share of comparisons in which something is said to differ."""
    return sum(bool(claims(summary)) for summary in scenario.summaries(count)) / count


def share_with_false_claims(scenario: Scenario, count: int) -> float:
    """Return the share of comparisons in which norms that are alike are said to differ."""
    return sum(false_claims(summary, scenario.effects) > 0 for summary in scenario.summaries(count)) / count


def limit(count: int) -> float:
    """Return the share that 5 % reach by chance in one of a thousand simulations."""
    return float(stats.binom.isf(0.001, count, LEVEL)) / count


def power(scenario: Scenario, norm: str, count: int) -> float:
    """Return how often a norm's difference from the reference is significant, over all blocks."""
    found = [
        bool(cell.vs_reference and cell.vs_reference.difference and cell.vs_reference.difference.is_significant)
        for summary in scenario.summaries(count)
        for table in summary.tables
        for row in table.rows
        if row.norm == norm
        for cell in row.cells
    ]
    return sum(found) / len(found)


def power_of_holm(scenario: Scenario, norm: str, count: int) -> float:
    """Return the same for the exact sign-flip test of each difference from the reference with Holm's correction."""
    norms = scenario.matrix.norms
    reference, place, found = norms.index(scenario.matrix.reference), norms.index(norm), list[bool]()
    signs = 1.0 - 2.0 * ((np.arange(2**scenario.seeds)[:, None] >> np.arange(scenario.seeds)) & 1)
    for values, _ in scenario.values(count):
        differences = np.delete(values - values[:, :, [reference]], reference, axis=2)
        means = np.round(np.abs(differences @ signs.T), 9)
        p_values = (means >= means[..., :1]).mean(axis=-1).ravel()
        order = np.argsort(p_values)
        adjusted = np.empty_like(p_values)
        adjusted[order] = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
        index = place - (place > reference)
        found += (adjusted.reshape(differences.shape[:3])[:, :, index] <= LEVEL).ravel().tolist()
    return sum(found) / len(found)


EQUAL_MEANS = {f"{seeds} seeds": Scenario(batch_norm_collapsing, seeds=seeds) for seeds in (8, 20)}
"""Comparisons of norms with equal means and different distributions; claims on them are true, but not on means."""

EFFECTS = (0.01, 0.02, 0.03)
POWERS = {"correlated": correlated, "counts near 100 %": near_the_top, "unequal spreads": heteroscedastic}


def measure(count: int) -> dict[str, Any]:
    """Simulate everything, so many comparisons each."""
    return {
        "comparisons": count,
        "limit": limit(count),
        "nulls": {name: share_with_claims(scenario, count) for name, scenario in NULLS.items()},
        "picked rates": {name: share_with_claims(scenario, count) for name, scenario in PICKED.items()},
        "partial": {name: share_with_false_claims(scenario, count) for name, scenario in PARTIAL.items()},
        "equal means": {name: share_with_claims(scenario, count // 5) for name, scenario in EQUAL_MEANS.items()},
        "power": [
            {"draw": name, "effect": effect, "seeds": seeds, "joint": joint, "holm": holm}
            for name, draw in POWERS.items()
            for effect in EFFECTS
            for seeds in (8, 10)
            for scenario in [Scenario(draw, seeds=seeds, effects={"layer": -effect})]
            for joint, holm in [(power(scenario, "layer", count // 5), power_of_holm(scenario, "layer", count // 5))]
        ],
        "environment": {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()},
    }


def to_markdown(measured: Mapping[str, Any]) -> str:
    """Write what was measured."""
    rows = [f"| {name} | {100 * share:.1f} |" for name, share in measured["nulls"].items()]
    partial = [f"| {name} | {100 * share:.1f} |" for name, share in measured["partial"].items()]
    powers = [
        f"| {each['draw']} | {100 * each['effect']:g} | {each['seeds']} | {100 * each['joint']:.0f} | "
        f"{100 * each['holm']:.0f} |"
        for each in measured["power"]
    ]
    return "\n".join(
        [
            "# Do the claims of a comparison hold?",
            "",
            f"{measured['comparisons']:,} simulated comparisons of each kind, put into words by normzoo. Unless "
            "it says otherwise: 5 norms, 2 templates, 3 batch sizes, 8 seeds, 80 comparisons of one family.",
            "",
            "## No norm differs: share of comparisons that claim any difference, in %",
            "",
            f"At most 5 are allowed; by chance up to {100 * measured['limit']:.1f} in such a simulation.",
            "",
            "| values | claims |",
            "| :-- | --: |",
            *rows,
            "",
            "## Some differ: share of comparisons that claim a difference between those that do not, in %",
            "",
            "| values | false claims |",
            "| :-- | --: |",
            *partial,
            "",
            "## Equal means, other distributions: share of comparisons that claim a difference, in %",
            "",
            "One norm collapses on one seed in ten, and is ahead on the others as far as its mean is that of the rest. "
            "The test is of whole distributions over seeds: where a norm collapses, a difference is not one of means.",
            "",
            "| seeds | claims |",
            "| :-- | --: |",
            *(f"| {name} | {100 * share:.0f} |" for name, share in measured["equal means"].items()),
            "",
            f"## No norm differs, each has the best of {RATES} learning rates: share that claim a difference, in %",
            "",
            "What a rate does is the same under every norm. It is picked on the validation set, by all seeds together: "
            "where norms get different ones, every seed has the difference. Such claims are of rates, and more seeds "
            "do not help.",
            "",
            "| comparisons | claims |",
            "| :-- | --: |",
            *(f"| {name} | {100 * share:.0f} |" for name, share in measured["picked rates"].items()),
            "",
            "## Power: how often a norm's difference from the reference is found, in %",
            "",
            "Joint sign flips over all 80 comparisons, and the exact test of each of the 24 differences from the "
            "reference with Holm's correction.",
            "",
            "| values | points behind | seeds | joint | Holm |",
            "| :-- | --: | --: | --: | --: |",
            *powers,
            "",
            f"`python -m benchmarks.inference {measured['comparisons']} reports/inference` measures it again: "
            + ", ".join(f"{name} {value}" for name, value in measured["environment"].items())
            + ".",
            "",
        ]
    )


def main() -> None:
    """Measure so many comparisons of each kind, and write what was found to PATH.json and PATH.md."""
    (count, path), force = arguments("COMPARISONS", "PATH")
    if not count.isdigit():
        sys.exit(f"error: COMPARISONS must be a number, got '{count}'")
    check_record(Path(path), force=force)
    measured = measure(int(count))
    write_record("inference", Path(path), measured, to_markdown(measured), force=force)


if __name__ == "__main__":
    main()
