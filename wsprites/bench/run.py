"""One scoring job, for the command and for the pytest suite: models by name and data by name -> score files."""

import math
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench import caddy, released, videos
from wsprites.bench.data import STANDARD_WORLD, Data, VideoData, open_data
from wsprites.bench.distances import left_out
from wsprites.bench.evaluation import Evaluation, clips_to_do, evaluate
from wsprites.bench.load import load
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import Controllable, Model, ProtocolError, Reading, named, takes_true_actions
from wsprites.bench.provenance import hashes, printable
from wsprites.bench.rollouts import Video
from wsprites.bench.scores import INTERVAL, PROTOCOL, DataDescription, Entry, ScoreFile, Settings, stored_replicates
from wsprites.bench.sequences import find_object, sequences
from wsprites.bench.table import reference_values
from wsprites.errors import ArgumentError
from wsprites.file import versions
from wsprites.generate import check_disk, written_aside
from wsprites.terminal import extra

if TYPE_CHECKING:
    from wsprites.bench.networks import Networks

OF_ROLLOUTS = ("control", "drift", "transfer")
"""How the names of scores of generated video begin."""
NO_ROLLOUTS = "left out by --no-rollouts"
"""Why they are not scored, where the user did not want them."""
Bar = Callable[[int], AbstractContextManager[Callable[[int], object]]]
"""From a number of clips to a context whose value is called with the clips done since its last call."""


class Result(NamedTuple):
    """The scores of one model."""

    scores: ScoreFile
    videos: tuple[Video, ...]


def no_bar(_total: int) -> AbstractContextManager[Callable[[int], object]]:
    """Shows nothing."""
    return nullcontext(lambda _: None)


@dataclass(frozen=True)
class Job:
    """What to score, on which data. Data and weights are read when they are first needed, and then kept."""

    models: tuple[str, ...]
    """Names of models: `package.module:factory`, predictions files, checkpoints, or trained models that are installed."""
    data: str = STANDARD_WORLD
    """A standard world or the path of a data file."""
    split: str = "test"
    clips: int | None = None
    """Score only the first clips; by default all."""
    weights: Path | None = None
    """A folder with weights of LPIPS, Inception and I3D, which adds their scores."""
    seed: int | None = None
    """Other clips of a standard world, see `wsprites.bench.data.standard`; by default the published ones."""
    system: str = ""
    """Name of the system that the models are runs of, see runs.py."""
    rollouts: bool = True
    """False leaves out the scores of generated video, which take longest."""

    @cached_property
    def opened(self) -> Data | VideoData:
        """The data. Raises UserError if the name is none that `open_data` knows, or the file cannot be scored."""
        return open_data(self.data, split=self.split, clips=self.clips, seed=self.seed)

    @cached_property
    def description(self) -> DataDescription:
        """The data as a score file describes it."""
        return describe(self.opened)

    @cached_property
    def networks(self) -> "Networks | None":
        """The networks of `weights`. Raises UserError if the folder has none, or torch is not installed."""
        if self.weights is None:
            return None
        with extra("torch"):
            from wsprites.bench.networks import load as load_networks
        return load_networks(self.weights)

    @property
    def without_networks(self) -> dict[str, str]:
        """Why "lpips", "fid" or "fvd" are not scored although there are weights, by name."""
        return left_out(self.opened, self.networks) if self.networks else {}

    @cached_property
    def loaded(self) -> list[tuple[str, Model | Predictions]]:
        """The models with their names. Raises UserError if one of them cannot be loaded."""
        return [(name, load(name, self.opened)) for name in self.models]

    @property
    def without_rollout(self) -> list[str]:
        """Names of the models that do not generate, to which scores by networks do not apply."""
        return [name for name, model in self.loaded if not isinstance(model, Controllable)]

    def run(self, *, bar: Bar = no_bar) -> Iterator[Result]:
        """Score the models one after the other; each result is there before the next model is scored.

        Args:
            bar: shows progress of each model.

        Raises:
            UserError: data, weights or a model cannot be loaded, all before anything is scored, or a model does not follow the protocol.
        """
        _ = self.networks  # weights that cannot be read are refused before models are loaded
        for name, model in self.loaded:
            made_from = hashes(name)
            result = self.score(name, model, bar=bar)
            yield Result(replace(result.scores, hashes=made_from), result.videos)

    def score(self, name: str, model: Model | Predictions, *, bar: Bar = no_bar) -> Result:
        """The scores of a model that is there already, whatever `models` are.

        Args:
            name: the model's name in the scores.
            bar: shows progress.

        Raises:
            UserError: like `run`.
        """
        begin, data, networks = time.perf_counter(), self.opened, self.networks
        said, scored, missing = _rollout_actions(model, name), model, {}
        if not self.rollouts and isinstance(model, Model) and isinstance(model, Controllable):
            of_rollouts = videos.OF_REPLAYS if isinstance(data, VideoData) else OF_ROLLOUTS
            # What drives rollouts says nothing about scores without them.
            said, scored, missing = "", Reading(model), dict.fromkeys(of_rollouts, NO_ROLLOUTS)
        if isinstance(data, VideoData):
            with bar(videos.clips_to_do(scored, data)) as progress:
                evaluation = videos.evaluate(scored, data, name, progress=progress, networks=networks)
        else:
            with bar(clips_to_do(scored, data, networks=networks)) as progress:
                evaluation = evaluate(scored, data, name, progress=progress, networks=networks)
        seconds = time.perf_counter() - begin
        file = score_file(evaluation, name, data, seconds, weights=networks.sha256 if networks else {})
        settings = replace(file.settings, rollout_actions=_rollout_actions(scored, name, said=said))
        not_scored = {**file.not_scored, **missing}
        return Result(replace(file, system=self.system, settings=settings, not_scored=not_scored), evaluation.videos)

    def run_released(self, *, bar: Bar = no_bar) -> Iterator[str]:
        """The table of the evaluation released with GLASS for each model, see `wsprites.bench.released`. Raises UserError like `run`."""
        data = self.opened
        if isinstance(data, VideoData):
            raise ArgumentError("protocol", f"'released' compares with labels, which {data.name} does not have; use 'wsprites'")
        for name, model in self.loaded:
            with bar(released.clips_to_do(model, data)) as progress:
                yield released.table(model, data, name, progress=progress)

    def run_caddy(self, *, detections: str | None = None, generated: Path | None = None, bar: Bar = no_bar) -> Iterator[ScoreFile]:
        """The scores of each model by the protocol of CADDY, see `wsprites.bench.caddy`.

        Args:
            detections: where an object is in imported videos, see `find_object`.
            generated: the sequences that the model generates are written to this file, (N, T, H, W, 3) uint8 in numpy's format.
            bar: shows progress of each model, in sequences.

        Raises:
            ArgumentError: detections that cannot be used; detections in generated video, or a file for it, with several models, or a file
                for that of a model without rollout.
            UserError: like `run`.
        """
        data, networks, rows = self.opened, self.networks, sequences(self.opened)
        known = find_object(data, detections)
        if generated and (len(self.models) > 1 or self.without_rollout):
            problem = f"{len(self.models)} models" if len(self.models) > 1 else f"{self.models[0]} has no rollout"
            raise ArgumentError("generated", f"{problem}; expected one model that generates")
        if len(self.models) > 1 and known and known.of_one_model:
            raise ArgumentError("detections", f"{detections} has positions in generated frames; expected one model, which made them")
        spec = rows.part.spec
        for name, model in self.loaded:
            begin, made_from, said = time.perf_counter(), hashes(name), _rollout_actions(model, name)
            with _video_file(generated, (len(rows), spec.frames, spec.height, spec.width, 3)) as keep, bar(len(rows)) as progress:
                evaluation = caddy.evaluate(model, data, name, known=known, networks=networks, keep=keep, progress=progress)
            file = score_file(evaluation, name, data, time.perf_counter() - begin, weights=networks.sha256 if networks else {})
            settings = replace(file.settings, maps_fitted_on="", protocol=caddy.PROTOCOL, detections=known.source if known else "")
            settings = replace(settings, rollout_actions=_rollout_actions(model, name, said=said))
            yield replace(file, settings=settings, hashes=made_from)


