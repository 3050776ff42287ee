"""What a run learns from: batches of a data file or of a world rendered on the fly, and a record of it that a checkpoint keeps.

Most systems learn from frames alone. One that names fields gets these arrays as well: those of `wsprites.stream`, and what is made of them:

    centre        (B, T, 2) float32: the middle of the character's cell in each frame, pixels
    twin          (B, T, 3, H, W) uint8: the same motion by the character of the next clip of the batch, in its scene
    twin_masks    (B, T, H, W) bool: the character in those frames
"""

import hashlib
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

import wsprites
from glass_model.training.config import FewLabels, TrainConfig
from glass_model.training.device import Process
from glass_model.training.labels import STREAM_CLIPS, LabelledWindows
from glass_model.training.validation import Validation, of_file, of_world
from wsprites.art import World
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import Checked, choice, number, show
from wsprites.file import DataFile
from wsprites.render import render
from wsprites.render.batch import BatchRenderer
from wsprites.stream import FileClips, RenderedClips, Sample, WindowSampler, collate
from wsprites.stream.samples import tensors
from wsprites.videos import VideoFile
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS, Script, scripts, split_indices
from wsprites.world.spec import WorldSpec

_ACTIONS = ("global_action", "local_action", "background_action")
_TWIN = {"twin", "twin_masks"}
_OF_FRAMES = ("frames", "masks", "centre", "twin", "twin_masks")
_OF_CLIPS = ("index",)
"""Arrays of frames, whatever lies between two of them, and of whole clips; all others name the action that leads to a frame."""
_WORKERS = 4  # processes that read a file for a GPU

Batches = Callable[[int], Iterator[Any]]
"""Number of the first batch -> that batch and all that follow, as `System.turns` takes them, on the device. Batch n is always the same."""
Actions = Callable[[int], Sample]
"""Number of a batch -> its true actions, the labels of _ACTIONS, (B, T) each, on the CPU."""


@dataclass(frozen=True)
class DataRecord(Checked):
    """What defines the data of a run. Equal records give the same batches to the same training configuration and number of processes."""

    source: str = choice("stream", "stream", "file", "videos")
    """"stream": a world rendered on the fly; "file": a generated data file; "videos": a file of imported videos."""
    world: str = ""
    """The world's specification as JSON; empty for imported videos."""
    art_sha256: str = ""
    """Hash of the art; empty for imported videos."""
    seed: int = number(0, 0, 2**63 - 1)
    """Seed of the data set; 0 for imported videos."""
    clips: int = number(0, 0, 2**62)
    """Clips of the whole data set of a generated file; 0 for other sources."""
    shard: str = ""
    """Part "k/K" of the data set that a generated file holds; empty for other sources."""
    videos_sha256: str = ""
    """Hash of names, cuts and sample frames of imported videos; empty for other sources."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.world:
            WorldSpec.from_json(self.world)

    @property
    def spec(self) -> WorldSpec | None:
        """The world's specification; None for imported videos."""
        return WorldSpec.from_json(self.world) if self.world else None

    def facts(self) -> dict[str, Any]:
        """All facts by name, those of the world as "world.sprite.step"; without empty text."""
        facts = {name: value for name, value in asdict(self).items() if value != "" or name == "world"}
        del facts["world"]
        for name, value in asdict(self.spec).items() if self.spec else ():
            if name == "name":
                continue  # decides about nothing
            facts |= {f"world.{name}.{key}": of for key, of in value.items()} if isinstance(value, dict) else {f"world.{name}": value}
        return facts

    def differences(self, other: "DataRecord") -> str:
        """What another record has instead, such as "source is file, not stream"; empty if the two are equal."""
        if self.source != other.source:
            return f"source is {other.source}, not {self.source}"
        ours, theirs = self.facts(), other.facts()
        return ", ".join(
            f"{name} is {show(theirs.get(name, 'none'))}, not {show(ours.get(name, 'none'))}"
            for name in {**ours, **theirs}
            if ours.get(name) != theirs.get(name)
        )


class Source(NamedTuple):
    """Data to learn from."""

    batches: Batches
    record: DataRecord
    validation: Callable[[], Validation | None]
    """Makes what the model is scored on in the course of training; None for data without labels."""
    actions: Actions | None = None
    """The true actions of batches; None for data without labels, and where frames are skipped, so that several actions lie between two."""


