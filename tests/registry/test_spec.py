"""Is what a user writes read as it is meant: one language for all kinds of components?"""

from pathlib import Path
from typing import Any

import pytest

from normzoo.errors import ComponentError, UnknownNameError, UsageError
from normzoo.registry import (
    AUGMENTATIONS,
    DATASETS,
    NORMS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    TEMPLATES,
    Registry,
    Spec,
    find,
    load,
)

REGISTRIES: tuple[Registry[Any], ...] = (NORMS, TEMPLATES, DATASETS, TASKS, OPTIMIZERS, SCHEDULES, AUGMENTATIONS)
each_kind = pytest.mark.parametrize("kind", REGISTRIES, ids=lambda kind: kind.kind)

SPECS: dict[str, Spec] = {
    "batch": Spec("batch", {}),
    " batch ": Spec("batch", {}),
    "group:groups=4,eps=1e-3": Spec("group", {"groups": 4, "eps": 1e-3}),
    "group: groups = 4 , eps = 0.5": Spec("group", {"groups": 4, "eps": 0.5}),
    "batch:momentum=none": Spec("batch", {"momentum": None}),
    "batch:momentum=Null,affine=True,track_running_stats=false": Spec(
        "batch", {"momentum": None, "affine": True, "track_running_stats": False}
    ),
    "own.module:Thing": Spec("own.module:Thing", {}),
    " own.module : Thing : a = 1 ": Spec("own.module:Thing", {"a": 1}),
    "own.module:Thing:mode=fast,n=-3,x=1E2": Spec("own.module:Thing", {"mode": "fast", "n": -3, "x": 100.0}),
    "own:Thing:widths=16-32,": Spec("own:Thing", {"widths": "16-32"}),
    "own:Thing:path=a/b=c": Spec("own:Thing", {"path": "a/b=c"}),
}

PATHS = [
    "mine.npz",
    "folder/mine.npz",
    "~/data sets/my file.npz",
    "lr=0.1/mine.npz",
    "runs/lr=0.1,seed=2.npz",
    "12:30.npz",
    "run:lr=0.1.npz",
    "C:\\data\\mine.npz",
    "C:/data/lr=1/mine.npz",
    "C:mine=1.npz",
]


@each_kind
@pytest.mark.parametrize(("text", "spec"), SPECS.items(), ids=SPECS)
def test_specs_read(kind: Registry[Any], text: str, spec: Spec) -> None:
    """Name or import path, then options; whitespace does not matter and values have their types."""
    read = kind.parse(text)
    assert read == spec
    assert [type(value) for value in read.options.values()] == [type(value) for value in spec.options.values()]


@each_kind
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_specs_written_read_back(kind: Registry[Any], spec: Spec) -> None:
    """What a spec prints as reads as that spec."""
    assert kind.parse(str(spec)) == spec


@each_kind
def test_every_name_is_its_own_canonical_form(kind: Registry[Any]) -> None:
    """With all its defaults told or none, in any order, a component is written by its name."""
    for name, entry in kind.items():
        short = f"{name}:{entry.argument}" if entry.argument else name
        told = ",".join(f" {option} = {value} " for option, value in reversed(entry.options.items()))
        assert kind.canonical(short) == short
        assert kind.canonical(f" {short}:{told}" if told else f" {short}") == short


@each_kind
@pytest.mark.parametrize("options", ["groups", "groups=", "=4", "two words=4", "groups=4,eps", "4=4"])
def test_options_that_do_not_read(kind: Registry[Any], options: str) -> None:
    """An option that is no key=value is shown beside the whole spec."""
    text = f"own.module:Thing:{options}"
    with pytest.raises(ComponentError, match="expected options of the form key=value") as refusal:
        kind.canonical(text)
    assert str(refusal.value).startswith(f"{kind.kind} '{text}': ")
    assert f"got '{options.rsplit(',')[-1]}'" in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "text", "canonical"),
    [
        (NORMS, "batch", "batch"),
        (NORMS, "group", "group"),
        (NORMS, "group:groups=8", "group"),
        (NORMS, "group:groups=8,eps=1e-3", "group:eps=0.001"),
        (NORMS, "group:groups=4,eps=0.001", "group:eps=0.001,groups=4"),
        (NORMS, "group:eps=1e-3,groups=4", "group:eps=0.001,groups=4"),
        (NORMS, "instance:affine=TRUE", "instance"),
        (NORMS, "instance:affine=false", "instance:affine=False"),
        (NORMS, "batch:momentum=NONE", "batch:momentum=none"),
        (NORMS, "own.module:Norm:b=1,a=2", "own.module:Norm:a=2,b=1"),
        (TEMPLATES, "cnn:placement=post,widths=32-64,hidden=64,sites=all", "cnn"),
        (TEMPLATES, "cnn:widths=16-32,placement=pre,hidden=64", "cnn:placement=pre,widths=16-32"),
        (TEMPLATES, "cnn:sites=maps,placement=pre", "cnn:placement=pre,sites=maps"),
        (TEMPLATES, "lstm:hidden=128", "lstm:hidden=128"),
        (DATASETS, "npz: my file.npz", "npz:my file.npz"),
        (TASKS, " regression ", "regression"),
    ],
)
def test_one_spelling_for_each_component(kind: Registry[Any], text: str, canonical: str) -> None:
    """Specs that mean the same are written the same, and stay so."""
    assert kind.canonical(text) == canonical
    assert kind.canonical(canonical) == canonical


