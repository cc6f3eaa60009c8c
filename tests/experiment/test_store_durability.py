"""Is a record on disk when ``add`` returns, whatever happens next?"""

import subprocess
import sys
from pathlib import Path

import pytest

from normzoo.experiment.results.store import Store

from .synthetic import run_spec

ADDING = """
import itertools, sys
from pathlib import Path
from normzoo.experiment.results.store import Store
from tests.experiment.synthetic import run_record, run_spec

with Store(Path(sys.argv[1])) as store:
    for seed in itertools.count():
        record = run_record(run_spec(seed=seed))
        store.add(record)
        print(record.spec.key, flush=True)
"""


@pytest.mark.slow
def test_a_kill_loses_no_record_that_was_added(tmp_path: Path) -> None:
    """A process that adds records is killed in the middle: every one that it had announced is there, and readable."""
    path = tmp_path / "store.sqlite"
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", ADDING, str(path)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        announced = [process.stdout.readline().strip() for _ in range(200)]
        process.kill()
        announced += [line.strip() for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -9
    expected = [run_spec(seed=seed).key for seed in range(len(announced))]
    assert announced == expected
    with Store(path, writable=False) as store:
        assert set(announced) <= set(store.statuses())
        assert list(store.records(announced)) == announced
    with Store(path) as store:
        assert len(store.statuses()) - len(announced) in (0, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["store.sqlite"]
