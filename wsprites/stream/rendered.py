"""Windows that are rendered on the fly, without a file."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from wsprites.art import World, load_world
from wsprites.errors import ArgumentError
from wsprites.fields import whole
from wsprites.render import Clip, render
from wsprites.render.batch import BatchRenderer, resized
from wsprites.render.memory import Memory, in_threads
from wsprites.render.resize import check_size, pixel_scale
from wsprites.render.resize import resize as resize_clip
from wsprites.stream.passes import Passes, State
from wsprites.stream.samples import PIXELS, Batch, Sample, Window, starts, tensors
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS, Script, casting, permutation, scripts
from wsprites.world.spec import SPLITS, WorldSpec

_BLOCK_CLIPS = 256  # clips whose scripts are written together, and whose windows are shuffled
_BLOCK_KEY = 2**63  # keys of the permutations of blocks begin here: no clip index reaches it


class RenderedClips(IterableDataset[Sample]):
    """Windows of a split of the data set `seed`, rendered when they are needed, without end: no window is repeated.

    Each clip gives all windows that lie side by side in it from a random frame on; those of 256 clips are shuffled. Batch n is the same for
    any number of workers and threads, and on any device. With several workers of a DataLoader, each renders every so many batches, and the
    DataLoader gives them in order.

    A loop over the stream, or over a DataLoader with it, is a pass. With `length`, pass p is the batches from p * length to
    (p + 1) * length - 1, also after a pass that was left early. Without, it does not end; a second loop continues where the first was left,
    but is an error after workers, which read ahead.

    Args:
        world: the name of a preset ("paper", "factorial", ..., see `world.spec.PRESETS`), the path of a TOML file, or a specification, all
            with the project's own art; or a World of `load_world` or `Art.world`, with any art.
        split: "train", "val" or "test": which characters are seen.
        window: frames per window, T.
        seed: seed of the data set, 0 to 2**63 - 1. `index` and `start` of a sample are its clip in that data set and its first frame.
        batch: windows per batch, B, the leading axis of all tensors, for a DataLoader with batch_size=None; None gives single windows.
        device: "cpu" renders by `render`; any other device renders whole batches by `BatchRenderer`, to the same pixels.
        compile: compile that renderer by torch.compile, which takes a minute before the first batch.
        rank, ranks: index of this process, and number of processes that share the batches.
        length: batches per pass of this process (windows, where batch is None), which is also its `len`; None is a pass without end.
        resize: (height, width) of frames and masks, such as (64, 64), by the mean of areas: see `wsprites.render.resize`. **Labels stay in
            pixels of the world's own frames**; times `pixel_scale` they are in those of the resized ones. None: the world's own size.

    Raises:
        UserError: the split does not exist or has no characters, clips are shorter than the window, or the world cannot be loaded. While
            it is read: in a second loop without end, after workers; if a DataLoader makes batches of batches.

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

        Passes of two batches, by the workers of a DataLoader:

        >>> from torch.utils.data import DataLoader
        >>> stream = RenderedClips("factorial", batch=8, length=2)
        >>> loader = DataLoader(stream, batch_size=None, num_workers=2)
        >>> [len(batch["frames"]) for epoch in range(2) for batch in loader]
        [8, 8, 8, 8]
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
        length: int | None = None,
        resize: tuple[int, int] | None = None,
    ) -> None:
        if split not in SPLITS:
            raise ArgumentError("split", f"{split!r} is not one of {', '.join(SPLITS)}")
        self.seed, self.ranks = whole("seed", seed, 0, 2**63 - 1), whole("ranks", ranks, 1, 2**31 - 1)
        self.rank = whole("rank", rank, 0, self.ranks - 1)
        self.batch = None if batch is None else whole("batch", batch, 1, 2**31 - 1)
        self.length = None if length is None else whole("length", length, 1, 2**31 - 1)
        self.world = load_world(world)
        self.spec = spec = self.world.spec
        self.window, self.device, self.compile, self.resize = window, torch.device(device), compile, check_size(resize)
        self.pixel_scale = pixel_scale((spec.height, spec.width), self.resize)
        """Factors of (x, y) that turn positions, offsets and shifts into pixels of the frames of samples."""
        self._as_a_whole = self.device.type != "cpu"  # on a CPU, BatchRenderer takes several times as long as `render`
        self._members = np.flatnonzero(casting(spec, seed).split == SPLITS.index(split))
        if not len(self._members):
            raise ArgumentError("split", f"{split!r} of this world has no characters")
        self._clip_windows = spec.frames // window if starts(spec.frames, window) else 0
        of_world = hashlib.sha256((spec.to_json() + self.world.art.sha256).encode()).hexdigest()
        size = _shown(self.resize) if self.resize else None
        facts: State = {"world": of_world, "split": split, "window": window, "seed": self.seed, "resize": size}
        self._passes = Passes(self.length, {**facts, "batch": self.batch, "length": self.length, "ranks": self.ranks})

    def state_dict(self) -> State:
        """The state after the batches given so far: their number `batches` in all passes, and what the stream is.

        Raises:
            UserError: workers of a DataLoader gave the batches.
        """
        return self._passes.state_dict()

    def load_state_dict(self, state: Mapping[str, int | str | None]) -> None:
        """Continue after so many batches (single windows, where batch is None) of this process, those of all passes before included.

        Args:
            state: that of `state_dict`, or {"batches": n}.

        Raises:
            UserError: it is another thing, or the state of another stream; or this is a worker of a DataLoader.
        """
        self._passes.load_state_dict(state)

    def __iter__(self) -> Iterator[Sample]:
        return _RenderedPass(self)

    def __repr__(self) -> str:
        spec, split = self.spec, self._passes.facts["split"]
        own = spec.height, spec.width
        windows = (
            f"{'' if self.batch is None else f'batches of {self.batch} '}windows of {self.window} frames, {_shown(self.resize or own)}"
        )
        windows += f", resized from {_shown(own)}" if self.resize else ""
        return f"<RenderedClips {spec.name}, {split}, seed {self.seed}: {windows}>"

    def __len__(self) -> int:
        """Batches of a pass."""
        if self.length is None:
            raise TypeError("a stream without `length` has no length")
        return self.length

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
        windows = (len(labels["start"]), self.window)
        clip = _lent(memory, (*windows, self.spec.height, self.spec.width))
        given = _lent(memory, (*windows, *self.resize)) if self.resize else clip
        script = Script(**{name: labels[name] for name in LABELS})

        def part(some: slice) -> None:
            rendered = render(self.world, script[some], out=Clip(clip.frames_thwc[some], clip.masks_thw[some]))
            if self.resize:
                resize_clip(rendered, self.resize, out=Clip(given.frames_thwc[some], given.masks_thw[some]))

        in_threads(part, windows[0], torch.get_num_threads())
        return tensors(dict(zip(PIXELS, given, strict=True)) | labels)


