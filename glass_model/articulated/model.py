"""Articulated motion: the networks together; training, reading motions from videos, and playing.

Inside, frames are float32 in [0, 1] at the model's size. `infer`, `start` and `step` follow `glass_model.systems.Playable`: frames of any
size. Entry t of a reading leads from frame t to frame t + 1.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from glass_model.articulated.avd import AVD, numbers_of, regions_of, without_heatmaps
from glass_model.articulated.config import ModelConfig
from glass_model.articulated.geometry import inverse, matrix, positive
from glass_model.articulated.networks import BackgroundPredictor, FlowPredictor, Generator, Motion, RegionPredictor, Regions
from glass_model.blocks import by_sequence
from glass_model.images import resize, to_float
from glass_model.lam.bottleneck import Codebooks
from glass_model.systems import Action, Controls, Reading, check_frames
from wsprites.errors import ArgumentError

AT_ONCE = 32
"""Frames that are computed together, so that a long video needs little memory."""


class Result(NamedTuple):
    """What `forward` computes for the losses, from B pairs."""

    made: Tensor
    """(B, 3, H, W) float32 in [0, 1]: the driving frame, made from the source."""
    deformed: Tensor
    """(B, 3, H, W): the source moved by the flow alone."""
    driving: Regions
    """Regions of the driving frame."""
    warped: Regions
    """Regions of the driving frame after a random warp."""
    motion: Motion
    """The flow."""


class State(NamedTuple):
    """State of a video that is being generated. Passed to `step` and returned by it, never written to."""

    source: Tensor
    """(B, 3, H, W) the first frame, at the model's size: every frame is made from it."""
    first: Regions
    """Its regions."""
    now: Regions
    """The regions of the last frame."""
    scene: Tensor
    """(B, 3, 3): from coordinates of the last frame to those of the first, for the background."""
    size: tuple[int, int]
    """(height, width) of the frames that the caller has."""


