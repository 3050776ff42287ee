"""Torch data sets: windows of a file, and windows that are rendered on the fly, without a file and without end.

Both give dicts of tensors by the names of the file, and `start`, the number of a window's first frame in its clip. Frames are uint8
(T, 3, H, W); in memory colour is the last axis (torch.channels_last), as it was rendered. Axis suffixes: b windows, t frames, p pixels.

Batches are made by as many threads as torch uses (`torch.set_num_threads`), which is one in the workers of a DataLoader. The memory of
their frames and masks is used for later ones, once nothing refers to it: neither the tensors nor anything that shares memory with them.
"""

import itertools
import math
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Sampler, default_collate, get_worker_info

import wsprites
from wsprites.art import World, load_world
from wsprites.art.sheets import CELL_OF, CELL_PLACES
from wsprites.errors import UserError
from wsprites.file import Pixels, Split
from wsprites.render import Clip, render
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS, Script, casting, permutation, scripts
from wsprites.world.spec import CELL, SPLITS, WorldSpec

Sample = dict[str, Tensor]

_CLIPS_A_BLOCK = 256  # whose scripts are written at once, and whose windows are shuffled
_SPARE = 2  # arrays of one size whose memory is kept to be used again
_PIXELS = ("frames", "masks")
_DRAWN = ("character", "background", "local_action", "animation_frame", "position", "background_offset")
_BLOCK_KEY = 2**63  # the key of block k's permutation is this + k: no clip has it

# From a file.


class FileClips(Dataset[Sample]):
    """All windows of a split, map-style: item `clip * starts + start` is the window of that clip that begins with frame `start`.

    So a sampler decides alone what is seen: `WindowSampler` here, or any of torch. The file is opened by each process for itself, when
    the first item is asked for.

    Args:
        path: a data file, with or without pixels, or a file of imported videos, which has no labels.
        split: train, val or test.
        window: T, frames.
        keys: names of the arrays to give; None: all that there are. Each costs time.

    Raises:
        UserError: the file cannot be read, or has no such split, no such array, no clips in it, or shorter ones.
    """

    def __init__(self, path: str | os.PathLike[str], split: str, window: int = 12, keys: Sequence[str] | None = None) -> None:
        self.path, self.split, self.window = Path(path).absolute(), split, window
        if split not in SPLITS:
            raise UserError(f"split {split!r}: not one of {', '.join(SPLITS)}")
        with wsprites.open(self.path) as data:
            found = data[split]
            self.keys = tuple(found.keys() if keys is None else keys)
            if unknown := set(self.keys) - set(found.keys()):
                raise UserError(f"{path}: has no {', '.join(sorted(unknown))} in {split}; there are {', '.join(found.keys())}")
            self.clips, frames = found["frames"].shape[:2]
            of_frames = {name for name in self.keys if name in (*_PIXELS, *FRAME_LABELS) or found[name].shape[1:2] == (frames,)}
            shapes = {name: (window, *found[name].shape[2:]) if name in of_frames else found[name].shape[1:] for name in self.keys}
            self._of_frames, self._arrays = of_frames, {name: (shape, found[name].dtype) for name, shape in shapes.items()}
        self.starts = _starts(frames, window)
        """Windows of each clip."""
        if not self.clips:
            raise UserError(f"{path}: has no clips in {split}; generate more, or take another split")
        self._opened: tuple[int, Any] | None = None
        self._memory = _Memory()

    def __len__(self) -> int:
        return self.clips * self.starts

    def __getitem__(self, item: int) -> Sample:
        return {name: tensor[0] for name, tensor in self._read([item]).items()}

    def __getitems__(self, items: Sequence[int]) -> list[Sample]:
        """Several windows at once, which a DataLoader asks for."""
        if get_worker_info():  # it puts them together in memory that it shares
            return [self[item] for item in items]
        return _Batch(self._read(items))

    def _read(self, items: Sequence[int]) -> Sample:
        """A batch; keys in their order, and `start`."""
        if self._opened is None or self._opened[0] != os.getpid():  # what a parent has opened is not for its children
            self._opened = os.getpid(), wsprites.open(self.path)
        split = self._opened[1][self.split]
        windows = [divmod(range(len(self))[item], self.starts) for item in items]
        batch: dict[str, NDArray[Any]] = {}
        for name, (shape, dtype) in self._arrays.items():
            batch[name] = (self._memory.lend if name in _PIXELS else np.empty)((len(items), *shape), dtype)

        def read(part: slice) -> None:
            for n, (row, start) in list(enumerate(windows))[part]:
                known = _of_world(split, row, start, start + self.window, self.keys) if isinstance(split, Split) else {}
                for name, array in batch.items():
                    if name in known:
                        array[n] = known[name]
                    elif isinstance(pixels := split[name], Pixels):
                        pixels.read(row, start, start + self.window, array[n])
                    else:
                        array[n] = split[name][(row, slice(start, start + self.window)) if name in self._of_frames else row]

        _in_threads(read, len(items))
        return _sample(batch | {"start": np.array([start for _, start in windows])})

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_memory": _Memory()}


