"""Plays the scenarios that the selected tests ask for, two at a time in the background, each once."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that wait for the background come last in this folder, so that the others run meanwhile."""

    def waits(item: pytest.Item) -> bool:
        return bool({*SCENARIOS, "refused_commands"} & set(getattr(item, "fixturenames", ())))

    places = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    for place, item in zip(places, sorted((items[place] for place in places), key=waits), strict=True):
        items[place] = item


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
) -> Mapping[str, Future[Any]]:
    """What will come of the scenarios, and of the commands that a worker refuses, by name."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    started: dict[str, Future[Any]] = {
        name: background.submit(play, tmp_path_factory.mktemp(name))
        for name, play in SCENARIOS.items()
        if name in wanted
    }
    if "refused_commands" in wanted:
        for name in WHOLE_COMMANDS:
            started[name] = background.submit(compare, materials, *BY_A_WORKER[name].arguments[1:])
    return started


@pytest.fixture(scope="session")
def strategies(futures: Mapping[str, Future[Strategies]]) -> Strategies:
    """Comparisons by one strategy and the other."""
    return futures["strategies"].result()


@pytest.fixture(scope="session")
def growth(futures: Mapping[str, Future[Growth]]) -> Growth:
    """A store over the life of a comparison."""
    return futures["growth"].result()


@pytest.fixture(scope="session")
def trouble(futures: Mapping[str, Future[Trouble]]) -> Trouble:
    """A matrix in which everything goes wrong that can."""
    return futures["trouble"].result()


@pytest.fixture(scope="session")
def story(futures: Mapping[str, Future[Story]]) -> Story:
    """A comparison that is interrupted in every way."""
    return futures["story"].result()


@pytest.fixture(scope="session")
def refused_commands(futures: Mapping[str, Future[Outcome]]) -> Callable[[str], Outcome]:
    """Returns what came of a command that a worker refuses, by its name."""
    return lambda name: futures[name].result()
