"""Does a comparison work in a notebook, and show itself?"""

import os
from pathlib import Path

import pytest

import normzoo

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

CELLS = (
    "import normzoo\nfrom torch import nn\n"
    "class Mine(nn.Module):\n"
    "    def __init__(self, num_features):\n        super().__init__()\n"
    "    def forward(self, x):\n        return x / 2\n",
    "comparison = normzoo.compare(norms=['batch', 'none', Mine], templates='cnn:widths=4,hidden=8', batch_sizes=[64], "
    "seeds=2, epochs=1)\ncomparison",
    "comparison.to_frame()",
    "comparison.plot()",
)


@pytest.mark.slow
def test_a_notebook_compares_a_class_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison, its data frame and its plot are the outputs of cells; progress is a few lines."""
    root = str(Path(normzoo.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", "")))))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    client = nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    outputs = [cell["outputs"] for cell in notebook.cells]
    (shown,) = (output["data"] for output in outputs[1] if output["output_type"] == "execute_result")
    assert "<table>" in shown["text/html"]
    assert "session:Mine" in shown["text/html"]
    said = "".join(output["text"] for output in outputs[1] if output["output_type"] == "stream")
    assert said.startswith("6 runs to train")
    assert len(said.splitlines()) < 8
    (frame,) = (output["data"] for output in outputs[2])
    assert "vs_reference" in frame["text/html"]
    assert any("image/png" in output.get("data", {}) for output in outputs[3])
    assert (tmp_path / "normzoo.sqlite").exists()
