"""Norms of a user's own that misbehave: modules that raise at each moment, return what is wrong, or meddle."""

import random
from pathlib import Path
from typing import NamedTuple

from .stores import ESCAPES

EXCEPTIONS = [
    'ValueError("boom")',
    "ZeroDivisionError",
    'KeyError("x")',
    "AssertionError",
    "StopIteration",
    "MemoryError",
    "RecursionError",
    "NotImplementedError",
    'AttributeError("x")',
    'ImportError("x")',
    'OSError(28, "No space left on device", "here")',
    "TimeoutError",
    'UserWarning("x")',
    'UnicodeDecodeError("utf-8", b"\\xff", 0, 1, "boom")',
    'ExceptionGroup("several", [ValueError("a"), KeyError("b")])',
    'torch.OutOfMemoryError("CUDA out of memory")',
    f"RuntimeError({ESCAPES!r})",
    'RuntimeError("half \\udc80 and \\ud800")',
    'RuntimeError("two\\nlines\\n" * 3000)',
    'RuntimeError("a" * 100_000)',
    "RuntimeError({1: [2]}, 3, None)",
    "Odd(1, 2)",
    "BrokenPipeError",
    "ConnectionResetError",
    "EOFError",
]
"""What is raised, by exceptions that a program goes on after."""

ENDS = [
    "SystemExit(3)",
    "KeyboardInterrupt",
    "GeneratorExit",
    'type("Mute", (Exception,), {"__str__": lambda _: 1 / 0})()',
]
"""What only a worker outlives."""

WRONG = [
    "None",
    "x[:, :1]",
    "x[:1]",
    "x.unsqueeze(0)",
    "x.flatten()",
    "x.mean()",
    "x[..., :0]",
    "x.transpose(0, 1)",
    "x.double()",
    "x.half()",
    "x.bfloat16()",
    "x.long()",
    "x > 0",
    "x.to(torch.complex64)",
    "x.to('meta')",
    "x.to_sparse()",
    "x.detach()",
    "x.data",
    "x.numpy(force=True)",
    "(x, x)",
    "[x]",
    "'x'",
    "0",
    "x * float('nan')",
    "x * float('inf')",
    "x * 1e38",
    "x * 0",
    "torch.zeros_like(x)",
    "torch.zeros(x.shape, requires_grad=True)",
    "self.weight",
    "x.new_zeros(()).expand(x.shape)",
    "nn.Parameter(x)",
    "x.as_subclass(type('Mine', (Tensor,), {}))",
    "torch.where(x > 0, x, torch.tensor(float('nan')))",
    "x if self.training else x[:, :1]",
    "x if self.training else None",
    "x if not self.training else x.detach()",
    "x if self.calls % 2 else x * 1e6",
    "x * torch.rand(())",
    "torch.nn.functional.dropout(x)",
    "x.cpu().cuda()",
    "self(x)",
]
"""What is returned for ``x``."""

DOING = [
    "x.mul_(2); return x",
    "x.zero_(); return x",
    "x.data.fill_(3); return x",
    "self.kept = [*getattr(self, 'kept', ()), x]; return x",
    "self.register_buffer(f'b{self.calls}', x.detach()); return x",
    "self.register_parameter(f'p{self.calls}', nn.Parameter(x.detach())); return x",
    "self.weight = nn.Parameter(torch.ones(7)); return x",
    "del self.weight; return x",
    "self.weight.requires_grad_(False); return x * self.weight.sum()",
    "self.weight.data = self.weight.data.double(); return x * self.weight.sum()",
    "print('x' * 10_000); print('y', file=sys.stderr); return x",
    "warnings.warn('watch out', stacklevel=1); return x",
    "threading.Thread(target=print, args=('z',)).start(); return x",
    "raise_later = threading.Thread(target=fail); raise_later.start(); raise_later.join(); return x",
    "assert self.calls < 5, 'called too often'; return x",
    "return self.lost(x)",
    "import nowhere_to_be_found; return x",
    "open('/nowhere/x')",
    "return x / (1 // 0)",
    "return torch.ones(3) @ torch.ones(4)",
    "return x.backward() or x",
    "x.requires_grad_(); return x",
    "return x.view(-1, 3).view(x.shape)",
    "return torch.empty(2**50)",
    "return x if x.shape[0] < 3 else x[:2]",
    "return x if torch.is_grad_enabled() else None",
    "return x.item()",
    "if x.mean() > 0: return x\n        return -x",
    "return x + torch.tensor([float(each) for each in x.flatten()]).view(x.shape)",
    "return x.to(self.weight.device, non_blocking=True).clone().requires_grad_(False)",
    "yield x",
    "return (yield x)",
]
"""What is done with ``x``."""

