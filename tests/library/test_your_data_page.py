"""Do the commands of the page on your data train what the page says?"""

import re
import shlex
from pathlib import Path

import pytest

from normzoo.cli import main
from normzoo.experiment.executor.in_process import InProcessExecutor

PAGE = (Path(__file__).parents[2] / "docs" / "your-data.md").read_text(encoding="utf-8")
FEW = {
    "--norms": "batch",
    "--seeds": "1",
    "--epochs": "1",
    "--batch-sizes": "16",
    "--device": "cpu",
    "--jobs": "1",
}


@pytest.mark.slow
def test_the_examples_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the top of the page to its end, in one folder; trained here, with one norm, once, for an epoch."""
    monkeypatch.setattr("normzoo.cli.compare.LocalExecutor", lambda *_, **__: InProcessExecutor())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    trained = 0
    for language, block in re.findall(r"```(python|sh)\n(.*?)```", PAGE, flags=re.DOTALL):
        if language == "python":
            exec(block, {"__name__": "page"})  # noqa: S102  # our own lines
            continue
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:2] == ["normzoo", "compare"]:
                trained += 1
                few = [word for flag, value in FEW.items() if flag not in words for word in (flag, value)]
                assert main([*words[1:], *few]) == 0, line
    assert trained
