"""How runs are trained: side by side or one after the other, compiled or not. By rules, never by the clock. Torch-free.

Either way is the same training with sums in another order. Rounding grows where training is chaotic, so the way is part
of what a run is, and depends on nothing but that: not on the machine's speed, not on how many seeds there are. How many
runs share a stack changes rounding as well, and is only recorded: it is another draw, as another machine is.
"""

import math
from collections.abc import Mapping

from normzoo.experiment.config.spec import CompileChoice, Strategy, StrategyChoice
from normzoo.experiment.planning.facts import NetworkFacts

FLOPS_OF_A_STEP = 3
"""Times those of a forward pass: the backward pass takes twice as many."""

SEQUENTIAL_FROM: Mapping[str, float] = {"cpu": 400e6}
"""Operations in a step of one run, by kind of device, from which on stacking does not pay: a step takes longer than it
does to start its operations, and a convolution in groups is slower than as many by themselves."""

SEQUENTIAL_FROM_ELSEWHERE = 50e9
"""On an accelerator, where starting operations takes longer and they take less."""

PRODUCTS = 8
"""Up to so many products these numbers hold; a network with more, as it is deeper or takes more time steps, starts as
many more operations in a step, each of which is as much smaller."""

SEQUENTIAL_FROM_PARAMETERS: Mapping[str, float] = {"cpu": 2e6}
"""Parameters of a network from which on those of several do not fit into the processor's caches."""

COMPILED_FROM = 2e12
"""Operations in a whole run from which on its step is compiled: that takes up to minutes, and may halve the rest."""


def strategy_for(choice: StrategyChoice, network: NetworkFacts, device: str, batch_size: int) -> Strategy:
    """Return how the seeds of a cell are trained.

    >>> strategy_for("auto", NetworkFacts(flops=660_000), "cpu", batch_size=32)
    'stacked'
    >>> strategy_for("auto", NetworkFacts(flops=8_000_000), "cpu", batch_size=32)
    'sequential'
    """
    if choice != "auto":
        return choice
    limit = SEQUENTIAL_FROM.get(device, SEQUENTIAL_FROM_ELSEWHERE) * max(1, network.products / PRODUCTS)
    is_large = FLOPS_OF_A_STEP * network.flops * batch_size > limit
    is_large |= network.parameters > SEQUENTIAL_FROM_PARAMETERS.get(device, math.inf)
    return "sequential" if network.unstackable or is_large else "stacked"


def is_compiled(choice: CompileChoice, network: NetworkFacts, samples: int) -> bool:
    """Return whether the steps of a run that sees so many samples, over all epochs, are compiled."""
    if choice != "auto":
        return choice == "always"
    return FLOPS_OF_A_STEP * network.flops * samples > COMPILED_FROM