MEDDLING = [
    "torch.set_default_dtype(torch.float64); return x",
    "torch.set_grad_enabled(False); return x",
    "torch.set_num_threads(3); return x",
    "torch.use_deterministic_algorithms(True); return x",
    "torch.manual_seed(0); return x * torch.rand(())",
    "os.chdir('/'); return x",
    "sys.path.clear(); return x",
    "os.environ.clear(); return x",
    "sys.stdout = sys.stderr = None; return x",
    "sys.setrecursionlimit(200); return x",
    "sys.stdout.close(); return x",
    "os.close(1); return x",
    "warnings.simplefilter('error'); return x",
    "torch.set_anomaly_enabled(True); return x",
    "sys.modules.pop('torch.nn'); return x",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); return x",
    "import logging; logging.basicConfig(level=0); logging.error('x'); return x",
    "import gc; gc.disable(); return x",
    "nn.Linear.forward = None; return x",
]
"""What is done to the process, which only one of its own survives."""

METHODS = [
    "def eval(self):\n        {fails}",
    "def train(self, mode=True):\n        {fails}",
    "def train(self, mode=True):\n        return None",
    "def state_dict(self, *_, **__):\n        {fails}",
    "def load_state_dict(self, *_, **__):\n        {fails}",
    "def __deepcopy__(self, memo):\n        {fails}",
    "def __deepcopy__(self, memo):\n        return None",
    "def __deepcopy__(self, memo):\n        return self",
    "def __reduce_ex__(self, _):\n        {fails}",
    "def __getstate__(self):\n        {fails}",
    "def parameters(self, recurse=True):\n        {fails}",
    "def parameters(self, recurse=True):\n        return []",
    "def named_parameters(self, *_, **__):\n        {fails}",
    "def named_modules(self, *_, **__):\n        {fails}",
    "def children(self):\n        {fails}",
    "def apply(self, _):\n        {fails}",
    "def to(self, *_, **__):\n        {fails}",
    "def _apply(self, *_, **__):\n        {fails}",
    "def __repr__(self):\n        {fails}",
    "def __eq__(self, _):\n        {fails}\n    __hash__ = nn.Module.__hash__",
    "def __hash__(self):\n        {fails}",
    "def __len__(self):\n        return 0",
    "def __bool__(self):\n        {fails}",
    "def __call__(self, x):\n        {fails}",
    "def __getattr__(self, name):\n        {fails}",
    "def zero_grad(self, *_):\n        {fails}",
    "def requires_grad_(self, *_):\n        {fails}",
    "forward = None",
    "contains_activation = 'perhaps'",
    "is_batch_independent = True",
    "consists_of_parts = True",
    "needs_positions = object()",
    "standardizes_weights = 7",
    "standardizes_weights = {{'x': 1}}",
    "training = property(lambda self: 1 // 0)",
    "weight = 7",
]
"""What a class has besides; ``{fails}`` raises."""

