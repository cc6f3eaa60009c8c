"""Stored runs in an experiment tracker: TensorBoard, MLflow or Weights & Biases, each by its own library.

A run of ours is one run there, named by its label, with its parameters, a curve for every metric (step = epoch), the
test value after the last epoch, and where it comes from. Exporting again leaves alone what is there as it is, and
replaces what has changed since.
"""

import hashlib
import json
import os
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from normzoo.errors import ConfigError, error_text
from normzoo.experiment.results.records import RunRecord, Status
from normzoo.experiment.results.tabular import flat
from normzoo.registry import find
from normzoo.registry.datasets import at_home

EXPERIMENT = "normzoo"
"""The experiment of MLflow that runs are put into."""


class Point(NamedTuple):
    """The metrics after an epoch, and when that was, in seconds since 1970."""

    epoch: int
    time: float
    values: dict[str, float]


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker keeps it.

    Attributes:
        key: by which it is found again.
        name: in a few words.
        parameters: its configuration.
        curve: ``train/loss``, ``validation/loss``, ``test/accuracy`` and so on, epoch by epoch.
        result: the deciding metric on the test set after the last epoch, as ``final/accuracy``; empty unless ok.
        tags: its status, the comparisons that it is part of, and the version that trained it.
        began, ended: in seconds since 1970.
    """

    key: str
    name: str
    status: Status
    parameters: dict[str, str | int | float | bool]
    curve: tuple[Point, ...]
    result: dict[str, float]
    tags: dict[str, str]
    began: float
    ended: float

    def fingerprint(self, *, with_tags: bool) -> str:
        """Return a checksum of all that is written, or of all but the tags."""
        values = asdict(self if with_tags else replace(self, tags={}))
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def tracked(key: str, record: RunRecord, comparisons: Sequence[int]) -> TrackedRun:
    """Return a run as a tracker keeps it; ``comparisons`` are the numbers of those that it is part of."""
    began = datetime.fromisoformat(record.started_at).timestamp()
    curve, time = [], began
    for epoch in record.epochs:
        time += epoch.seconds
        values = {"train": {"loss": epoch.train_loss}, "validation": epoch.validation, "test": epoch.test}
        flattened = {f"{split}/{name}": value for split, each in values.items() for name, value in each.items()}
        curve.append(Point(epoch.epoch, time, flattened))
    tags = {
        "key": key,
        "status": str(record.status),
        "comparison": ",".join(map(str, comparisons)),
        "version": str(record.environment.get("normzoo", "")),
    }
    value = record.test_value
    return TrackedRun(
        key=key,
        name=record.spec.label,
        status=record.status,
        parameters={name: each for name, each in flat(record.spec.model_dump(mode="json")).items() if each is not None},
        curve=tuple(curve),
        result={} if value is None else {f"final/{record.metric.name}": value},
        tags={f"normzoo.{name}": text for name, text in tags.items() if text},
        began=began,
        ended=max(began + record.seconds, time),
    )


Tracker = Callable[[Iterable[TrackedRun], str], Iterator[bool]]
"""Writes runs to a place, and yields for each whether it was written, or was there as it is."""


def parse_target(text: str) -> tuple[str, str]:
    """Read ``tensorboard:DIR`` as a tracker and its place.

    Raises:
        UnknownNameError: there is no such tracker.
        ConfigError: no place is named.
    """
    name, _, place = text.partition(":")
    find("tracker", TRACKERS, name)
    if not place:
        raise ConfigError(f"--to: '{text}' names no place; write tensorboard:DIR, mlflow:URI or wandb:PROJECT")
    return name, place


def write_runs(name: str, place: str, runs: Iterable[TrackedRun]) -> Iterator[bool]:
    """Write runs to a tracker, and yield for each whether it was written, or was there as it is.

    Raises:
        ConfigError: its library is not installed, or refuses.
    """
    try:
        yield from TRACKERS[name](runs, place)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ConfigError(
            f"--to {name} needs {package}, which is not installed; `pip install 'normzoo[{name}]'`"
        ) from error
    except OSError as error:
        raise ConfigError(f"--to: '{name}:{place}' cannot be written: {error.strerror or error}") from error


_LONGEST_NAME = 200
"""Bytes of a run's name in that of its folder; a file's name has at most 255."""


def to_tensorboard(runs: Iterable[TrackedRun], place: str) -> Iterator[bool]:
    """Write runs to a log directory, each to a folder of its own with one file of events.

    Parameters and tags are hyperparameters, so that TensorBoard's table of these lists the runs.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    for run in runs:
        name = re.sub(r"[^-\w.,:=+ ]", "_", run.name).encode()[:_LONGEST_NAME].decode(errors="ignore")
        folder = at_home(place) / f"{name}, {run.key}"
        finished = folder / f"events.out.tfevents.{run.began:.0f}.normzoo.{run.fingerprint(with_tags=True)}"
        if finished.exists():
            yield False
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*tfevents*.normzoo.*"):
            old.unlink()
        unfinished = finished.with_name(f"{finished.name}.part")
        with unfinished.open("wb") as file:
            writer = RecordWriter(file)
            writer.write(Event(wall_time=run.began, file_version="brain.Event:2").SerializeToString())
            session, ended = _session(run)
            writer.write(Event(wall_time=run.began, summary=session).SerializeToString())
            for point in _with_result(run):
                values = [Summary.Value(tag=tag, simple_value=value) for tag, value in point.values.items()]
                event = Event(wall_time=point.time, step=point.epoch, summary=Summary(value=values))
                writer.write(event.SerializeToString())
            writer.write(Event(wall_time=run.ended, summary=ended).SerializeToString())
        unfinished.rename(finished)
        yield True


