"""What must be refused, and the words by which it must be: arguments after ``compare``, part of the message."""

from typing import NamedTuple

from .command import Outcome


class Refusal(NamedTuple):
    """A command, and what its one line of error must hold."""

    arguments: tuple[str, ...]
    message: str


def check(outcome: Outcome, message: str) -> None:
    """Exit code 2, nothing on stdout, and one line on stderr, which holds ``message``."""
    assert outcome.code == 2, outcome
    assert outcome.stdout == ""
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("normzoo: error: ")
    assert message in line


def _compare(arguments: str, message: str) -> Refusal:
    return Refusal(("compare", *arguments.split()), message)


AT_ONCE = {
    "norm": _compare("--norms batch,bach", "--norms: unknown norm 'bach'; did you mean 'batch'?"),
    "norm-unlike-any": _compare("--norms lstm", "... (all: normzoo list norms); your own: "),
    "template": _compare("--templates cn", "--templates: unknown template 'cn'; did you mean 'cnn'?"),
    "dataset": _compare("--dataset digit", "--dataset: unknown dataset 'digit'; did you mean 'digits'?"),
    "optimizer": _compare("--optimizer sdg", "--optimizer: unknown optimizer 'sdg'; did you mean 'sgd'?"),
    "schedule": _compare("--schedule cosin", "--schedule: unknown schedule 'cosin'; did you mean 'cosine'?"),
    "weight-decay": _compare("--weight-decay -1", "--weight-decay: must be at least 0, got -1"),
    "warmup": _compare("--warmup 1.5", "--warmup: must be less than 1, got 1.5"),
    "momentum": _compare("--momentum x", "--momentum: expected a number, got 'x'"),
    "momentum-twice": _compare(
        "--optimizer sgd:momentum=0.8 --momentum 0.9",
        "--momentum: stands beside --optimizer, which says momentum itself",
    ),
    "flag": _compare("--batch-size 2", "Unknown option: --batch-size. Did you mean --batch-sizes?"),
    "flag-unlike-any": _compare("--metric f1", "Unknown option: --metric. --help lists those there are."),
    "flag-moved-to-the-template": _compare("--widths 4", "--widths is an option of a template, as in --templates cnn:"),
    "flag-renamed": _compare("--engine loop", "--engine is called strategy now: auto, stacked or sequential"),
    "lr-and-lrs": _compare("--lr 0.1 --lrs 0.1,0.2", "--lr: stands beside --lrs, which lists the rates to choose"),
    "dataset-file": _compare("--dataset my.npz", "for a file write npz:my.npz"),
    "task": _compare("--task regresion", "--task: unknown task 'regresion'; did you mean 'regression'?"),
    "subcommand": Refusal(("compar",), 'Unknown command "compar". Did you mean "compare"?'),
    "rerun": _compare("--rerun fail", 'Choose from: "failed", "all". Did you mean "failed"?'),
    "stray-words": _compare("--batch-sizes 2 8", "unexpected '8'; write lists with commas and without spaces"),
    "stray-number": Refusal(("report", "2", "-o", "r.md"), "unexpected '2'; use --comparison 2"),
    "stray-word": Refusal(("report", "two", "-o", "r.md"), "unexpected 'two'; write lists with commas"),
    "flag-without-value": _compare("--batch-sizes", "parameter --batch-sizes requires an argument"),
    "batch-size-0": _compare("--batch-sizes 0", "--batch-sizes: must be at least 1, got 0"),
    "batch-size-text": _compare("--batch-sizes 2,x", "--batch-sizes: expected a whole number, got 'x'"),
    "batch-size-negative": _compare("--batch-sizes -3", "--batch-sizes: must be at least 1, got -3"),
    "batch-size-none": Refusal(("compare", "--batch-sizes", ""), "--batch-sizes: must not be empty"),
    "norms-none": Refusal(("compare", "--norms", ""), "--norms: must not be empty"),
    "norm-twice": _compare("--norms group,group:groups=8", "norm 'group:groups=8' is the same as 'group'"),
    "npz-without-path": _compare("--dataset npz", "--dataset: dataset 'npz': expected npz:PATH"),
    "augmentation": _compare("--augment flp", "--augment: unknown augmentation 'flp'; did you mean 'flip'?"),
    "augmentation-without-pixels": _compare("--augment crop", "--augment: augmentation 'crop': expected crop:PIXELS"),
    "target-text": _compare("--target 90%", "--target: expected a number, got '90%'"),
    "jobs": _compare("--jobs many", "--jobs: expected 'auto' or a number of at least 1, got 'many'"),
    "timeout": _compare("--timeout 0", "--timeout: must be greater than 0, got 0"),
    "several": _compare(
        "--seeds 0 --lr -1", "--seeds: must be at least 1, got 0; --lr: must be greater than 0, got -1"
    ),
    "yaml-missing": _compare("--config missing.yaml", "missing.yaml: there is no such file"),
    "yaml-empty": _compare("--config empty.yaml", "empty.yaml: is empty; write settings as key: value"),
    "yaml-malformed": _compare("--config malformed.yaml", "malformed.yaml: is not valid YAML"),
    "yaml-misspelt": _compare("--config misspelt.yaml", "unknown key 'batch_size'; did you mean 'batch_sizes'?"),
    "yaml-list": _compare("--config list.yaml", "list.yaml: expected settings as key: value, got a list"),
    "set": _compare("--set seeds", "--set: expected key=value, got 'seeds'"),
    "store-text": _compare("--store notes.sqlite", "store: 'notes.sqlite' is not a normzoo store"),
    "store-other": _compare("--store other.sqlite", "'other.sqlite' is a database, but not a normzoo store"),
    "store-newer": _compare("--store newer.sqlite", "store: 'newer.sqlite' is from a newer normzoo (format 99"),
    "store-folder": _compare("--store folder", "store: 'folder' is a folder; name a file in it"),
    "store-nowhere": _compare("--store missing/s.sqlite", "store: 'missing/s.sqlite' cannot be opened or written"),
    "report-suffix": _compare(
        "--report out.txt", "report: 'out.txt' must be a markdown file, NAME.md or a LaTeX file, NAME.tex"
    ),
    "report-html": _compare(
        "--report out.html",
        "must be a markdown file, NAME.md or a LaTeX file, NAME.tex; a page is made beside it by --html",
    ),
    "report-page": _compare(
        "--report out.tex --html", "html: a page is made of a markdown file, not of 'out.tex'; name it NAME.md"
    ),
    "report-folder": _compare(
        "--report folder", "report: 'folder' must be a markdown file, NAME.md or a LaTeX file, NAME.tex"
    ),
    "report-store-missing": Refusal(("report", "-o", "r.md", "--store", "none.sqlite"), "there is no 'none.sqlite'"),
    "report-store-newer": Refusal(("report", "-o", "r.md", "--store", "newer.sqlite"), "from a newer normzoo"),
    "report-store-text": Refusal(("report", "-o", "r.md", "--store", "notes.sqlite"), "is not a normzoo store"),
    "brackets": Refusal(("merge", "[a]", "--into", "new.sqlite"), "'[a]'"),
    "home": _compare("--dataset npz:~no-such-user/a.npz", "'~no-such-user/a.npz': there is no such home folder here"),
    "home-of-a-table": _compare("--dataset csv:~no-such-user/a.csv", "there is no such home folder here; write"),
    "report-without-output": Refusal(("report",), "parameter --output requires an argument"),
}
"""What the parent refuses by itself."""

