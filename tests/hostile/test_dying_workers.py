"""Does a worker that dies or does not end, over whatever a user's code does, leave a line that says over what?"""

import os
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from cli.in_process import call, fill
from cli.synthetic import run_record, run_spec
from experiment.conftest import tiny_spec
from experiment.scripted import ScriptedExecutor
from experiment.test_executors import training

from normzoo.cli import compare as compare_module
from normzoo.errors import ComponentError, NormzooError, UsageError, error_line
from normzoo.experiment import plan as plan_module
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.resolve import Configuration
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.executor import last_words
from normzoo.experiment.executor.last_words import LastWords
from normzoo.experiment.executor.local import LocalExecutor
from normzoo.experiment.plan import Stored, make_plan
from normzoo.experiment.results.records import Status
from normzoo.experiment.worker.attempts import told_attempts
from normzoo.experiment.worker.messages import (
    TOO_LONG,
    Message,
    Prepare,
    Rejected,
    RunDone,
    Task,
    TaskDone,
    Trying,
    WorkerDied,
)
from normzoo.experiment.worker.prepare import prepare

from . import deadly

CPU = Execution(device="cpu", jobs=1)
DEADLY = deadly.__name__
FILE = deadly.__file__
SMALL: dict[str, Any] = {
    "dataset": f"{DEADLY}:few_images",
    "templates": ("cnn:hidden=8,widths=4",),
    "norms": ("none",),
    "seeds": 1,
}


def asking(**changes: Any) -> MatrixSpec:
    return MatrixSpec(**{**SMALL, **changes})