@pytest.mark.parametrize("text", ["group:groups=8.0", "instance:affine=1"])
def test_a_value_of_another_type_is_not_the_default(text: str) -> None:
    """``8.0 == 8`` and ``1 == True``, but such a spec is refused where it is loaded, and must not pass by its name."""
    assert NORMS.canonical(text) == text
    with pytest.raises(ComponentError, match="must be"):
        NORMS.load(text)


@each_kind
def test_unknown_names_are_refused_with_the_nearest(kind: Registry[Any]) -> None:
    """A component that is not registered has no canonical form and cannot be loaded."""
    name = next(iter(kind))
    for ask in (kind.canonical, kind.load):
        with pytest.raises(UnknownNameError, match=f"unknown {kind.kind} '{name}x'; did you mean '{name}'") as refusal:
            ask(f"{name}x")
        assert f"; your own: {kind.own}" in str(refusal.value)


@each_kind
def test_import_paths_are_told_from_names(kind: Registry[Any]) -> None:
    """A colon before the options makes an import path."""
    assert kind.parse("own.module:Thing:a=1").is_own
    assert not kind.parse("own:a=1").is_own
    assert not any(kind.parse(name).is_own for name in kind)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_read_as_it_is(path: str) -> None:
    """Blanks, colons and equality signs are part of it."""
    spec = DATASETS.parse(f"npz:{path}")
    assert spec == Spec("npz", {}, path)
    assert not spec.is_own
    assert DATASETS.canonical(f"npz:{path}") == f"npz:{path}" == str(spec)
    assert DATASETS.load(f"npz:{path}")[1] == {"kind": None}


@pytest.mark.parametrize("path", ["mine.npz", "./folder/my file.npz", "/data/mine.npz"])
def test_a_file_without_its_kind_is_answered_with_it(path: str) -> None:
    """``--dataset mine.npz`` is near enough to say what to write."""
    with pytest.raises(UnknownNameError, match=f"for a file write npz:{path}"):
        DATASETS.canonical(path)


@each_kind
@pytest.mark.parametrize(
    ("text", "suggested"),
    [
        ("my_file.py:Thing", "my_file:Thing"),
        ("./my_file.py:Thing", "my_file:Thing"),
        ("pkg/net.py:Thing:depth=3", "pkg.net:Thing"),
        ("pkg\\net.py:Thing", "pkg.net:Thing"),
    ],
)
def test_a_file_is_answered_with_its_import_path(kind: Registry[Any], text: str, suggested: str) -> None:
    """What is imported is a module, and the message says how this one is written."""
    with pytest.raises(ComponentError, match=r"is a file, and an import path is wanted") as refusal:
        kind.load(text)
    assert str(refusal.value).startswith(f"{kind.kind} '{text}': ")
    assert str(refusal.value).endswith(f"; write {suggested}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cvs:table.csv", "dataset 'cvs:table.csv': there is no module 'cvs'; did you mean 'csv'?"),
        ("NPZ:mine.npz:kind=vectors", "there is no module 'NPZ'; did you mean 'npz'?"),
        ("nothing_like_it:load", "cannot import 'nothing_like_it' for 'nothing_like_it:load': ModuleNotFoundError"),
    ],
)
def test_a_misspelt_name_before_a_path_is_answered_with_the_nearest(text: str, message: str) -> None:
    """It reads as a module, of which there is none."""
    with pytest.raises(ComponentError) as refusal:
        DATASETS.load(text)
    assert message in str(refusal.value)


def test_a_misspelt_name_in_a_module_is_answered_with_what_is_defined_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with what it imports."""
    (tmp_path / "mine_to_misspell.py").write_text(
        "from pathlib import Path\nimport json as joad\nSIZE = 3\ndef load(): ...\nclass Load: ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnknownNameError, match=r"'laod'; did you mean 'load'\? \(known: SIZE, load, Load\)$"):
        load("mine_to_misspell:laod")


def test_find_suggests() -> None:
    """An entry is found by its name; a near miss is suggested, with the whole list and the hint."""
    table: dict[str, Any] = {"alpha": 1, "beta": 2}
    assert find("letter", table, "beta") == 2
    with pytest.raises(UnknownNameError) as refusal:
        find("letter", table, "betta", hint="; or your own")
    assert str(refusal.value) == "unknown letter 'betta'; did you mean 'beta'? (known: alpha, beta; or your own)"
    with pytest.raises(UsageError, match=r"^unknown letter 'xyz' \(known: alpha, beta\)$"):
        find("letter", table, "xyz")


def test_load_imports_what_a_path_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path loads from the standard library as from the user's own folder."""
    (tmp_path / "folder_of_ones_own.py").write_text("value = 7\n_hidden = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert load("pathlib:Path") is Path
    assert load("folder_of_ones_own:value") == 7
    with pytest.raises(UnknownNameError, match=r"'valu'; did you mean 'value'\? \(known: value\)"):
        load("folder_of_ones_own:valu")
