"""Which norms does ``convert`` leave, and is it said what became what, and why not?"""

import re
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.testing import assert_close
from torchvision import models

from normzoo import layers
from normzoo.errors import UnknownNameError, UsageError
from normzoo.layers import SyncBatchNorm
from normzoo.surgery import ConversionReport, Exchanged, Left, convert, convert_sync_batchnorm

from . import own
from .test_convert import exchanged_by, network

# What is left


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (nn.LazyBatchNorm2d, "call the model once"),
        (lambda: nn.LocalResponseNorm(3), "pools are windows of channels"),
        (lambda: parametrizations.spectral_norm(nn.LayerNorm((4, 4))), "parametrized"),
        (lambda: nn.utils.spectral_norm(nn.LayerNorm((4, 4))), "parts of its own: weight_orig"),
        (lambda: own.Rectified(8), "does more than normalize"),
        (layers.NoNorm, "does not know its channels"),
    ],
)
def test_what_makes_no_sense_is_left(build: Any, reason: str) -> None:
    """With its reason."""
    norm = build()
    model, report = convert(norm, "group")
    assert model is norm
    assert report.exchanged == {}
    assert reason in report.left[""].reason


def test_a_forward_pass_that_was_replaced_is_left() -> None:
    """Whatever it does."""
    norm: Any = nn.BatchNorm2d(8)
    norm.forward = norm.forward
    assert convert(norm, "group").report.left[""].reason == "its forward pass has been replaced"


def test_the_norm_of_weights_is_left_with_the_weights() -> None:
    """It is part of a parametrization."""
    report = convert(parametrizations.weight_norm(nn.Linear(3, 4)), "group").report
    assert report.left["parametrizations.weight.0"].reason == "it normalizes weights, not activations"


def test_a_lazy_norm_that_has_seen_an_input_is_exchanged() -> None:
    """It has become another class."""
    model = nn.Sequential(nn.LazyBatchNorm2d())
    model(torch.randn(2, 8, 3, 3))
    assert convert(model, "group:groups=2").report.exchanged["0"].was == "BatchNorm2d"


def test_synchronization_is_lost_and_noted() -> None:
    """Unless the new norm has it too."""
    _, notes = exchanged_by(nn.SyncBatchNorm(8), "batch")
    assert notes == ("no longer synchronized",)
    assert exchanged_by(nn.SyncBatchNorm(8), "torch.nn:SyncBatchNorm")[1] == ()
    assert exchanged_by(nn.SyncBatchNorm(8), "sync")[1] == ()
    assert exchanged_by(SyncBatchNorm(8), "batch")[1] == ("no longer synchronized",)


def test_batch_norms_are_synchronized_and_no_others() -> None:
    """With their parameters, statistics and settings; those of a class of torch.nn's stay with their group."""
    model = nn.Sequential(nn.BatchNorm2d(8, eps=1e-3, momentum=None), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8))
    before = dict(model.state_dict())
    group = object()
    synchronized: Any = convert_sync_batchnorm(model, group)
    assert [type(each) for each in synchronized] == [SyncBatchNorm, nn.GroupNorm, nn.InstanceNorm2d]
    assert_close(dict(synchronized.state_dict()), before)
    norm = synchronized[0]
    assert (norm.eps, norm.momentum, norm.process_group) == (1e-3, None, group)
    assert isinstance(convert_sync_batchnorm(nn.BatchNorm1d(3)), SyncBatchNorm)
    theirs = nn.SyncBatchNorm(8, process_group=group)
    assert convert(theirs, "sync").model.process_group is group


def test_ghost_batch_norms_are_not_synchronized() -> None:
    """Their statistics are to be over few samples."""
    synchronized: Any = convert_sync_batchnorm(nn.Sequential(layers.GhostBatchNorm(3), nn.BatchNorm2d(3)))
    assert [type(each) for each in synchronized] == [layers.GhostBatchNorm, SyncBatchNorm]


def test_fused_and_scripted_parts_are_left() -> None:
    """Their norms are called by nobody."""
    quantization: Any = torch.ao.quantization
    fused = torch.ao.nn.intrinsic.qat.ConvBn2d(3, 8, 3, qconfig=quantization.get_default_qat_qconfig())  # type: ignore[no-untyped-call]
    assert convert(nn.Sequential(fused), "group").report.left["0"].reason == "it is fused or quantized; convert first"


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:Warning")
def test_a_scripted_model_is_left() -> None:
    """It is compiled, with the norms that it had."""
    scripted: Any = torch.jit.script(network())
    report = convert(scripted, "group").report
    assert report.left[""].reason == "it is scripted; convert first"


def test_a_model_within_data_parallel_is_converted() -> None:
    """It copies the model at each call."""
    assert list(convert(nn.DataParallel(network()), "group").report.exchanged) == ["module.0.1", "module.1.1"]


@pytest.mark.slow
def test_a_compiled_model_is_converted() -> None:
    """It is compiled anew at its next call."""
    model, x = network(), torch.randn(2, 3, 4, 4)
    compiled: Any = torch.compile(model, backend="eager")
    before = compiled(x)
    assert list(convert(compiled, "group:groups=2").report.exchanged) == ["_orig_mod.0.1", "_orig_mod.1.1"]
    assert_close(compiled(x), model(x))
    assert not torch.allclose(compiled(x), before)


def test_a_traced_graph_is_converted() -> None:
    """It calls its norms by name."""
    graph = torch.fx.symbolic_trace(network())
    convert(graph, "group:groups=2")
    assert isinstance(graph.get_submodule("0.1"), layers.GroupNorm)
    assert graph(torch.randn(2, 3, 4, 4)).shape == (2, 8, 4, 4)


