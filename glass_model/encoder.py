"""The encoder of frames that GLASS and CADDY share. Images are (B, C, H, W); h, w = H / 8, W / 8."""

from typing import NamedTuple

from torch import Tensor, nn

from glass_model.blocks import Residual, Same


class Encoded(NamedTuple):
    """Output of the encoder."""

    state: Tensor
    """(..., 4c, h, w): features of the image."""
    attention: Tensor
    """(..., 1, h, w) in 0 to 1: weights of the features for the action network."""


class Encoder(nn.Module):
    """E: (B, C, H, W) -> state and attention.

    Args:
        c: channels of the first layer.
        channels_in: C, three for each frame that is encoded.
    """

    def __init__(self, c: int, channels_in: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Same(channels_in, c, down=2),
            Residual(c, c),
            Residual(c, 2 * c, down=2),
            Residual(2 * c, 2 * c),
            Residual(2 * c, 4 * c, down=2),
            Residual(4 * c, 4 * c),
            Residual(4 * c, 4 * c + 1),
        )

    def forward(self, image: Tensor) -> Encoded:
        """Encode images."""
        y = self.layers(image)
        return Encoded(y[:, :-1], y[:, -1:].sigmoid())