def _rollout_actions(model: Model | Predictions, name: str, *, said: str | None = None) -> str:
    """What drives the video that a model generates, as a score file says it. Raises UserError if it is not what was `said` before."""
    with named(name):
        now = "true" if takes_true_actions(model) else ""
        if said not in (None, now):
            raise ProtocolError("its rollout_actions changed while it was scored; set it before")
        return now


@contextmanager
def _video_file(path: Path | None, shape: tuple[int, ...]) -> Iterator[Callable[[list[int], NDArray[np.uint8]], object]]:
    """A function that writes rows of a file in numpy's format, which gets its name when it is complete; without a path it does nothing."""
    if path is None:
        yield lambda *_: None
        return
    check_disk(path, math.prod(shape))
    with written_aside(path) as aside:
        array = np.lib.format.open_memmap(aside, "w+", np.uint8, shape)
        yield array.__setitem__
        array.flush()


def score_file(
    evaluation: Evaluation, model: str, data: Data | VideoData, seconds: float, *, weights: dict[str, str] | None = None
) -> ScoreFile:
    """The scores of a model as a score file.

    Args:
        model: the model's name.
        seconds: time that scoring took.
        weights: SHA-256 of the files that networks were loaded from.
    """
    classical = reference_values(data.name, data.sha256)
    entries = {}
    for name, score in sorted(evaluation.scores.items()):
        baselines = {who: scores[name].value for who, scores in evaluation.baselines.items() if name in scores}
        if name in classical:
            baselines["classical"] = classical[name]
        entries[name] = Entry(score.value, score.low, score.high, score.unit, score.clips, baselines, stored_replicates(score))
    fit = data.fit.name if isinstance(data, Data) else ""
    settings = Settings(INTERVAL, fit, weights=weights or {}, torch=version("torch") if weights else "", protocol=PROTOCOL)
    return ScoreFile(
        printable(model),
        describe(data),
        settings,
        _versions(),
        _hardware(),
        round(seconds, 1),
        entries,
        evaluation.confusion,
        evaluation.not_scored,
        per_clip=evaluation.per_clip,
        reader=evaluation.reader,
    )


def describe(data: Data | VideoData) -> DataDescription:
    """The data as a score file describes it."""
    if isinstance(data, VideoData):
        part = data.scored
        split = part.name
        return DataDescription(data.name, data.sha256, "videos", part.spec.frames, {split: len(part)}, {}, {split: part.videos})
    clips = {part.name: len(part) for part in data.parts}
    characters = {part.name: len(np.unique(part.script.character)) for part in data.parts}
    return DataDescription(data.name, data.sha256, data.scored.spec.name, data.scored.spec.frames, clips, characters)


def _versions() -> dict[str, str]:
    import sklearn

    return {**versions(), "sklearn": sklearn.__version__, "python": platform.python_version()}


def _hardware() -> str:
    """Name of the processor, or "unknown"."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return name or "unknown"
