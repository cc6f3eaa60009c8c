"""The order of training and evaluation batches."""

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from normzoo.data import Batches, BlocksOfSteps, OrderedBatches, Split
from normzoo.errors import DataError


def numbered(samples: int) -> Split:
    """Samples whose image and label both say which they are."""
    numbers = torch.arange(samples)
    return Split(numbers.float().reshape(-1, 1, 1, 1), numbers)


def labels_of(batches: Iterable[tuple[Tensor, Tensor]]) -> list[int]:
    return [int(label) for _, labels in batches for label in labels]


def test_an_epoch_is_a_permutation() -> None:
    order = labels_of(Batches(numbered(12), 4, seed=0))
    assert sorted(order) == list(range(12))
    assert order != list(range(12))


def test_images_come_with_their_own_labels_and_shapes() -> None:
    for images, labels in Batches(numbered(12), 4, seed=0):
        assert images.shape == (4, 1, 1, 1)
        assert torch.equal(images.flatten().long(), labels)


def test_the_ragged_last_batch_is_dropped_and_the_length_says_so() -> None:
    batches = Batches(numbered(11), 4, seed=0)
    assert len(batches) == 2
    assert [len(labels) for _, labels in batches] == [4, 4]


def test_other_samples_are_dropped_in_other_epochs() -> None:
    batches = Batches(numbered(11), 4, seed=0)
    assert set(labels_of(batches)) != set(labels_of(batches))


def test_every_epoch_has_a_new_order_that_continues_the_generator() -> None:
    generator = torch.Generator().manual_seed(7)
    batches = Batches(numbered(12), 4, seed=7)
    for _ in range(3):
        assert labels_of(batches) == torch.randperm(12, generator=generator).tolist()


def test_the_same_seed_gives_the_same_epochs_and_another_seed_others() -> None:
    first, same, other = (Batches(numbered(12), 4, seed=seed) for seed in (3, 3, 4))
    for _ in range(2):
        order = labels_of(first)
        assert labels_of(same) == order
        assert labels_of(other) != order


def test_the_order_does_not_depend_on_the_batch_size() -> None:
    ones, fours = Batches(numbered(12), 1, seed=0), Batches(numbered(12), 4, seed=0)
    for _ in range(2):
        assert labels_of(ones) == labels_of(fours)


def test_the_order_does_not_read_or_move_torchs_global_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    order = labels_of(Batches(numbered(12), 4, seed=0))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert labels_of(Batches(numbered(12), 4, seed=0)) == order


def test_two_epochs_under_way_at_once_have_their_own_orders() -> None:
    batches, expected = Batches(numbered(12), 4, seed=0), Batches(numbered(12), 4, seed=0)
    first, second = iter(batches), iter(batches)
    later = labels_of(second)
    assert [labels_of(first), later] == [labels_of(expected), labels_of(expected)]


@pytest.mark.parametrize("batch_size", [0, -1, 13])
def test_a_batch_size_without_a_whole_batch_is_refused(batch_size: int) -> None:
    with pytest.raises(DataError) as caught:
        Batches(numbered(12), batch_size, seed=0)
    assert str(caught.value) == (
        f"batch size {batch_size}: a batch holds at least 1 and at most the 12 samples of its split; "
        "use a batch size from 1 to 12"
    )


def test_each_member_of_a_block_sees_what_its_seed_gives_alone() -> None:
    """Batch by batch and epoch after epoch, images with their own labels; two members of a seed see the same."""
    seeds = (3, 0, 3)
    blocks, alone = BlocksOfSteps(numbered(11), 4, seeds=seeds), [Batches(numbered(11), 4, seed=seed) for seed in seeds]
    for _ in range(3):
        labels = torch.cat([labels for _, labels in blocks])
        for member, batches in enumerate(alone):
            assert labels[:, :, member].tolist() == [labels.tolist() for _, labels in batches]
    for images, labels in blocks:
        assert torch.equal(images.flatten().long(), labels.flatten())


def in_blocks_of(steps: int, *, batch_size: int, members: int, patch: pytest.MonkeyPatch) -> None:
    """Let a block hold so many steps of images of one pixel, and not one more."""
    step_bytes = batch_size * members * 4
    patch.setattr("normzoo.data.batches.BLOCK_BYTES", step_bytes * (steps + 1) - 1)