def test_a_model_wrapped_for_processes_is_refused() -> None:
    """It would not synchronize the gradients of new parameters."""
    wrapper = type("DistributedDataParallel", (nn.Sequential,), {})
    with pytest.raises(UsageError, match="within DistributedDataParallel cannot be converted"):
        convert(wrapper(network()), "group")


def test_only_modules_are_converted() -> None:
    """A class is none."""
    with pytest.raises(TypeError, match=re.escape("the model must be a torch.nn.Module, got type")):
        convert(nn.BatchNorm2d, "group")  # type: ignore[arg-type]


# Which norms


@pytest.mark.parametrize(
    ("only", "skip", "names"),
    [
        ("0.1", None, ["0.1"]),
        ("1", None, ["1.1"]),
        (r"\d\.1", None, ["0.1", "1.1"]),
        (re.compile("1.*"), None, ["1.1"]),
        (["0", "1.1"], None, ["0.1", "1.1"]),
        (lambda name, module: name == "1.1" and isinstance(module, nn.BatchNorm2d), None, ["1.1"]),
        (None, "0", ["1.1"]),
        (r".*", ["1.1"], ["0.1"]),
        ([], None, []),
    ],
)
def test_only_and_skip(only: Any, skip: Any, names: list[str]) -> None:
    """Names of norms or of blocks, regular expressions, predicates, and several of these."""
    report = convert(network(), "group", only=only, skip=skip).report
    assert list(report.exchanged) == names
    assert len(report.left) == 2 - len(names)


def test_a_name_that_is_not_there_is_refused() -> None:
    """With a suggestion; so is what is no regular expression."""
    model = nn.ModuleDict({"stem": nn.BatchNorm2d(3)})
    with pytest.raises(UnknownNameError, match=r"only: unknown norm or block with norms 'stm'; did you mean 'stem'"):
        convert(model, "group", only="stm")
    with pytest.raises(UsageError, match=r"skip: '[(]' is neither a name nor a regular expression"):
        convert(model, "group", skip="(")
    assert isinstance(model["stem"], nn.BatchNorm2d)


# The report


def test_the_report_says_what_became_what() -> None:
    """As a value, a line and a table."""
    model = nn.Sequential(network(72), nn.LocalResponseNorm(3))
    report = convert(model, "group:groups=32", skip="0.1").report
    note = "36 groups, as 32 do not divide 72"
    assert report == ConversionReport(
        "group:groups=32",
        {"0.0.1": Exchanged("BatchNorm2d", "GroupNorm", 72, (note,), to_know=(note,))},
        {
            "0.1.1": Left("BatchNorm2d", "skipped"),
            "1": Left("LocalResponseNorm", "its pools are windows of channels"),
        },
    )
    assert report.summary == (
        "norms exchanged: 1 BatchNorm2d; left: 1 BatchNorm2d (skipped), "
        "1 LocalResponseNorm (its pools are windows of channels)"
    )
    lines = str(report).splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert any(line.split()[:4] == ["1", "BatchNorm2d", "GroupNorm", "0.0.1"] for line in lines)
    assert any(line.split()[:3] == ["1", "LocalResponseNorm", "left"] for line in lines)
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(report)
    assert [line.rstrip() for line in captured.get().rstrip().splitlines()] == str(report).rstrip().splitlines()


@pytest.mark.slow_but_one
@pytest.mark.parametrize(
    ("name", "norm"),
    [
        *(("lrn", norm) for norm in ("group:groups=32", "layer", "instance", "batch", "torch.nn:LayerNorm")),
        *(("convnext_tiny", norm) for norm in ("group:groups=32", "layer", "torch.nn:LayerNorm")),
        ("mobilenet_v3_small", "group:groups=32"),
        ("efficientnet_b0", "instance"),
    ],
)
def test_the_table_fits_a_terminal(name: str, norm: str) -> None:
    """Of 80 columns: each note and each reason on a line by itself."""
    model: nn.Module = nn.Sequential(nn.LocalResponseNorm(3), nn.BatchNorm2d(144), nn.LazyBatchNorm2d())
    with torch.device("meta"):
        if name == "efficientnet_b0":
            model = pytest.importorskip("timm").create_model(name)
        elif name != "lrn":
            model = getattr(models, name)()
    report = convert(model, norm).report
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 80
    said = {note for each in report.exchanged.values() for note in each.notes}
    said |= {each.reason for each in report.left.values()}
    assert [note for note in said if not any(line.endswith(f"  {note}") for line in lines)] == []


def test_a_model_without_norms() -> None:
    """Is no error, and said."""
    report = convert(nn.Linear(3, 3), "group").report
    assert str(report) == "Norms exchanged for group: none, as none is found"
    assert report.summary == "norms exchanged: none"
    assert (report.exchanged, report.left) == ({}, {})


def test_names_are_those_of_the_model_after_it() -> None:
    """Each leads to what stands there now."""
    model = network()
    report = convert(model, "instance").report
    for name, each in report.exchanged.items():
        assert type(model.get_submodule(name)).__name__ == each.became


class Odd(nn.Module):
    """Holds nothing where a part could be."""

    def __init__(self) -> None:
        super().__init__()
        self.register_module("nothing", None)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)  # type: ignore[no-any-return]


def test_an_empty_place_is_passed_over() -> None:
    """As torch does."""
    assert list(convert(Odd(), "group:groups=3").report.exchanged) == ["norm"]