def from_file(path: Path, config: TrainConfig, process: Process, *, fields: Sequence[str] = (), few: FewLabels | None = None) -> Source:
    """Random windows of the train split of a data file, generated or imported.

    Args:
        path: the file.
        config: numbers of training.
        process: this process.
        fields: arrays that batches have beside frames; none makes batches of frames alone.
        few: the clips with labels that the last windows of each batch are drawn from; None: from all clips alike.

    Raises:
        UserError: it cannot be read, is too short, has not all fields, or none of its clips has labels.
    """
    extras = _Extras.of_file(path, fields, config, process)
    with _named_window(config):
        clips = FileClips(path, "train", window=config.span, keys=["frames", *extras.read])
    cuda = process.device.type == "cuda"
    windows = _LabelledOfFile(clips, few) if few else None
    others = config.batch - (few.windows if few else 0)

    def items(first: int) -> Iterator[int]:
        """Numbers of the windows of a batch and of all that follow."""
        sampler = iter(WindowSampler(clips, seed=config.seed, start=first * others, rank=process.rank, ranks=process.count))
        for batch in count(first):
            yield from islice(sampler, others)
            yield from windows(batch * process.count + process.rank) if windows else ()

    def batches(first: int) -> Iterator[Tensor | Sample]:
        loader = DataLoader(
            clips,
            config.batch,
            sampler=items(first),
            collate_fn=collate,
            num_workers=_WORKERS if cuda else 0,
            pin_memory=cuda,
            worker_init_fn=_ignore_signals,
        )
        for sample in loader:
            yield extras({name: tensor.to(process.device, non_blocking=True) for name, tensor in sample.items() if name != "start"})

    def actions(number: int) -> Sample:
        labels = FileClips(path, "train", window=config.span, keys=_ACTIONS)
        return collate(labels.__getitems__(list(islice(items(number), config.batch))))

    record = record_of(path)
    return Source(batches, record, lambda: of_file(path), actions if record.source == "file" and config.skip == 1 else None)


@contextmanager
def _named_window(config: TrainConfig) -> Iterator[None]:
    """Name the values of the configuration in the error of a window that is longer than the clips."""
    try:
        yield
    except ArgumentError as error:
        if error.argument != "window":
            raise
        raise UserError(f"train.window = {config.window}, train.skip = {config.skip}: {error.problem}; make them smaller") from None


