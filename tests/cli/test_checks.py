"""Does each check of `normzoo doctor` find what is wrong, and nothing else?"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from torchvision import datasets

from normzoo.cli._checks import (
    DOWNLOADED,
    Check,
    check_backend,
    check_cache,
    check_compiler,
    check_cpu,
    check_datasets,
    check_gpus,
    check_normzoo,
    check_package,
    check_packages,
    check_python,
    check_store,
    obstacle_to_writing,
)
from normzoo.experiment.results.records import Status
from normzoo.experiment.results.store import Store

from .in_process import fill
from .materials import file_in, lay_out, script
from .synthetic import run_record, run_spec

TORCH = Requirement("torch>=2.9,<2.15")
FAILURE = "RuntimeError: operator torchvision::nms does not exist"


BROKEN: dict[str, tuple[Callable[[Path], Check], str, str]] = {
    "normzoo not installed": (
        lambda _: check_normzoo("0.1.0", None, None),
        "normzoo is not installed",
        "pip install normzoo",
    ),
    "python too old": (lambda _: check_python("3.10.4", ">=3.11"), "Python 3.10.4 is outside >=3.11", "with a Python"),
    "torch too old": (
        lambda _: check_package(TORCH, "2.8.0"),
        "torch 2.8.0 is outside >=2.9,<2.15",
        "pip install 'torch>=2.9,<2.15'",
    ),
    "torch too new": (lambda _: check_package(TORCH, "2.15.0+cu130"), "is outside >=2.9,<2.15", "pip install"),
    "torch of the night before": (lambda _: check_package(TORCH, "2.15.0.dev20260101"), "is outside", "pip install"),
    "torch not installed": (lambda _: check_package(TORCH, None), "torch is not installed", "pip install 'torch>="),
    "torchvision for another torch": (
        lambda _: check_package(Requirement("torchvision>=0.24"), "0.24.0", FAILURE),
        f"torchvision 0.24.0 does not import ({FAILURE})",
        "pip install --force-reinstall 'torchvision>=0.24'",
    ),
    "a GPU that torch does not see": (
        lambda _: check_gpus([], machine_has_some=True),
        "has a GPU, and torch does not see it",
        "built for CUDA",
    ),
    "no compiler": (
        lambda folder: check_compiler("no-such-compiler", folder),
        "no C++ compiler ('no-such-compiler' is not found): --compile and the compiled backend are off",
        "install g++ or clang++, or name yours in CXX",
    ),
    "a compiler that fails": (
        lambda folder: check_compiler(script(folder, "g++", "exit 7"), folder),
        "ends with exit code 7",
        "CXX",
    ),
    "an empty CXX": (lambda folder: check_compiler("", folder), "no C++ compiler", "CXX"),
    "a CXX that does not read": (lambda folder: check_compiler("g++ '", folder), "no C++ compiler ('g++ '' is", "CXX"),
    "no headers": (
        lambda folder: check_compiler(script(folder, "g++", '[ "$1" = --version ]'), folder),
        "does not find Python.h in",
        "python3-dev",
    ),
    "a backend that there is not": (
        lambda _: check_backend("fast"),
        "NORMZOO_BACKEND: unknown backend 'fast' (known: eager, compiled, auto)",
        "unset NORMZOO_BACKEND",
    ),
    "a cache in a file": (
        lambda folder: check_cache(file_in(folder) / "compiled"),
        "cannot be written (Not a directory)",
        "set TORCHINDUCTOR_CACHE_DIR",
    ),
    "a store that is none": (
        lambda folder: check_store(folder / "notes.sqlite"),
        "is not a normzoo store",
        "name another with --store",
    ),
    "a store of another program": (
        lambda folder: check_store(folder / "other.sqlite"),
        "is a database, but not a normzoo store",
        "--store",
    ),
    "a store of a newer normzoo": (lambda folder: check_store(folder / "newer.sqlite"), "newer normzoo", "--store"),
    "a folder as a store": (lambda folder: check_store(folder / "folder"), "is a folder", "--store"),
    "a store in no folder": (
        lambda folder: check_store(folder / "absent" / "s.sqlite"),
        "(there is no such folder)",
        "in a folder that can be written",
    ),
    "half a dataset": (
        lambda folder: check_datasets(file_in(folder, "MNIST/raw/train-images-idx3-ubyte").parents[2]),
        "of mnist some files are missing",
        "normzoo compare --dataset mnist --download --data-root",
    ),
    "a file for the datasets": (
        lambda folder: check_datasets(file_in(folder)),
        "cannot be read (Not a directory)",
        "name another with --data-root",
    ),
}


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_found_and_has_a_way_out(name: str, tmp_path: Path) -> None:
    """Every problem names the thing, and what to do."""
    lay_out(tmp_path)
    look, problem, way_out = BROKEN[name]
    check = look(tmp_path)
    assert problem in check.problem
    assert way_out in check.way_out
    assert not check.way_out.startswith(("pip ", "normzoo ")), "shown with a capital letter, it is no command"
    assert check.found


HEALTHY: dict[str, tuple[Callable[[Path], Check], str]] = {
    "normzoo": (lambda _: check_normzoo("0.1.0", "abc", ["torch>=2.9"]), "0.1.0, commit abc"),
    "normzoo without a commit": (lambda _: check_normzoo("0.1.0", None, []), "0.1.0"),
    "python": (lambda _: check_python("3.14.1", ">=3.11"), "3.14.1 (>=3.11)"),
    "python built from its sources": (lambda _: check_python("3.14.0+", ">=3.11"), "3.14.0+ (>=3.11)"),
    "python without bounds": (lambda _: check_python("3.14.1", ""), "3.14.1"),
    "torch at its lower bound": (lambda _: check_package(TORCH, "2.9.0"), "2.9.0 (>=2.9,<2.15)"),
    "torch below its upper bound": (lambda _: check_package(TORCH, "2.14.9+cpu"), "2.14.9+cpu (>=2.9,<2.15)"),
    "a package without bounds": (lambda _: check_package(Requirement("torch"), "2.8"), "2.8"),
    "cpu": (lambda _: check_cpu("EPYC", 2, 3 * 2**30), "EPYC, 2 cores, 3.0 GiB of memory"),
    "cpu alone": (lambda _: check_cpu("EPYC", 1, None), "EPYC, 1 core"),
    "no gpu": (lambda _: check_gpus([], machine_has_some=False), "none"),
    "gpus": (lambda _: check_gpus(["H100", "H100", "L4"], machine_has_some=True), "2 x H100, L4"),
    "gpus of which torch cannot be asked": (lambda _: check_gpus(None, machine_has_some=True), "unknown, as torch"),
    "a compiler": (lambda folder: check_compiler(script(folder, "g++", "echo g++ 13.2"), folder), "g++ 13.2"),
    "a compiler with arguments": (
        lambda folder: check_compiler(script(folder, "g++", "echo $1") + " -m64", folder),
        "-m64",
    ),
    "Windows' compiler": (lambda folder: check_compiler(script(folder, "cl", "echo $1"), folder, "win32"), "/?"),
    "the default backend": (lambda _: check_backend(None), "the default, as NORMZOO_BACKEND is not set"),
    "an empty backend": (lambda _: check_backend(""), "the default, as NORMZOO_BACKEND is not set"),
    "a backend": (lambda _: check_backend("eager"), "eager, by NORMZOO_BACKEND"),
    "a cache that is to be made": (lambda folder: check_cache(folder / "a" / "b"), "/a/b"),
    "no store yet": (lambda folder: check_store(folder / "s.sqlite"), "s.sqlite: none yet"),
    "no data": (lambda folder: check_datasets(folder / "data"), "none yet"),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_what_is_right_is_said_and_is_no_problem(name: str, tmp_path: Path) -> None:
    """The other side of each check; it leaves nothing behind."""
    look, found = HEALTHY[name]
    check = look(tmp_path)
    assert (check.problem, check.way_out) == ("", "")
    assert found in check.found
    assert {path.name for path in tmp_path.iterdir()} <= {"g++", "cl"}


def test_a_stores_content_is_counted(tmp_path: Path) -> None:
    """Runs by status, and comparisons; also a store without any."""
    path = fill(tmp_path / "s.sqlite", *(run_record(run_spec(seed=seed)) for seed in range(3)))
    fill(path, run_record(run_spec(seed=3), Status.FAILED, losses=(), error="ValueError: x"))
    assert check_store(path).found.endswith("s.sqlite: 4 runs (3 ok, 1 failed), 2 comparisons")
    Store(tmp_path / "t.sqlite").close()
    assert check_store(tmp_path / "t.sqlite").found.endswith("t.sqlite: 0 runs, 0 comparisons")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read and write everything")
def test_what_may_not_be_read_or_written_is_found(tmp_path: Path) -> None:
    """By whoever is not root."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    try:
        assert "Permission denied" in check_cache(closed).problem
        assert "Permission denied" in check_store(closed / "s.sqlite").problem
        assert "Permission denied" in check_datasets(closed).problem
    finally:
        closed.chmod(0o700)