@pytest.mark.parametrize(("steps", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (99, [5])], ids=str)
def test_a_block_holds_as_many_steps_as_fit(steps: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one may be shorter; the length is that of the epoch; how the steps are cut changes no order."""
    in_blocks_of(steps, batch_size=4, members=3, patch=monkeypatch)
    blocks = BlocksOfSteps(numbered(22), 4, seeds=(0, 1, 2))
    epoch = list(blocks)
    assert len(blocks) == len(sizes)
    assert [images.shape for images, _ in epoch] == [(size, 4, 3, 1, 1, 1) for size in sizes]
    assert [labels.shape for _, labels in epoch] == [(size, 4, 3) for size in sizes]
    alone = [labels_of(Batches(numbered(22), 4, seed=seed)) for seed in range(3)]
    assert torch.cat([labels for _, labels in epoch]).flatten(0, 1).T.tolist() == alone


def test_a_step_that_is_larger_than_a_block_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of however many bytes."""
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES", 1)
    assert [len(labels) for _, labels in BlocksOfSteps(numbered(12), 4, seeds=(0, 1))] == [1, 1, 1]


def test_where_samples_are_on_a_device_a_block_is_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the host does between blocks would take as long as the steps."""
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES", 1)
    monkeypatch.setattr("normzoo.data.batches.BLOCK_BYTES_ELSEWHERE", 2 * 4 * 2 * 4)
    lengths = [len(BlocksOfSteps(numbered(12).to(device), 4, seeds=(0, 1))) for device in ("cpu", "meta")]
    assert lengths == [3, 2]


def test_images_of_a_block_have_their_own_shape_and_type() -> None:
    """Channels, height and width come last; float64 stays so."""
    split = Split(torch.randn(6, 3, 4, 5, dtype=torch.float64), torch.arange(6))
    ((images, labels),) = BlocksOfSteps(split, 2, seeds=(0, 1))
    assert (images.shape, images.dtype) == ((3, 2, 2, 3, 4, 5), torch.float64)
    assert torch.equal(images, split.inputs[labels])


@pytest.mark.parametrize("kept", [(0,), (1, 2), (0, 1, 2)], ids=str)
def test_members_that_are_kept_go_on_in_their_orders(kept: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many blocks as before, from the epoch that is next for them."""
    in_blocks_of(2, batch_size=4, members=3, patch=monkeypatch)
    blocks, alone = BlocksOfSteps(numbered(22), 4, seeds=(5, 6, 7)), BlocksOfSteps(numbered(22), 4, seeds=(5, 6, 7))
    list(blocks), list(alone)
    blocks.keep(kept)
    for _ in range(2):
        epoch, expected = list(blocks), list(alone)
        assert len(epoch) == len(blocks) == len(expected) == 3
        for (_, labels), (_, of_all) in zip(epoch, expected, strict=True):
            assert torch.equal(labels, of_all[:, :, list(kept)])


@pytest.mark.parametrize("batch_size", [0, -1, 13])
def test_a_batch_size_without_a_whole_batch_is_refused_for_blocks_too(batch_size: int) -> None:
    with pytest.raises(
        DataError, match=f"^batch size {batch_size}: a batch holds at least 1 and at most the 12 samples"
    ):
        BlocksOfSteps(numbered(12), batch_size, seeds=(0, 1))


def test_evaluation_reads_every_sample_in_order_and_keeps_the_ragged_last_batch() -> None:
    batches = OrderedBatches(numbered(11), 4)
    assert labels_of(batches) == labels_of(batches) == list(range(11))
    assert [len(images) for images, _ in batches] == [4, 4, 3]
    assert len(batches) == 3


@pytest.mark.parametrize(("samples", "sizes"), [(999, [999]), (1000, [1000]), (1001, [1000, 1])])
def test_evaluation_batches_hold_up_to_1000_samples_by_default(samples: int, sizes: list[int]) -> None:
    batches = OrderedBatches(numbered(samples))
    assert [len(labels) for _, labels in batches] == sizes
    assert len(batches) == len(sizes)


def test_evaluation_batches_are_views() -> None:
    split = numbered(4)
    images, _ = next(iter(OrderedBatches(split, 2)))
    assert images.data_ptr() == split.inputs.data_ptr()


def test_an_evaluation_batch_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"^batch size 0: a batch holds at least 1 sample; use 1 or more$"):
        OrderedBatches(numbered(4), 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_order_is_the_same_on_the_gpu_and_batches_stay_there() -> None:
    batches = Batches(numbered(12).to("cuda"), 4, seed=0)
    images, labels = next(iter(batches))
    assert images.is_cuda
    assert labels.is_cuda
    assert labels.tolist() == labels_of(Batches(numbered(12), 4, seed=0))[:4]