BY_A_WORKER = {
    "home-of-data": _compare("--dataset mnist --data-root ~no-such-user/x", "there is no such home folder here; write"),
    "batch-size-too-large": _compare(
        "--batch-sizes 64,5000",
        "5000 is larger than the training set of 'digits' (1078 of 1437 samples, after 359 for validation); use at",
    ),
    "groups": _compare(
        "--norms none,group:groups=3", "norm 'group:groups=3' cannot be built for 4 channels: GroupNorm: groups must"
    ),
    "images-too-small": _compare("--templates cnn:widths=4-4-4-4", "Cnn: 4 poolings need images of at least 16x16"),
    "template-option": _compare(
        "--templates cnn:width=8", "error: template 'cnn:width=8': it has no option 'width'; did"
    ),
    "norm-not-importable": _compare("--norms no_such_module:Norm", "cannot import 'no_such_module'"),
    "norm-not-in-module": _compare("--norms own_norms:Optinal", "'Optinal'; did you mean 'Optional'?"),
    "norm-no-module": _compare("--norms own_norms:NoModule", "must make a torch.nn.Module, it made a NoModule"),
    "norm-option": _compare(
        "--norms own_norms:Optional:gian=2", "it has no option 'gian'; did you mean 'gain'? (it takes: gain)"
    ),
    "crop-too-large": _compare("--augment flip,crop:8", "augment: crop:8 may leave nothing of images of 8x8; use at"),
    "cutout-too-large": _compare("--augment cutout:9", "augment: cutout:9 is larger than images of 8x8; use at most"),
    "crop-of-no-number": _compare("--augment crop:big", "augment: crop:big: expected a number of pixels of at least 1"),
    "target": _compare(
        "--norms none --target 90", "target: accuracy is at least 0 and at most 1, got 90; write 90 % as 0.9"
    ),
    "npz-missing": _compare("--dataset npz:missing.npz", "npz 'missing.npz': no such file"),
    "npz-keyless": _compare("--dataset npz:keyless.npz", "npz 'keyless.npz': no array named y_test"),
    "npz-unequal": _compare("--dataset npz:unequal.npz", "y_train holds 39 targets for 40 images"),
    "npz-nan": _compare("--dataset npz:nan.npz", "npz 'nan.npz': x_train"),
    "npz-objects": _compare("--dataset npz:objects.npz", "npz 'objects.npz': x_train holds Python objects"),
    "not-downloaded": _compare("--dataset mnist --data-root folder", "fetch it with --download"),
    "cuda": _compare("--device cuda", "cuda was asked for, and torch finds no CUDA device; use --device cpu or auto"),
}
"""What only torch and the data can refuse."""
