"""Does the benchmark of converting measure what it says, and is its page what was measured?"""

import json
from pathlib import Path

import pytest

from benchmarks.convert import measure, to_markdown
from normzoo.outputs import marked

RECORD = Path(__file__).parents[2] / "reports" / "convert"


@pytest.mark.slow
def test_every_norm_of_a_model_is_exchanged_and_timed() -> None:
    """Beside a copy of the model."""
    measured = measure(["resnet18"], "group:groups=32")
    (timed,) = measured["models"].values()
    assert timed["norms"] == 20
    assert timed["convert"] > 0
    assert timed["copy"] > 0
    assert "| resnet18 | 20 |" in to_markdown(measured)


def test_a_model_beyond_the_limit_is_named() -> None:
    """And one below is not."""
    models = {"slow": {"norms": 1, "convert": 0.2, "copy": 0.1}, "fast": {"norms": 1, "convert": 0.05, "copy": 0.1}}
    page = to_markdown({"norm": "group", "models": models, "environment": {}})
    assert "Not reached by slow." in page


def test_the_page_is_what_was_measured() -> None:
    """By code of the repository, and of all models."""
    measured = json.loads(RECORD.with_suffix(".json").read_text(encoding="utf-8"))
    assert RECORD.with_suffix(".md").read_bytes() == marked(to_markdown(measured), ".md")
    assert len(measured["models"]) >= 80
    assert not measured["environment"]["commit"].endswith("-dirty")
