"""The tables as LaTeX: what is in them, and that nothing in a name or a sign is read as a command."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.report import heading, sections, summarize, to_latex

from .scenarios import SCENARIOS
from .synthetic import filled


def latex(name: str) -> str:
    matrix, records = SCENARIOS[name]()
    summary = summarize(matrix, records)
    return to_latex(heading(summary), sections(summary))


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", SCENARIOS)
def test_rows_have_as_many_cells_as_there_are_columns(name: str) -> None:
    text = latex(name)
    found = re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}\n(.*?)\\end\{tabular\}", text, flags=re.DOTALL)
    assert len(found) == text.count(r"\begin{table}") > 0
    for columns, body in found:
        for line in body.splitlines():
            if "&" in line:
                assert line.count(" & ") == len(columns) - 1
                assert line.endswith(r" \\")
        assert [body.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


@pytest.mark.slow_but_one
@pytest.mark.parametrize("name", SCENARIOS)
def test_labels_are_unique_and_signs_are_commands(name: str) -> None:
    text = latex(name)
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels))
    code = re.sub(r"^%.*$", "", text, flags=re.MULTILINE)
    assert code.isascii()
    assert not re.search(r"(?<!\\)[%#_]", re.sub(r"\\label\{.*?\}", "", code))


def test_a_cell_is_that_of_the_other_tables() -> None:
    text = latex("clear")
    assert (
        r"  {}batch & 52.0 $\pm$0.5 & 96.7 $\pm$0.1 $\bullet$ & 98.6 $\pm$0.3 $\bullet$ & $-$46.6 $\pm$0.7 & 1.0 \\"
        in text
    )
    assert r"\multicolumn{9}{l}{\emph{batch 2}} \\" in text
    assert "% At batch size 32, batch is best; layer 1.5" in text


def test_names_of_users_are_text() -> None:
    matrix = MatrixSpec(norms=("none", "my.module:Norm:mode=a_b,x=50%~^|"), templates="cnn", batch_sizes="8", seeds=2)
    summary = summarize(matrix, filled(matrix, lambda *_: 0.5))
    text = to_latex("50 % of\nit", sections(summary))
    assert r"my.module:Norm:mode=a\_b,x=50\%\textasciitilde{}\textasciicircum{}\textbar{}" in text
    assert text.startswith("% 50 % of it\n")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")
@pytest.mark.parametrize("name", ["clear", "troubled"])
def test_it_can_be_typeset(name: str, tmp_path: Path) -> None:
    (tmp_path / "tables.tex").write_text(latex(name), encoding="utf-8")
    paper = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{tables}\end{document}"
    (tmp_path / "paper.tex").write_text(paper, encoding="utf-8")
    command = [str(shutil.which("pdflatex")), "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
