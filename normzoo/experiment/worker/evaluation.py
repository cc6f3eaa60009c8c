"""Evaluation by other statistics than the running ones, once training is over. Runs in a worker, imports torch."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from normzoo.data import Dataset, Split
from normzoo.data.batches import slices
from normzoo.devices import same_random_numbers
from normzoo.experiment.config.spec import RunSpec
from normzoo.surgery import eval_statistics, recalibrate, restoring_statistics
from normzoo.templates import MemberModule, unmapped

EVALUATION_SAMPLES = 100
"""How many samples are evaluated at once: as many in a stack as alone, as a norm may pool over them then, too. About as
many are in each batch of a recalibration, which is normalized by its own statistics."""

Evaluations = dict[str, dict[str, float]]
"""By statistics: the mean ``loss`` and the task's metrics."""


def evaluate_further(module: MemberModule, spec: RunSpec, dataset: Dataset) -> list[Evaluations]:
    """Evaluate every member on the test set by the further statistics of a run; the module stays as it is.

    ``recalibrated``: running statistics are those of all values of the training set, in one pass over it. ``batch``:
    each test batch is normalized by its own statistics, in batches as large as those of training. Either reads its
    samples in a random order that is always the same, as in their own they may be sorted by class.
    """
    found: list[Evaluations] = [{} for _ in range(module.members)]
    device = module.device.type
    is_mixed = spec.precision == "bf16-mixed"
    network = unmapped(module.network)
    with torch.autocast(device, torch.bfloat16, enabled=is_mixed, cache_enabled=False), same_random_numbers(device):
        for stats in spec.further_eval_stats:
            with torch.no_grad(), restoring_statistics(network):
                if stats == "recalibrated":
                    recalibrate(network, (module.for_all(part) for part in even_parts(dataset.train)))
                    with eval_statistics(network, "running"):
                        evaluated = _evaluate(module, network, dataset.test, EVALUATION_SAMPLES)
                else:
                    with eval_statistics(network, "batch"):
                        evaluated = _evaluate(module, network, dataset.test, spec.batch_size)
            for evaluations, each in zip(found, evaluated, strict=True):
                evaluations[stats] = each
    return found


def _evaluate(module: MemberModule, network: nn.Module, test: Split, batch_size: int) -> list[dict[str, float]]:
    """Return loss and metrics of every member; the last batch is filled with samples that have been counted before."""
    metrics = module.new_metrics()
    order = _order(test)
    cuts = slices(len(order), batch_size)
    filled = [slice(max(0, each.stop - batch_size), each.stop) for each in cuts]
    for cut, (inputs, targets) in zip(cuts, test.read(filled, order), strict=True):
        new = slice(cut.start - cut.stop, None)
        outputs = network(module.for_all(inputs))
        metrics.update(outputs[new], targets[new])
    return metrics.compute()


def even_parts(split: Split) -> Iterator[Tensor]:
    """Yield the inputs of all samples in as few batches of about ``EVALUATION_SAMPLES`` as there can be, none larger.

    They differ by one sample at most, so that each is normalized by as many.
    """
    count = -(-len(split) // EVALUATION_SAMPLES)
    cuts = [slice(int(part[0]), int(part[-1]) + 1) for part in torch.arange(len(split)).tensor_split(count)]
    for inputs, _ in split.read(cuts, _order(split)):
        yield inputs


def _order(split: Split) -> Tensor:
    """Return the samples' random order."""
    return torch.randperm(len(split), generator=torch.Generator().manual_seed(0))