def test_looking_whether_a_folder_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Neither in it nor in its place."""
    assert obstacle_to_writing(tmp_path) == obstacle_to_writing(tmp_path / "a" / "b") == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", [0, 1], ids=["unpacked", "as fetched"])
@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_dataset_is_there_when_all_its_files_are(name: str, form: int, tmp_path: Path) -> None:
    """And in parts where one is missing, unless it is the only one."""
    paths = [file_in(tmp_path, file) for file in DOWNLOADED[name][form]]
    assert (check_datasets(tmp_path).found, check_datasets(tmp_path).problem) == (f"in {tmp_path}: {name}", "")
    paths[-1].unlink()
    assert bool(check_datasets(tmp_path).problem) == (len(paths) > 1)
    assert check_datasets(tmp_path).found.startswith(f"in {tmp_path}: none yet")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"])
def test_a_name_that_no_file_can_have_is_a_problem(name: str) -> None:
    """And nothing that ends the doctor."""
    assert "cannot be read" in check_datasets(Path(name)).problem
    assert check_store(Path(name)).problem.startswith(f"store: '{name}': ")


def test_the_files_of_datasets_are_those_that_torchvision_reads() -> None:
    """By its own lists."""
    for name, mnist in (("mnist", datasets.MNIST), ("fashion-mnist", datasets.FashionMNIST)):
        packed = [f"{mnist.__name__}/raw/{file}" for file, _ in mnist.resources]
        unpacked, fetched = DOWNLOADED[name]
        assert sorted(fetched) == sorted(packed)
        assert unpacked == [file.removesuffix(".gz") for file in fetched]
    for name, cifar in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        unpacked, fetched = DOWNLOADED[name]
        read = [*(file for file, _ in [*cifar.train_list, *cifar.test_list]), cifar.meta["filename"]]
        assert sorted(unpacked) == sorted(f"{cifar.base_folder}/{file}" for file in read)
        assert fetched == [cifar.filename]


REQUIRED = ["torch>=2.9,<2.15", "numpy>=1.26", "rich>=13.7", "scipy>=1.13", 'pytest>=8; extra == "dev"']
VERSIONS = {"torch": "2.9.1", "numpy": "2.0", "rich": "14.0", "scipy": "1.14"}


def test_packages_have_a_line_or_are_counted() -> None:
    """Those of extras are neither."""
    shown = {check.name: check.found for check in check_packages(REQUIRED, VERSIONS, {})}
    assert shown == {"torch": "2.9.1 (>=2.9,<2.15)", "numpy": "2.0 (>=1.26)", "others": "2 packages within bounds"}


def test_other_packages_have_a_line_where_they_are_wrong() -> None:
    """Too old, or not there."""
    checks = check_packages(REQUIRED, {"torch": "2.9.1", "numpy": "2.0", "rich": "12.0"}, {})
    problems = {check.name: check.problem for check in checks if check.problem}
    assert problems == {"rich": "rich 12.0 is outside >=13.7", "scipy": "scipy is not installed"}
    assert "others" not in {check.name for check in checks}


def test_a_package_that_does_not_import_is_found_by_the_name_it_is_imported_by() -> None:
    """scikit-learn is imported as sklearn."""
    (check,) = check_packages(["scikit-learn>=1.5"], {"scikit-learn": "1.6"}, {"sklearn": "ImportError: libgomp"})
    assert check.problem == "scikit-learn 1.6 does not import (ImportError: libgomp)"