def _of_world(split: Split, row: int, first: int, stop: int, keys: Sequence[str]) -> dict[str, Any]:
    """The labels of a window, and the pixels that are not stored, rendered once."""
    arrays: dict[str, Any] = {}
    if any(name in LABELS for name in keys):
        script = split.script(row, first, stop)
        arrays = {name: getattr(script, name) for name in LABELS}
    if missing := set(_PIXELS) & set(keys) - set(split.stored):
        clip = split.render(row, first, stop)
        arrays |= {name: pixels for name, pixels in zip(_PIXELS, clip, strict=True) if name in missing}
    return arrays


class WindowSampler(Sampler[int]):
    """For `FileClips`: passes over the clips, in each a random window of every clip, in an order of its own. It depends on `seed` alone.

    Args:
        data: whose windows are sampled.
        seed: 0 to 2**63 - 1.
        passes: over the clips; None: without end.
        start: how many samples were seen before: training goes on after step s with start = s * batch.
        rank, ranks: this process, and how many take turns.
    """

    def __init__(self, data: FileClips, seed: int = 0, passes: int | None = None, start: int = 0, rank: int = 0, ranks: int = 1) -> None:
        self.data, self.seed, self.passes, self.start, self.rank, self.ranks = data, seed, passes, start, rank, ranks

    def __iter__(self) -> Iterator[int]:
        clips, starts, known, order = self.data.clips, self.data.starts, -1, np.empty(0, np.int64)
        for sample in itertools.count(self.start * self.ranks + self.rank, self.ranks):
            number, at = divmod(sample, clips)
            if self.passes is not None and number >= self.passes:
                return
            if number != known:
                rng = np.random.Philox(key=np.array([self.seed, number], np.uint64))
                known, order = number, np.argsort(rng.random_raw(clips), kind="stable") * starts
                order += (rng.random_raw(clips) % np.uint64(starts)).astype(np.int64)
            yield int(order[at])

    def __len__(self) -> int:
        if self.passes is None:
            raise TypeError("it has no end")
        return max(len(range(self.rank, self.data.clips * self.passes, self.ranks)) - self.start, 0)


class _Batch(list[Sample]):
    """The windows of a batch, for any `collate_fn`; they lie side by side in `whole` already."""

    def __init__(self, whole: Sample) -> None:
        self.whole = whole
        super().__init__(dict(zip(whole, row, strict=True)) for row in zip(*(tensor.unbind() for tensor in whole.values()), strict=True))


def collate(samples: Sequence[Sample]) -> Sample:
    """A batch of single windows, for DataLoader(collate_fn=collate): the default would put colour before height and width in memory."""
    if isinstance(samples, _Batch):
        return samples.whole
    stacked = default_collate([{name: _to_last(name, tensor) for name, tensor in sample.items()} for sample in samples])
    return {name: tensor.movedim(-1, -3) if name == "frames" else tensor for name, tensor in stacked.items()}


# On the fly.


