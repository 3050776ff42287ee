"""Your own torch module as a model of the benchmark: `wsprites bench --model torch_adapter:make --clips 20`.

Replace `Inverse` by your network. It gets pairs of frames, (N, 2, 3, 64, 64) float32 in [-1, 1], and returns any of `codes` (N,) integers,
`vectors` (N, D), `shift` and `background_shift` (N, 2) in pixels of the frames that it gets.
"""

import torch
from torch import Tensor, nn

from wsprites.bench.torch_adapter import PairModel

CODES = 8


class Inverse(nn.Module):
    """An untrained inverse model. Its scores say what a network knows before it learns anything."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(6, 16, 5, 4), nn.GELU(), nn.Conv2d(16, 16, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(16, CODES)

    def forward(self, pairs: Tensor) -> dict[str, Tensor]:
        vectors = self.features(pairs.flatten(1, 2))
        return {"codes": self.head(vectors).argmax(-1), "vectors": vectors}


def make() -> PairModel:
    """What `--model torch_adapter:make` calls. Load your weights here."""
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return PairModel(Inverse().to(device), codes=CODES, size=(64, 64), value_range=(-1, 1))


if __name__ == "__main__":
    from wsprites.bench import predict

    predict(make(), "torch_adapter.npz", clips=2, overwrite=True)
    print("torch_adapter.npz: score it by wsprites bench --model torch_adapter.npz --clips 2")
