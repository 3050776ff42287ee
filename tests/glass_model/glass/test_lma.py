"""Networks of the local motion analysis."""

import torch
from torch import nn

from glass_model.glass.lma import Bilinear


def test_bilinear_against_torch() -> None:
    own, known = Bilinear(3, 4, 5), nn.Bilinear(3, 4, 5, bias=False)
    known.weight.data = own.weight.data.reshape(5, 3, 4)
    x, y = torch.randn(6, 3), torch.randn(6, 4)
    torch.testing.assert_close(own(x, y), known(x, y))
