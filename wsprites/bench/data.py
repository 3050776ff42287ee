"""The clips that a model is scored on: a standard world, rendered on the fly, or a data file. Axis order: n clips, t frames, h, w, c."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

import wsprites
from wsprites.art import Art, World, load_world
from wsprites.bench.metrics.actions import Sources
from wsprites.bench.metrics.interval import Clusters
from wsprites.errors import ArgumentError, UserError, nearest
from wsprites.fields import whole
from wsprites.file import DataFile, Split, VideoFile
from wsprites.file.videos import VIDEO_LABELS, VideoSplit
from wsprites.render import Background, Clip, render
from wsprites.world.actions import CYCLE, GlobalAction, local_actions
from wsprites.world.script import LABELS, Script, casting, scripts, split_indices
from wsprites.world.spec import AXES, SPLITS, WorldSpec

STANDARD = {f"wsprites-{preset}-v1": preset for preset in ("paper", "factorial", *(f"axes-{axis}" for axis in AXES), "shadow-world")}
"""Names of the standard test worlds, and the presets that they are made from, with the project's own art."""
STANDARD_WORLD = "wsprites-paper-v1"
"""The standard world that is used by default."""
STANDARD_SEED, _FIT, _SCORED = 20_220_822, 200, 500
"""Published seed of the standard worlds, and their numbers of val clips and of test clips."""
_MOST_SEED = 2**63 - 1


class ClipSize(Protocol):
    """Size of the clips of a data set."""

    @property
    def frames(self) -> int:
        """Frames per clip."""
        ...

    @property
    def height(self) -> int:
        """Rows of a frame."""
        ...

    @property
    def width(self) -> int:
        """Columns of a frame."""
        ...


class Clips(Protocol):
    """What has to be known of some clips to check what a model returns for them."""

    @property
    def name(self) -> str:
        """The split."""
        ...

    @property
    def spec(self) -> ClipSize:
        """Their size."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Part:
    """N clips of one split, with their labels. Pixels are read or rendered clip by clip."""

    name: str
    world: World
    script: Script
    """(N, T) labels."""
    stored: Split | None = None
    """The stored pixels; without them, clips are rendered from their labels."""

    @property
    def spec(self) -> WorldSpec:
        """The specification of the world."""
        return self.world.spec

    @property
    def art(self) -> Art:
        """The art of the world."""
        return self.world.art

    def __len__(self) -> int:
        return len(self.script.index)

    @cached_property
    def clusters(self) -> Clusters:
        """The groups of the clips: those of one character, and those in front of one scene."""
        return Clusters(self.script.character, self.script.background)

    def clip(self, n: int) -> Clip:
        """Frames (T, H, W, 3) uint8 and masks (T, H, W) bool of a clip."""
        if self.stored is not None:
            return Clip(self.stored["frames"][n], self.stored["masks"][n])
        return self.render(self.script[n])

    def render(self, script: Script, background: Background = "moving") -> Clip:
        """Frames and masks of any script in this world: a variant of a clip, or a counterfactual."""
        return render(self.world, script, background=background)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of values of the labels of each source."""
        return len(GlobalAction), len(local_actions(self.spec.facings)), len(GlobalAction)

    def sources(self) -> Sources:
        """The labels of the transitions, (N, T-1) each. The label at t = 0 led to the first frame and belongs to no transition."""
        script = self.script
        step, shown, crop = (values.astype(np.int64) for values in (script.global_action, script.local_action, script.background_action))
        before = step[:, :-1], shown[:, :-1], crop[:, :-1]
        return Sources((step[:, 1:], shown[:, 1:], crop[:, 1:]), self.sizes, before, script.character)

    def state(self, at: NDArray[np.integer]) -> NDArray[np.float64]:
        """(n, D) the state before some of the N (T-1) transitions: actions, animation frame, position and crop.

        Args:
            at: (n,) flat indices of transitions.
        """
        clip, t = np.divmod(at, self.spec.frames - 1)
        s, sizes = self.script, self.sizes
        hot = [np.eye(n)[values[clip, t]] for n, values in zip(sizes, (s.global_action, s.local_action, s.background_action), strict=True)]
        return np.concatenate([*hot, np.eye(CYCLE)[s.animation_frame[clip, t]], s.position[clip, t], s.background_offset[clip, t]], -1)


