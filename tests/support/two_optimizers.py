"""A small system of a generator and a discriminator with an optimiser each, playable, with buffers and random numbers in training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from glass_model.systems import Action, Controls, Reading, Turn, check_frames
from glass_model.training.config import TrainConfig
from glass_model.training.device import Setup
from glass_model.training.strips import Strip


@dataclass(frozen=True)
class Config:
    """Configuration of the system."""

    system: ClassVar[str] = "two"
    name: str = "two"
    train: TrainConfig = field(default_factory=lambda: TrainConfig(steps=6, batch=2, window=3))


PRESETS: Mapping[str, Config] = {"two": Config()}


class Network(nn.Module):
    """A generator of one number and a discriminator of another, and the moving average of what the generator made."""

    controls = Controls(vectors=1)
    average: Tensor
    after: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = nn.Linear(1, 1), nn.Linear(1, 1)
        self.register_buffer("average", torch.zeros(1))
        self.register_buffer("after", torch.zeros(2))  # found after training: brightness of a batch, and a random number

    def forward(self, x: Tensor) -> Tensor:
        """What the generator makes."""
        y: Tensor = self.generator(x)
        return y

    def infer(self, frames: Tensor) -> Reading:
        """Vectors, and nothing else."""
        check_frames(frames, video=True)
        scale = 1.0 if frames.dtype == torch.uint8 else 127.5
        brightness = frames.float().mean((2, 3, 4)) * scale
        return Reading(vectors=brightness.diff(dim=1)[..., None])

    def start(self, frame: Tensor) -> Tensor:
        """The state is the frame."""
        check_frames(frame, video=False)
        return frame.float() / 127.5 - 1 if frame.dtype == torch.uint8 else frame.float()

    def step(self, state: Tensor, action: Action) -> tuple[Tensor, Tensor]:
        """Make the frame brighter by the vector."""
        self.controls.check(action, (len(state), *state.shape[-2:]))
        assert action.vectors is not None
        state = state + action.vectors[:, :, None, None] / 127.5
        return state, state


class TwoOptimizers:
    """The system in training. `weights_seen` are the generator's weights at each turn."""

    def __init__(self, config: Config, setup: Setup) -> None:
        self.network = Network().to(setup.device)
        parts = (self.network.generator, self.network.discriminator)
        self.optimizers: list[Optimizer] = [torch.optim.Adam(part.parameters(), lr=config.train.rate) for part in parts]
        self.weights_seen: list[float] = []

    def turns(self, frames: Tensor, step: int) -> Iterator[Turn]:
        """The generator's turn, then the discriminator's."""
        network = self.network
        x = frames.float().mean().reshape(1, 1) / 255 + 0.1 * torch.randn(1, 1, device=frames.device)
        self.weights_seen.append(network.generator.weight.item())
        fake = network(x)
        cheat = -network.discriminator(fake).mean()
        yield Turn(self.optimizers[0], cheat, {"cheat": cheat}, schedule={"stage": 1 + (step >= 3)})
        self.weights_seen.append(network.generator.weight.item())
        fake = network(x).detach()
        with torch.no_grad():
            network.average.mul_(0.9).add_(0.1 * fake.flatten())
        real, made = network.discriminator(x).mean(), network.discriminator(fake - network.average).mean()
        yield Turn(self.optimizers[1], made.square() - real, {"real": real, "made": made})

    def strip(self) -> list[Strip]:
        """Nothing to show."""
        return []

    def finish(self, batches: Iterator[Tensor]) -> None:
        """Take the brightness of the next batch, and a random number."""
        self.network.after.copy_(torch.stack([next(batches).float().mean(), torch.rand(())]))


made: list[TwoOptimizers] = []
"""Every system that `system` has built, the latest last."""


def network(config: Config) -> Network:
    """The network of a configuration."""
    return Network()


def system(config: Config, setup: Setup) -> TwoOptimizers:
    """The system of a configuration."""
    made.append(TwoOptimizers(config, setup))
    return made[-1]
