"""The three networks that define LPIPS, FID and FVD, with weights from files of the user. Nothing is downloaded.

Layers are named as in the published files. Axis suffixes: n images or videos, t frames, h, w, c = RGB; frames are uint8.
Inside, tensors are (N, C, H, W) and (N, C, T, H, W).
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wsprites.errors import ArgumentError
from wsprites.weights import load_weights

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]

SHA256 = {
    "alexnet-owt-7be5be79.pth": "7be5be79",
    "alex.pth": "df73285e",
    "pt_inception-2015-12-05-6726825d.pth": "6726825d",
    "weights-inception-2015-12-05-6726825d.pth": "6726825d",
}
"""First digits of the hash of each file that exists in one version only. The last two are one file under two names."""
_IMAGES, _VIDEOS = 16, 4  # per batch of a network


class Lpips(nn.Module):
    """The five convolutions of AlexNet, and a weight for each of their channels (Zhang et al. 2018, v0.1)."""

    _WIDTHS = (64, 192, 384, 256, 256)
    _TAPS = (1, 4, 7, 9, 11)  # after each ReLU

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = self._WIDTHS
        self.features = nn.Sequential(
            *(nn.Conv2d(3, a, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(a, b, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(b, c, 3, padding=1), nn.ReLU(), nn.Conv2d(c, d, 3, padding=1), nn.ReLU(), nn.Conv2d(d, e, 3, padding=1), nn.ReLU()),
        )
        for n, width in enumerate(self._WIDTHS):  # the identity stands for a dropout in training
            self.add_module(f"lin{n}", nn.ModuleDict({"model": nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))}))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(N,) distances of images (N, 3, H, W) in [-1, 1]."""
        mean, std = (a.new_tensor(rgb).reshape(3, 1, 1) for rgb in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
        x = (torch.cat([a, b]) - mean) / std
        total = a.new_zeros(len(a))
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self._TAPS:
                unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
                squares = (unit[: len(a)] - unit[len(a) :]).square()
                total += self.get_submodule(f"lin{self._TAPS.index(number)}.model")(squares).mean((1, 2, 3))
        return total


class _Conv2d(nn.Module):
    def __init__(self, a: int, b: int, size: Any, stride: int = 1, padding: Any = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(a, b, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(b, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


# A branch of a block: channels and kernel size of its convolutions in order. A fork is a row and a column kernel in parallel.
_Branches = dict[str, Sequence[tuple[int, Any]]]
_ROW, _COLUMN, _FORK = (1, 7), (7, 1), ((1, 3), (3, 1))
_DOUBLE = ((64, 1), (96, 3), (96, 3))
_6A: _Branches = {"branch3x3": [(384, 3)], "branch3x3dbl": _DOUBLE}
_7A: _Branches = {"branch3x3": [(192, 1), (320, 3)], "branch7x7x3": [(192, 1), (192, _ROW), (192, _COLUMN), (192, 3)]}
_7B: _Branches = {
    "branch1x1": [(320, 1)],
    "branch3x3": [(384, 1), (384, _FORK)],
    "branch3x3dbl": [(448, 1), (384, 3), (384, _FORK)],
    "branch_pool": [(192, 1)],
}


def _5(pooled: int) -> _Branches:
    return {"branch1x1": [(64, 1)], "branch5x5": [(48, 1), (64, 5)], "branch3x3dbl": _DOUBLE, "branch_pool": [(pooled, 1)]}


def _6(n: int) -> _Branches:
    return {
        "branch1x1": [(192, 1)],
        "branch7x7": [(n, 1), (n, _ROW), (192, _COLUMN)],
        "branch7x7dbl": [(n, 1), (n, _COLUMN), (n, _ROW), (n, _COLUMN), (192, _ROW)],
        "branch_pool": [(192, 1)],
    }


class _Mixed2d(nn.Module):
    """Parallel branches. Without a `branch_pool` all end with a stride of 2, in parallel to a pooling with the same stride."""

    def __init__(self, width: int, branches: _Branches, *, largest: bool = False) -> None:
        super().__init__()
        self._halves, self._largest = "branch_pool" not in branches, largest
        self._chains: dict[str, list[list[str]]] = {}
        for branch, sizes in branches.items():
            a, self._chains[branch] = width, []
            for number, (b, size) in enumerate(sizes, start=1):
                name = branch if len(sizes) == 1 else f"{branch}_{number}"
                side_by_side = {f"{name}a": size[0], f"{name}b": size[1]} if size is _FORK else {name: size}
                for one, (rows, columns) in ((one, (k, k) if isinstance(k, int) else k) for one, k in side_by_side.items()):
                    halve = self._halves and number == len(sizes)
                    self.add_module(one, _Conv2d(a, b, (rows, columns), 2 if halve else 1, 0 if halve else (rows // 2, columns // 2)))
                self._chains[branch].append(list(side_by_side))
                a = b * len(side_by_side)

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        for branch, chain in self._chains.items():
            y = x
            if branch == "branch_pool":
                y = F.max_pool2d(x, 3, 1, 1) if self._largest else F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
            for names in chain:
                y = torch.cat([self.get_submodule(name)(y) for name in names], 1)
            parts.append(y)
        return torch.cat([*parts, F.max_pool2d(x, 3, 2)] if self._halves else parts, 1)


def inception() -> nn.Sequential:
    """InceptionV3 of 2015-12-05, without its 1,008 classes: (N, 3, 299, 299) in [-1, 1] to (N, 2048, 8, 8).

    Szegedy et al. 2015, as in TensorFlow: average pooling does not count the padding, and the last block takes maxima instead.
    """
    layers: dict[str, nn.Module] = {
        "Conv2d_1a_3x3": _Conv2d(3, 32, 3, 2),
        "Conv2d_2a_3x3": _Conv2d(32, 32, 3),
        "Conv2d_2b_3x3": _Conv2d(32, 64, 3, padding=1),
        "pool_1": nn.MaxPool2d(3, 2),
        "Conv2d_3b_1x1": _Conv2d(64, 80, 1),
        "Conv2d_4a_3x3": _Conv2d(80, 192, 3),
        "pool_2": nn.MaxPool2d(3, 2),
        "Mixed_5b": _Mixed2d(192, _5(32)),
        "Mixed_5c": _Mixed2d(256, _5(64)),
        "Mixed_5d": _Mixed2d(288, _5(64)),
        "Mixed_6a": _Mixed2d(288, _6A),
        **{f"Mixed_6{letter}": _Mixed2d(768, _6(n)) for letter, n in zip("bcde", (128, 160, 160, 192), strict=True)},
        "Mixed_7a": _Mixed2d(768, _7A),
        "Mixed_7b": _Mixed2d(1280, _7B),
        "Mixed_7c": _Mixed2d(2048, _7B, largest=True),
    }
    net = nn.Sequential(OrderedDict(layers))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on a CPU
    return net


def _same(x: Tensor, size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Zeros around (N, C, T, H, W) so that windows of `size` give 1 / stride of each axis, rounded up; an odd zero comes last."""
    missing = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[2:], size, stride, strict=True)]
    return F.pad(x, [end for more in reversed(missing) for end in (more // 2, more - more // 2)])


class _Conv3d(nn.Module):
    def __init__(self, a: int, b: int, size: int, stride: int = 1, *, last: bool = False) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(a, b, size, stride, bias=last)
        self.bn = None if last else nn.BatchNorm3d(b)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3d(_same(x, self.conv3d.kernel_size, self.conv3d.stride))
        return x if self.bn is None else F.relu(self.bn(x))


class _MaxPool3d(nn.Module):
    def __init__(self, size: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self._size, self._stride = size, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool3d(_same(x, self._size, self._stride), self._size, self._stride)  # after a ReLU, zeros do not change a maximum


class _Mixed3d(nn.Module):
    def __init__(self, width: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        a, b_in, b, c_in, c, d = sizes
        self.b0 = _Conv3d(width, a, 1)
        self.b1a, self.b1b = _Conv3d(width, b_in, 1), _Conv3d(b_in, b, 3)
        self.b2a, self.b2b = _Conv3d(width, c_in, 1), _Conv3d(c_in, c, 3)
        self.pool, self.b3b = _MaxPool3d((3, 3, 3), (1, 1, 1)), _Conv3d(width, d, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.pool(x))], 1)


_MIXED = {  # channels of the four branches; the middle two begin with a narrower convolution
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


def i3d(epsilon: float = 1e-3) -> nn.Sequential:
    """I3D for RGB and Kinetics-400: (N, 3, T, 224, 224) in [-1, 1] to the logits (N, 400, T / 8 - 1, 1, 1), T of 16 or more.

    Carreira and Zisserman 2017, with the padding of TensorFlow.

    Args:
        epsilon: of the batch normalisation; the default is that of TensorFlow.
    """
    layers: dict[str, nn.Module] = {
        "Conv3d_1a_7x7": _Conv3d(3, 64, 7, 2),
        "pool_2a": _MaxPool3d((1, 3, 3), (1, 2, 2)),
        "Conv3d_2b_1x1": _Conv3d(64, 64, 1),
        "Conv3d_2c_3x3": _Conv3d(64, 192, 3),
        "pool_3a": _MaxPool3d((1, 3, 3), (1, 2, 2)),
    }
    pools = {"4b": _MaxPool3d((3, 3, 3), (2, 2, 2)), "5b": _MaxPool3d((2, 2, 2), (2, 2, 2))}
    widths = [192, *(a + b + c + d for a, _, b, _, c, d in _MIXED.values())]
    for (name, sizes), (width, _) in zip(_MIXED.items(), pairwise(widths), strict=True):
        layers |= {f"pool_{name}": pools[name]} if name in pools else {}
        layers[f"Mixed_{name}"] = _Mixed3d(width, sizes)
    layers |= {"average": nn.AvgPool3d((2, 7, 7), 1), "logits": _Conv3d(widths[-1], 400, 1, last=True)}
    net = nn.Sequential(OrderedDict(layers))
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm3d):
            layer.eps = epsilon
    return net


def resize(x: Tensor, size: int) -> Tensor:
    """(..., H, W) to (..., size, size), bilinear as in TensorFlow 1: entry i lies at i H / size, without antialiasing."""
    for axis in (-1, -2):
        n = x.shape[axis]
        at = torch.arange(size, dtype=torch.float64, device=x.device) * n / size
        low = at.long()
        share = (at - low).to(x.dtype).reshape((-1,) if axis == -1 else (-1, 1))
        a, b = (x.index_select(axis, index) for index in (low, (low + 1).clamp(max=n - 1)))
        x = a + (b - a) * share
    return x


# The networks as functions on arrays.


def lpips(net: Lpips, frames_nhwc: Frames, true_nhwc: Frames) -> Floats:
    """(N,) distances, 0 for equal images; no upper limit, seldom above 1 (Zhang et al. 2018, eq. 1)."""
    return _by_parts(_IMAGES, lambda a, b: net(*(x / 127.5 - 1 for x in (a, b))), net, frames_nhwc, true_nhwc)


def inception_features(net: nn.Module, frames_nhwc: Frames) -> Floats:
    """(N, 2048) features for the FID (Heusel et al. 2017): the last block of Inception, averaged over the image."""
    return _by_parts(_IMAGES, lambda x: net((resize(x, 299) - 128) / 128).mean((2, 3)), net, frames_nhwc)


def i3d_features(net: nn.Module, videos_nthwc: Frames) -> Floats:
    """(N, 400) features for the FVD (Unterthiner et al. 2018): I3D's logits, averaged over time. T is 16 or more."""
    return _by_parts(_VIDEOS, lambda x: net((resize(x, 224) / 127.5 - 1).transpose(1, 2)).mean((2, 3, 4)), net, videos_nthwc)


def _by_parts(size: int, compute: Callable[..., Tensor], net: nn.Module, *arrays: Frames) -> Floats:
    """The output of a network for arrays whose last axis is the colours, in batches, in full float32."""
    device = next(net.parameters()).device
    parts = []
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        for first in range(0, len(arrays[0]), size):
            some = (torch.from_numpy(np.ascontiguousarray(np.moveaxis(array[first : first + size], -1, -3))) for array in arrays)
            parts.append(compute(*(x.to(device).float() for x in some)).cpu().numpy().astype(np.float64))
    return np.concatenate(parts)


@dataclass(frozen=True)
class Networks:
    """The networks whose weights are available, as functions on arrays, by the score that they are for; None for the others."""

    lpips: Callable[[Frames, Frames], Floats] | None = None
    fid: Callable[[Frames], Floats] | None = None
    fvd: Callable[[Frames], Floats] | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    """Hash of every file that was read, by its name."""
    missing: dict[str, str] = field(default_factory=dict)
    """The file that each of the other networks lacks, by its name."""


def load(folder: Path) -> Networks:
    """The networks whose files are in a folder, on a GPU if there is one.

    Raises:
        ArgumentError: the folder has none of the files.
        UserError: a file is damaged or not the one that its name stands for.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks: dict[str, Any] = {}
    sha256: dict[str, str] = {}
    absent: dict[str, list[str]] = {}
    for name, compute, make, files in _USUAL:
        if name in networks:
            continue
        if lacking := [file for file in files if not (folder / file).is_file()]:
            absent.setdefault(name, []).append(lacking[0])
            continue
        net = make()
        for file, prefix in files.items():
            sha256[file] = load_weights(net, folder / file, f"the usual {file}", SHA256.get(file, ""), prefix)
        net.requires_grad_(False).eval().to(device)
        networks[name] = partial(compute, net)
    missing = {name: f"no {' or '.join(files)}" for name, files in absent.items() if name not in networks}
    if not networks:
        raise ArgumentError("weights", f"{folder}: {'; '.join(missing.values()) if folder.is_dir() else 'no such folder'}")
    return Networks(**networks, sha256=sha256, missing=missing)


_USUAL: tuple[tuple[str, Callable[..., Floats], Callable[[], nn.Module], dict[str, str]], ...] = (
    ("lpips", lpips, Lpips, {"alexnet-owt-7be5be79.pth": "features.", "alex.pth": "lin"}),
    ("fid", inception_features, inception, {"pt_inception-2015-12-05-6726825d.pth": ""}),
    ("fid", inception_features, inception, {"weights-inception-2015-12-05-6726825d.pth": ""}),
    ("fvd", i3d_features, i3d, {"rgb_imagenet.pt": ""}),
    ("fvd", i3d_features, partial(i3d, 1e-5), {"i3d_pretrained_400.pt": ""}),  # the default of that code
)
"""Score, function, network, and its files with the prefix of the names of their weights; the first entry with all files is used."""
