"""Torch data sets: windows of a file, and windows that are rendered on the fly, without a file and without end.

Both give dicts of tensors by the names of the file, and `start`, the number of a window's first frame in its clip. Frames are uint8
(T, 3, H, W); in memory colour is the last axis (torch.channels_last), as it was rendered. Axis suffixes: b windows, n clips, t frames.

Batches are made by as many threads as torch uses (`torch.set_num_threads`), which is one in the workers of a DataLoader. The memory of
their frames and masks is used for later batches, once nothing refers to it: neither the tensors nor anything that shares memory with them.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Sampler, default_collate, get_worker_info

import wsprites
from wsprites.art import World, load_world
from wsprites.errors import ArgumentError, UserError
from wsprites.file import Pixels, Split
from wsprites.render import Clip, render
from wsprites.render.batch import BatchRenderer
from wsprites.render.memory import Memory, in_threads
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS, Script, casting, permutation, scripts
from wsprites.world.spec import SPLITS, WorldSpec

Sample = dict[str, Tensor]
"""A window, or a batch of windows with a leading axis, by the names of the arrays."""

_BLOCK_CLIPS = 256  # clips whose scripts are written together, and whose windows are shuffled
_BLOCK_KEY = 2**63  # keys of the permutations of blocks begin here: no clip index reaches it
_PIXELS = ("frames", "masks")

# From a file.


class FileClips(Dataset[Sample]):
    """All windows of a split of a file, map-style: item `clip * starts + start` is the window of that clip that begins with frame `start`.

    The sampler decides which windows are seen: `WindowSampler`, or any of torch. Each process opens the file for itself, at its first item.

    Args:
        path: a data file, with or without pixels, or a file of imported videos, which has no labels.
        split: "train", "val" or "test".
        window: frames per window, T.
        keys: names of the arrays to read; None reads all. Each array takes time.

    Raises:
        UserError: the file cannot be read, or its split has no such array, no clips, or clips shorter than the window.
    """

    def __init__(self, path: str | os.PathLike[str], split: str, *, window: int = 12, keys: Sequence[str] | None = None) -> None:
        self.path, self.split, self.window = Path(path).absolute(), split, window
        if split not in SPLITS:
            raise ArgumentError("split", f"{split!r} is not one of {', '.join(SPLITS)}")
        with wsprites.open(self.path) as data:
            arrays = data[split]
            self.keys = tuple(arrays.keys() if keys is None else keys)
            if unknown := set(self.keys) - set(arrays.keys()):
                raise UserError(f"{path}: has no {', '.join(sorted(unknown))} in {split}, only {', '.join(arrays.keys())}")
            self.clips, frames = arrays["frames"].shape[:2]
            """Clips of the split."""
            per_frame = {name for name in self.keys if name in (*_PIXELS, *FRAME_LABELS) or arrays[name].shape[1:2] == (frames,)}
            shapes = {name: (window, *arrays[name].shape[2:]) if name in per_frame else arrays[name].shape[1:] for name in self.keys}
            self._per_frame, self._arrays = per_frame, {name: (shape, arrays[name].dtype) for name, shape in shapes.items()}
        self.starts = _starts(frames, window)
        """Number of windows in each clip."""
        if not self.clips:
            raise UserError(f"{path}: has no clips in {split}; generate more, or use another split")
        self._opened: tuple[int, Any] | None = None
        self._memory = Memory()

    def __len__(self) -> int:
        return self.clips * self.starts

    def __getitem__(self, item: int) -> Sample:
        return {name: tensor[0] for name, tensor in self._read([item]).items()}

    def __getitems__(self, items: Sequence[int]) -> list[Sample]:
        """Several windows at once: what a DataLoader calls."""
        if get_worker_info():  # a worker collates them into memory that it shares
            return [self[item] for item in items]
        return _Batch(self._read(items))

    def _read(self, items: Sequence[int]) -> Sample:
        """A batch of windows; the arrays in the order of `keys`, and `start`."""
        if self._opened is None or self._opened[0] != os.getpid():  # a forked process must not use its parent's file
            self._opened = os.getpid(), wsprites.open(self.path)
        split = self._opened[1][self.split]
        windows = [divmod(range(len(self))[item], self.starts) for item in items]
        batch: dict[str, NDArray[Any]] = {}
        for name, (shape, dtype) in self._arrays.items():
            batch[name] = (self._memory.lend if name in _PIXELS else np.empty)((len(items), *shape), dtype)

        def read(part: slice) -> None:
            for n, (row, start) in list(enumerate(windows))[part]:
                computed = _computed(split, row, start, start + self.window, self.keys) if isinstance(split, Split) else {}
                for name, array in batch.items():
                    if name in computed:
                        array[n] = computed[name]
                    elif isinstance(pixels := split[name], Pixels):
                        pixels.read(row, start, start + self.window, out=array[n])
                    else:
                        array[n] = split[name][(row, slice(start, start + self.window)) if name in self._per_frame else row]

        in_threads(read, len(items), torch.get_num_threads())
        return _sample(batch | {"start": np.array([start for _, start in windows])})

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_memory": Memory()}


def _computed(split: Split, row: int, first: int, stop: int, keys: Sequence[str]) -> dict[str, Any]:
    """The labels of a window, and the pixels that are not stored, rendered once."""
    arrays: dict[str, Any] = {}
    if any(name in LABELS for name in keys):
        script = split.script(row, first=first, stop=stop)
        arrays = {name: getattr(script, name) for name in LABELS}
    if missing := set(_PIXELS) & set(keys) - set(split.stored):
        clip = split.render(row, first=first, stop=stop)
        arrays |= {name: pixels for name, pixels in zip(_PIXELS, clip, strict=True) if name in missing}
    return arrays


class WindowSampler(Sampler[int]):
    """Samples windows of `FileClips` in passes over its clips: each pass has one random window of every clip, in a random order.

    Args:
        data: the data set to sample from.
        seed: seed for all random draws, 0 to 2**63 - 1.
        passes: number of passes; None samples without end.
        start: samples to skip, those that were seen before: `s * batch` resumes training after step s.
        rank, ranks: index of this process, and number of processes that share the samples.
    """

    def __init__(self, data: FileClips, *, seed: int = 0, passes: int | None = None, start: int = 0, rank: int = 0, ranks: int = 1) -> None:
        self.data, self.seed, self.passes, self.start, self.rank, self.ranks = data, seed, passes, start, rank, ranks

    def __iter__(self) -> Iterator[int]:
        clips, starts, current, order = self.data.clips, self.data.starts, -1, np.empty(0, np.int64)
        for sample in itertools.count(self.start * self.ranks + self.rank, self.ranks):
            number, at = divmod(sample, clips)
            if self.passes is not None and number >= self.passes:
                return
            if number != current:
                rng = np.random.Philox(key=np.array([self.seed, number], np.uint64))
                current, order = number, np.argsort(rng.random_raw(clips), kind="stable") * starts
                order += (rng.random_raw(clips) % np.uint64(starts)).astype(np.int64)
            yield int(order[at])

    def __len__(self) -> int:
        if self.passes is None:
            raise TypeError("a sampler without `passes` has no length")
        return max(len(range(self.rank, self.data.clips * self.passes, self.ranks)) - self.start, 0)


class _Batch(list[Sample]):
    """The windows of a batch, for any `collate_fn`; `whole` is the collated batch, whose memory they share."""

    def __init__(self, whole: Sample) -> None:
        self.whole = whole
        super().__init__(dict(zip(whole, row, strict=True)) for row in zip(*(tensor.unbind() for tensor in whole.values()), strict=True))


def collate(samples: Sequence[Sample]) -> Sample:
    """Collate windows to a batch, for DataLoader(collate_fn=collate). Torch's default would change the memory format of the frames."""
    if isinstance(samples, _Batch):
        return samples.whole
    stacked = default_collate([{name: _to_last(name, tensor) for name, tensor in sample.items()} for sample in samples])
    return {name: tensor.movedim(-1, -3) if name == "frames" else tensor for name, tensor in stacked.items()}


