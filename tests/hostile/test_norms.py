"""Does a norm of one's own that misbehaves end in a clear line, a failed run or a result, whatever it does?"""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from cli.command import run_here

from normzoo.cli import _refuse
from normzoo.experiment.config.execution import Execution
from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.worker.messages import Checked, Message, Prepare, Rejected
from normzoo.experiment.worker.serve import Server

from .norms import Norm, norm, write
from .verdicts import Verdict, of_outcome, of_refusal, weigh

TEMPLATES = ["cnn:hidden=8,widths=4", "mlp:widths=8", "lstm:hidden=8"]
DIED = "worker process ended"


def prepare(made: Norm, template: str) -> Verdict:
    """Try a norm in a network, as a worker does."""
    told: list[Message] = []
    matrix = MatrixSpec(templates=template, norms=f"{made.name}:Mine,none", batch_sizes="64", seeds=1)
    Server(told.append).carry_out(Prepare(matrix, Execution(device="cpu")))
    if any(isinstance(message, Checked) for message in told):
        return Verdict("done")
    (refusal,) = (message.reason for message in told if isinstance(message, Rejected))
    with redirect_stderr(StringIO()) as said:
        _refuse(refusal)
    verdict = of_refusal(said.getvalue())
    return verdict if made.name in verdict.said else Verdict("unclear", verdict.said)


def compare(folder: Path, made: Norm, template: str) -> Verdict:
    """Compare a norm with none, as a command."""
    words = ["--norms", f"{made.name}:Mine,none", "--templates", template, "--store", f"{made.name}.sqlite"]
    rest = ["--batch-sizes", "64", "--seeds", "1", "--epochs", "1", "--device", "cpu", "--jobs", "1"]
    verdict = of_outcome(run_here(folder, "compare", *words, *rest))
    is_clear = DIED not in verdict.said and (verdict.name == "done" or made.name in verdict.said)
    return verdict if is_clear else Verdict("unclear", verdict.said)


def cases(
    folder: Path, numbers: range, carry_out: Callable[[Norm, str], Verdict], *, are_tame: bool
) -> Iterator[tuple[str, Callable[[], Verdict]]]:
    for number in numbers:
        made = norm(number, is_tame=are_tame)
        write(folder, made)
        yield f"{number}: {made.what}", partial(carry_out, made, random.Random(number).choice(TEMPLATES))


@pytest.mark.slow
def test_what_is_wrong_with_a_norm_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    weigh(record_property, "norms", cases(tmp_path, range(15), prepare, are_tame=True))
    for name in [name for name in sys.modules if name.startswith("own_norm_")]:
        del sys.modules[name]


@pytest.mark.hostile
@pytest.mark.slow
@pytest.mark.parametrize("start", range(15, 215, 10))
def test_what_is_wrong_with_one_of_many_norms_is_said(
    tmp_path: Path, record_property: Callable[[str, object], None], start: int
) -> None:
    carry_out = partial(compare, tmp_path)
    weigh(record_property, "norms", cases(tmp_path, range(start, start + 10), carry_out, are_tame=False))
