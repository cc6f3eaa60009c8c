"""How all tests run: on one thread, with one folder for what they compile, and shared out file by file."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMPILED = "TORCHINDUCTOR_CACHE_DIR"
SURROUNDINGS = {
    "OMP_NUM_THREADS": "1",  # tensors here are small, and threads would only wait for one another,
    "OMP_WAIT_POLICY": "PASSIVE",  # which, where the machine is busy, takes a hundred times as long as the work
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # nor is a pool of compiling processes started beside each of pytest's
    "TORCHINDUCTOR_VEC_ISA_OK": "1",  # or six seconds go, in each new folder, to whether g++ can what the processor can
}
"""What torch reads when it is loaded, here and in the processes that tests start; whoever sets these is obeyed."""

TOGETHER = {
    "played": [f"cli/test_{name}.py" for name in ("comparing", "repeating", "reporting", "strategies", "terminal")],
    "compiled": [
        f"layers/test_{name}.py"
        for name in (
            "autocast",
            "backends",
            "checkpointing",
            "choice_of_backend",
            "formats",
            "gradients",
            "in_place",
            "memory",
            "parity",
            "properties",
            "stack",
        )
    ],
}
"""Files of which each group asks about the same commands or the same compiled functions, made once in a process."""

LONGEST = (
    "compiled",
    "played",
    *(
        f"tests/{name}.py"
        for name in (
            "experiment/test_executors",
            "layers/test_transforms",
            "hostile/test_interrupts",
            "library/test_your_data_page",
            "experiment/test_training_outcomes",
            "test_docs",
            "networks/test_compile",
            "data/test_loading_memory",
            "cli/test_interruption",
            "layers/test_recurrences",
            "bench/test_measuring",
            "layers/test_formulas",
            "layers/test_accuracy",
            "hostile/test_processes",
            "report/plots/test_files",
            "experiment/test_training_pairs",
        )
    ),
)
"""Groups and files that take longest, in the order in which they are begun, so that none is left for one process."""

_made: list[Path] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the files be written that hold what is said."""
    parser.addoption("--refresh-golden", action="store_true", help="write tests/report/golden and docs/zoo.md again")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist starts its processes, which inherit this
def pytest_configure() -> None:
    """Set the surroundings, and hear what a terminal sends: a shell that starts pytest in the background ignores it."""
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGQUIT", signal.SIG_DFL)):
        number = getattr(signal, name, signal.SIGINT)
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    for name, value in SURROUNDINGS.items():
        os.environ.setdefault(name, value)
    if COMPILED not in os.environ:
        _made.append(Path(tempfile.mkdtemp(prefix="normzoo-compiled-")))
        os.environ[COMPILED] = str(_made[-1])


def pytest_sessionstart() -> None:
    """Do not look for garbage among tests that are collected: of so many, it takes a tenth of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again."""
    gc.enable()


def pytest_unconfigure() -> None:
    """Leave nothing behind that another run could find."""
    for folder in _made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _a_thread_for_each_slot() -> Iterator[None]:
    """Let executors share out one processor: on networks this small, more threads only wait for one another."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("in_process", "local"):
            patch.setattr(f"normzoo.experiment.executor.{name}.available_cpus", lambda: 1)
        yield


def pytest_runtest_setup() -> None:
    """Let every test begin with one thread and the same random numbers, whatever those before it have set."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.default_generator.manual_seed(0)  # torch.manual_seed takes as long as many a test
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(0)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that is ``slow_but_one``, mark all cases but the first ``slow``."""
    seen: set[object] = set()
    for item in items:
        if item.get_closest_marker("slow_but_one"):
            function = item.nodeid.partition("[")[0]
            if function in seen:
                item.add_marker(pytest.mark.slow)
            seen.add(function)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the tests among pytest-xdist's processes by files, those that belong together as one, the longest first."""
    from xdist.scheduler import LoadScopeScheduling

    group_of = {f"tests/{file}": group for group, files in TOGETHER.items() for file in files}

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types for others
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return group_of.get(file, file)

        def _assign_work_unit(self, node: Any) -> None:
            for scope in LONGEST:
                if scope in self.workqueue:
                    self.workqueue.move_to_end(scope, last=False)
                    break
            super()._assign_work_unit(node)

    return ByFile(config, log) if config.getoption("dist") == "load" else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what became of the hostile cases."""
    counts: dict[str, Counter[str]] = {}
    reports = [report for each in terminalreporter.stats.values() for report in each]
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == "hostile" and report.when == "call":
                counts.setdefault(value[0], Counter()).update(value[1])
    for kind, found in sorted(counts.items()):
        said = ", ".join(f"{found[verdict]} {verdict}" for verdict in ("refused", "done", "unclear", "hung"))
        terminalreporter.write_line(f"hostile {kind}: {found.total()}: {said}")
