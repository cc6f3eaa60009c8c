"""Does the language in which norms are asked for read as it is meant?"""

from pathlib import Path
from typing import Any

import pytest
from normzoo.registry._spec import parse_options

from normzoo.errors import ComponentError, UnknownNameError, UsageError
from normzoo.registry import Spec, find, is_import_path, load

SPECS: dict[str, Spec] = {
    "batch": Spec("batch", {}),
    " batch ": Spec("batch", {}),
    "group:groups=4,eps=1e-3": Spec("group", {"groups": 4, "eps": 1e-3}),
    "group: groups = 4 , eps = 0.5": Spec("group", {"groups": 4, "eps": 0.5}),
    "batch:momentum=none": Spec("batch", {"momentum": None}),
    "batch:momentum=Null,affine=True,track_running_stats=false": Spec(
        "batch", {"momentum": None, "affine": True, "track_running_stats": False}
    ),
    "own.module:Norm": Spec("own.module:Norm", {}),
    "own.module:Norm:mode=fast,n=-3,x=1E2": Spec("own.module:Norm", {"mode": "fast", "n": -3, "x": 100.0}),
}


@pytest.mark.parametrize(("text", "spec"), SPECS.items(), ids=SPECS)
def test_specs_read(text: str, spec: Spec) -> None:
    """Name or import path, then options; whitespace does not matter and values have their types."""
    read = NORMS.parse(text)
    assert read == spec
    assert [type(value) for value in read.options.values()] == [type(value) for value in spec.options.values()]


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_specs_written_read_back(spec: Spec) -> None:
    """What a spec prints as reads as that spec."""
    assert NORMS.parse(str(spec)) == spec


@pytest.mark.parametrize("options", ["groups", "groups=", "=4", "two words=4", "groups=4,eps", "4=4"])
def test_options_that_do_not_read(options: str) -> None:
    """An option that is no key=value is shown beside the whole spec."""
    with pytest.raises(ComponentError, match="expected options of the form key=value") as refusal:
        parse_options(f"group:{options}", options)
    assert f"'group:{options}'" in str(refusal.value)
    assert f"got '{options.rsplit(',')[-1]}'" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("batch", "batch"),
        ("group", "group:groups=8"),
        ("group:eps=1e-3", "group:eps=0.001,groups=8"),
        ("group:groups=4,eps=0.001", "group:eps=0.001,groups=4"),
        ("group:eps=1e-3,groups=4", "group:eps=0.001,groups=4"),
        ("instance", "instance:affine=True"),
        ("batch:momentum=NONE", "batch:momentum=none"),
        ("own.module:Norm:b=1,a=2", "own.module:Norm:a=2,b=1"),
    ],
)
def test_one_spelling_for_each_norm(text: str, canonical: str) -> None:
    """Specs that mean the same are written the same, defaults included, and stay so."""
    assert NORMS.canonical(text) == canonical
    assert NORMS.canonical(canonical) == canonical


def test_canonical_form_refuses_unknown_names() -> None:
    """A norm that is not registered has no canonical form."""
    with pytest.raises(UnknownNameError, match="did you mean 'layer'"):
        NORMS.canonical("layr")


def test_import_paths_are_told_from_names() -> None:
    """A colon before the options makes an import path."""
    assert is_import_path(NORMS.parse("own.module:Norm:a=1"))
    assert not is_import_path(NORMS.parse("group:groups=1"))


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