def line_of(text: str) -> int:
    """Return the number of the first line of the file of norms that holds a text, after the class of that name."""
    name, _, text = text.partition(": ")
    lines = Path(FILE).read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith((f"class {name}(", f"def {name}(")))
    return next(index for index, line in enumerate(lines[start:], start + 1) if text in line)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SystemExit(), "SystemExit"),
        (SystemExit("bye\n bye"), "SystemExit: bye bye"),
        (deadly.MuteError(), "MuteError: what it says cannot be read"),
    ],
)
def test_any_error_can_be_told(error: BaseException, line: str) -> None:
    """Also one that ends the process when it is asked what it says."""
    assert error_line(error) == line


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("norm", "said"),
    [
        ("Exiting", "SystemExit: 3"),
        ("ExitingInConstructor", "SystemExit: 3"),
        ("ExitingInBackward", "SystemExit: 3"),
        ("Interrupting", "KeyboardInterrupt"),
        ("Generating", "GeneratorExit: no more"),
        ("Mute", "MuteError"),
    ],
)
def test_what_would_end_a_worker_is_refused_while_it_prepares(norm: str, said: str) -> None:
    """By the norm, the template and the line of the file."""
    told: list[Message] = []
    with pytest.raises(ComponentError) as caught:
        prepare(asking(norms=(f"{DEADLY}:{norm}",)), CPU, attempt=told_attempts(told.append, 60.0))
    message = str(caught.value)
    assert f"norm '{DEADLY}:{norm}'" in message
    assert "in the cnn:hidden=8,widths=4" in message
    assert f"{said}" in message
    assert f"({FILE}:" in message
    assert told[-1] == Trying(f"trying norm '{DEADLY}:{norm}' in the cnn:hidden=8,widths=4", 60.0)


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt", "GeneratorExit"])
def test_what_would_end_a_worker_is_refused_when_it_is_imported(
    raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"leaving_{raised[:3].lower()}"
    (tmp_path / f"{name}.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ComponentError, match=f"norm '{name}:Norm'.*{raised.partition('(')[0]}"):
        prepare(asking(norms=(f"{name}:Norm",)), CPU, attempt=told_attempts(lambda _: None, 60.0))


def test_memory_that_runs_out_is_told_as_such() -> None:
    attempt = told_attempts(lambda _: None, 60.0)
    with (
        pytest.raises(UsageError, match=r"^loading x: there is not enough memory \(MemoryError\)$"),
        attempt("loading x"),
    ):
        raise MemoryError
    with pytest.raises(ZeroDivisionError), attempt("loading x"):
        raise ZeroDivisionError


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    """Starts a worker for each that dies, forked from one process that has loaded torch."""
    with LocalExecutor(CPU) as local:
        yield local


def told_of(executor: LocalExecutor, task: Task) -> list[Message]:
    """Have one task carried out, and return all that is told of it, its steps as well."""
    executor.start(task)
    told: list[Message] = []
    while not told or not isinstance(told[-1], TaskDone | WorkerDied):
        executor.wait(60)
        told += [message for _, message in executor.events()]
    return told


def died(executor: LocalExecutor, matrix: MatrixSpec, seconds: float = 600.0) -> tuple[str, WorkerDied]:
    """Have a matrix prepared, and return the step over which a worker died, and its death."""
    *_, step, death = told_of(executor, Prepare(matrix, CPU, seconds))
    assert isinstance(step, Trying)
    assert isinstance(death, WorkerDied)
    return step.what, death


@pytest.mark.slow
@pytest.mark.parametrize(
    ("norm", "reason", "words"),
    [
        ("Vanishing", "the worker process ended with exit code 4", "\\x1b[31mthe last that I say"),
        (
            "Faulting",
            f"the worker process was killed by SIGSEGV ({FILE}:{line_of('Faulting: string_at')})",
            "Fatal Python error: Segmentation fault\n",
        ),
        (
            "Aborting",
            f"the worker process was killed by SIGABRT ({FILE}:{line_of('Aborting: abort')})",
            f'Fatal Python error: Aborted\n  File "{FILE}"',
        ),
        ("Ending", "the worker process ended with exit code 1", "OwnEnd: mine"),
    ],
)
def test_a_death_says_over_what_and_where(executor: LocalExecutor, norm: str, reason: str, words: str) -> None:
    """With what the worker wrote last, as it can be shown."""
    what, death = died(executor, asking(norms=(f"{DEADLY}:{norm}",)))
    assert what == f"trying norm '{DEADLY}:{norm}' in the cnn:hidden=8,widths=4"
    assert death.reason == reason
    assert words in death.last_words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("matrix", "what", "where"),
    [
        (
            {"norms": (f"{DEADLY}:Locking",)},
            f"trying norm '{DEADLY}:Locking' in the cnn:hidden=8,widths=4",
            f"{FILE}:{line_of('Locking: re.match')}",
        ),
        (
            {"norms": (f"{DEADLY}:Looping",)},
            f"trying norm '{DEADLY}:Looping' in the cnn:hidden=8,widths=4",
            f"{FILE}:{line_of('Looping: while')}",
        ),
        (
            {"norms": (f"{DEADLY}:LoopingInConstructor",)},
            f"trying norm '{DEADLY}:LoopingInConstructor' in the cnn:hidden=8,widths=4",
            f"{FILE}:{line_of('LoopingInConstructor: while')}",
        ),
        (
            {"templates": (f"{DEADLY}:template_without_end",)},
            f"trying norm 'none' in the {DEADLY}:template_without_end",
            f"{FILE}:{line_of('template_without_end: while')}",
        ),
        (
            {"dataset": f"{DEADLY}:data_without_end"},
            f"loading dataset '{DEADLY}:data_without_end'",
            f"{FILE}:{line_of('data_without_end: while')}",
        ),
        (
            {"norms": (f"{__package__}.endless:Norm",)},
            f"importing norm '{__package__}.endless:Norm'",
            f"{Path(FILE).with_name('endless.py')}:",
        ),
    ],
    ids=["holding Python's lock", "forward", "constructor", "template", "dataset", "import"],
)
def test_what_does_not_end_is_ended(executor: LocalExecutor, matrix: dict[str, Any], what: str, where: str) -> None:
    """Once a step has taken as long as it may, whatever the code is at."""
    for seconds in (0.5, 5.0, 120.0):  # where the machine is busy, the steps before it may take long, too
        tried, death = died(executor, asking(**matrix), seconds)
        if tried == what:
            break
    assert tried == what
    file, _, line = where.rpartition(":")
    lines = (int(line), int(line) + 1) if line else ("",)  # a loop is at its head, or within
    assert death.reason.startswith(tuple(f"{TOO_LONG} ({file}:{each}" for each in lines))


@pytest.mark.slow
def test_a_run_ends_likewise(executor: LocalExecutor) -> None:
    """What Python can catch is its record's error, and the next run goes on; else the last words are kept."""
    runs = [tiny_spec(norm=f"{DEADLY}:{norm}") for norm in ("Exiting", "Interrupting", "Generating", "Faulting")]
    told = [told_of(executor, training(run)) for run in runs]
    records = [message.record for each in told for message in each if isinstance(message, RunDone)]
    assert [record.error for record in records] == [
        "SystemExit: 3",
        "KeyboardInterrupt",
        "GeneratorExit: no more",
    ]
    assert all(record.status is Status.FAILED and FILE in (record.traceback or "") for record in records)
    death = told[-1][-1]
    assert isinstance(death, WorkerDied)
    assert death.reason.startswith(f"the worker process was killed by SIGSEGV ({FILE}:")
    assert "Segmentation fault" in death.last_words


@pytest.mark.slow
def test_a_worker_lives_on_after_a_refusal(executor: LocalExecutor) -> None:
    """The limit of one step is none of the next task's."""
    for _ in range(2):
        told = told_of(executor, Prepare(asking(norms=(f"{DEADLY}:Exiting",)), CPU))
        assert [type(message) for message in told[-2:]] == [Rejected, TaskDone]


def plan(executor: ScriptedExecutor, **execution: Any) -> None:
    make_plan(Configuration(asking(), Execution(**execution)), Stored(set(), {}), executor)


def test_the_parent_ends_what_its_executor_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a task is carried out in this process."""
    monkeypatch.setattr(plan_module, "PREPARING_SECONDS", 0.01)
    monkeypatch.setattr(plan_module, "_GRACE", 0.0)
    executor = ScriptedExecutor([Trying("loading x", 0.02)])
    with pytest.raises(
        NormzooError,
        match=r"^preparing the matrix failed: loading x, it took longer than it may; each step may take 0.02 s, and "
        r"with a longer --timeout as long as that$",
    ):
        plan(executor)
    assert len(executor.cancelled) == 1


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 600.0), (5.0, 600.0), (7_200.0, 7_200.0)])
def test_a_step_may_take_ten_minutes_or_as_long_as_a_run(timeout: float | None, seconds: float) -> None:
    executor = ScriptedExecutor([Rejected("no")])
    with pytest.raises(UsageError):
        plan(executor, timeout=timeout)
    (task,) = executor.tasks
    assert isinstance(task, Prepare)
    assert task.seconds == seconds


def test_the_line_comes_first_and_the_last_words_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With exit code 2, and nothing in them acts on the terminal."""
    executor = ScriptedExecutor([Trying("loading x", 9.0), WorkerDied("it went", "one\ntwo \x1b[31m")])
    monkeypatch.setattr(compare_module, "LocalExecutor", lambda *_, **__: executor)
    outcome = call(capsys, "compare", "--store", tmp_path / "s.sqlite")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.splitlines()[-4:] == [
        "normzoo: error: preparing the matrix failed: loading x, it went",
        "  The last that it wrote:",
        "  one",
        "  two \\x1b[31m",
    ]


def test_show_has_the_last_words_of_a_lost_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    record = run_record(run_spec(), "failed").model_copy(
        update={"error": "the worker process was killed by SIGSEGV", "traceback": "The last that it wrote:\nFatal"}
    )
    store = fill(tmp_path / "s.sqlite", record)
    said = call(capsys, "show", record.spec.key, "--store", store).stdout
    assert "\nTraceback\n  The last that it wrote:\n  Fatal\n" in said


DUMP = """Timeout (0:10:00)!
Thread 0x1 (most recent call first):
  File "/home/me/other.py", line 1 in listen

Thread 0x2 (most recent call first):
  File "/usr/lib/python3/site-packages/torch/nn/module.py", line 5 in call
  File "<frozen importlib>", line 4 in load
  File "/home/me/my norm.py", line 12 in forward
  File "/home/me/net.py", line 3 in forward
"""


@pytest.mark.skipif(os.name == "nt", reason="streams are no pipes")
def test_last_words_are_passed_on_and_their_end_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    """Of the stack, the calls of the main thread; the innermost of the user's own is the place."""
    words = LastWords(Pipe)
    stderr, dump = words.theirs
    os.write(stderr.fileno(), b"first\n" * last_words.KEPT + b"gr\xc3\xbcn \x1b[2J\xff\n")
    os.write(dump.fileno(), DUMP.encode())
    for each in words.theirs:
        each.close()
    words.end()
    assert words.is_overdue
    assert words.place == " (/home/me/my norm.py:12)"
    assert words.text.startswith("first\nfirst\n")
    assert words.text.endswith("grün \\x1b[2J\N{REPLACEMENT CHARACTER}\n" + "\n".join(DUMP.splitlines()[5:]))
    assert len(words.text) < 2 * last_words.KEPT
    assert capfd.readouterr().err.count("first") == last_words.KEPT


@pytest.mark.skipif(os.name == "nt", reason="streams are no pipes")
def test_a_process_that_a_worker_left_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the streams open."""
    monkeypatch.setattr(last_words, "_GRACE", 0.01)
    words = LastWords(Pipe)
    words.end()
    assert (words.text, words.place, words.is_overdue) == ("", "", False)
    for each in words.theirs:
        each.close()