def _lent(memory: Memory, size: tuple[int, ...]) -> Clip:
    """Memory for frames, (*size, 3), and masks, (*size)."""
    return Clip(memory.lend((*size, 3), np.uint8), memory.lend(size, bool))


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


class _RenderedPass(Iterator[Sample]):
    """A pass over a stream. It has the state that torchdata's StatefulDataLoader wants, in workers too."""

    def __init__(self, stream: RenderedClips) -> None:
        self._stream, self._numbers = stream, stream._passes.begin()
        self._labels, self._memory = _Labels(stream), Memory()
        self._draw = BatchRenderer(stream.world, stream.device) if stream._as_a_whole else None
        if self._draw and stream.compile:
            self._draw.compile()

    def __next__(self) -> Sample:
        stream, number = self._stream, self._numbers.current()
        labels = self._labels(number * stream.ranks + stream.rank)
        if self._draw:
            batch = dict(zip(PIXELS, self._draw(labels), strict=True)) | labels
            if stream.resize:
                batch |= {name: resized(batch[name], stream.resize) for name in PIXELS}
        else:
            batch = stream._render(labels, self._memory)
        self._numbers.advance(number)  # not a batch that failed, or was interrupted
        return Batch(batch) if stream.batch else Window((name, tensor[0]) for name, tensor in batch.items())

    def state_dict(self) -> State:
        return self._numbers.state_dict()

    def load_state_dict(self, state: Mapping[str, int | str | None]) -> None:
        self._numbers.load_state_dict(state)


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
