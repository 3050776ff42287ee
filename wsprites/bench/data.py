"""The clips that everybody is scored on: a standard world, rendered on the fly, or a data file. Axis order: n clips, t frames, h, w, c."""

import hashlib
import platform
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art, World, load_world
from wsprites.bench.metrics.actions import Sources
from wsprites.errors import UserError
from wsprites.file import DataFile, Split, versions
from wsprites.render import Background, Clip, render
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import LABELS, Script, casting, scripts, split_indices
from wsprites.world.spec import SPLITS, WorldSpec

STANDARD = {"wsprites-paper-v1": "paper", "wsprites-factorial-v1": "factorial"}
"""Names of the standard test worlds, and the presets that they are made from, with the project's own art."""
_SEED, _FIT, _SCORED = 20_220_822, 200, 500  # of the standard worlds: their seed, and numbers of val and of test clips


@dataclass(frozen=True, eq=False)
class Part:
    """N clips of one split, with their labels. Pixels are read or rendered clip by clip."""

    name: str
    world: World
    script: Script
    """(N, T) labels."""
    stored: Split | None = None
    """Where the pixels are, if not only in the labels."""

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

    def clip(self, n: int) -> Clip:
        """Frames (T, H, W, 3) uint8 and masks (T, H, W) bool of a clip."""
        if self.stored is not None:
            return Clip(self.stored["frames"][n], self.stored["masks"][n])
        return self.render(self.script[n])

    def render(self, script: Script, background: Background = "moving") -> Clip:
        """The clip of any script: a twin of one of these, or a counterfactual."""
        return render(self.world, script, background=background)

    def sources(self) -> Sources:
        """The labels of the transitions, (N, T-1). The label at 0 led to the first frame, and has no transition."""
        script = self.script
        labels = tuple(values[:, 1:].astype(np.int64) for values in (script.global_action, script.local_action, script.background_action))
        return Sources(labels, (len(GlobalAction), len(local_actions(self.spec.facings)), len(GlobalAction)))  # type: ignore[arg-type]

    def state(self, at: NDArray[np.integer]) -> NDArray[np.float64]:
        """(n, D) what was to be known before some of the N (T-1) transitions: actions, animation frame, position and crop."""
        clip, t = np.divmod(at, self.spec.frames - 1)
        s, sizes = self.script, self.sources().sizes
        hot = [np.eye(n)[values[clip, t]] for n, values in zip(sizes, (s.global_action, s.local_action, s.background_action), strict=True)]
        return np.concatenate([*hot, np.eye(8)[s.animation_frame[clip, t]], s.position[clip, t], s.background_offset[clip, t]], -1)


@dataclass(frozen=True, eq=False)
class Data:
    """What is scored, and what maps and probes are fitted on before: other clips, of other characters."""

    name: str
    fit: Part
    scored: Part
    sha256: str
    """Of world, labels and art of both, from which the pixels follow; that stored ones do, `wsprites verify` shows."""

    def describe(self) -> dict[str, Any]:
        """What a score file says about it."""
        clips = {part.name: len(part) for part in (self.fit, self.scored)}
        characters = {part.name: len(np.unique(part.script.character)) for part in (self.fit, self.scored)}
        world = {"world": self.scored.spec.name, "frames": self.scored.spec.frames}
        return {"name": self.name, "sha256": self.sha256, **world, "clips": clips, "characters": characters}


def standard(name: str, clips: int | None = None) -> Data:
    """A standard test world: 500 test clips, and 200 of val, of 90 frames.

    Args:
        clips: score no more than this many, and fit on half as many, 12 at least; the data are then another, and named so.

    Raises:
        UserError: there is no world of this name.
    """
    if name not in STANDARD:
        raise UserError(f"--data {name}: neither a file nor a standard world ({', '.join(STANDARD)})")
    world = load_standard(STANDARD[name])
    spec = world.spec
    scored, fit = min(clips or _SCORED, _SCORED), min(max((clips or _SCORED) // 2, 12), _FIT)
    indices = split_indices(spec, _SEED, 10_000)
    parts = [Part(split, world, scripts(spec, _SEED, indices[split][:n])) for split, n in (("val", fit), ("test", scored))]
    return _data(name if scored == _SCORED else f"{name}-first-{scored}", *parts)


@lru_cache(maxsize=2)
def load_standard(preset: str) -> World:
    """The world of a preset with the project's own art, loaded once."""
    return load_world(preset)


def from_file(path: Path, split: str = "test", clips: int | None = None) -> Data:
    """The clips of a split of a data file, with the maps fitted on `val` (on `train` where `val` is scored).

    Raises:
        UserError: no such split, too few clips in it, clips of one frame, or a file that cannot be used.
    """
    if split not in SPLITS:
        raise UserError(f"--split {split}: not one of {', '.join(SPLITS)}")
    data = DataFile(path)
    fit = "train" if split == "val" else "val"
    parts = []
    for name in (fit, split):
        rows = min(len(data[name]), clips or len(data[name]))
        if rows < 2 or data.spec.frames < 2:
            raise UserError(
                f"{path}: '{name}' has {rows} clips of {data.spec.frames} frames; scores need 2 of 2 or more (the maps are fitted on {fit})"
            )
        script = Script(**{label: np.asarray(data[name][label][:rows]) for label in LABELS})
        parts.append(Part(name, data.world, script, data[name]))
    return _data(f"{path.name}:{split}" + (f"-first-{clips}" if clips else ""), *parts)


def _data(name: str, fit: Part, scored: Part) -> Data:
    digest = hashlib.sha256(f"{scored.spec.to_json()}{scored.art.sha256}".encode())
    for part in (fit, scored):
        for label in LABELS:
            digest.update(np.ascontiguousarray(getattr(part.script, label)).data)
    return Data(name, fit, scored, digest.hexdigest())


def other_character(part: Part, script: Script) -> Script:
    """The same script with the next character of the same split."""
    cast = casting(part.spec, 0)
    mine = cast.character[cast.split == SPLITS.index(part.name)]
    after = mine[(np.flatnonzero(mine == script.character)[0] + 1) % len(mine)]
    return replace(script, character=np.asarray(after, np.int32))


def other_background(part: Part, script: Script) -> Script:
    """The same script before the next background."""
    return replace(script, background=np.asarray((script.background + 1) % part.spec.cast.backgrounds, np.int32))


def machine() -> dict[str, Any]:
    """Versions and hardware, for a score file."""
    import sklearn

    cpu = next((line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    return {"versions": {**versions(), "sklearn": sklearn.__version__, "python": platform.python_version()}, "hardware": cpu or "unknown"}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
