"""Can a whole network be exported and run on other numbers of samples?"""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from .architectures import ARCHITECTURES, OF_EACH_KIND, Architecture
from .pairs import pair


@pytest.mark.slow
@pytest.mark.parametrize("architecture", OF_EACH_KIND, ids=lambda case: case.id)
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


@pytest.mark.slow
def test_exported_program_takes_any_image_size() -> None:
    """A fully convolutional part of a ResNet, exported for a free height and width, is right at other ones."""
    resnet = next(architecture for architecture in ARCHITECTURES if architecture.id == "resnet")
    ours, stock = (nn.Sequential(*list(model.children())[:-2]).eval() for model in pair(resnet, torch.float64))
    example = resnet.input(torch.float64)
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(ours, (example,), dynamic_shapes=(sizes,))
    for height, width in ((32, 20), (24, 28)):  # no larger than the example, to which its convolutions restrict it
        x = torch.randn(*example.shape[:2], height, width, dtype=torch.float64)
        assert_close(program.module()(x), stock(x), rtol=1e-8, atol=1e-8)