WHOLE = [
    "",
    "def",
    "\0",
    "# coding: nonsense\n",
    "Mine = 7",
    "Mine = None",
    "Mine = 'x'",
    "Mine = object()",
    "Mine = lambda channels: None",
    "Mine = lambda: None",
    "Mine = lambda channels: 'x'",
    "Mine = lambda channels, more: None",
    "class Mine: pass",
    "from nowhere_to_be_found import Mine",
    "from {name} import Mine",
    "from torch import nn\nMine = nn.Identity()",
    "from torch import nn\nMine = nn.Identity",
    "from torch import nn\nkept = nn.Identity()\nMine = lambda channels: kept",
    "from torch import nn\nkept = nn.BatchNorm2d(4)\nMine = lambda channels: kept",
    "from torch import nn\nMine = nn.LazyBatchNorm2d",
    "from torch import nn\nMine = nn.Linear",
    "from torch import nn\nMine = nn.LSTM",
    "from torch import nn\nMine = nn.Embedding",
    "from torch import nn\nMine = lambda channels: nn.BatchNorm2d(channels + 1)",
    "from torch import nn\nMine = lambda channels: nn.BatchNorm1d(channels)",
    "from torch import nn\nMine = lambda channels: nn.ModuleList([nn.Identity()])",
    "from torch import nn\nMine = lambda channels: nn.BatchNorm2d(channels, device='meta')",
    "from torch import nn\nMine = lambda channels: nn.BatchNorm2d(channels).double()",
    "from torch import nn\nclass Mine(nn.Module):\n    def __init__(self, channels): pass",
    "from torch import nn\nclass Mine(nn.Module):\n    def __init__(self): super().__init__()",
    "from torch import nn\nclass Mine(nn.Module):\n    def __new__(cls, *_): return None",
    "from torch import nn\nclass Mine(nn.Module):\n    pass",
    "from torch import nn\nclass Mine(nn.Module):\n    async def forward(self, x): return x",
    "class Meta(type):\n    def __call__(cls, *_): raise TypeError('no')\nclass Mine(metaclass=Meta): pass",
    "def __getattr__(name): raise {error}",
    "import torch\nraise {error}",
    "import torch\ndef Mine(channels): raise {error}",
    "import functools\nfrom torch import nn\nMine = functools.partial(nn.BatchNorm2d, eps=-1.0)",
    "import functools\nfrom torch import nn\nMine = functools.partial(nn.GroupNorm, 3)",
    "Mine = range",
    "Mine = print",
    "import os\nMine = os.getcwd",
    "x = 1\n" * 20_000 + "from torch import nn\nMine = nn.Identity",
    "import sys\nsys.modules[__name__] = None",
    "import sys\ndel sys.modules[__name__]\nfrom torch import nn\nMine = nn.Identity",
    "import warnings\nwarnings.warn('watch out')\nprint('x' * 1000)\nfrom torch import nn\nMine = nn.Identity",
]
"""A module as a whole."""

CLASS = """\
import os, sys, threading, warnings
import torch
from torch import Tensor, nn


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__()


def fail(*_):
    raise {error}


class Failing(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        {backward}


class Mine(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.calls = 0
        {constructor}

    def forward(self, x):
        self.calls += 1
        {forward}

    {method}
"""


class Norm(NamedTuple):
    """A module, its name, and what is odd about it."""

    name: str
    source: str
    what: str


def norm(number: int, *, is_tame: bool = False) -> Norm:
    """Make a norm, the same for the same number; one that is tame does nothing to the process."""
    chance = random.Random(number)
    name, error = f"own_norm_{number}", chance.choice(EXCEPTIONS if is_tame else [*EXCEPTIONS, *ENDS])
    kind = chance.choice(
        ["whole", "moment", "moment", "wrong", "wrong", "doing", "method", *([] if is_tame else ["meddling"])]
    )
    if kind == "whole":
        text = chance.choice(WHOLE)
        return Norm(name, text.replace("{error}", error).replace("{name}", name), f"{text[:100]!r} {error[:50]}")
    parts = {"backward": "return gradient", "constructor": "pass", "forward": "return x", "method": "pass"}
    match kind:
        case "moment":
            raising = "fail()"
            parts |= chance.choice(
                [
                    {"constructor": raising},
                    {"forward": raising},
                    {"forward": f"if self.calls == {chance.choice([2, 3, 9])}: {raising}\n        return x"},
                    {"forward": f"if not self.training: {raising}\n        return x"},
                    {"forward": f"if self.training: {raising}\n        return x"},
                    {"forward": "return Failing.apply(x)", "backward": raising},
                    {"forward": "x.register_hook(fail) if x.requires_grad else None\n        return x"},
                    {"forward": "return Failing.apply(x)", "backward": "return None"},
                    {"forward": "return Failing.apply(x)", "backward": "return gradient[:1]"},
                    {"forward": "return Failing.apply(x)", "backward": "return gradient * float('nan')"},
                    {"constructor": "self.register_forward_hook(fail)"},
                    {"constructor": "self.register_full_backward_hook(fail)"},
                    {"constructor": "self.more = nn.Parameter(torch.ones(0))"},
                ]
            )
        case "wrong":
            parts["forward"] = f"return {chance.choice(WRONG)}"
        case "doing":
            parts["forward"] = chance.choice(DOING)
        case "meddling":
            parts[chance.choice(["forward", "constructor"])] = chance.choice(MEDDLING)
        case _:
            parts["method"] = chance.choice(METHODS).format(fails="fail()")
    parts["constructor"] = parts["constructor"].partition("; return x")[0]
    said = {key: value for key, value in parts.items() if value not in ("pass", "return x", "return gradient")}
    return Norm(name, CLASS.format(error=error, **parts), f"{said} {error[:50]}")


def write(folder: Path, made: Norm) -> None:
    (folder / f"{made.name}.py").write_bytes(made.source.encode(errors="surrogatepass"))