class RenderedClips(IterableDataset[Sample]):
    """Windows of a split of the data set `seed`, which has no last clip: none is seen twice. Batch n is the same whoever makes it.

    Each clip gives all the windows that lie side by side in it from a random frame on; those of 256 clips are shuffled.

    Args:
        world: the name of a preset ("paper", "released", "factorial"), a TOML file or a specification, all with the project's own art; or a
            World of `load_world` or `Art.world`, with any.
        split: train, val or test: whose characters.
        window: T, frames.
        seed: 0 to 2**63 - 1: `index` and `start` of a sample name the clip of that data set and the frame.
        batch: B, leading axis of all tensors, for a DataLoader with batch_size=None; None: single windows.
        device: "cpu" renders by `render`. Any other place renders batches as a whole, by gathers, to the same pixels.
        compile: have torch.compile make a few kernels of it there; takes a minute before the first batch.
        rank, ranks: this process, and how many take turns.

    With several workers of a DataLoader, each renders every so many batches; which batch comes when does not depend on their number.

    Raises:
        UserError: no such split, no characters in it, or clips shorter than the window.
    """

    def __init__(
        self,
        world: "str | WorldSpec | World",
        split: str = "train",
        window: int = 12,
        seed: int = 0,
        batch: int | None = None,
        device: str | torch.device = "cpu",
        compile: bool = False,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if split not in SPLITS:
            raise UserError(f"split {split!r}: not one of {', '.join(SPLITS)}")
        self.world = load_world(world)
        self.spec = spec = self.world.spec
        self.window, self.seed, self.batch = window, seed, batch
        self.rank, self.ranks, self.device, self.compile = rank, ranks, torch.device(device), compile
        self._as_a_whole = self.device.type != "cpu"  # there, gathers in torch take several times as long as the renderer
        self._members = np.flatnonzero(casting(spec, seed).split == SPLITS.index(split))
        if not len(self._members):
            raise UserError(f"split {split!r} of this world has no characters")
        self._windows = spec.frames // window if _starts(spec.frames, window) else 0  # of a clip
        self._next = 0

    def state_dict(self) -> dict[str, int]:
        """{"batches": how many were given}: what `load_state_dict` needs to go on after them, exactly."""
        return {"batches": self._next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after so many batches (single windows, where batch is None) of this process."""
        self._next = int(state["batches"])

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        of, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        size = self.batch or 1
        draw = BatchRenderer(self.world, self.device) if self._as_a_whole else None
        if draw and self.compile:
            draw.compile()
        memory, known = _Memory(), -1
        block: Sample = {}
        for number in itertools.count(self._next + of, workers):
            first, picked = (number * self.ranks + self.rank) * size, 0
            parts = []
            while picked < size:
                which, at = divmod(first + picked, _CLIPS_A_BLOCK * self._windows)
                if which != known:
                    with torch.inference_mode(False):  # it outlives this batch, which may be asked for in that mode
                        known, block = which, self._block(which)
                parts.append({name: array[at : at + size - picked] for name, array in block.items()})
                picked += len(parts[-1]["start"])
            labels = {name: torch.cat([part[name] for part in parts]) for name in block}  # a copy, even of one part
            sample = (dict(zip(_PIXELS, draw(labels), strict=True)) if draw else self._render(labels, memory)) | labels
            self._next = number + 1
            yield sample if self.batch else {name: tensor[0] for name, tensor in sample.items()}
            del sample  # its memory is free as soon as the caller is done with it

    def _block(self, number: int) -> Sample:
        """The labels of the windows of some clips, shuffled, and the number of the first frame of each, `start`. On the device, which
        is told once for many batches."""
        rank_n = np.arange(number * _CLIPS_A_BLOCK, (number + 1) * _CLIPS_A_BLOCK)
        rounds, member = np.divmod(rank_n, len(self._members))
        script_n = scripts(self.spec, self.seed, rounds * self.spec.cast.characters + self._members[member])
        order = permutation(self.seed, _BLOCK_KEY + 2 * number, _CLIPS_A_BLOCK * self._windows)
        slack = self.spec.frames - self._windows * self.window + 1
        begin_n = permutation(self.seed, _BLOCK_KEY + 2 * number + 1, _CLIPS_A_BLOCK) % slack
        clip_b, at_b = np.divmod(order, self._windows)
        start_b = begin_n[clip_b] + at_b * self.window
        clip, start = (torch.from_numpy(each).to(self.device) for each in (clip_b, start_b))
        frame = ((clip * self.spec.frames + start)[:, None] + torch.arange(self.window, device=self.device)).flatten()
        labels = {name: torch.from_numpy(getattr(script_n, name)).to(self.device) for name in LABELS}
        windows = {name: labels[name][clip] for name in CLIP_LABELS}
        for name in FRAME_LABELS:
            windows[name] = labels[name].flatten(0, 1).index_select(0, frame).view(len(clip), self.window, *labels[name].shape[2:])
        return windows | {"start": start}

    def _render(self, labels: Sample, memory: "_Memory") -> Sample:
        size = (len(labels["start"]), self.window, self.spec.height, self.spec.width)
        clip = Clip(memory.lend((*size, 3), np.uint8), memory.lend(size, bool))
        script = Script(**{name: labels[name].numpy() for name in LABELS})

        def part(windows: slice) -> None:
            render(self.world, script[windows], out=Clip(clip.frames_thwc[windows], clip.masks_thw[windows]))

        _in_threads(part, size[0])
        return _sample(dict(zip(_PIXELS, clip, strict=True)))


class _Memory:
    """Lends memory for arrays, the same again once nothing refers to it: no tensor, no array, no view of one.

    New memory costs as much time as rendering, because the system clears it page by page.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[NDArray[np.uint8]]] = {}

    def lend(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array that is not cleared."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        free = self._free.setdefault(size, [])
        try:  # not "if free": what was lent comes back in whichever thread drops it last
            memory = free.pop()
        except IndexError:
            memory = np.empty(size, np.uint8)
        lent = np.frombuffer(memory.data, dtype)
        # Whatever numpy and torch make of the array refers to it, or to the memoryview that is its base. That refers to `memory`.
        weakref.finalize(lent.base, _take_back, memory, free).atexit = False
        return lent.reshape(shape)


def _take_back(memory: NDArray[np.uint8], free: list[NDArray[np.uint8]]) -> None:
    if len(free) < _SPARE:
        free.append(memory)


class BatchRenderer:
    """Renders batches of windows as a whole, by gathers of integers on any device: bit for bit what `render` gives.

    It takes 16 kB of the device's memory for each of the 84 cells of each sheet, 34 MB for the project's own art.

    Args:
        world: of the scripts.
        device: where.
    """

    def __init__(self, world: World, device: str | torch.device) -> None:
        spec, art = world.spec, world.art
        characters, images = art.characters, art.backgrounds.images
        cells = [characters.cells(layer, sheet) for layer, count in enumerate(characters.counts) for sheet in range(count)]
        # Pixels as words of four bytes: one gather for all colours. Red is the lowest byte.
        self._cells = torch.from_numpy(np.stack(cells).view(np.int32).reshape(-1, CELL * CELL)).to(device)
        opaque = np.concatenate([images, np.full((*images.shape[:-1], 1), 255, np.uint8)], axis=-1)
        self._scenes = torch.from_numpy(opaque.view(np.int32)[..., 0].reshape(len(images), -1)).to(device)
        self._cell_of = torch.from_numpy(CELL_OF).to(device)
        self._spec, self._counts, self._scene_width = spec, characters.counts, images.shape[2]

    def __call__(self, labels: Sample) -> tuple[Tensor, Tensor]:
        """Frames, (B, T, 3, H, W) uint8, and masks, (B, T, H, W) bool, of B scripts: (B,) and (B, T, ...) tensors on the device.

        The labels are not checked: there a bound would be waited for.
        """
        frames_ncp, masks_np = self._draw(*(labels[name] for name in _DRAWN))
        size = *labels["local_action"].shape, self._spec.height, self._spec.width
        return frames_ncp.view(*size[:2], 3, *size[2:]), masks_np.view(size)

    def compile(self) -> None:
        """Let torch.compile make a few kernels of it."""
        self._draw = torch.compile(self._draw)  # type: ignore[method-assign]

    def _draw(self, character_b: Tensor, scene_b: Tensor, *of_frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames, (N, 3, H W) uint8, and masks, (N, H W) bool, N = B T. Integers of any kind: (B,), then (B, T) or (B, T, 2) of _DRAWN."""
        action_n, cycle_n, (x_n, y_n), (u_n, v_n) = (
            label.long().flatten() if label.ndim == 2 else label.long().view(-1, 2, 1).unbind(1) for label in of_frames
        )
        cell_n = self._cell_of[action_n, cycle_n]
        character_n, scene_n = (label.long().repeat_interleave(of_frames[0].shape[1]) for label in (character_b, scene_b))
        rows_ln: list[Tensor] = []
        for layer in reversed(range(len(self._counts))):  # a character is the mixed-radix number of its sheets
            sheet_n = character_n % self._counts[layer] + sum(self._counts[:layer])
            character_n = character_n // self._counts[layer]
            rows_ln.insert(0, sheet_n * len(CELL_PLACES) + cell_n)
        pixel_p = torch.arange(self._spec.height * self._spec.width, device=cell_n.device)
        row_p, column_p = pixel_p // self._spec.width, pixel_p % self._spec.width
        sprite = [torch.zeros_like(self._cells[:1])] * 4
        for row_n in rows_ln:
            sprite = _over(_bytes(self._cells[row_n]), sprite)
        y_np, x_np = row_p - y_n, column_p - x_n
        inside_np = (y_np >= 0) & (y_np < CELL) & (x_np >= 0) & (x_np < CELL)
        at_np = torch.where(inside_np, y_np * CELL + x_np, 0)
        word = sprite[0] | sprite[1] << 8 | sprite[2] << 16 | sprite[3] << 24
        *colours, alpha = _bytes(word.gather(1, at_np))
        alpha = torch.where(inside_np, alpha, 0)
        scene = _bytes(self._scenes[scene_n[:, None], (row_p + v_n) * self._scene_width + column_p + u_n])
        mixed = [(2 * (alpha * c + (255 - alpha) * b) + 255) // 510 for c, b in zip(colours, scene, strict=False)]
        return torch.stack(mixed, 1).to(torch.uint8), alpha >= 128


def _bytes(word: Tensor) -> list[Tensor]:
    """Red, green, blue and alpha of int32 words, each int32 from 0 to 255."""
    return [word >> shift & 255 for shift in (0, 8, 16, 24)]


def _over(source: list[Tensor], below: list[Tensor]) -> list[Tensor]:
    """`characters.over`."""
    weight_s, weight_b = 255 * source[3], below[3] * (255 - source[3])
    total = weight_s + weight_b
    twice = (2 * total).clamp(min=1)
    colours = [(2 * (weight_s * s + weight_b * b) + total) // twice for s, b in zip(source[:3], below[:3], strict=True)]
    return [*colours, (2 * total + 255) // 510]


def _in_threads(part: Callable[[slice], None], size: int) -> None:
    """Work through `size` things a slice at a time, by as many threads as torch would use."""
    threads = torch.get_num_threads()
    if threads == 1:
        part(slice(size))
    else:
        slices = [slice(size * n // threads, size * (n + 1) // threads) for n in range(threads)]
        list(_pool(threads, os.getpid()).map(part, [each for each in slices if each.start < each.stop]))


@lru_cache(maxsize=1)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def _starts(frames: int, window: int) -> int:
    """How many windows of so many frames begin in a clip."""
    if not 1 <= window <= frames:
        raise UserError(f"window {window}: clips have {frames} frames; take 1 to {frames}")
    return frames - window + 1


def _to_last(name: str, tensor: Tensor) -> Tensor:
    return tensor.movedim(-3, -1) if name == "frames" else tensor


def _sample(arrays: dict[str, Any]) -> Sample:
    """Tensors of arrays, colour before height and width."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return {name: tensor.movedim(-1, -3) if name == "frames" else tensor for name, tensor in tensors.items()}
