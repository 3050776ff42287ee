"""VGG19 from a file of weights."""

from pathlib import Path

import pytest
import torch

from glass_model.perceptual import VGG19, load_vgg
from wsprites.errors import UserError


def test_vgg(tmp_path: Path) -> None:
    """Layers as torchvision numbers them, from a file whose hash is checked before it is read."""
    torch.manual_seed(0)
    path = tmp_path / "vgg19.pth"
    model = VGG19()
    names = [name.removesuffix(".weight") for name in model.state_dict() if name.endswith("weight")]
    assert names == [f"features.{n}" for n in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)]
    weights = model.state_dict() | {"classifier.0.weight": torch.zeros(1)}
    torch.save(weights, path, _use_new_zipfile_serialization=False)  # torchvision's file is older than the new format
    with pytest.raises(UserError, match=r"its SHA-256 begins with \w{8}, not with dcbb9e9d; torchvision's"):
        load_vgg(path)
    again = load_vgg(path, sha256="")
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    features = again(image)
    assert [f.shape[1:] for f in features] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    for ours, theirs in zip(features, model(image), strict=True):
        assert torch.equal(ours, theirs)
    assert not any(p.requires_grad for p in again.parameters())
    with pytest.raises(UserError, match=r"vgg: .*no such file"):
        load_vgg(tmp_path / "no.pth")


def test_features_without_normalisation() -> None:
    """The first layer gets the image itself: what it would get of an image that normalisation makes of it."""
    torch.manual_seed(0)
    model, image = VGG19(), torch.rand(1, 3, 16, 16) * 2 - 1
    first = model.features[0](image).relu()
    torch.testing.assert_close(model(image, normalise=False)[0], first)
    assert not torch.allclose(model(image)[0], first)
