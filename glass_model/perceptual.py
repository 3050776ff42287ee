"""Features of VGG19 for perceptual terms, with weights from a file of the user's; nothing is downloaded."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from wsprites.errors import ArgumentError
from wsprites.weights import load_weights

Features = Callable[[Tensor], list[Tensor]]
"""(B, 3, H, W) in [-1, 1] -> maps of features, such as VGG19."""
SHA256 = "dcbb9e9d"
"""First digits of the hash of torchvision's ImageNet weights of VGG19, as in their name, vgg19-dcbb9e9d.pth."""

# Channels of the convolutions in order; 0 is a pooling. The index of a layer is the one in its name in the file.
_LAYERS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)
_WANTED = "torchvision's vgg19-dcbb9e9d.pth"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG19(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> the outputs of relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1. H and W are 16 or more."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.taps: list[int] = []
        width, first = 3, True
        for channels in _LAYERS:
            if not channels:
                layers.append(nn.MaxPool2d(2))
                first = True
                continue
            layers += [nn.Conv2d(width, channels, 3, padding=1), nn.ReLU()]
            if first:
                self.taps.append(len(layers) - 1)
            width, first = channels, False
        self.features = nn.Sequential(*layers)
        self.requires_grad_(False)

    def forward(self, image: Tensor, *, normalise: bool = True) -> list[Tensor]:
        """The five maps of features, float32. Without `normalise` the layers get the image as it is, not scaled as the weights expect."""
        x = image
        if normalise:
            mean, std = (image.new_tensor(values).reshape(3, 1, 1) for values in (_MEAN, _STD))
            x = ((image + 1) / 2 - mean) / std
        features = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                features.append(x.float())
        return features


def load_vgg(path: Path, sha256: str = SHA256) -> VGG19:
    """VGG19 with the weights of a file, in eval mode, without gradients.

    Args:
        path: torchvision's vgg19-dcbb9e9d.pth.
        sha256: first digits of the file's hash.

    Raises:
        ArgumentError: no such file.
        UserError: another file.
    """
    if not path.is_file():
        raise ArgumentError("vgg", f"{path}: no such file; expected {_WANTED}")
    model = VGG19()
    load_weights(model, path, _WANTED, sha256)
    return model.eval()
