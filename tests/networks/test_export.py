"""Can a whole network be exported and run on other numbers of samples?"""

import pytest
import torch
from torch.testing import assert_close

from .architectures import ARCHITECTURES, Architecture
from .pairs import pair


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda case: case.id)
def test_exported_program_takes_any_number_of_samples(architecture: Architecture) -> None:
    """What ``torch.export`` makes of the network in evaluation gives the published one's output for seven samples."""
    ours, stock = (model.eval() for model in pair(architecture, torch.float64))
    samples = torch.export.Dim("samples", min=2, max=64)
    example = architecture.input(torch.float64)
    program = torch.export.export(ours, (example,), dynamic_shapes=({0: samples},))
    assert set(program.state_dict) == set(stock.state_dict())
    for samples_given in (2, 7):
        x = architecture.input(torch.float64, samples_given)
        assert_close(program.module()(x), stock(x), rtol=1e-8, atol=1e-8)
