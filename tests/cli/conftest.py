"""Plays the scenarios that the selected tests ask for, two at a time in the background, each once."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .command import Outcome, compare
from .growth import Growth, grow
from .interruption import Story, interrupt
from .materials import lay_out
from .refusals import BY_A_WORKER, WHOLE_COMMANDS
from .strategies import Strategies, by_each_strategy
from .trouble import Trouble, get_into_trouble

SCENARIOS: dict[str, Callable[[Path], object]] = {
    "strategies": by_each_strategy,
    "growth": grow,
    "trouble": get_into_trouble,
    "story": interrupt,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that wait for the background come last in this folder, so that the others run meanwhile."""

    def waits(item: pytest.Item) -> bool:
        return bool({*SCENARIOS, "refused_commands"} & set(getattr(item, "fixturenames", ())))

    places = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    for place, item in zip(places, sorted((items[place] for place in places), key=waits), strict=True):
        items[place] = item
        if waits(item) or "worker" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder full of things that a command must refuse."""
    folder = tmp_path_factory.mktemp("materials")
    lay_out(folder)
    return folder


@pytest.fixture(scope="session")
def background() -> Iterator[ThreadPoolExecutor]:
    """Runs commands while other tests go on; each spends most of its time importing torch."""
    with ThreadPoolExecutor(2) as pool:
        yield pool
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session", autouse=True)
def futures(
    request: pytest.FixtureRequest,
    background: ThreadPoolExecutor,
    tmp_path_factory: pytest.TempPathFactory,
    materials: Path,
) -> Callable[[str], Future[Any]]:
    """Returns what will come of a scenario, or of a command that a worker refuses, by its name."""

    @cache
    def begun(name: str) -> Future[Any]:
        if name in SCENARIOS:
            return background.submit(SCENARIOS[name], tmp_path_factory.mktemp(name))
        return background.submit(compare, materials, *BY_A_WORKER[name].arguments[1:])

    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    if "PYTEST_XDIST_WORKER" not in os.environ:  # one of several processes begins only what it comes to
        for name in [*SCENARIOS, *("refused_commands" in wanted) * WHOLE_COMMANDS]:
            if name in wanted or name in WHOLE_COMMANDS:
                begun(name)
    return begun


@pytest.fixture(scope="session")
def strategies(futures: Callable[[str], Future[Strategies]]) -> Strategies:
    """Comparisons by one strategy and the other."""
    return futures("strategies").result()


@pytest.fixture(scope="session")
def growth(futures: Callable[[str], Future[Growth]]) -> Growth:
    """A store over the life of a comparison."""
    return futures("growth").result()


@pytest.fixture(scope="session")
def trouble(futures: Callable[[str], Future[Trouble]]) -> Trouble:
    """A matrix in which everything goes wrong that can."""
    return futures("trouble").result()


@pytest.fixture(scope="session")
def story(futures: Callable[[str], Future[Story]]) -> Story:
    """A comparison that is interrupted in every way."""
    return futures("story").result()


@pytest.fixture(scope="session")
def refused_commands(futures: Callable[[str], Future[Outcome]]) -> Callable[[str], Outcome]:
    """Returns what came of a command that a worker refuses, by its name."""
    return lambda name: futures(name).result()
