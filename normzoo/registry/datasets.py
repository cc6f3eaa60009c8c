"""The datasets that can be asked for by name, one entry each, and the paths in their specs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from normzoo.errors import DataError, UsageError, nearest
from normzoo.registry._component import Entry, Registry, Spec


@dataclass(frozen=True, kw_only=True)
class DatasetEntry(Entry):
    """A dataset that can be asked for by name.

    Attributes:
        folders: all that it is read from besides the path in its argument, below the folder of the downloaded datasets.
        files: options that are paths, too.
        beside: how the name of its file ends, and that of another that is read with it.
        task: what is learned where nobody says so; None where that is for the target column of a table to say.
        templates: the networks where nobody says which.
    """

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    beside: tuple[str, str] | None = None
    task: str | None = "classification"
    templates: tuple[str, ...] = ("cnn", "lstm")


DATASETS = Registry(
    "dataset",
    {
        "digits": DatasetEntry(
            target="normzoo.data.digits:load",
            summary="1,797 handwritten digits, 8x8, 10 classes; comes with scikit-learn, no network needed",
            source="Alpaydin & Kaynak 1998 (UCI)",
        ),
        "mnist": DatasetEntry(
            target="normzoo.data.torchvision:load_mnist",
            folders=("MNIST",),
            summary="70,000 handwritten digits, 28x28, 10 classes; through torchvision",
            source="LeCun et al. 1998",
        ),
        "fashion-mnist": DatasetEntry(
            target="normzoo.data.torchvision:load_fashion_mnist",
            folders=("FashionMNIST",),
            summary="70,000 pieces of clothing, 28x28, 10 classes; through torchvision",
            source="Xiao et al. 2017",
        ),
        "cifar10": DatasetEntry(
            target="normzoo.data.torchvision:load_cifar10",
            folders=("cifar-10-batches-py",),
            summary="60,000 colour photographs, 32x32, 10 classes; through torchvision",
            source="Krizhevsky 2009",
        ),
        "cifar100": DatasetEntry(
            target="normzoo.data.torchvision:load_cifar100",
            folders=("cifar-100-python",),
            summary="60,000 colour photographs, 32x32, 100 classes; through torchvision",
            source="Krizhevsky 2009",
        ),
        "npz": DatasetEntry(
            target="normzoo.data.npz:load",
            argument="PATH",
            options={"kind": None},
            summary="your own x_train and x_test, y_train and y_test, in an .npz file: images, vectors, sequences or "
            "volumes",
            source="your own",
        ),
        "folder": DatasetEntry(
            target="normzoo.data.folder:load",
            argument="PATH",
            options={"size": None, "channels": None, "corrupt": "refuse"},
            summary="your own pictures, in a folder per class, perhaps below train, val and test; size=64 resizes all",
            source="your own",
        ),
        "ts": DatasetEntry(
            target="normzoo.data.ts:load",
            argument="PATH",
            options={"test": None},
            files=("test",),
            beside=("_TRAIN.ts", "_TEST.ts"),
            templates=("lstm", "transformer"),
            summary="sequences of any lengths as in the UCR and UEA archives: NAME_TRAIN.ts, with NAME_TEST.ts",
            source="your own",
        ),
        "text": DatasetEntry(
            target="normzoo.data.text:load",
            argument="PATH",
            options={"length": 64},
            task="next-token",
            templates=("lstm", "transformer"),
            summary="a text file in characters, of which the next is learned; its last tenth is the test set",
            source="your own",
        ),
        "csv": DatasetEntry(
            target="normzoo.data.table:load_csv",
            argument="PATH",
            options={
                "target": None,
                "test": None,
                "drop": None,
                "missing": "refuse",
                "sep": "comma",
                "decimal": "point",
            },
            files=("test",),
            task=None,
            templates=("mlp",),
            summary="your own table: its last column is the target, or target=; a fifth is the test set, or test=",
            source="your own",
        ),
        "parquet": DatasetEntry(
            target="normzoo.data.table:load_parquet",
            argument="PATH",
            options={"target": None, "test": None, "drop": None, "missing": "refuse"},
            files=("test",),
            task=None,
            templates=("mlp",),
            summary="your own table likewise; needs pyarrow",
            source="your own",
        ),
    },
    given=("root", "download", "argument", "task", "progress"),
    own="folder:PATH, csv:PATH, npz:PATH or pkg.module:load",
)
"""The datasets by name.