def _ignore_signals(_worker: int) -> None:
    """Let a worker outlive a signal to all processes of a job, so that the main process can still write a checkpoint and end it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def from_world(world: World, config: TrainConfig, process: Process, *, fields: Sequence[str] = (), few: FewLabels | None = None) -> Source:
    """Random windows of the train split of a world, rendered on the device, without end; arguments are as of `from_file`.

    Raises:
        UserError: its clips are too short, it has not all fields, or none of its clips has labels.
    """
    extras, others = _Extras(world, fields, config, process), config.batch - (few.windows if few else 0)

    def stream(device: torch.device = process.device, first: int = 0) -> RenderedClips:
        clips = RenderedClips(world, "train", config.span, config.seed, others, device, rank=process.rank, ranks=process.count)
        clips.load_state_dict({"batches": first})
        return clips

    with _named_window(config):
        stream()  # a world that cannot be streamed is refused before anything is written

    windows = _LabelledOfWorld(world, few, config, process.device) if few else None

    def batches(first: int) -> Iterator[Tensor | Sample]:
        for batch, sample in enumerate(stream(first=first), first):
            yield extras(windows.added(sample, batch * process.count + process.rank) if windows else sample)

    def actions(number: int) -> Sample:
        sample = next(iter(stream(torch.device("cpu"), number)))
        also = windows.labels(number * process.count + process.rank) if windows else {}
        return {name: torch.cat([sample[name], also[name]]) if also else sample[name] for name in _ACTIONS}

    record = DataRecord("stream", world.spec.to_json(), world.art.sha256, config.seed)
    return Source(batches, record, lambda: of_world(world), actions if config.skip == 1 else None)


class _LabelledOfFile:
    """Numbers of windows of the clips of a file that have labels."""

    def __init__(self, clips: FileClips, few: FewLabels) -> None:
        with wsprites.open(clips.path) as data:
            self._draw, self._starts = LabelledWindows(few, data["train"]["index"][:].astype(np.int64), clips.starts), clips.starts

    def __call__(self, batch: int) -> list[int]:
        clip, start = self._draw(batch)
        items: list[int] = (self._draw.rows[clip] * self._starts + start).tolist()
        return items


class _LabelledOfWorld:
    """Windows of the clips of a stream that have labels."""

    def __init__(self, world: World, few: FewLabels, config: TrainConfig, device: torch.device) -> None:
        index_n = split_indices(world.spec, config.seed, STREAM_CLIPS)["train"]
        self._draw, self._span = LabelledWindows(few, index_n, world.spec.frames - config.span + 1), config.span
        self._script, self._render, self._device = (
            scripts(world.spec, config.seed, index_n[self._draw.rows]),
            _Renderer(world, device),
            device,
        )

    def labels(self, batch: int) -> Sample:
        """Their labels, on the CPU."""
        clip, start = self._draw(batch)
        labels = {name: getattr(self._script, name)[clip] for name in CLIP_LABELS} | {"start": start}
        at = clip[:, None], start[:, None] + np.arange(self._span)
        return tensors(labels | {name: getattr(self._script, name)[at] for name in FRAME_LABELS})

    def added(self, sample: Sample, batch: int) -> Sample:
        """A sample of the stream with these windows after its own, whose clips beyond the data set of STREAM_CLIPS get the number -1."""
        labels = {name: label.to(self._device) for name, label in self.labels(batch).items()}
        frames, masks = self._render(labels)
        others = sample | {"index": torch.where(sample["index"] < STREAM_CLIPS, sample["index"], -1)}
        also = labels | {"frames": frames, "masks": masks}
        return {name: torch.cat([others[name], also[name]]) for name in others}


class _Renderer:
    """Renders windows from their labels, which are on a device: frames (B, T, 3, H, W) and masks (B, T, H, W) there."""

    def __init__(self, world: World, device: torch.device) -> None:
        self._world, self._draw = world, BatchRenderer(world, device) if device.type != "cpu" else None

    def __call__(self, labels: Sample) -> tuple[Tensor, Tensor]:
        if self._draw:
            return self._draw(labels)
        clip = render(self._world, Script(**{name: labels[name].numpy() for name in LABELS}))
        return torch.from_numpy(clip.frames_thwc).movedim(-1, -3), torch.from_numpy(clip.masks_thw)


class _Extras:
    """What samples are made to for a system: frames alone, or a dict with the fields that it names."""

    def __init__(self, world: World | None, fields: Sequence[str], config: TrainConfig, process: Process) -> None:
        self._world, self._fields, self._skip, self._device = world, fields, config.skip, process.device
        labels = [name for name in fields if name not in (*_OF_FRAMES, *_OF_CLIPS)]
        if labels and config.skip > 1:
            raise UserError(f"train.skip = {config.skip}: {', '.join(labels)} is of single transitions; set train.skip to 1")
        self._render = _Renderer(world, process.device) if world and _TWIN & {*fields} else None

    @classmethod
    def of_file(cls, path: Path, fields: Sequence[str], config: TrainConfig, process: Process) -> "_Extras":
        """Those of a file. Raises UserError for imported videos, which have no labels."""
        if not fields:
            return cls(None, (), config, process)
        with wsprites.open(path) as data:
            if not isinstance(data, DataFile):
                raise UserError(f"{path}: imported videos have no {', '.join(fields)}, which this configuration learns from")
            return cls(data.world, fields, config, process)

    @property
    def read(self) -> tuple[str, ...]:
        """The arrays that samples need beside frames."""
        made = {"centre": ("position",), "twin": LABELS, "twin_masks": LABELS}
        return tuple(dict.fromkeys(name for field in self._fields for name in made.get(field, (field,))))

    def __call__(self, sample: Sample) -> Tensor | Sample:
        """Make a batch."""
        if not self._fields:
            return sample["frames"][:, :: self._skip]
        made = dict(sample)
        if "centre" in self._fields and self._world:
            made["centre"] = sample["position"] + self._world.spec.cell / 2
        if _TWIN & {*self._fields}:
            made["twin"], made["twin_masks"] = self._twin(sample)
        return {name: made[name][:, :: self._skip] if name in _OF_FRAMES else made[name] for name in ("frames", *self._fields)}

    def _twin(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Frames and masks with characters and scenes of the next clips of the batch."""
        labels = {name: sample[name].roll(-1, 0) if name in ("character", "parts", "background") else sample[name] for name in LABELS}
        assert self._render
        return self._render(labels)


def record_of(path: Path) -> DataRecord:
    """The record of a data file. How it is compressed, and whether its pixels are stored, makes no difference."""
    with wsprites.open(path) as data:
        if isinstance(data, DataFile):
            shard = "/".join(map(str, data.shard))
            return DataRecord("file", data.spec.to_json(), data.art_sha256, data.seed, data.clips, shard)
        return DataRecord("videos", videos_sha256=_hash_of(data))


def _hash_of(videos: VideoFile) -> str:
    """Hash of what identifies imported videos: their names, sizes and cuts, and the first frame of a few clips of each split."""
    digest = hashlib.sha256(repr((videos.names, videos.clip_shape, videos.skip)).encode())
    for name, split in videos.splits.items():
        digest.update(f"{name} {len(split)}".encode())
        for label in ("index", "video", "first_frame"):
            digest.update(np.ascontiguousarray(split[label][:], np.int64).data)
        for clip in sorted({0, len(split) // 2, len(split) - 1} if len(split) else ()):
            digest.update(np.ascontiguousarray(split["frames"][clip, 0]).data)
    return digest.hexdigest()