def _session(run: TrackedRun) -> tuple[Any, Any]:
    """Return what TensorBoard's table of hyperparameters is made of: how a run was begun, and how it ended."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    began = hparams_pb({**run.parameters, **run.tags}, trial_id=run.key, start_time_secs=run.began)
    status = api_pb2.STATUS_SUCCESS if run.status is Status.OK else api_pb2.STATUS_FAILURE
    content = HParamsPluginData(
        session_end_info=SessionEndInfo(status=status, end_time_secs=run.ended), version=metadata.PLUGIN_DATA_VERSION
    )
    ended = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return began, Summary(value=[ended])


def _with_result(run: TrackedRun) -> list[Point]:
    """Return the curve with the result among the metrics of its last epoch."""
    if not run.curve:
        return []
    last = run.curve[-1]
    return [*run.curve[:-1], last._replace(values={**last.values, **run.result})]


_FINGERPRINT = "normzoo.fingerprint"
_AT_ONCE = 1000
"""How many metrics MLflow takes in one request, and how many runs it gives."""


def to_mlflow(runs: Iterable[TrackedRun], place: str) -> Iterator[bool]:
    """Write runs to the experiment ``normzoo`` of a tracking URI: a database, a server, or a folder.

    A run is known again by the tag that is set when it is complete; what an interruption left is replaced. Of one that
    is there as it is, at most the tags are brought up to date, so that what was noted on it stays.
    """
    # By default a server that does not answer is asked for four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    check_database(place)
    from mlflow import MlflowClient
    from mlflow.entities import RunTag
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(tracking_uri=place)
        found = client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)
        there = _runs_in_mlflow(client, experiment)
    except OSError:
        raise
    except Exception as error:  # a database raises errors of its own
        raise ConfigError(f"--to: MLflow refuses '{place}': {error}") from error
    try:
        for run in runs:
            known, fingerprint = there[run.key], run.fingerprint(with_tags=False)
            same = [each for each, tags in known.items() if tags.get(_FINGERPRINT) == fingerprint]
            if same:
                if not run.tags.items() <= known[same[0]].items():
                    client.log_batch(same[0], tags=[RunTag(name, text) for name, text in run.tags.items()])
                yield False
                continue
            for identifier in known:
                client.delete_run(identifier)
            _create_in_mlflow(client, experiment, run, fingerprint)
            yield True
    except MlflowException as error:
        raise ConfigError(f"--to: MLflow refuses '{place}': {error}") from error


def check_database(place: str) -> None:
    """Refuse a database in which MLflow would make its tables among those of another program, such as a store.

    Raises:
        ConfigError: ``place`` is one, or a file that is none.
    """
    named = re.fullmatch(r"sqlite(?:\+\w+)?:///(?:file:)?([^?]+)(?:\?.*)?", place)
    path = Path(named[1] if named else place)
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        tables = {""}
    if tables and not tables >= {"alembic_version", "experiments"}:
        raise ConfigError(f"--to: '{path}' is there and is no database of MLflow's; name another place")


def _runs_in_mlflow(client: Any, experiment: str) -> Mapping[str, dict[str, dict[str, str]]]:
    """Return the tags of our runs in an experiment, by our key and MLflow's."""
    there: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    token = None
    while True:
        page = client.search_runs([experiment], max_results=_AT_ONCE, page_token=token)
        for run in page:
            if key := run.data.tags.get("normzoo.key"):
                there[key][run.info.run_id] = run.data.tags
        token = page.token
        if not token:
            return there


