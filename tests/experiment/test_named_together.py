"""Are many norms asked for by a word, and left out of the networks that do not take them?"""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from normzoo.errors import ComponentError, ConfigError
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import reproducing_command, resolve
from normzoo.experiment.config.spec import LeftOut, MatrixSpec
from normzoo.experiment.planning.groups import expand
from normzoo.experiment.worker.prepare import prepare
from normzoo.registry import FAMILIES, NORMS

from .synthetic import FACTS

EVERYTHING = tuple(name for name, entry in NORMS.items() if not entry.apart)
POOLS = tuple(FAMILIES["pools"])
CPU = Execution(device="cpu")


def asked(norms: Any, **flags: Any) -> MatrixSpec:
    return resolve([], [], {"norms": norms, **flags}).matrix


@pytest.fixture
def standing_apart(monkeypatch: pytest.MonkeyPatch) -> str:
    """A norm that all does not name, and why."""
    reason = "in one process it is batch"
    monkeypatch.setitem(NORMS._entries, "dyt", replace(NORMS["dyt"], apart=reason))
    return reason


@pytest.mark.parametrize("norms", ["all", ["all"], " all "])
def test_all_are_all(norms: Any) -> None:
    """And each may be left out where it does not go."""
    matrix = asked(norms)
    assert matrix.norms == EVERYTHING
    assert all(map(matrix.is_optional, EVERYTHING))


def test_families_and_names_are_mixed() -> None:
    """In the order in which they are asked for, each once; what is asked for by its own name must be there."""
    matrix = asked("family:pools,family:control,batch,group:groups=4,eps=1e-3,family:pools")
    assert matrix.norms == (*POOLS, "none", "group:eps=0.001,groups=4")
    assert [norm for norm in matrix.norms if not matrix.is_optional(norm)] == ["batch", "group:eps=0.001,groups=4"]


def test_files_and_assignments_take_the_same_words(tmp_path: Path) -> None:
    """A list or a text."""
    path = tmp_path / "mine.yaml"
    path.write_text("norms: [family:pools, dyt]\n")
    assert resolve([path], [], {}).matrix.norms == (*POOLS, "dyt")
    assert resolve([], ["norms=all"], {}).matrix.norms == EVERYTHING


def test_what_stands_apart_is_left_out_of_all(standing_apart: str) -> None:
    """With its reason; by its name or its family it is there."""
    matrix = asked("all")
    assert "dyt" not in matrix.norms
    assert matrix.reasons()[standing_apart] == ["dyt"]
    assert asked("all,dyt").norms[-1] == "dyt"
    assert standing_apart not in asked("all,dyt").reasons()
    assert "dyt" in asked("family:elementwise").norms
    assert asked("family:elementwise").reasons() == {}


@pytest.mark.parametrize(
    ("norms", "message"),
    [
        ("family:pool,dyt", "--norms: unknown family of norms 'pool'; did you mean 'pools'? (known: pools,"),
        ("pools", "--norms: 'pools' is a family of norms; write family:pools"),
        ("al", "--norms: unknown norm 'al'"),
    ],
)
def test_what_names_nothing_is_refused(norms: str, message: str) -> None:
    """In one sentence, by the flag that said it."""
    with pytest.raises(ConfigError) as caught:
        asked(norms)
    assert str(caught.value).startswith(message)


def test_only_what_is_compared_is_optional() -> None:
    """And the reference norm is not, as it is wanted in every network."""
    with pytest.raises(ConfigError, match="optional 'dyt' is not compared; name some of batch, none, or all"):
        asked("batch,none", optional="dyt")
    assert asked("batch,none", optional="batch").is_optional("batch")
    assert not asked("all", baseline="batch").is_optional("batch")


@pytest.mark.parametrize("norms", ["all", "family:pools,dyt", "batch,dyt"])
def test_a_shown_configuration_asks_for_the_same(tmp_path: Path, norms: str) -> None:
    """Though it names every norm."""
    configuration = resolve([], [], {"norms": norms})
    path = tmp_path / "shown.yaml"
    path.write_text(configuration.to_yaml())
    assert resolve([path], [], {}).matrix.settings() == configuration.matrix.settings()
    assert "left_out" not in yaml.safe_load(path.read_text())


