"""Plays the scenarios that the selected tests ask for, each once."""

from pathlib import Path

import pytest

from .growth import Growth, grow
from .interruption import Story, interrupt
from .materials import lay_out
from .strategies import Strategies, by_each_strategy
from .trouble import Trouble, get_into_trouble

TRAINED = {"strategies", "growth", "trouble", "story", "executor", "folded"}
"""Fixtures that start workers."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests slow that ask of what workers do."""
    for item in items:
        if TRAINED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder full of things that a command must refuse."""
    folder = tmp_path_factory.mktemp("materials")
    lay_out(folder)
    return folder


@pytest.fixture(scope="session")
def strategies(tmp_path_factory: pytest.TempPathFactory) -> Strategies:
    """Comparisons by one strategy and the other."""
    return by_each_strategy(tmp_path_factory.mktemp("strategies"))


@pytest.fixture(scope="session")
def growth(tmp_path_factory: pytest.TempPathFactory) -> Growth:
    """A store over the life of a comparison."""
    return grow(tmp_path_factory.mktemp("growth"))


@pytest.fixture(scope="session")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Trouble:
    """A matrix in which everything goes wrong that can."""
    return get_into_trouble(tmp_path_factory.mktemp("trouble"))


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A comparison that is interrupted in every way."""
    return interrupt(tmp_path_factory.mktemp("story"))