@dataclass(frozen=True, eq=False)
class Data:
    """The clips that are scored, and those that maps and probes are fitted on: other clips, of other characters."""

    name: str
    fit: Part
    scored: Part
    sha256: str
    """SHA-256 of world, labels and art of both parts, which determine the pixels; `wsprites verify` checks stored ones."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that a predictions file has arrays for."""
        return self.fit, self.scored


class VideoSize(NamedTuple):
    """Size of clips of videos, see ClipSize."""

    frames: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class VideoPart:
    """The first clips of one split of imported videos: pixels, without a world and without labels that are used."""

    name: str
    spec: VideoSize
    stored: VideoSplit
    clips: int
    """Number of clips."""

    def __len__(self) -> int:
        return self.clips

    @cached_property
    def clusters(self) -> Clusters:
        """The groups of the clips: those that were cut from one video."""
        return Clusters(self.stored["video"][: self.clips])

    @property
    def videos(self) -> int:
        """Number of videos that the clips were cut from."""
        return len(np.unique(self.stored["video"][: self.clips]))

    @property
    def recorded(self) -> list[str]:
        """Names of the labels that came with the videos, which are not used."""
        names = self.stored.keys()
        return [name for name in names if name in VIDEO_LABELS]

    def frames(self, n: int) -> NDArray[np.uint8]:
        """(T, H, W, 3) uint8 frames of a clip."""
        frames: NDArray[np.uint8] = self.stored["frames"][n]
        return frames


@dataclass(frozen=True, eq=False)
class VideoData:
    """The clips of imported videos that are scored. Nothing is fitted, because there are no labels."""

    name: str
    scored: VideoPart
    sha256: str
    """SHA-256 of the frames of all scored clips."""

    @property
    def parts(self) -> tuple[VideoPart, ...]:
        """The parts that a predictions file has arrays for."""
        return (self.scored,)


def open_data(name: str, *, split: str = "test", clips: int | None = None, seed: int | None = None) -> Data | VideoData:
    """The clips that a name stands for: one of STANDARD, or else the path of a data file or of a file of imported videos.

    Args:
        split: the split of a file that is scored; a standard world is scored on "test".
        clips: score only the first clips.
        seed: other clips of a standard world, see `standard`.

    Raises:
        ArgumentError: neither a standard world nor a file, another split of a standard world, or a seed for a file.
        UserError: a file that cannot be scored, see `from_file` and `from_videos`.
    """
    if name not in STANDARD:
        path = Path(name)
        if not path.exists():
            raise ArgumentError("data", f"{name!r} is neither a file nor a standard world ({', '.join(STANDARD)}){nearest(name, STANDARD)}")
        if seed is not None:
            raise ArgumentError("seed", f"{seed} is only for standard worlds, whose clips are made from it; {name} has clips of its own")
        with wsprites.open(path) as file:
            has_labels = isinstance(file, DataFile)
        return (from_file if has_labels else from_videos)(path, split=split, clips=clips)
    if split != "test":
        raise ArgumentError("split", f"{split!r} is only for data files; a standard world is scored on 'test'")
    return standard(name, clips=clips, seed=seed)


