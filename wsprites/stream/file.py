"""Windows of a data file, and the order in which they are sampled."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler, get_worker_info

import wsprites
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import whole
from wsprites.file import Pixels, Split
from wsprites.render.memory import Memory, in_threads
from wsprites.render.resize import check_size, pixel_scale, resize_frames, resize_masks
from wsprites.stream.passes import State, check_state
from wsprites.stream.samples import PIXELS, Sample, Windows, starts, tensors
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS
from wsprites.world.spec import SPLITS


class FileClips(Dataset[Sample]):
    """All windows of a split of a file, map-style: item `clip * starts + start` is the window of that clip that begins with frame `start`.

    The sampler decides which windows are seen: `WindowSampler`, or any of torch. Each process opens the file for itself, at its first item.

    Args:
        path: a data file, with or without pixels, or a file of imported videos, which has no labels.
        split: "train", "val" or "test".
        window: frames per window, T.
        keys: names of the arrays to read; None reads all. Each array takes time.
        resize: (height, width) of frames and masks, such as (64, 64), by the mean of areas: see `wsprites.render.resize`. **Labels stay in
            pixels of the frames of the file**; times `pixel_scale` they are in those of the resized ones. None: the size in the file.

    Raises:
        UserError: the file cannot be read, or its split has no such array, no clips, or clips shorter than the window.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        split: str,
        *,
        window: int = 12,
        keys: Sequence[str] | None = None,
        resize: tuple[int, int] | None = None,
    ) -> None:
        self.path, self.split, self.window, self.resize = Path(path).absolute(), split, window, check_size(resize)
        if split not in SPLITS:
            raise ArgumentError("split", f"{split!r} is not one of {', '.join(SPLITS)}")
        with wsprites.open(self.path) as data:
            arrays = data[split]
            self.keys = tuple(arrays.keys() if keys is None else keys)
            if unknown := set(self.keys) - set(arrays.keys()):
                raise UserError(f"{path}: has no {', '.join(sorted(unknown))} in {split}, only {', '.join(arrays.keys())}")
            self.clips, frames = arrays["frames"].shape[:2]
            """Clips of the split."""
            # The array `parts` has an axis, too, which may be as long as a clip.
            known, others = (*PIXELS, *FRAME_LABELS), set(self.keys) - set(CLIP_LABELS)
            per_frame = {name for name in self.keys if name in known or (name in others and arrays[name].shape[1:2] == (frames,))}
            shapes = {name: (window, *arrays[name].shape[2:]) if name in per_frame else arrays[name].shape[1:] for name in self.keys}
            self._size = int(arrays["frames"].shape[2]), int(arrays["frames"].shape[3])
            self.pixel_scale = pixel_scale(self._size, self.resize)
            """Factors of (x, y) that turn positions, offsets and shifts into pixels of the frames of samples."""
            if self.resize:
                shapes |= {name: (window, *self.resize, *arrays[name].shape[4:]) for name in PIXELS if name in shapes}
            self._per_frame, self._arrays = per_frame, {name: (shape, arrays[name].dtype) for name, shape in shapes.items()}
        self.starts = starts(frames, window)
        """Number of windows in each clip."""
        if not self.clips:
            raise UserError(f"{path}: has no clips in {split}; generate more, or use another split")
        self._opened: tuple[int, Any] | None = None
        self._memory = Memory()

    def __len__(self) -> int:
        return self.clips * self.starts

    def __repr__(self) -> str:
        windows = f"{len(self):,} windows of {self.window} frames from {self.clips:,} clips"
        resized = "" if self.resize is None else ", {} x {}, resized from {} x {}".format(*self.resize, *self._size)
        return f"<FileClips {self.path}, {self.split}: {windows}{resized}; {', '.join(self.keys)}>"

    def __getitem__(self, item: int) -> Sample:
        return {name: tensor[0] for name, tensor in self._read([item]).items()}

    def __getitems__(self, items: Sequence[int]) -> list[Sample]:
        """Several windows at once: what a DataLoader calls."""
        if get_worker_info():  # a worker collates them into memory that it shares
            return [self[item] for item in items]
        return Windows(self._read(items))

    def _read(self, items: Sequence[int]) -> Sample:
        """A batch of windows; the arrays in the order of `keys`, and `start`."""
        if self._opened is None or self._opened[0] != os.getpid():  # a forked process must not use its parent's file
            self._opened = os.getpid(), wsprites.open(self.path)
        split = self._opened[1][self.split]
        windows = [divmod(range(len(self))[item], self.starts) for item in items]
        batch: dict[str, NDArray[Any]] = {}
        for name, (shape, dtype) in self._arrays.items():
            batch[name] = (self._memory.lend if name in PIXELS else np.empty)((len(items), *shape), dtype)

        def read(part: slice) -> None:
            for n, (row, start) in list(enumerate(windows))[part]:
                computed = _computed(split, row, start, start + self.window, self.keys) if isinstance(split, Split) else {}
                for name, array in batch.items():
                    if self.resize and name in PIXELS:
                        own = computed[name] if name in computed else split[name][row, start : start + self.window]
                        _RESIZE[name](own, self.resize, out=array[n])
                    elif name in computed:
                        array[n] = computed[name]
                    elif isinstance(pixels := split[name], Pixels):
                        pixels.read(row, start, start + self.window, out=array[n])
                    else:
                        array[n] = split[name][(row, slice(start, start + self.window)) if name in self._per_frame else row]

        in_threads(read, len(items), torch.get_num_threads())
        return tensors(batch | {"start": np.array([start for _, start in windows])})

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_memory": Memory()}


