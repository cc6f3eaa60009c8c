"""Comparisons whose sentences and tables are held in files: one for every kind of thing that can be said."""

from collections.abc import Callable, Mapping

import numpy as np

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.results.records import Place, RunRecord, pack_hits

from .synthetic import R2, RMSE, Outcome, epoch, filled, run

Made = tuple[MatrixSpec, Mapping[str, RunRecord]]


def _noise(norm: str, size: int, seed: int, template: str = "") -> float:
    """Return a normal number, the same every time, much of which all norms of a seed share."""
    own = np.random.default_rng([seed, size, *norm.encode(), *template.encode()]).standard_normal()
    shared = np.random.default_rng([seed, size]).standard_normal()
    return float(0.6 * own + 0.8 * shared)


def clear() -> Made:
    """Batch norm wins at 32 and collapses at 2 in all seeds; all that a record can hold is known."""
    matrix = MatrixSpec(
        norms="batch,layer,group,none", templates="cnn,cnn:sites=maps", eval_stats="running,recalibrated,batch"
    )
    means = {"batch": {2: 0.52, 8: 0.97, 32: 0.985}, "layer": {2: 0.96, 8: 0.965, 32: 0.97}}

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        mean = means.get(norm, {}).get(size, 0.955 if norm == "group" else 0.93)
        return round(360 * min(1.0, mean + 0.004 * _noise(norm, size, seed))) / 360

    records = filled(matrix, outcome, train_samples=1078, test_samples=360, constant_value=0.1)
    return matrix, {key: _with_everything(record) for key, record in records.items()}


def _with_everything(record: RunRecord) -> RunRecord:
    """Add where norms stand, which samples were right, and what other statistics reach."""
    spec = record.spec
    norm = spec.norm.partition(":")[0]
    pools = {"batch": (64 * spec.batch_size, spec.batch_size), "layer": (2048, 64), "group": (256, 8)}
    maps, vectors = pools.get(norm, (None, None))
    places = (
        Place(where="after the convolutions", kind="maps", channels=32, positions=64, has_norm=bool(maps), pooled=maps),
        Place(
            where="after the dense layer",
            kind="vectors",
            channels=64,
            positions=1,
            has_norm=bool(vectors) and spec.template == "cnn",
            pooled=vectors if spec.template == "cnn" else None,
        ),
    )
    value = record.test_value or 0.0
    luck = np.random.default_rng([spec.seed, spec.batch_size, len(norm)]).standard_normal(360)
    order = np.argsort(np.arange(360) + 40 * luck)
    hits = np.zeros(360, dtype=bool)
    hits[order[: round(360 * value)]] = True
    stats = {"recalibrated": min(1.0, value + 0.05), "batch": value - 0.1} if norm == "batch" else {}
    return record.model_copy(
        update={
            "places": places,
            "test_hits": pack_hits(hits),
            "eval_stats": {name: {"loss": 1.0, "accuracy": each} for name, each in stats.items()},
        }
    )


def nothing_differs() -> Made:
    """Fourteen seeds of noise, so that flips are drawn at random."""
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", seeds=14)
    return matrix, filled(matrix, lambda *place: 0.9 + 0.01 * _noise(*place))


def five_seeds() -> Made:
    """Too few for a test."""
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", seeds=5)
    return matrix, filled(
        matrix, lambda norm, size, seed: 0.9 - 0.3 * (norm == "batch") + 0.01 * _noise(norm, size, seed)
    )


def one_of_everything() -> Made:
    """One norm, template, batch size and seed."""
    matrix = MatrixSpec(norms="batch", templates="cnn", batch_sizes="8", seeds=1)
    return matrix, filled(matrix, lambda *_: 0.9)


def one_batch_size() -> Made:
    """Two norms of which one is best, and one that gives the same numbers as the other."""
    matrix = MatrixSpec(norms="layer,group:groups=1,none", templates="cnn", batch_sizes="8", baseline="layer")
    return matrix, filled(
        matrix, lambda norm, size, seed: 0.95 - 0.05 * (norm == "none") + 0.01 * _noise("", size, seed)
    )


def troubled() -> Made:
    """Runs that diverged, failed or are missing; and a training that explodes."""
    matrix = MatrixSpec(norms="batch,layer,group,none", templates="cnn", batch_sizes="2,32")
    gone: dict[tuple[str, int, int], Outcome] = {
        **{("batch", 2, seed): "diverged" for seed in range(3)},
        **{("group", 32, seed): "failed" for seed in range(8)},
        ("layer", 2, 1): None,
        **{("none", 2, seed): None for seed in range(5)},
    }

    def outcome(*place: object) -> Outcome:
        norm, size, seed = place
        value = 0.9 + 0.05 * (norm == "layer") + 0.01 * _noise(str(norm), int(str(size)), int(str(seed)))
        return gone.get((str(norm), int(str(size)), int(str(seed))), value)

    records = filled(matrix, outcome, notes=("a note of the template's",))
    exploded = run(0.3, norm="batch", batch_size=2, seed=7)
    epochs = (
        epoch(1, 0.3, train_loss=2.0, validation_loss=100.0),
        epoch(2, 0.3, train_loss=1.0, validation_loss=500.0),
    )
    for seed in range(3, 8):
        key = exploded.spec.model_copy(update={"seed": seed}).key
        records[key] = records[key].model_copy(update={"epochs": epochs})
    return matrix, records


