"""An articulated model whose frames are the moved background alone, and a picture for it."""

import torch
from torch import Tensor

from glass_model.articulated.config import PRESETS
from glass_model.articulated.model import Articulated

TINY = PRESETS["tiny"].model


def scene_only(model: Articulated) -> Articulated:
    """Make a model take all pixels from the background and believe them."""
    with torch.no_grad():
        for layer, value in ((model.flow.weights, [50.0] + [0.0] * TINY.regions), (model.flow.confidence, [50.0])):
            assert layer.bias is not None
            layer.weight.zero_()
            layer.bias.copy_(torch.tensor(value))
    return model


def picture(height: int = 48, width: int = 64) -> Tensor:
    """Two frames of noise, uint8."""
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