_RESIZE: dict[str, Callable[..., Any]] = {"frames": resize_frames, "masks": resize_masks}


def _computed(split: Split, row: int, first: int, stop: int, keys: Sequence[str]) -> dict[str, Any]:
    """The labels of a window, and the pixels that are not stored, rendered once."""
    arrays: dict[str, Any] = {}
    if any(name in LABELS for name in keys):
        script = split.script(row, first=first, stop=stop)
        arrays = {name: getattr(script, name) for name in LABELS}
    if missing := set(PIXELS) & set(keys) - set(split.stored):
        clip = split.render(row, first=first, stop=stop)
        arrays |= {name: pixels for name, pixels in zip(PIXELS, clip, strict=True) if name in missing}
    return arrays


class WindowSampler(Sampler[int]):
    """Samples windows of `FileClips` in passes over its clips: each pass has one random window of every clip, in a random order.

    A loop over a sampler, or over a DataLoader with it, begins where the loop before was to end: with `passes=1`, each loop is the next
    pass. Its iterators have the state that torchdata's StatefulDataLoader wants.

    Args:
        data: the data set to sample from.
        seed: seed for all random draws, 0 to 2**63 - 1.
        passes: number of passes of a loop; None is one loop without end, of which a DataLoader may draw ahead: a second loop is an error.
        start: samples to skip, those that were seen in all loops before: `s * batch` resumes training after step s.
        rank, ranks: index of this process, and number of processes that share the samples.

    Raises:
        ArgumentError: an argument is outside its range.
        UserError: in a second loop without end.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from wsprites.art import load_world
        >>> from wsprites.generate import Order, generate
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "data.h5"
        ...     generate(Order(load_world("paper").replace(frames=4), seed=0, n=18, frames=False), path)
        ...     sampler = WindowSampler(FileClips(path, "val", window=4), passes=1)
        ...     list(sampler), list(sampler)
        ([0, 1], [1, 0])
    """

    def __init__(self, data: FileClips, *, seed: int = 0, passes: int | None = None, start: int = 0, rank: int = 0, ranks: int = 1) -> None:
        self.data, self.seed, self.passes = data, whole("seed", seed, 0, 2**63 - 1), passes
        self.start, self.ranks = whole("start", start, 0, 2**62), whole("ranks", ranks, 1, 2**31)
        self.rank = whole("rank", rank, 0, self.ranks - 1)
        if passes is not None:
            whole("passes", passes, 1, 2**31)
            if data.clips * passes < ranks:
                raise ArgumentError("ranks", f"{ranks} is more than the samples of a loop, {data.clips} clips in {passes} passes")
        self._facts: State = {"seed": self.seed, "clips": data.clips, "starts": data.starts, "passes": passes, "ranks": self.ranks}
        self._next: int | None = self.start
        """The first sample of the next loop; None after a loop without end."""

    def __iter__(self) -> Iterator[int]:
        return _Samples(self)

    def __len__(self) -> int:
        """Samples of the next loop."""
        if self._next is None or (stop := self._stop(self._next)) is None:
            raise TypeError("a sampler without `passes` has no length")
        return stop - self._next

    def _stop(self, sample: int) -> int | None:
        """The first sample after the loop with this one, both numbers of this rank."""
        if self.passes is None:
            return None
        of_loop = self.data.clips * self.passes
        end = ((sample * self.ranks + self.rank) // of_loop + 1) * of_loop
        return -((self.rank - end) // self.ranks)  # rounded up


class _Samples(Iterator[int]):
    """A loop over a sampler. It begins with its first sample: a DataLoader makes other iterators, which it does not read."""

    def __init__(self, sampler: WindowSampler) -> None:
        self._sampler, self._begun = sampler, False
        self._at, self._stop = -1, -1 if sampler.passes else None
        self._pass, self._order = -1, np.empty(0, np.int64)

    def __next__(self) -> int:
        self._begin()
        if self._at == self._stop:
            raise StopIteration
        sampler = self._sampler
        number, at = divmod(self._at * sampler.ranks + sampler.rank, sampler.data.clips)
        if number != self._pass:
            rng = np.random.Philox(key=np.array([sampler.seed, number], np.uint64))
            self._pass, self._order = number, np.argsort(rng.random_raw(sampler.data.clips), kind="stable") * sampler.data.starts
            self._order += (rng.random_raw(sampler.data.clips) % np.uint64(sampler.data.starts)).astype(np.int64)
        self._at += 1
        return int(self._order[at])

    def _begin(self) -> None:
        if self._begun:
            return
        sampler, self._begun = self._sampler, True
        if sampler._next is None:
            self._begun = False
            raise UserError(
                "a WindowSampler without end was already looped over, perhaps ahead of the samples that were used: "
                "pass passes=1 for a loop per pass, or make another with start=n after n samples"
            )
        self._at = sampler._next
        self._stop = sampler._next = sampler._stop(self._at)

    def state_dict(self) -> State:
        """The facts of the sampler, the sample that comes next, and where the loop ends."""
        sampler = self._sampler
        if self._begun:
            at, stop = self._at, self._stop
        else:
            at = sampler._next or 0
            stop = sampler._stop(at)
        return {**sampler._facts, "samples": at} | ({} if stop is None else {"stop": stop})

    def load_state_dict(self, state: Mapping[str, int | str | None]) -> None:
        """Continue where an iterator was."""
        counts = check_state(state, self._sampler._facts, ("samples", "stop"))
        self._begun, self._at, self._stop = True, counts["samples"], counts.get("stop")
        self._sampler._next = self._stop