class Articulated(nn.Module):
    """The model of Siarohin et al., Motion Representations for Articulated Animation (CVPR 2021).

    The vector of a transition has 6 K numbers, 0 where nothing moves: the differences of the regions' means, (K, 2), and then A' A^-1 - I,
    (K, 2, 2), where A' A^-1 leads from the axes of a region to its next ones and has a positive entry (0, 0).

    Args:
        config: sizes of the networks.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.controls = Controls(codes=config.codes, vectors=6 * config.regions, background_shift=True)
        self.regions, self.background = RegionPredictor(config), BackgroundPredictor(config)
        self.flow, self.generator, self.avd = FlowPredictor(config), Generator(config), AVD(config)
        self.codebook = Codebooks(config.codes, 6 * config.regions) if config.codes else None

    # Training.

    def forward(self, source: Tensor, driving: Tensor, warped: Tensor) -> Result:
        """Make driving frames from sources.

        Args:
            source: (B, 3, H, W) in [0, 1] at the model's size, from `to_model`.
            driving: another frame of the same video.
            warped: the driving frame under a random warp, whose regions alone are found.
        """
        batch = len(source)
        every: Regions = self.regions(torch.cat([source, driving, warped]))
        of_source, of_driving, of_warped = (every.to(slice(i * batch, (i + 1) * batch)) for i in range(3))
        motion: Motion = self.flow(source, of_source, of_driving, self.background(source, driving))
        made, deformed = self.generator(source, motion)
        return Result(made, deformed, of_driving, of_warped, motion)

    # Reading and playing.

    def to_model(self, frames: Tensor) -> Tensor:
        """Frames (..., 3, H, W), uint8 or float in [-1, 1], as float32 in [0, 1] at the model's size."""
        return resize((to_float(frames) + 1) / 2, self.config.frame)

    @torch.inference_mode()
    def infer(self, frames: Tensor) -> Reading:
        """Read motions as vectors, shifts of the scene (unless the background is "zero"), and masks.

        The shift of the scene is that in the middle of the frame. The mask of a frame is 1 minus the share of the background in the flow
        that makes it from the frame before, or the first one from the second.

        Args:
            frames: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: frames of another shape, type or range.

        Example:
            >>> from glass_model.articulated.config import PRESETS
            >>> reading = Articulated(PRESETS["tiny"].model).eval().infer(torch.zeros(1, 3, 3, 96, 128))
            >>> reading.vectors.shape, reading.background_shift.shape, reading.masks.shape
            (torch.Size([1, 2, 30]), torch.Size([1, 2, 2]), torch.Size([1, 3, 96, 128]))
        """
        check_frames(frames, video=True)
        size, x = (frames.shape[-2], frames.shape[-1]), self.to_model(frames)
        regions = self.find(x)
        # Each frame is made from the one before, the first one from the second.
        source = torch.cat([x[:, 1:2], x[:, :-1]], 1)
        earlier = Regions(*(torch.cat([part[:, 1:2], part[:, :-1]], 1) for part in regions))
        scenes, masks = [], []
        for s, d, of_s, of_d in zip(
            *(torch.split(tensor.flatten(0, 1), AT_ONCE) for tensor in (source, x)), *map(_parts, (earlier, regions)), strict=True
        ):
            scene = self.background(s, d)
            scenes.append(scene)
            masks.append(resize(1 - self.flow(s, of_s, of_d, scene).weights[:, :1], size)[:, 0])
        scene, vectors = by_sequence(torch.cat(scenes), len(frames))[:, 1:], changes(regions)
        return Reading(
            codes=self.codebook.nearest(vectors.flatten(0, 1))[1].view(vectors.shape[:2]) if self.codebook else None,
            vectors=vectors,
            background_shift=None if self.config.background == "zero" else self._pixels(-scene[..., :2, 2] / scene[..., 2:, 2], size),
            masks=by_sequence(torch.cat(masks), len(frames)).clamp(0, 1),
        )

    def find(self, frames: Tensor) -> Regions:
        """The regions of frames (B, T, 3, H, W) from `to_model`, each with leading axes (B, T)."""
        parts = [self.regions(part) for part in torch.split(frames.flatten(0, 1), AT_ONCE)]
        return Regions(*(by_sequence(torch.cat(tensors), len(frames)) for tensors in zip(*parts, strict=True)))

    @torch.inference_mode()
    def start(self, frame: Tensor) -> State:
        """The state of a video that begins with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: a frame of another shape, type or range.
        """
        check_frames(frame, video=False)
        x = self.to_model(frame)
        regions: Regions = self.regions(x)
        scene = torch.eye(3, device=x.device).expand(len(x), 3, 3)
        return State(x, regions, regions, scene, (frame.shape[-2], frame.shape[-1]))

    @torch.inference_mode()
    def step(self, state: State, action: Action) -> tuple[Tensor, State]:
        """Generate the next frame: always from the first one, whose regions and background have moved by the sum of all actions.

        Args:
            state: what `start` or `step` returned.
            action: `vectors`, `background_shift` or both; what is not given stands still. A code stands for the mean vector of its cluster,
                and is not used beside a vector.

        Returns:
            The next frame, (B, 3, H, W) float32 in [-1, 1], of the size of the first one; and the next state.

        Raises:
            ArgumentError: the action has neither, has other parts, or has values out of range.
        """
        self.controls.check(action, (len(state.source), *state.size))
        regions, scene, vectors = state.now, state.scene, action.vectors
        if vectors is None and action.codes is not None and self.codebook:
            vectors = self.codebook.look_up(action.codes[:, None])
        if vectors is not None:
            regions = after(regions, vectors.to(state.source))
        if action.background_shift is not None:
            scene = scene @ self.scene_of(action.background_shift.to(state.source), state.size)
        motion: Motion = self.flow(state.source, state.first, regions, scene)
        made, _ = self.generator(state.source, motion)
        return (2 * resize(made, state.size) - 1).clamp(-1, 1), state._replace(now=regions, scene=scene)

    # Following another video.

    modes = ("standard", "relative", "avd")
    """As they are in the other video; as they change in it since its first frame, in the size of the picture's; in the shape of the
    picture's regions, by AVD."""

    @torch.inference_mode()
    def drive(self, frame: Tensor, driving: Tensor, mode: str) -> Tensor:
        """The vectors, (B, T, 6 K), of T steps after `start` that show a frame in the poses of the T frames of a video.

        In the mode "relative" the first one stands still, and motions are multiplied by the root of the ratio of the areas that the
        means of the picture's and of the first driving frame's regions span.

        Args:
            frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size.
            driving: (B, T, 3, H', W') of any size.
            mode: "standard", "relative" or "avd".

        Raises:
            ArgumentError: another mode, frames of another kind, or "avd" of a model whose AVD network is not trained.
        """
        check_frames(frame, video=False)
        check_frames(driving, video=True)
        if mode not in self.modes:
            raise ArgumentError("mode", f"{mode!r:.80} is not one of {', '.join(self.modes)}")
        if mode == "avd" and not self.avd.trained:
            raise ArgumentError("mode", "the AVD network of this model was not trained: that begins at the step train.freeze")
        source, wanted = self.find(self.to_model(frame)[:, None]), self.find(self.to_model(driving))
        length = wanted.shift.shape[1]
        if mode == "relative":
            wanted = relative(source, wanted)
        elif mode == "avd":
            of_source, pose = (Regions(*(x.expand(-1, length, *x.shape[2:]).flatten(0, 1) for x in r)) for r in (source, wanted))
            made = self.avd(of_source, pose)
            wanted = Regions(*(x.reshape(len(frame), length, *x.shape[1:]) for x in made))
        shift, affine = (torch.cat(parts, 1) for parts in ((source.shift, wanted.shift), (source.affine, wanted.affine)))
        return changes(without_heatmaps(shift, affine))

    def turn(self, state: State, degrees: float) -> State:
        """The state with a scene that is turned counter-clockwise on the screen, about the middle of the frame."""
        angle, (x, y) = state.scene.new_tensor(math.radians(degrees)), self._pixels(state.scene.new_ones(2), state.size)
        # Where y points down, pixels come from where they are after a turn in the other direction.
        rows = matrix(angle.cos(), -angle.sin() * y / x, angle.sin() * x / y, angle.cos())
        return state._replace(scene=state.scene @ (F.pad(rows, (0, 1, 0, 1)) + torch.diag(state.scene.new_tensor([0.0, 0.0, 1.0]))))

    def scene_of(self, shift: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, 3, 3): from coordinates after a motion of the scene by (B, 2) pixels of frames of (height, width) to those before."""
        unit = self._pixels(torch.ones(2, device=shift.device), size)
        one = torch.eye(3, device=shift.device)
        return one - F.pad((shift.float() / unit)[..., None], (2, 0, 0, 1))

    def _pixels(self, shift: Tensor, size: tuple[int, int]) -> Tensor:
        """Differences of coordinates (..., 2) in pixels of frames of (height, width): 2 leads from the first pixel's centre to the last."""
        height, width = self.config.frame
        return shift * shift.new_tensor([(width - 1) / 2 * size[1] / width, (height - 1) / 2 * size[0] / height])