def collapse() -> Made:
    """Two of ten seeds collapse to what always the same output reaches."""
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", batch_sizes="2,32", seeds=10)

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        if (norm, size) == ("batch", 2) and seed in (3, 8):
            return 0.11
        return 0.95 + 0.005 * _noise(norm, size, seed)

    return matrix, filled(matrix, outcome, constant_value=0.1, test_samples=360)


def recipe() -> Made:
    """All that a recipe can hold."""
    matrix = MatrixSpec(
        norms="batch,none",
        templates="cnn",
        batch_sizes="8,32",
        task="classification:smoothing=0.1",
        optimizer="sgd:momentum=0.8,nesterov=true",
        schedule="onecycle:anneal_strategy=linear,warmup=0.2",
        weight_decay=5e-4,
        clip_norm=1.0,
    )
    return matrix, filled(matrix, lambda norm, size, seed: 0.9 + 0.01 * _noise(norm, size, seed))


def regression() -> Made:
    """Lower is better, without a unit or a highest value, and there is a further metric."""
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", task="regression", batch_sizes="2,32")

    def outcome(norm: str, size: int, seed: int) -> Outcome:
        return 0.5 + 0.4 * (norm == "batch" and size == 2) + 0.02 * _noise(norm, size, seed)

    records = {}
    for key, record in filled(matrix, outcome, metric=RMSE).items():
        *before, last = record.epochs
        last = last.model_copy(update={"test": {**last.test, "r2": 1 - last.test["rmse"] ** 2}})
        records[key] = record.model_copy(update={"metrics": (RMSE, R2), "epochs": (*before, last)})
    return matrix, records


def learning_rates() -> Made:
    """A choice among three learning rates."""
    matrix = MatrixSpec(norms="batch,none", templates="cnn", batch_sizes="2,32", seeds=6, lrs="0.01,0.1,1")
    records = {}
    for norm in matrix.norms:
        for size in matrix.batch_sizes:
            for rate in matrix.rates:
                for seed in range(matrix.seeds):
                    value = 0.9 - 0.05 * (norm == "none") - 0.1 * (rate == 0.01) + 0.005 * _noise(norm, size, seed)
                    is_lost = rate == 1 and norm == "none"
                    record = run(
                        "diverged" if is_lost else value,
                        norm=norm,
                        batch_size=size,
                        seed=seed,
                        lr=matrix.lr_at(size, rate),
                    )
                    last = epoch(2, value, validation=value)
                    epochs = () if is_lost else (record.epochs[0], last)
                    records[record.spec.key] = record.model_copy(update={"epochs": epochs})
    return matrix, records


def target() -> Made:
    """One norm reaches 90 % at once, one later, one in some seeds, one in too few and one in none."""
    matrix = MatrixSpec(norms="batch,layer,group,rms,none", templates="cnn", batch_sizes="8,32", target=0.9)
    reached = {"batch": [1] * 8, "layer": [2, 2, 3, 3] * 2, "group": [3] * 5 + [9] * 3, "rms": [2] * 3 + [9] * 5}
    records = filled(
        matrix,
        lambda *place: 0.92 + 0.005 * _noise(*place),
        train_samples=1078,
        test_samples=360,
        seconds=(0.5, 0.5, 0.5),
    )
    for key, record in records.items():
        first = reached.get(record.spec.norm, [9] * 8)[record.spec.seed]
        epochs = [
            each.model_copy(update={"validation": {"loss": 1.0, "accuracy": 0.9 if each.epoch >= first else 0.89}})
            for each in record.epochs
        ]
        records[key] = record.model_copy(update={"epochs": tuple(epochs)})
    return matrix, records


def folds() -> Made:
    """Eight seeds over five folds: which test samples were right is known, but they are others in each fold."""
    matrix = MatrixSpec(norms="batch,layer,none", templates="cnn", batch_sizes="8", lrs="0.05,0.1", folds=5)
    records = {}
    for rate in matrix.rates:
        lr = matrix.lr_at(8, rate)
        for each in filled(
            matrix,
            lambda *place: round(359 * min(1.0, 0.95 - 0.02 * (place[0] == "none") + 0.002 * _noise(*place))) / 359,
            train_samples=1295,
            test_samples=359,
            lr=lr,
        ).values():
            spec = each.spec.model_copy(update={"folds": 5})
            hits = pack_hits(np.arange(359) < round(359 * (each.test_value or 0.0)))
            data = (f"all 1,797 samples are in 5 folds, of which this is {spec.fold}",)
            records[spec.key] = each.model_copy(update={"spec": spec, "test_hits": hits, "data": data})
    return matrix, records


def nothing() -> Made:
    """No run at all."""
    return MatrixSpec(), {}


SCENARIOS: dict[str, Callable[[], Made]] = {
    made.__name__: made
    for made in (
        clear,
        nothing_differs,
        five_seeds,
        one_of_everything,
        one_batch_size,
        troubled,
        collapse,
        recipe,
        regression,
        learning_rates,
        target,
        folds,
        nothing,
    )
}