def standard(name: str, *, clips: int | None = None, seed: int | None = None) -> Data:
    """A standard test world: 500 test clips, and 200 of val, of 90 frames.

    Args:
        name: one of STANDARD.
        clips: score only the first clips, 2 to 500, and fit on half as many, at least 12. The data then have another name and hash.
        seed: 1 to 2**63 - 1: other clips of the same world and the same characters in each split, which exist nowhere until somebody
            chooses this seed. The data then have another name and hash. None: the published clips.

    Raises:
        ArgumentError: fewer than 2 or more than 500 clips, or an impossible seed.
    """
    _check_clips(clips, _SCORED, "test")
    if seed == STANDARD_SEED:
        raise ArgumentError("seed", f"{seed} makes the published clips; leave it out to score on these")
    world = load_standard(STANDARD[name])
    spec = world.spec
    scored, fit = clips or _SCORED, min(max((clips or _SCORED) // 2, 12), _FIT)
    made_from = STANDARD_SEED if seed is None else whole("seed", seed, 1, _MOST_SEED)
    indices = split_indices(spec, made_from, 10_000)
    parts = [Part(split, world, scripts(spec, made_from, indices[split][:n])) for split, n in (("val", fit), ("test", scored))]
    return _data(name + (f"-seed-{seed}" if seed else "") + (f"-first-{scored}" if scored < _SCORED else ""), *parts)


def _check_clips(clips: int | None, available: int, split: str) -> None:
    """Raise ArgumentError if more clips are to be scored than there are."""
    if clips is not None and (clips < 2 or clips > available >= 2):
        raise ArgumentError("clips", f"{clips} is outside the range 2 to {available}, the number of clips of '{split}'")


@lru_cache(maxsize=8)
def load_standard(preset: str) -> World:
    """The world of a preset with the project's own art; cached."""
    return load_world(preset)


def from_file(path: Path, *, split: str = "test", clips: int | None = None) -> Data:
    """The clips of a split of a data file. Maps are fitted on `val`, or on `train` where `val` is scored.

    Args:
        clips: score only the first clips, and fit on as many, or on all if there are fewer. The data then have another name and hash.

    Raises:
        ArgumentError: no such split, or more clips than it has.
        UserError: too few clips in a split, clips of one frame, or a file that cannot be read.
    """
    _check_split(split)
    data = DataFile(path)
    _check_clips(clips, len(data[split]), split)
    fit = "train" if split == "val" else "val"
    parts = []
    for name in (fit, split):
        rows = min(len(data[name]), clips or len(data[name]))
        if rows < 2 or data.spec.frames < 2:
            raise UserError(
                f"{path}: '{name}' has {rows} clips of {data.spec.frames} frames; 2 clips of 2 frames are needed (maps are fitted on {fit})"
            )
        script = Script(**{label: np.asarray(data[name][label][:rows]) for label in LABELS})
        parts.append(Part(name, data.world, script, data[name]))
    return _data(_file_name(path, split, clips), *parts)


def from_videos(path: Path, *, split: str = "test", clips: int | None = None) -> VideoData:
    """The clips of a split of a file of imported videos.

    Raises:
        ArgumentError: no such split, or more clips than it has.
        UserError: too few clips in the split, clips of one frame, or a file that cannot be read.
    """
    _check_split(split)
    data = VideoFile(path)
    _check_clips(clips, len(data[split]), split)
    part = VideoPart(split, VideoSize(*data.clip_shape[:3]), data[split], clips or len(data[split]))
    if len(part) < 2 or part.spec.frames < 2:
        others = ", ".join(f"'{name}' has {len(data[name])}" for name in SPLITS if name != split)
        raise UserError(f"{path}: '{split}' has {len(part)} clips of {part.spec.frames} frames; 2 clips of 2 frames are needed ({others})")
    digest = hashlib.sha256(f"{len(part)} {part.spec}".encode())
    for n in range(len(part)):
        digest.update(np.ascontiguousarray(part.frames(n)).data)
    return VideoData(_file_name(path, split, clips), part, digest.hexdigest())


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ArgumentError("split", f"{split!r} is not one of {', '.join(SPLITS)}")


def _file_name(path: Path, split: str, clips: int | None) -> str:
    """The name of the data in a file."""
    return f"{path.name}:{split}" + (f"-first-{clips}" if clips else "")


def _data(name: str, fit: Part, scored: Part) -> Data:
    digest = hashlib.sha256(f"{scored.spec.to_json()}{scored.art.sha256}".encode())
    for part in (fit, scored):
        for label in LABELS:
            digest.update(np.ascontiguousarray(getattr(part.script, label)).data)
    return Data(name, fit, scored, digest.hexdigest())


def other_character(part: Part, script: Script) -> Script:
    """The same script with the next character of the same split."""
    cast = casting(part.spec, 0)
    of_split = cast.character[cast.split == SPLITS.index(part.name)]
    after = of_split[(np.flatnonzero(of_split == script.character)[0] + 1) % len(of_split)]
    return replace(script, character=np.asarray(after, np.int32))


def other_background(part: Part, script: Script) -> Script:
    """The same script in front of the next background of the same split."""
    scenes = part.spec.scenes(part.name)
    after = (script.background - scenes.start + 1) % len(scenes) + scenes.start
    return replace(script, background=np.asarray(after, np.int32))
