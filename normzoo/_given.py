"""What a script or a notebook gives as it is, instead of by name: as the specs that a command would name.

A dataset is written to a temporary file, which workers read while they need it.
"""

import inspect
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from normzoo.errors import DataError, UsageError
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.registry import (
    AUGMENTATIONS,
    DATASETS,
    NORMS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    TEMPLATES,
    Registry,
    is_of_session,
    session_specs,
    spec_of,
)

Component = str | Callable[..., Any]
"""A spec, as on the command line, or the class or function itself."""

_IN_ORDER = ("x_train", "y_train", "x_test", "y_test")


_SEVERAL: Mapping[str, Registry[Any]] = {
    "norms": NORMS,
    "optional": NORMS,
    "templates": TEMPLATES,
    "augment": AUGMENTATIONS,
}
"""Settings that name several components."""

_SINGLE: Mapping[str, Registry[Any]] = {
    "task": TASKS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "baseline": NORMS,
}
"""Settings that name one component."""


def named(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which components are specs; text stays as it is, as it may name several."""
    specs, dataset = {name: plain(value) for name, value in asked.items()}, asked["dataset"]
    taken: dict[str, object] = {}
    if dataset is not None and is_of_session(spec := DATASETS.parse(dataset)):
        taken[spec.target.partition(":")[2]] = DATASETS
    for setting, registry in _SEVERAL.items():
        given = asked[setting]
        if given is not None and not isinstance(given, str):
            if not callable(given) and not isinstance(given, Iterable):
                raise UsageError(f"{setting}: expected specs, classes or a list of these, got {given!r}")
            specs[setting] = [spec_of(registry, each, taken) for each in ([given] if callable(given) else given)]
    for setting, registry in _SINGLE.items():
        if asked[setting] is not None:
            specs[setting] = spec_of(registry, asked[setting], taken)
    return specs


def plain(value: Any) -> Any:
    """Return numbers as Python's, where they are NumPy's or a tensor's, and a device of torch's by its name.

    >>> import numpy as np
    >>> type(plain(np.int64(8))), plain(np.array([2, 8]))
    (<class 'int'>, [2, 8])
    """
    if type(value).__module__ == "torch" and type(value).__name__ == "device":
        return str(value)
    return value.tolist() if hasattr(value, "dtype") and callable(getattr(value, "tolist", None)) else value


def is_known_here_alone(matrix: MatrixSpec) -> bool:
    """Whether some of what is to be compared is of this session, such as a class of a notebook, and not of a file."""
    return bool(session_specs(matrix.settings()))


@contextmanager
def dataset_spec(dataset: Any) -> Iterator[str | None]:
    """Name a dataset; one that is given as it is is in a file of what it is called, without an ending, meanwhile.

    Raises:
        DataError: it is no dataset, or what was read of the file cannot be trained on.
    """
    if dataset is None or isinstance(dataset, str):
        yield dataset
        return
    if inspect.isclass(dataset) or (callable(dataset) and not hasattr(dataset, "__getitem__")):
        yield spec_of(DATASETS, dataset)
        return
    import numpy as np

    arrays = arrays_of(dataset)
    kind = arrays.pop("kind", None)
    with tempfile.TemporaryDirectory(prefix="normzoo-") as folder:
        path = Path(folder) / _name(dataset)
        try:
            with path.open("wb") as file:
                np.savez(file, **{name: _without_objects(array) for name, array in arrays.items()})
        except (TypeError, ValueError) as error:
            raise DataError(
                f"dataset: it is not made of arrays ({error}); give all samples of an array one shape"
            ) from None
        try:
            yield f"npz:{path}{f':kind={kind}' if kind else ''}"
        except UsageError as error:
            if str(path) not in str(error):
                raise
            named = str(error).replace(f"npz '{path}'", "dataset").replace(f"npz:{path}", path.name)
            raise DataError(named) from None


def arrays_of(dataset: Any) -> dict[str, Any]:
    """Return a dataset as arrays by the names of an ``.npz`` file, with its kind if it does not follow from them.

    Where torch is not imported, none of it is torch's, and torch is not imported for arrays and lists.

    Raises:
        DataError: it is no dataset.
    """
    is_in_order = isinstance(dataset, tuple | list) and len(dataset) == len(_IN_ORDER)
    pairs = dataset if isinstance(dataset, Mapping) else zip(_IN_ORDER, dataset, strict=True) if is_in_order else ()
    given: dict[str, Any] = dict(pairs)
    if "torch" in sys.modules or not all(map(_is_plain, given.values())):
        from normzoo.data._own import named_arrays

        return named_arrays("dataset", dataset)
    if given:
        return given
    raise DataError(
        f"dataset: expected a name, a mapping of arrays x_train, y_train, x_test, y_test or these four in a tuple, got "
        f"a {type(dataset).__name__}"
    )


def _without_objects(value: Any) -> Any:
    """Return an array; texts that are objects, as pandas has them, as texts."""
    import numpy as np

    array = np.asarray(value)
    are_texts = array.dtype == object and array.size > 0 and all(isinstance(each, str) for each in array.flat)
    return array.astype(str) if are_texts else array


def _is_plain(value: Any) -> bool:
    """Whether a value is an ordinary array, a list or a scalar, with nothing to be looked at."""
    is_array = (type(value).__module__, type(value).__name__) == ("numpy", "ndarray")
    return (is_array and value.dtype != object) or isinstance(value, list | tuple | str | int | float)


def _name(dataset: Any) -> str:
    """Return what a dataset is called in tables: of torch Datasets the class of the training set.

    >>> _name({"x_train": [[0.0]], "y_train": [0]}), _name(([([0.0], 0)], [([1.0], 1)]))
    ('arrays', 'samples')
    """
    train = dataset.get("train") if isinstance(dataset, Mapping) else None
    if isinstance(dataset, tuple | list) and len(dataset) != len(_IN_ORDER):
        train = dataset[0]
    if train is None:
        return "arrays"
    while hasattr(train, "dataset"):  # as a Subset has
        train = train.dataset
    return "samples" if isinstance(train, tuple | list) else type(train).__name__