def test_runs_are_those_of_the_names() -> None:
    """Stores know them."""
    together, named = asked("family:pools,dyt"), MatrixSpec(norms=(*POOLS, "dyt"))
    assert [run.key for run in expand(together, FACTS)] == [run.key for run in expand(named, FACTS)]


def left_out(norm: str, template: str) -> LeftOut:
    return LeftOut(norm=norm, template=template, reason=f"no {norm} here")


def test_what_is_left_out_is_in_no_run_of_that_network() -> None:
    """And what no network takes is not compared; the reference norm is one that all have."""
    matrix = asked("family:pools").without([left_out("batch", "lstm"), *(left_out("group", each) for each in "ab")])
    assert matrix.norms == POOLS
    assert matrix.norms_in("lstm") == POOLS[1:]
    assert matrix.reference == POOLS[1]
    assert {(run.template, run.norm) for run in expand(matrix, FACTS)} == {
        (template, norm) for template in ("cnn", "lstm") for norm in POOLS if (template, norm) != ("lstm", "batch")
    }
    nowhere = matrix.without([left_out("batch", "cnn")])
    assert nowhere.norms == POOLS[1:]
    assert nowhere.reasons("cnn") == {"no batch here": ["batch"]}


@pytest.mark.parametrize(
    ("norms", "words"),
    [
        ("all", ["--norms", "all"]),
        ("batch,dyt", ["--norms", "batch,dyt"]),
        ("family:control,batch", ["--norms", "none,batch", "--optional", "none"]),
    ],
)
def test_the_command_asks_for_the_same(norms: str, words: list[str]) -> None:
    """Also where something was left out, which is found out again."""
    matrix = asked(norms)
    command = shlex.split(reproducing_command(matrix.without([left_out(matrix.norms[0], each) for each in "ab"])))
    at = command.index("--norms")
    assert command[at : at + len(words)] == words


NARROW = {"templates": "cnn:hidden=8,widths=4", "batch_sizes": "1,4"}


@pytest.mark.slow
def test_a_template_says_which_norms_it_does_not_take() -> None:
    """Of those that may be left out: groups that do not divide its channels, and a batch of one without a variance."""
    prepared, _ = prepare(asked("family:pools", **NARROW), CPU)
    refusals = {norm: facts.refusal for (_, norm), facts in prepared.networks.items() if facts.refusal}
    assert {"batch", "group"} <= set(refusals) < set(POOLS)
    assert refusals["group"].startswith("it cannot be built for 4 channels: GroupNorm: groups must divide channels")
    assert refusals["batch"].startswith("it cannot be trained at batch size 1: BatchNorm: a mean and variance need")


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norms", ["none,group", "family:pools,group"])
def test_what_is_asked_for_by_its_name_is_refused(norms: str) -> None:
    """As an error, beside a family, too."""
    message = r"norms: in the cnn:hidden=8,widths=4, norm 'group' cannot be built .*, --optional group$"
    with pytest.raises(ComponentError, match=message):
        prepare(asked(norms, **NARROW), CPU)


@pytest.mark.parametrize(("norms", "baseline"), [("none,group", "group"), ("group", None)])
def test_what_no_network_may_do_without_is_not_said_to_be_optional(norms: str, baseline: str | None) -> None:
    """The reference norm, and the only one."""
    with pytest.raises(ComponentError, match="norm 'group' cannot be built") as refusal:
        prepare(asked(norms, baseline=baseline, **NARROW), CPU)
    assert "--optional" not in str(refusal.value)


def test_a_template_that_takes_none_is_refused() -> None:
    """It may be at fault itself."""
    with pytest.raises(ConfigError, match=r"takes none of these; of group \(and 1 more\): it cannot be built"):
        prepare(asked("group,group:groups=3", optional="all", **NARROW), CPU)