def _create_in_mlflow(client: Any, experiment: str, run: TrackedRun, fingerprint: str) -> None:
    from mlflow.entities import Metric, Param, RunTag

    began, ended = (round(1000 * time) for time in (run.began, run.ended))
    made = client.create_run(experiment, start_time=began, tags=run.tags, run_name=run.name).info.run_id
    client.log_batch(made, params=[Param(name, str(value)) for name, value in run.parameters.items()])
    metrics = [
        Metric(re.sub(r"[^-\w. :/]", "_", name), value, round(1000 * point.time), point.epoch)
        for point in _with_result(run)
        for name, value in point.values.items()
    ]
    for start in range(0, len(metrics), _AT_ONCE):
        client.log_batch(made, metrics=metrics[start : start + _AT_ONCE])
    status = {Status.OK: "FINISHED", Status.INTERRUPTED: "KILLED"}.get(run.status, "FAILED")
    client.set_terminated(made, status, end_time=ended)
    client.log_batch(made, tags=[RunTag(_FINGERPRINT, fingerprint)])


_LONGEST_TAG = 64


def to_wandb(runs: Iterable[TrackedRun], place: str) -> Iterator[bool]:
    """Write runs to a project, ``PROJECT`` or ``ENTITY/PROJECT``.

    A run has our key for its id: Weights & Biases puts it in the place of an older one, so that each is written.
    """
    try:
        import wandb
        from wandb.errors import Error
    except ValueError as error:  # as it reads its settings from the environment
        raise ConfigError(f"--to: Weights & Biases refuses its settings: {error_text(error)}") from error

    entity, _, project = place.rpartition("/")
    try:
        for run in runs:
            written = wandb.init(
                entity=entity or None,
                project=project,
                id=run.key,
                name=run.name,
                config={**run.parameters, **run.tags},
                tags=[f"{name.removeprefix('normzoo.')} {text}"[:_LONGEST_TAG] for name, text in run.tags.items()],
                settings=wandb.Settings(silent=True, console="off"),
            )
            for point in run.curve:
                written.log(point.values, step=point.epoch)
            written.summary.update(run.result)
            written.finish(exit_code=0 if run.status is Status.OK else 1)
            yield True
    except Error as error:
        raise ConfigError(f"--to: Weights & Biases refuses '{place}': {error}") from error


TRACKERS: dict[str, Tracker] = {"tensorboard": to_tensorboard, "mlflow": to_mlflow, "wandb": to_wandb}
