"""Does ``normzoo compare`` train the matrix, keep it, and print what differs?"""

import re

from normzoo.experiment.results.store import Store

from .command import CNN, LSTM
from .growth import FIRST, Growth


def rows(text: str) -> dict[str, list[str]]:
    """Return the lines of each template's first table that begin with a norm's name, by template."""
    tables: dict[str, list[str]] = {}
    template = ""
    for line in text.splitlines():
        if match := re.match(r"([\w:=,]+) on digits", line):
            template = match[1]
        elif "Comparison with the reference" in line:
            template = ""
        elif template and re.match(r"(none|batch|layer)\s+\d", line):
            tables.setdefault(template, []).append(line)
    return tables


def test_it_ends_well_with_a_table_per_template_on_stdout(growth: Growth) -> None:
    """Every norm has a row with its accuracy, in the order asked for; the findings stand below."""
    outcome = growth.first.outcome
    assert outcome.code == 0
    tables = rows(outcome.stdout)
    assert list(tables) == [CNN, LSTM]
    for lines in tables.values():
        assert [line.split()[0] for line in lines] == ["none", "batch"]
        assert all(re.search(r"\d\d?\.\d", line) for line in lines)
    assert outcome.stdout.count("- At batch size 64, ") == 2


def test_no_line_of_what_is_printed_ends_in_blanks(growth: Growth) -> None:
    """Nor of a preview: the output goes into files and mails."""
    for step in (growth.first, growth.dry):
        assert re.findall(r".*[ \t]\n", step.outcome.stdout) == []


def test_the_table_shows_what_is_stored(growth: Growth) -> None:
    """The accuracies of the records, in percent."""
    tables = rows(growth.first.outcome.stdout)
    for record in growth.first.records.values():
        (row,) = (line for line in tables[record.spec.template] if line.split()[0] == record.spec.norm)
        assert record.test_value is not None
        assert f"{100 * record.test_value:.1f}" in row


def test_progress_is_on_stderr_alone(growth: Growth) -> None:
    """A line per group, counted to the end; stdout holds none of it."""
    outcome = growth.first.outcome
    *strategies, first = outcome.stderr.splitlines()[:3]
    lines = outcome.stderr.splitlines()[3:]
    assert sorted(line.rpartition(": ")[0] for line in strategies) == [
        f"{CNN} at batch size 64",
        f"{LSTM} at batch size 64",
    ]
    assert re.fullmatch(r"4 runs to train, about \d+ s left", first)
    assert [line.split(":")[0] for line in lines] == [f"{number}/4 runs" for number in range(1, 5)]
    assert all(re.search(r"test accuracy \d+\.\d %, about \d+ s left$", line) for line in lines)
    assert "runs:" not in outcome.stdout


def test_every_run_has_a_record(growth: Growth) -> None:
    """Two templates, two norms, one batch size, one seed; where and how it was trained is in it."""
    records = growth.first.records
    assert sorted((record.spec.template, record.spec.norm) for record in records.values()) == [
        (CNN, "batch"),
        (CNN, "none"),
        (LSTM, "batch"),
        (LSTM, "none"),
    ]
    for key, record in records.items():
        assert record.spec.key == key
        assert record.status == "ok"
        assert (record.spec.batch_size, record.spec.seed, len(record.epochs)) == (64, 0, 1)
        assert record.spec.lr == 0.1  # 0.05 at 32, linear
        assert {"torch", "cpu", "commit", "device", "threads"} <= set(record.environment)


def test_redirected_output_is_plain(growth: Growth) -> None:
    """No ANSI codes and no carriage returns, on stdout and on stderr."""
    for outcome in (growth.first.outcome, growth.seeds.outcome, growth.dry.outcome):
        assert "\x1b" not in outcome.stdout + outcome.stderr
        assert "\r" not in outcome.stdout + outcome.stderr


def test_a_dry_run_shows_what_is_missing_and_trains_nothing(growth: Growth) -> None:
    """Of 24 runs 14 are in the store: 12 of the wider matrix and the second seed of two norms in two templates."""
    outcome, records = growth.dry.outcome, growth.dry.records
    assert outcome.code == 0
    assert records == growth.seeds.records
    cells = [re.sub(r"[│|]", " ", line).split() for line in outcome.stdout.splitlines() if re.search(r"\(\+\d", line)]
    assert cells == [
        [template, norm, *counts]
        for template in (CNN, LSTM)
        for norm, counts in (
            ("none", ["0", "(+2)", "1", "(+1)"]),
            ("batch", ["0", "(+2)", "1", "(+1)"]),
            ("layer", ["1", "(+1)", "1", "(+1)"]),
        )
    ]
    assert "8 of 24 runs to train" in outcome.stdout


def test_the_store_remembers_each_comparison_by_its_command(growth: Growth) -> None:
    """The repeated one and the dry run are none; words that the shell would split are quoted."""
    with Store(growth.folder / "normzoo.sqlite", writable=False) as store:
        sweeps = store.comparisons()
    assert len(sweeps) == 5
    assert sweeps[0].command.startswith("normzoo compare " + " ".join(FIRST))
    assert set(sweeps[0].keys) == set(growth.first.records)
    assert sweeps[2].matrix.seeds == 2
