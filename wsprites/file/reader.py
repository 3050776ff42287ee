"""Reading data files, which are not trusted: whatever is damaged or leads out of the file is an error in one line."""

import itertools
import math
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art, World
from wsprites.art.credits import Credits
from wsprites.errors import UserError
from wsprites.fields import SpecError
from wsprites.file.art import read_art
from wsprites.file.episodes import read_episodes
from wsprites.file.facts import PIXELS, Driver, Facts
from wsprites.file.h5 import attributes_of, damaged, find_clip, local_item, open_h5, open_read_only
from wsprites.file.layout import LABEL_ROWS, layout
from wsprites.file.pixels import Array, Pixels
from wsprites.render import Clip, render
from wsprites.world.actions import CYCLE, GlobalAction, local_actions
from wsprites.world.episode import Episode
from wsprites.world.script import LABELS, Script
from wsprites.world.spec import SPLITS, WorldSpec

_MOST_LABEL_BYTES = 2**26  # of a split's labels are cached for rendering: those of 36,000 clips of 90 frames
_DAMAGE = (AttributeError, IndexError, KeyError, OSError, OverflowError, RecursionError, RuntimeError, TypeError, ValueError)


class Split:
    """The clips of one split: `split["frames"]`, `split["global_action"]`, ... by the names of the file.

    Its length is the number of its clips; iterating over it gives each clip in turn, a dict of its arrays by name, without torch.
    """

    spec: WorldSpec
    """Specification of the world."""

    def __init__(self, path: Path, group: h5py.Group, spec: WorldSpec, world: Callable[[], World]) -> None:
        self._path, self._group, self._world = path, group, world
        self._group_name = str(group.name)
        self.spec = spec
        self._len = int(group["index"].shape[0])
        self._arrays: dict[str, Array] = {}
        row_bytes = sum(dtype.itemsize * math.prod(shape) for name, (shape, dtype) in layout(spec, 1).items() if name in LABELS)
        self._block = lru_cache(max(1, _MOST_LABEL_BYTES // (LABEL_ROWS * row_bytes)))(self._read_block)

    def __len__(self) -> int:
        return self._len

    def keys(self) -> tuple[str, ...]:
        """Names of the arrays. Frames and masks are always among them."""
        return (*PIXELS, *LABELS)

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        for row in range(len(self)):
            clip = None if set(self.stored) == {*PIXELS} else self.render(row)  # once for frames and masks
            rendered = dict(zip(PIXELS, clip, strict=True)) if clip else {}
            yield {name: rendered[name] if name in rendered else np.asarray(self[name][row]) for name in self.keys()}

    def __repr__(self) -> str:
        return f"<Split {self._group_name[1:]} of {self._path}: {len(self):,} clips; {', '.join(self.keys())}>"

    def __getitem__(self, name: str) -> Array:
        if not self._group:
            raise ValueError(f"{self._path}: the file is closed")
        if name not in self.keys():
            raise KeyError(f"there is no array {name!r}; there are {', '.join(self.keys())}")
        if name not in self._arrays:  # looking it up in the file takes as long as reading a few frames
            self._arrays[name] = self._pixels(name) if name in PIXELS else Array(self._group[name])
        return self._arrays[name]

    def _pixels(self, name: str) -> Pixels:
        if name in self._group:
            return Pixels(*layout(self.spec, len(self))[name], self._group[name])

        def rendered(row: int, first: int, stop: int) -> NDArray[Any]:
            clip = self.render(row, first=first, stop=stop)
            return clip.frames_thwc if name == "frames" else clip.masks_thw

        return Pixels(*layout(self.spec, len(self))[name], rendered)

    @cached_property
    def stored(self) -> tuple[str, ...]:
        """Which of "frames" and "masks" the file itself holds; the others are rendered."""
        return tuple(name for name in PIXELS if name in self._group)

    def chunks(self, row: int) -> Iterator[tuple[str, tuple[int, ...], bytes]]:
        """The stored chunks of a clip: the array's name, the offset in the clip, the bytes."""
        for name, dataset, offsets in self._chunked:
            for offset in offsets:
                yield name, offset, bytes(dataset.read_direct_chunk((row, *offset))[1])

    @cached_property
    def _chunked(self) -> list[tuple[str, Any, list[tuple[int, ...]]]]:
        """(name, HDF5 data set, offsets of a clip's chunks) of each array of pixels. Opening one takes longer than reading a clip."""
        chunked = []
        for name in self.stored:
            array = self._group[name]
            steps = (range(0, size, step) for size, step in zip(array.shape[1:], array.chunks[1:], strict=True))
            chunked.append((name, array.id, list(itertools.product(*steps))))
        return chunked

    def script(self, row: int, *, first: int = 0, stop: int | None = None) -> Script:
        """The labels of a clip, by its row in this split, or of its frames `first` to `stop - 1`.

        Raises:
            IndexError: there is no such row.
            UserError: the labels are not possible in this world.
        """
        row = range(len(self))[row]
        script_n, problems = self._block(row // LABEL_ROWS)
        if row % LABEL_ROWS in problems:
            raise self._impossible(problems[row % LABEL_ROWS])
        return script_n[row % LABEL_ROWS, first:stop]

    def blocks(self) -> Iterator[Script]:
        """All labels of the split in order, some clips at a time. Raises UserError if they are not possible in this world."""
        for first in range(0, len(self), LABEL_ROWS):
            script_n, problems = self._read_block(first // LABEL_ROWS)
            for problem in problems.values():
                raise self._impossible(problem)
            yield script_n

    def _impossible(self, problem: str) -> UserError:
        return damaged(self._path, f"{self._group.name}/{problem}")

    def _read_block(self, number: int) -> tuple[Script, dict[int, str]]:
        """The labels of the clips that share a chunk, which take as long to read as those of one clip, and their problems by row."""
        first = number * LABEL_ROWS
        script_n = Script(**{name: np.asarray(self._group[name][first : first + LABEL_ROWS]) for name in LABELS})
        limits = {
            "character": self.spec.cast.characters - 1,
            "background": self.spec.cast.backgrounds - 1,
            "global_action": len(GlobalAction) - 1,
            "local_action": len(local_actions(self.spec.facings)) - 1,
            "background_action": len(GlobalAction) - 1,
            "animation_frame": CYCLE - 1,
            "position": (self.spec.width - self.spec.cell, self.spec.height - self.spec.cell),
            "background_offset": (self.spec.background.limit, self.spec.background.limit),
        }
        problems = {}
        for name, limit in limits.items():
            values = getattr(script_n, name)
            for row in np.unique(np.nonzero((values < 0) | (values > limit))[0]).tolist():
                problems[row] = f"{name} of row {first + row} is outside 0 to {limit}"
        left_out_nt = ~np.isin(script_n.local_action, self.spec.local_actions)
        for row in np.unique(np.nonzero(left_out_nt)[0]).tolist():
            problems.setdefault(row, f"local_action of row {first + row} is not in the world's animations {list(self.spec.animations)}")
        return script_n, problems

    def render(self, row: int, *, first: int = 0, stop: int | None = None) -> Clip:
        """The frames `first` to `stop - 1` of a clip, rendered from its labels and the art in the file. Raises as `script` does."""
        script = self.script(row, first=first, stop=stop)
        return render(self._world(), script)


class DataFile:
    """An open data file. A context manager; `data["train"]` is a Split, and `keys()`, `len` and iteration are those of a dict of splits.

    Raises:
        UserError: the file does not exist, is not a wsprites file, comes from a newer version, or is damaged.
    """

    path: Path
    """Path of the file."""
    h5: h5py.File
    """The HDF5 file."""
    facts: Facts
    """Everything that determined the bytes of the file."""
    spec: WorldSpec
    """Specification of the world."""
    seed: int
    """Seed of all random draws."""
    clips: int
    """Number of clips of the whole data set."""
    shard: tuple[int, int]
    """(k, K): the file is the k-th of K that together hold the data set."""
    compression: str
    """Name of the codec."""
    credits: Credits
    """Licence and authors of the art."""
    art_sha256: str
    """Hash of the art that the file was made with."""
    versions: dict[str, str]
    """Versions of the packages that wrote the file."""
    driver: Driver | None
    """Who chose the actions of recorded episodes; None for generated clips."""
    indices: range
    """Indices, in the whole data set, of the clips in the file."""
    splits: dict[str, Split]
    """The splits by name: train, val and test."""
    shards: tuple[Path, ...]
    """Files that a virtual data set reads from; empty for others."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.h5 = open_h5(self.path)
        self._world: World | None = None
        self._lock = threading.Lock()
        try:
            if "source" in self.h5.attrs:
                raise UserError(f"{self.path}: holds videos without a world; use a data set made by wsprites generate")
            self._read()
        except _DAMAGE as error:
            self.h5.close()
            if isinstance(error, UserError) and not isinstance(error, SpecError):
                raise
            raise damaged(self.path, error) from None

    def _read(self) -> None:
        """Read and check everything but the art and the rows."""
        facts = self.facts = Facts.from_attributes(attributes_of(self.h5))
        self.spec, self.seed, self.clips, self.shard = facts.world, facts.seed, facts.clips, facts.shard
        self.compression, self.credits, self.art_sha256 = facts.compression, facts.credits, facts.art_sha256
        self.versions, self.driver, self.indices = facts.versions, facts.driver, facts.indices
        checked = {name: self._group(name) for name in SPLITS}
        self.splits = {name: Split(self.path, group, self.spec, lambda: self.world) for name, (group, _) in checked.items()}
        self.shards = self._shards([array for _, arrays in checked.values() for array in arrays])
        rows = sum(map(len, self.splits.values()))
        if rows != len(self.indices):
            raise ValueError(f"it has {rows} rows, not one for each of {len(self.indices)} clips")

    def _group(self, name: str) -> tuple[h5py.Group, list[h5py.Dataset]]:
        """A split's group, and the arrays in it: of the right shapes and types, all of them in this very file."""
        group, arrays = local_item(self.h5, name, h5py.Group), []
        clips = local_item(group, "index", h5py.Dataset).shape[0]
        for key, (shape, dtype) in layout(self.spec, clips).items():
            if key not in group and (key in PIXELS or (key == "checksum" and "frames" not in group)):
                continue
            dataset = local_item(group, key, h5py.Dataset)
            if dataset.shape != shape or dataset.dtype != dtype:
                raise ValueError(f"/{name}/{key} is {dataset.dtype} {dataset.shape}, not {dtype} {shape}")
            arrays.append(dataset)
        return group, arrays

    def _shards(self, arrays: list[h5py.Dataset]) -> tuple[Path, ...]:
        """The files that a virtual data set reads from. HDF5 does not check them: where one is missing, it reads zeros."""
        # Which array of which file each virtual array reads.
        virtual = [(array.name, array.virtual_sources()) for array in arrays if array.is_virtual]
        if virtual and self.driver:
            raise ValueError(f"{virtual[0][0]} is stored outside the file")
        sources = {(source.file_name.replace("%%", "%"), f"/{source.dset_name}", name) for name, every in virtual for source in every}
        del virtual  # closing a file takes longer the more HDF5 objects there are
        # Each file must be a shard of this data set, and no virtual one itself.
        paths = sorted({self.path.parent / file for file, *_ in sources})
        shards = set()
        for path in paths:
            try:
                with open_read_only(path) as h5:
                    facts = Facts.from_attributes(attributes_of(h5))
                    plain = not any(h5[split]["index"].is_virtual for split in SPLITS)
            except UserError as error:
                raise UserError(f"{self.path}: its shard {error}; a virtual data set needs all its shards") from None
            except (OSError, KeyError, TypeError, ValueError):
                raise UserError(f"{self.path}: its shard {path} is damaged; restore the original shard") from None
            if not plain or replace(facts, shard=self.shard) != self.facts:
                raise UserError(f"{self.path}: {path} has changed since it was merged; restore the original shard")
            shards.add(facts.shard)
        complete = shards == {(number + 1, len(paths)) for number in range(len(paths))}
        if not complete or any(there != here for _, there, here in sources):
            raise ValueError("its arrays are not those of all its shards")
        return tuple(paths)

    @property
    def world(self) -> World:
        """The world of the file with its art, loaded on first access. Raises UserError if the art is damaged."""
        with self._lock:
            if self._world is None:
                try:
                    self._world = World(self.spec, read_art(self.h5, self.spec, self.credits))
                except _DAMAGE as error:
                    raise damaged(self.path, error) from None
            return self._world

    @property
    def art(self) -> Art:
        """The art in the file. Raises UserError if it is damaged."""
        return self.world.art

    @cached_property
    def episodes(self) -> tuple[Episode, ...]:
        """The episodes that the clips were cut from; none in files of generated clips. Raises UserError if they are damaged."""
        if self.driver is None:
            return ()
        try:
            return read_episodes(self.h5, self.spec)
        except _DAMAGE as error:
            raise damaged(self.path, error) from None

    def __getitem__(self, split: str) -> Split:
        if split not in self.splits:
            raise KeyError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
        return self.splits[split]

    def keys(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __repr__(self) -> str:
        clips = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        spec = self.spec
        return f"<DataFile {self.path}: world {spec.name}, {clips} clips of {spec.frames} frames, {spec.height} x {spec.width}>"

    def find(self, index: int) -> tuple[str, int]:
        """The split and row of the clip with an index in the whole data set. Raises UserError if there is none."""
        return find_clip(self.path, {name: self.h5[name]["index"] for name in self.splits}, index)

    def __reduce__(self) -> tuple[type["DataFile"], tuple[Path]]:
        return DataFile, (self.path.absolute(),)  # a copy in another process opens the file itself

    def close(self) -> None:
        """Close the HDF5 file."""
        self.h5.close()

    def __enter__(self) -> "DataFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
