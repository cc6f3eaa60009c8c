"""The real JapaneseVowels, where its files are at hand: beside the checkout, or where NORMZOO_TEST_DATA says."""

import os
from pathlib import Path

import pytest
import torch
from zoo import CLASSIC

from normzoo.data import Dataset, load_dataset
from normzoo.layers import norm_factory
from normzoo.templates import make_network

PLACES = [
    Path(os.environ.get("NORMZOO_TEST_DATA", "")),
    Path(__file__).resolve().parents[3] / "shared" / "data",
]
FILE = next(
    (path for place in PLACES if (path := place / "JapaneseVowels" / "JapaneseVowels_TRAIN.ts").is_file()), Path()
)
pytestmark = pytest.mark.skipif(not FILE.name, reason="no JapaneseVowels in the folder that NORMZOO_TEST_DATA names")


@pytest.fixture(scope="module")
def vowels() -> Dataset:
    return load_dataset(f"ts:{FILE}")


def test_all_utterances_are_read_with_their_lengths(vowels: Dataset) -> None:
    """270 and 370 of 12 channels by 9 speakers, of 7 to 29 steps, as its authors describe it."""
    assert (len(vowels.train), len(vowels.validation), len(vowels.test)) == (243, 27, 370)
    assert (vowels.kind, vowels.shape, vowels.outputs, vowels.ragged) == ("sequences", (12, 29), 9, 26)
    inputs = torch.cat([split.inputs for split in (vowels.train, vowels.validation, vowels.test)])
    lengths = (~inputs.isnan()).sum(-1)
    assert [int(each) for each in lengths.aminmax()] == [7, 29]
    assert (lengths == lengths[:, :1]).all()
    steps = vowels.train.inputs.movedim(1, -1)[~vowels.train.inputs[:, 0].isnan()].double()
    torch.testing.assert_close(steps.mean(0), torch.zeros(12).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(steps.var(0, correction=0), torch.ones(12).double(), rtol=0, atol=1e-5)
    assert vowels.notes == (
        "classes by their labels: 0 = 1, 1 = 2, 2 = 3, 3 = 4, 4 = 5, 5 = 6, 6 = 7, 7 = 8, 8 = 9",
        "numbers of positions and values are told for the longest sequences",
    )


@pytest.mark.slow_but_one
@pytest.mark.parametrize("norm", CLASSIC)
@pytest.mark.parametrize("template", ["lstm:hidden=16", "transformer:width=16,heads=2"])
def test_a_padded_batch_gives_what_each_utterance_gives_alone(vowels: Dataset, template: str, norm: str) -> None:
    """To 1e-10 in float64, in evaluation, after running statistics have seen some batches."""
    network = make_network(
        template, norm_factory(norm), shape=vowels.shape, outputs=vowels.outputs, ragged=vowels.ragged
    ).double()
    x = vowels.test.inputs[::12].double()
    with torch.no_grad():
        network.train()(vowels.train.inputs[:32].double())
        together = network.eval()(x)
        lengths = (~x[:, 0].isnan()).sum(-1).tolist()
        alone = [network(x[[sample], :, :length]) for sample, length in enumerate(lengths)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-10)
