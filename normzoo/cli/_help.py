"""What each command says of itself: the first paragraph in the list of commands, all of it in its own help.

Kept apart from the commands, which are loaded only when they are called.
"""

COMPARE = """Train every norm in every template at every batch size, and print what differs.

What is already in the store is not trained again: to go on after an interruption, repeat the command.

Exit code: 0 when every run has a result, 1 when some have none, 2 for a mistaken request, 130 when interrupted.

Example: normzoo compare --batch-sizes 2,8,32 --norms batch,group:groups=4,none --seeds 3
"""

REPORT = """Write stored results as a report: markdown with plots, or one page.

Findings, tables, plots, failures, method, limitations, and how to make it again. Also while a comparison is still
running. Plots go beside the report, each as SVG and PNG; with --html all of it is in one page that loads nothing.

Example: normzoo report -o reports/digits.md --html
"""

RUNS = """List the comparisons and runs in a store.

Runs are listed with the beginning of their key, by which `normzoo show` and `normzoo diff` find them. Several statuses,
norms or templates are separated by commas.

Example: normzoo runs --comparison 1 --status failed,diverged
"""

SHOW = """Show everything that is kept of one run.

Its configuration, the curves of its epochs, times, memory and machine, what went wrong with its traceback, and the
command that trains it again.

Example: normzoo show 5c12806
"""

DIFF = """Show in what two runs differ.

Configuration, results, machine and times, and the first epoch after which their curves are not the same. To see whether
two machines agree on a run, name it twice, and the second one's store with --other.

Example: normzoo diff 5c12806 2007911
"""

EXPORT = """Write stored results as CSV, JSON or Parquet, a row for every run.

A row holds all of the run's configuration (norm, lr and so on), its status, its metrics after the last finished epoch
(last.train_loss, last.test.accuracy and so on), the deciding one as test if its status is ok, times, and machine
(environment.torch and so on). Accuracies are fractions. What is not there is an empty field in CSV and null elsewhere;
a loss that is not a number is nan, inf or -inf in CSV, and "NaN", "Infinity" or "-Infinity" in JSON.

Example: normzoo export -o results.csv
"""

MERGE = """Put the stores of several machines together in one.

Of a run that is in more than one, the record with a result counts. Where two have results that differ in status or in a
metric, to the last digit, both are named, and the one that was there first is kept; `normzoo diff KEY KEY --store
all.sqlite --other b.sqlite` shows where they part. All is written or nothing, and merging again changes nothing. The
target's comparisons keep their numbers; those added are numbered after them.

Exit code: 0, or 1 when a different result was left out, 2 when a store cannot be read or written.

Example: normzoo merge a.sqlite b.sqlite --into all.sqlite
"""

BENCH = """Measure how fast the layers are.

Example: normzoo bench layers
"""

BENCH_LAYERS = """Time every norm on tiny to large inputs against torch.nn, and what else is installed.

All contenders are timed in one process, by turns; the tables show ratios. The whole takes about 10 minutes on two
CPU cores, most of them compiling; fewer norms, sizes or parts take less.

Example: normzoo bench layers --norms batch,group --parts plain --dtypes float32
"""

EXPLAIN = """Show what a norm pools, as a picture, and what there is to know of it.

In the picture all values that share a mean and a variance have one colour and one letter. Below it stand the formula,
parameters, state, what training and inference use, cost, when it fits and when not, and the paper. Several norms are
separated by commas or blanks.

Example: normzoo explain batch,group:groups=4 --shape 4,8,2,2 --svg pools.svg
"""

LIST = """Show the norms, templates and datasets there are.

Example: normzoo list
"""

DOCTOR = """Show what normzoo runs on here, what is wrong with it, and what to do.

Versions and their bounds, processor and GPUs, the C++ compiler, the backend, the compile cache, the store, and the
downloaded datasets. The output belongs in every bug report.

Exit code: 0 when nothing is wrong, 1 when something is.

Example: normzoo doctor
"""