def changes(regions: Regions) -> Tensor:
    """The vectors, (B, T - 1, 6 K), that lead from one frame's regions to the next's. Regions have leading axes (B, T)."""
    turned = positive(regions.affine[:, 1:] @ inverse(regions.affine[:, :-1]))
    difference = turned - torch.eye(2, device=turned.device)
    flat = numbers_of(regions.shift.diff(dim=1).flatten(0, 1), difference.flatten(0, 1))
    return by_sequence(flat, len(turned))


def relative(source: Regions, driving: Regions) -> Regions:
    """The regions of a picture after the changes of a video since its first frame: mu_S + c (mu_D - mu_D1) and A_D A_D1^-1 A_S.

    Args:
        source: with leading axes (B, 1).
        driving: with leading axes (B, T).
    """
    areas = [[_area(points) for points in regions.shift[:, 0].cpu().numpy()] for regions in (source, driving)]
    ratio = [math.sqrt(a / b) if a > 0 and b > 0 else 1.0 for a, b in zip(*areas, strict=True)]
    scale = source.shift.new_tensor(ratio)[:, None, None, None]
    shift = source.shift + scale * (driving.shift - driving.shift[:, :1])
    affine = positive(driving.affine @ inverse(driving.affine[:, :1])) @ source.affine
    return Regions(shift, affine, affine @ affine.transpose(-1, -2), driving.heatmap)


def _area(points: NDArray[np.float32]) -> float:
    """The area of the convex hull of points (K, 2)."""
    return float(cv2.contourArea(cv2.convexHull(points)))


def after(regions: Regions, vectors: Tensor) -> Regions:
    """The regions after a change by vectors (B, 6 K). Their covariances are A A^T, and they have no heatmaps."""
    change = regions_of(vectors)
    turned = change.affine + torch.eye(2, device=vectors.device)
    return without_heatmaps(regions.shift + change.shift, turned @ regions.affine)


def _parts(regions: Regions) -> list[Regions]:
    """Regions with leading axes (B, T), a few at a time with one axis."""
    flat = [tensor.flatten(0, 1) for tensor in regions]
    return [Regions(*tensors) for tensors in zip(*(torch.split(tensor, AT_ONCE) for tensor in flat), strict=True)]
