"""How may a list be written?"""

from typing import Any

import pytest

from normzoo.experiment.config.spec import MatrixSpec
from normzoo.experiment.config.values import split_list


@pytest.mark.parametrize(
    "written",
    ["2,8,32", "[2,8,32]", "[2, 8, 32]", "2 8 32", " 2,  8 ,32 ", "'2','8',\"32\"", [2, 8, 32], ["2", "8", 32]],
)
def test_batch_sizes_read_alike_however_they_are_written(written: Any) -> None:
    """Commas, blanks, brackets and quotes, from a flag or from YAML."""
    assert MatrixSpec(batch_sizes=written).batch_sizes == (2, 8, 32)


@pytest.mark.parametrize("written", ["16", 16, [16], "[16]"])
def test_a_single_number_is_a_list_of_one(written: Any) -> None:
    """Nobody writes brackets around one batch size."""
    assert MatrixSpec(batch_sizes=written).batch_sizes == (16,)


@pytest.mark.parametrize(
    ("written", "norms"),
    [
        ("batch,none", ["batch", "none"]),
        ("batch none", ["batch", "none"]),
        ("group:groups=4,eps=1e-3,batch", ["group:groups=4,eps=1e-3", "batch"]),
        ("[none, group:groups=4, eps=1e-3]", ["none", "group:groups=4,eps=1e-3"]),
        ("batch:eps=1e-3,momentum=none,group:groups=4", ["batch:eps=1e-3,momentum=none", "group:groups=4"]),
        ("my.module:Norm,batch", ["my.module:Norm", "batch"]),
        ("my.module:Norm:gain=2,shift=1,my.module:Other", ["my.module:Norm:gain=2,shift=1", "my.module:Other"]),
        ("", []),
        ("[]", []),
    ],
)
def test_a_comma_separates_norms_but_not_their_options(written: str, norms: list[str]) -> None:
    """``key=value`` continues the spec before it."""
    assert split_list(written) == norms


def test_the_norms_of_a_matrix_are_read_that_way() -> None:
    """The promise of the above, where a user meets it."""
    assert MatrixSpec(norms="group:groups=4,eps=1e-3,batch").norms == ("group:eps=0.001,groups=4", "batch")


def test_the_templates_of_a_matrix_are_read_that_way() -> None:
    """A list within an option is written with dashes, so that commas separate no less."""
    matrix = MatrixSpec(templates="cnn:widths=16-32,placement=pre,lstm:hidden=8,cnn")
    assert matrix.templates == ("cnn:placement=pre,widths=16-32", "lstm:hidden=8", "cnn")


def test_an_option_without_a_norm_before_it_is_refused() -> None:
    """It continues nothing."""
    with pytest.raises(ValueError, match="unknown norm 'eps=1e-3'"):
        MatrixSpec(norms="eps=1e-3,batch")