``target`` is called as ``target(root=..., download=..., argument=..., task=..., progress=..., **options)``, with those
of the five that it takes, and returns ``RawArrays``; ``argument`` is what follows the name, as the path in
``npz:PATH``, ``task`` the ``normzoo.tasks.Task`` that is to be learned, and ``progress`` is told how much has been
read, of how much.
"""


def at_home(path: str | Path) -> Path:
    """Return a path, with a home folder in the place of a leading ``~``.

    Raises:
        UsageError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"'{path}': there is no such home folder here; write the path out, or set HOME") from error


def paths_of(spec: Spec) -> tuple[str, ...]:
    """Return the paths in the spec of a dataset: its argument, options that are paths, and what is read with it."""
    if spec.is_own:
        return ()
    entry = DATASETS.entry(spec)
    named = [spec.options.get(name) for name in entry.files]
    if entry.beside and spec.argument.endswith(entry.beside[0]):
        named.append(spec.argument.removesuffix(entry.beside[0]) + entry.beside[1])
    return tuple(str(each) for each in (spec.argument, *named) if each)


def with_paths(spec: Spec, change: Callable[[str], str]) -> Spec:
    """Return the spec of a dataset with its paths changed; a path that becomes empty is left out.

    >>> str(with_paths(DATASETS.parse("ts:some/A_TRAIN.ts:test=other/B.ts"), lambda path: ""))
    'ts'
    """
    if spec.is_own:
        return spec
    changed = {name: change(str(spec.options[name])) for name in DATASETS.entry(spec).files if name in spec.options}
    kept = {name: value for name, value in {**spec.options, **changed}.items() if value != ""}
    return spec._replace(argument=change(spec.argument), options=kept)


def circular_link(inside: Path, folders: Sequence[str], top: Path) -> Path | None:
    """Return a link that leads to a folder that holds it, or None: below it, ``os.walk`` would never end.

    Args:
        inside: a folder.
        folders: the names of those in it.
        top: where the walk began.
    """
    for link in filter(Path.is_symlink, (inside / name for name in folders)):
        target = link.resolve()
        if any(each.resolve().is_relative_to(target) for each in link.parents if each.is_relative_to(top)):
            return link
    return None


def not_there(source: str, name: str, path: Path) -> DataError:
    """Return the error of a path at which there is nothing: an option that does not read is a part of it.

    Args:
        source: what messages call the data.
        name: that of the dataset whose argument it is.
        path: where the data are looked for.
    """
    what = "folder" if name == "folder" else "file"
    named, _, options = str(path).rpartition(":")
    if not named or not (Path(named).is_dir() if what == "folder" else Path(named).is_file()):
        if path.is_dir():
            return DataError(f"{source}: it is a folder; for a folder of pictures write folder:{path}")
        return DataError(f"{source}: no such {what}; check the path '{path.absolute()}'")
    known = DATASETS[name].options
    keys = [each.partition("=")[0].strip() for each in options.split(",")]
    wrong = next((each for each in keys if each and each not in known), None)
    if wrong is None:
        return DataError(
            f"{name} '{named}': its options '{options}' do not read; write them as key=value,key=value, where no value "
            "has a comma, a colon or an equality sign"
        )
    return DataError(
        f"{name} '{named}': it has no option '{wrong}'{nearest(wrong, known)} (it takes: {', '.join(known)})"
    )
