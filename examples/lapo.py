"""A latent action model in eighty lines: an inverse model finds a code for each pair of frames, a forward model needs it to predict.

After Schmidt and Jiang, Learning to Act without Actions (ICLR 2024), much smaller. `python lapo.py` trains it on clips that are rendered on
the fly and writes lapo.pt, which score.py scores. A step takes one core one or two seconds: `--steps 30` shows it, and learns little.
"""

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from wsprites.bench.torch_adapter import PairModel
from wsprites.stream import RenderedClips

CODES, SIZE, WIDTH = 9, (48, 64), 32


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(4, outputs), nn.GELU())


class LAPO(nn.Module):
    """`forward` gives the code of each pair of frames, (N, 2, 3, h, w) in [-1, 1]; `loss` is what training minimises."""

    def __init__(self) -> None:
        super().__init__()
        self.inverse = nn.Sequential(
            block(6, WIDTH, 2), block(WIDTH, 2 * WIDTH, 2), block(2 * WIDTH, 4 * WIDTH, 2), nn.Flatten(), nn.LazyLinear(WIDTH)
        )
        self.codebook = nn.Embedding(CODES, WIDTH)
        self.down = nn.Sequential(block(3, WIDTH, 2), block(WIDTH, 2 * WIDTH, 2))
        self.middle = nn.Sequential(block(3 * WIDTH, 4 * WIDTH), block(4 * WIDTH, 4 * WIDTH))
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2), block(4 * WIDTH, WIDTH), nn.Upsample(scale_factor=2), block(WIDTH, WIDTH), nn.Conv2d(WIDTH, 3, 1)
        )

    def vectors(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        z = self.inverse(pairs.flatten(1, 2))
        return z, torch.cdist(z, self.codebook.weight).argmin(-1)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.vectors(pairs)[1]

    def loss(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        z, code = self.vectors(pairs)
        chosen = self.codebook(code)
        quantized = z + (chosen - z).detach()  # gradients pass the quantizer as if it were not there
        features = self.down(pairs[:, 0])
        action = quantized[:, :, None, None].expand(-1, -1, *features.shape[-2:])
        predicted = pairs[:, 0] + self.up(self.middle(torch.cat([features, action], 1)))
        commitment = F.mse_loss(chosen, z.detach()) + 0.25 * F.mse_loss(z, chosen.detach())
        return F.mse_loss(predicted, pairs[:, 1]) + commitment, code


def make(path: str = "lapo.pt") -> PairModel:
    """The trained model as the benchmark takes it: `wsprites bench --model lapo:make`."""
    network = LAPO()
    network.load_state_dict(torch.load(path, weights_only=True))
    return PairModel(network, codes=CODES, size=SIZE, value_range=(-1, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--world", default="factorial")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    network = LAPO()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    batches = iter(DataLoader(RenderedClips(arguments.world, "train", window=2, seed=0, batch=64), batch_size=None))
    for step in range(1, arguments.steps + 1):
        frames = next(batches)["frames"].float() / 127.5 - 1
        loss, code = network.loss(F.interpolate(frames.flatten(0, 1), SIZE, mode="area").unflatten(0, frames.shape[:2]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in (1, 10) or step % 100 == 0 or step == arguments.steps:
            print(f"step {step}: loss {loss.item():.4f}, {len(code.unique())} of {CODES} codes in this batch", flush=True)
    torch.save(network.state_dict(), "lapo.pt")


if __name__ == "__main__":
    main()
