"""Are loss, perplexity and bits of the next token what their definitions say, and what is refused?"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from normzoo.data import load_dataset
from normzoo.errors import DataError
from normzoo.tasks import NextToken, Scale
from normzoo.templates import MemberMetrics

SAMPLES, STEPS, MEMBERS, KINDS = 30, 7, 2, 5


def test_the_loss_of_a_sample_is_the_mean_over_its_steps() -> None:
    """In nats, by torch's cross-entropy of every step."""
    logits, tokens = torch.randn(SAMPLES, STEPS, KINDS).double(), torch.randint(KINDS, (SAMPLES, STEPS))
    by_step = nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
    assert_close(NextToken().losses(logits, tokens), by_step.view(SAMPLES, STEPS).mean(1))


def test_perplexity_and_bits_are_of_all_tokens_for_every_member() -> None:
    """The exponential of the mean loss, and that divided by log 2, whatever the sizes of the batches."""
    logits, tokens = torch.randn(SAMPLES, MEMBERS, STEPS, KINDS), torch.randint(KINDS, (SAMPLES, STEPS))
    metrics = MemberMetrics(NextToken(), MEMBERS, Scale(), torch.device("cpu"))
    for part in (slice(0, 4), slice(4, None)):
        metrics.update(logits[part], tokens[part])
    for member, found in enumerate(metrics.compute()):
        loss = nn.functional.cross_entropy(logits[:, member].flatten(0, 1).double(), tokens.flatten()).item()
        assert found == pytest.approx({"loss": loss, "perplexity": math.exp(loss), "bits": loss / math.log(2)})


def test_what_a_uniform_guess_reaches_is_the_number_of_tokens() -> None:
    """Perplexity is how many tokens one is left to choose from."""
    metrics = MemberMetrics(NextToken(), 1, Scale(), torch.device("cpu"))
    metrics.update(torch.zeros(SAMPLES, 1, STEPS, KINDS), torch.randint(KINDS, (SAMPLES, STEPS)))
    assert metrics.compute()[0]["perplexity"] == pytest.approx(KINDS)


def test_the_constant_outputs_are_the_shares_of_the_tokens() -> None:
    """No other constant has a smaller loss on the training set."""
    tokens = torch.tensor([[0, 0, 1], [0, 2, 0]])
    assert_close(NextToken().constant(tokens, 3).exp(), torch.tensor([4, 1, 1]).double() / 6)


def test_samples_of_a_text_follow_one_another_and_their_targets_are_a_step_ahead(tmp_path: Path) -> None:
    """Eight tenths to train, one to validate, and the last one to test; no character is in two."""
    text = "".join(chr(ord("a") + index * index % 23) for index in range(1000))
    (tmp_path / "some.txt").write_text(text)
    data = load_dataset(f"text:{tmp_path / 'some.txt'}:length=9", task=NextToken())
    known = sorted(set(text[:800]))
    assert (data.shape, data.vocabulary, data.outputs, data.kind) == ((9,), len(known), len(known), "tokens")
    for split, part in ((data.train, text[:800]), (data.validation, text[800:900]), (data.test, text[900:])):
        written = "".join(known[token] for token in split.inputs.flatten())
        assert part.startswith(written)
        assert len(part) - len(written) <= 9
        assert "".join(known[token] for token in split.targets.flatten()) == part[1 : len(written) + 1]


def test_characters_that_training_does_not_have_are_one_token_and_counted(tmp_path: Path) -> None:
    """They are token 0; the note says how many there are."""
    (tmp_path / "some.txt").write_text("ab" * 450 + "xyx" + "ab" * 48 + "a")
    data = load_dataset(f"text:{tmp_path / 'some.txt'}:length=5", task=NextToken())
    assert data.vocabulary == 3
    assert data.test.inputs.min() == 0 < data.train.inputs.min()
    assert data.notes[:2] == (
        "2 different characters, in samples of 5",
        "2 characters not among training targets, 3 times in all, are one token",
    )


def test_a_token_that_training_does_not_have_costs_the_constant_no_infinity() -> None:
    """It counts as seen once."""
    assert NextToken().constant(torch.tensor([[1, 1, 2]]), 4).isfinite().all()


def test_how_many_tokens_there_are_is_part_of_the_data(tmp_path: Path) -> None:
    """Networks have an embedding for each, also for those that do not occur."""
    tokens = np.arange(60).reshape(12, 5) % 5
    arrays: dict[str, Any] = {f"{axis}_{split}": tokens for axis in "xy" for split in ("train", "test")}
    checksums = set()
    for vocabulary in (5, 9):
        np.savez(tmp_path / "mine.npz", **arrays, vocabulary=np.array(vocabulary))
        checksums.add(load_dataset(f"npz:{tmp_path / 'mine.npz'}:kind=tokens", task=NextToken()).checksum)
    assert len(checksums) == 2


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (np.zeros((4, 3)), "y_train has type float64 and shape (4, 3); the tokens that follow are integers (N, T)"),
        (np.zeros(4, int), "y_train has type int64 and shape (4,); the tokens that follow are integers (N, T)"),
        (np.full((4, 3), -1), "y_train holds the token -1, but y_train's are 0 to -1"),
    ],
)
def test_targets_that_are_no_tokens_are_refused(targets: Any, told: str) -> None:
    """Those of another task, for instance."""
    with pytest.raises(DataError) as caught:
        NextToken().prepare("mine", {"train": targets, "val": targets, "test": targets})
    assert told in str(caught.value)
