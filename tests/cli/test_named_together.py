"""Are many norms compared by one word, and is it said which a network does not take?"""

from pathlib import Path

import pytest

from normzoo.registry import FAMILIES

from .command import CNN, compare_here, stored

FAMILY = ("--norms", "family:pools", "--templates", "cnn", "--seeds", "1")
LEFT_OUT = "group: it cannot be built for 4 channels: GroupNorm: groups must divide channels"


def unwrapped(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.slow
def test_a_family_is_compared_without_what_does_not_fit(tmp_path: Path) -> None:
    """Said before training, in the notes of the table, and again when all is stored; by its name it is an error."""
    first = compare_here(tmp_path, *FAMILY)
    assert first.code == 0
    assert f"left out of the {CNN}: {LEFT_OUT}" in unwrapped(first.stderr)
    assert f"- left out: {LEFT_OUT}" in unwrapped(first.stdout)
    assert {record.spec.norm for record in stored(tmp_path).values()} == set(FAMILIES["pools"]) - {"group"}
    again = compare_here(tmp_path, *FAMILY, "--report", "report.md")
    assert f"All {len(FAMILIES['pools']) - 1} runs were stored." in again.stdout
    assert f"- left out: {LEFT_OUT}" in unwrapped(again.stdout)
    assert f"- left out: {LEFT_OUT}" in (tmp_path / "report.md").read_text(encoding="utf-8")
    by_name = compare_here(tmp_path, "--norms", "family:pools,group", *FAMILY[2:])
    assert by_name.code == 2
    assert by_name.stderr.startswith(
        f"normzoo: error: norms: in the {CNN}, norm 'group' cannot be built for 4 channels"
    )


@pytest.mark.slow
def test_a_dry_run_says_it_too(tmp_path: Path) -> None:
    """Below the table, which has no row of it."""
    outcome = compare_here(tmp_path, *FAMILY, "--dry-run")
    assert f"left out of the {CNN}: {LEFT_OUT}" in unwrapped(outcome.stdout)
    assert "│ group" not in outcome.stdout
