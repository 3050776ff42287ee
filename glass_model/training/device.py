"""Where training runs: this process among those of a run, its device, and what makes the device faster."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wsprites.errors import ArgumentError


@dataclass(frozen=True)
class Process:
    """This process among those of a run."""

    rank: int
    """Number of this process, from 0."""
    count: int
    """Number of processes."""
    device: torch.device
    """Device of this process."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0


@dataclass(frozen=True)
class Speed:
    """Options that make training faster and change its numbers by rounding."""

    bfloat16: bool = False
    """Run the network's forward pass under bfloat16 autocast; losses stay in float32."""
    compiled: bool = False
    """Let the system compile parts of its network by torch.compile."""
    channels_last: bool = False
    """Store images and convolution weights with the channels last."""
    fused: bool = False
    """Use the fused implementation of Adam."""
    tf32: bool = False
    """Allow TensorFloat-32, and let cuDNN search for the fastest algorithms."""

    @staticmethod
    def of(device: torch.device, precise: bool) -> "Speed":
        """All options on CUDA, those that help on a CPU, or none if the run is to be precise."""
        if precise:
            return Speed()
        cuda = device.type == "cuda"
        return Speed(bfloat16=cuda, compiled=cuda, channels_last=True, fused=True, tf32=cuda)


@dataclass(frozen=True)
class Setup:
    """What a system is told when it is built for training."""

    device: torch.device
    """Device of the network."""
    speed: Speed = Speed()
    """Options for speed; a system applies `compiled` and `fused`, the loop the others."""
    vgg: Path | None = None
    """torchvision's weights of VGG19 for perceptual terms; None leaves these terms out."""
    gma: Path | None = None
    """Checkpoint of GLASS with the global motion analysis to begin with; None begins with random weights."""
    reader: Path | None = None
    """Checkpoint of a latent action model whose codes GLASS learns to draw."""

    def check_alone(self, name: str) -> None:
        """Raise ArgumentError if there are checkpoints of others, for a system of this name, which uses none."""
        if self.gma:
            raise ArgumentError("gma", f"{name} has no global motion analysis; leave it out")
        if self.reader:
            raise ArgumentError("reader", f"{name} has its own codes; leave it out")


@contextmanager
def evaluated(network: nn.Module) -> Iterator[Any]:
    """The network in eval mode, without gradients; afterwards each module is in its own mode again.

    Compiled parts run as they are written: new shapes would be compiled, which takes minutes, and count for the limit of torch.compile.
    """
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        # Not inference_mode: a tensor that a network keeps from it could not be used in training.
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            yield network
    finally:
        for module in training:
            module.training = True


def join(device: str = "") -> Process:
    """This process as torchrun started it, or the only one of a run.

    Args:
        device: name of a torch device; empty: CUDA if available, else the CPU. Under torchrun, "cuda" is the local rank's device.

    Raises:
        ArgumentError: the device does not exist.
    """
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(name)
        torch.empty(1, device=place).sum().item()  # "meta" holds no values
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError("device", f"{name}: {str(error).splitlines()[0]}; choose cpu or another device") from None
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Process(0, 1, place)
    if place.type == "cuda":
        place = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(place)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    return Process(dist.get_rank(), count, place)


@torch.no_grad()
def broadcast(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors, in place, with those of process 0."""
    for same_type in _by_type(tensors):
        flat = torch.cat([tensor.flatten() for tensor in same_type])
        dist.broadcast(flat, 0)
        _unpack(flat, same_type)


@torch.no_grad()
def average(tensors: Iterable[Tensor], processes: int) -> None:
    """Overwrite tensors, in place, with their mean over all processes."""
    for same_type in _by_type(tensors):
        flat = torch.cat([tensor.flatten() for tensor in same_type])
        dist.all_reduce(flat)
        _unpack(flat / processes, same_type)


def _by_type(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Tensors grouped by dtype, so that each group is sent in one piece."""
    return [list(group) for _, group in groupby(sorted(tensors, key=lambda t: str(t.dtype)), key=lambda t: t.dtype)]


def _unpack(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """Copy the parts of a flat tensor to the tensors that it was made of."""
    for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))