# On the fly.


class RenderedClips(IterableDataset[Sample]):
    """Windows of a split of the data set `seed`, rendered when they are needed, without end: no window is repeated.

    Each clip gives all windows that lie side by side in it from a random frame on; those of 256 clips are shuffled. Batch n is the same for
    any number of workers and threads, and on any device. With several workers of a DataLoader, each renders every so many batches.

    Args:
        world: the name of a preset ("paper", "released", "factorial", "small-world"), the path of a TOML file, or a specification, all
            with the project's own art; or a World of `load_world` or `Art.world`, with any art.
        split: "train", "val" or "test": which characters are seen.
        window: frames per window, T.
        seed: seed of the data set, 0 to 2**63 - 1. `index` and `start` of a sample are its clip in that data set and its first frame.
        batch: windows per batch, B, the leading axis of all tensors, for a DataLoader with batch_size=None; None gives single windows.
        device: "cpu" renders by `render`; any other device renders whole batches by `BatchRenderer`, to the same pixels.
        compile: compile that renderer by torch.compile, which takes a minute before the first batch.
        rank, ranks: index of this process, and number of processes that share the batches.

    Raises:
        UserError: the split does not exist or has no characters, clips are shorter than the window, or the world cannot be loaded.

    Example:
        >>> batches = iter(RenderedClips("factorial", "val", window=4, batch=2))
        >>> batch = next(batches)
        >>> batch["frames"].shape, batch["frames"].dtype, batch["shift"].shape
        (torch.Size([2, 4, 3, 96, 128]), torch.uint8, torch.Size([2, 4, 2]))

        Any world with any art:

        >>> from wsprites.art import load_world
        >>> world = load_world("paper", backgrounds="photos").replace(frames=30)
        >>> next(iter(RenderedClips(world, seed=1)))["masks"].shape
        torch.Size([12, 96, 128])
    """

    def __init__(
        self,
        world: "str | WorldSpec | World",
        split: str = "train",
        window: int = 12,
        seed: int = 0,
        batch: int | None = None,
        device: str | torch.device = "cpu",
        *,
        compile: bool = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if split not in SPLITS:
            raise ArgumentError("split", f"{split!r} is not one of {', '.join(SPLITS)}")
        for name, value, low, high in (
            ("seed", seed, 0, 2**63),
            ("batch", 1 if batch is None else batch, 1, 2**31),
            ("rank", rank, 0, ranks),
        ):
            if not low <= value < high:
                raise ArgumentError(name, f"{value} is outside the range {low} to {high - 1}")
        self.world = load_world(world)
        self.spec = spec = self.world.spec
        self.window, self.seed, self.batch = window, seed, batch
        self.rank, self.ranks, self.device, self.compile = rank, ranks, torch.device(device), compile
        self._as_a_whole = self.device.type != "cpu"  # on a CPU, BatchRenderer takes several times as long as `render`
        self._members = np.flatnonzero(casting(spec, seed).split == SPLITS.index(split))
        if not len(self._members):
            raise ArgumentError("split", f"{split!r} of this world has no characters")
        self._clip_windows = spec.frames // window if _starts(spec.frames, window) else 0
        self._next = 0

    def state_dict(self) -> dict[str, int]:
        """{"batches": number of batches given so far}, for `load_state_dict`."""
        return {"batches": self._next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume after so many batches (single windows, where batch is None) of this process."""
        self._next = int(state["batches"])

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        draw = BatchRenderer(self.world, self.device) if self._as_a_whole else None
        if draw and self.compile:
            draw.compile()
        memory, labels_of = Memory(), _Labels(self)
        for number in itertools.count(self._next + first, step):
            labels = labels_of(number * self.ranks + self.rank)
            sample = dict(zip(_PIXELS, draw(labels), strict=True)) | labels if draw else self._render(labels, memory)
            self._next = number + 1
            yield sample if self.batch else {name: tensor[0] for name, tensor in sample.items()}
            del sample  # its memory is free as soon as the caller drops it

    def _block(self, number: int) -> Sample:
        """The shuffled windows of a block of clips: their labels, and `start`, the first frame of each. On the device, which then needs no
        further data for many batches."""
        # The clips of the block, those of the split's characters in turn.
        rank_n = np.arange(number * _BLOCK_CLIPS, (number + 1) * _BLOCK_CLIPS)
        rounds, member = np.divmod(rank_n, len(self._members))
        script_n = scripts(self.spec, self.seed, rounds * self.spec.cast.characters + self._members[member])
        # The windows: side by side from a random frame of each clip on, in a random order.
        order = permutation(self.seed, _BLOCK_KEY + 2 * number, _BLOCK_CLIPS * self._clip_windows)
        slack = self.spec.frames - self._clip_windows * self.window + 1
        begin_n = permutation(self.seed, _BLOCK_KEY + 2 * number + 1, _BLOCK_CLIPS) % slack
        clip_b, at_b = np.divmod(order, self._clip_windows)
        start_b = begin_n[clip_b] + at_b * self.window
        # Their labels.
        clip, start = (torch.from_numpy(each).to(self.device) for each in (clip_b, start_b))
        frame = ((clip * self.spec.frames + start)[:, None] + torch.arange(self.window, device=self.device)).flatten()
        labels = {name: torch.from_numpy(getattr(script_n, name)).to(self.device) for name in LABELS}
        windows = {name: labels[name][clip] for name in CLIP_LABELS}
        for name in FRAME_LABELS:
            windows[name] = labels[name].flatten(0, 1).index_select(0, frame).view(len(clip), self.window, *labels[name].shape[2:])
        return windows | {"start": start}

    def _render(self, labels: dict[str, NDArray[Any]], memory: Memory) -> Sample:
        """A batch on a CPU, from its labels as arrays."""
        size = (len(labels["start"]), self.window, self.spec.height, self.spec.width)
        clip = Clip(memory.lend((*size, 3), np.uint8), memory.lend(size, bool))
        script = Script(**{name: labels[name] for name in LABELS})

        def part(windows: slice) -> None:
            render(self.world, script[windows], out=Clip(clip.frames_thwc[windows], clip.masks_thw[windows]))

        in_threads(part, size[0], torch.get_num_threads())
        return _sample(dict(zip(_PIXELS, clip, strict=True)) | labels)


class _Labels:
    """The labels of the batches of a stream: tensors on its device, or arrays for `render`. The current block of windows is kept."""

    def __init__(self, stream: RenderedClips) -> None:
        self._stream, self._number = stream, -1
        self._block: dict[str, Any] = {}
        self._join: Any = torch.cat if stream._as_a_whole else np.concatenate

    def __call__(self, batch: int) -> dict[str, Any]:
        """The labels of a batch, in memory of their own."""
        size, block_windows = self._stream.batch or 1, _BLOCK_CLIPS * self._stream._clip_windows
        parts: list[dict[str, Any]] = []
        first, stop = batch * size, (batch + 1) * size
        while first < stop:
            number, at = divmod(first, block_windows)
            if number != self._number:
                with torch.inference_mode(False):  # a block outlives this batch, which may be made in that mode
                    self._number, self._block = number, self._stream._block(number)
                if not self._stream._as_a_whole:
                    self._block = {name: labels.numpy() for name, labels in self._block.items()}
            parts.append({name: labels[at : at + stop - first] for name, labels in self._block.items()})
            first += len(parts[-1]["start"])
        return {name: self._join([part[name] for part in parts]) for name in self._block}  # a copy, even of one part


def _starts(frames: int, window: int) -> int:
    """The number of windows of so many frames in a clip."""
    if not 1 <= window <= frames:
        raise ArgumentError("window", f"{window} is outside the range 1 to {frames}, the frames of a clip")
    return frames - window + 1


def _to_last(name: str, tensor: Tensor) -> Tensor:
    return tensor.movedim(-3, -1) if name == "frames" else tensor


def _sample(arrays: dict[str, Any]) -> Sample:
    """Tensors of arrays; colour is moved before height and width, without moving memory."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return {name: tensor.movedim(-1, -3) if name == "frames" else tensor for name, tensor in tensors.items()}
