"""What each command says of itself: the first paragraph in the list of commands, all of it in its own help.

Kept apart from the commands, which are loaded only when they are called.
"""

COMPARE = """Train every norm in every template at every batch size, and print what differs.

What is already in the store is not trained again: to go on after an interruption, repeat the command.

Exit code: 0 when every run has a result, 1 when some have none, 2 for a mistaken request, 130 when interrupted.

Example: normzoo compare --batch-sizes 2,8,32 --norms batch,group:groups=4,none --seeds 3
"""

REPORT = """Write stored results as markdown with a plot.

Also while a comparison is still running.

Example: normzoo report --store normzoo.sqlite -o reports/digits.md
"""

BENCH = """Measure how fast the layers are, and a whole comparison.

Example: normzoo bench layers
"""

BENCH_LAYERS = """Time every norm on tiny to large inputs against torch.nn, and what else is installed.

All contenders are timed in one process, by turns; the tables show ratios. The whole takes about 10 minutes on two
CPU cores, most of them compiling; fewer norms, sizes or parts take less.

Example: normzoo bench layers --norms batch,group --parts plain --dtypes float32
"""

BENCH_MATRIX = """Time a whole comparison against the same work done in other ways.

The command itself, a Lightning Trainer for every run, a bare torch loop for every run, and a process for every run; the
table shows ratios. The others are timed for one seed and multiplied up; still, the whole takes long.

Example: normzoo bench matrix --templates cnn --batch-sizes 32 --norms batch,none --seeds 3 --epochs 1
"""

LIST = """Show the norms, templates and datasets there are.

Example: normzoo list
"""
