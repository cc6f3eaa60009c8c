"""Compiling a function of tensors for tensors of given shapes, layouts and types, through torch's compiler.

``torch.compile`` would guard every call and wrap it for autograd, which takes longer than a small norm itself. Here
the caller knows that the tensors fit, and has the gradient; so the function is traced once, and what the compiler
makes of it is called directly. The compiler keeps its results on disk (``TORCHINDUCTOR_CACHE_DIR``), where a later
process finds them.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.fx import GraphModule

from normzoo.layers._kernels.torch_internals import compiler

OPTIONS = {"cpp.min_chunk_size": 8192, "cpp_wrapper": False, "size_asserts": True, "triton.cudagraphs": False}
"""How the compiler is set, whatever a user has set: sizes are checked in each call; and since threads take microseconds
to wake, each is to have as many values to work on."""

Argument = Tensor | float | None
Compiled = Callable[..., Sequence[Tensor]]


def compile_function(function: Callable[..., list[Tensor]], example: Sequence[Argument]) -> Compiled:
    """Compile ``function(*arguments)`` for arguments like those of the example.

    What is None in the example is None in every call; a number may be another one. Inputs that the function changes
    are changed, and autograd is told.

    Raises:
        Exception: whatever the compiler raises, for instance where there is no C++ compiler.
    """
    torch_compiler = compiler()
    given = [index for index, argument in enumerate(example) if argument is not None]
    numbers = [position for position, index in enumerate(given) if not isinstance(example[index], Tensor)]
    device = next(argument.device for argument in example if isinstance(argument, Tensor))

    def of_given(*tensors: Tensor) -> list[Tensor]:
        arguments: list[Tensor | None] = [None] * len(example)
        for index, tensor in zip(given, tensors, strict=True):
            arguments[index] = tensor
        return function(*arguments)

    tensors = [
        argument.detach() if isinstance(argument, Tensor) else _as_tensor(argument, device)
        for argument in example
        if argument is not None
    ]
    fakes = torch_compiler.FakeTensorMode()
    with torch.no_grad(), torch.autocast(device.type, enabled=False), fakes:
        inputs = [fakes.from_tensor(tensor) for tensor in tensors]
        functional = torch.func.functionalize(of_given, remove="mutations")
        graph = torch_compiler.trace(functional, decomposition_table=torch_compiler.decompositions())(*inputs)
        graph.graph.eliminate_dead_code()
    with torch.no_grad(), torch_compiler.settings.patch(OPTIONS):
        run = torch_compiler.compile(graph, inputs)
    changed = [given[position] for position in _changed_inputs(graph)]

    pick = itemgetter(*given) if len(given) > 1 else lambda arguments: (arguments[given[0]],)

    def compiled(*arguments: Argument) -> Sequence[Tensor]:
        inputs: list[Any] = [*pick(arguments)]
        for position in numbers:
            inputs[position] = _as_tensor(inputs[position], device)
        touched: list[Any] = [arguments[index] for index in changed]
        outputs: Sequence[Tensor] = run(inputs)
        increment_version(touched)
        return outputs

    def compiled_plainly(*arguments: Argument) -> Sequence[Tensor]:
        outputs: Sequence[Tensor] = run([*pick(arguments)])
        return outputs

    return compiled if numbers or changed else compiled_plainly


@lru_cache(maxsize=1024)
def _as_tensor(number: float, device: torch.device) -> Tensor:
    return torch.tensor(number, dtype=torch.float64, device=device)


def _changed_inputs(graph: GraphModule) -> list[int]:
    """Return the positions of the inputs that the graph copies something into."""
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    targets = {node.args[0] for node in graph.graph.nodes if node.target is torch.ops.aten.copy_.default}
    return [position for position, node in enumerate(inputs) if node in targets]
