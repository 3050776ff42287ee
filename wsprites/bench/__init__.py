"""The benchmark: scores of how well a model has discovered actions, with intervals and baselines.

`evaluate` scores a model from Python, as in a training loop, and `predict` writes what it infers to a predictions file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsprites.bench.protocol import Model
    from wsprites.bench.scores import ScoreFile

__all__ = ["evaluate", "predict"]


def evaluate(
    model: Model | str,
    *,
    data: str = "wsprites-paper-v1",
    split: str = "test",
    clips: int | None = None,
    seed: int | None = None,
    weights: Path | None = None,
    name: str = "",
    rollouts: bool = True,
) -> ScoreFile:
    """Score a model, as `wsprites bench` does.

    Args:
        model: an object with a method `infer`, see `wsprites.bench.protocol.Model`, or any name that `--model` takes.
        data: a standard world, or the path of a data file.
        split: the split of a data file that is scored.
        clips: score only the first clips, 2 or more: quick, and the scores say so. Scores of different numbers cannot be compared.
        seed: other clips of a standard world than the published ones.
        weights: a folder with the weights of LPIPS, Inception and I3D, which adds their scores.
        name: the model's name in the scores; by default that of its class.
        rollouts: False leaves out the scores of generated video, which take longest: to follow what a model reads while it is trained.

    Returns:
        All scores. `scores.value("local.ami")` is one of them, `scores.scores["local.ami"]` has its interval and baselines, and
        `wsprites.bench.scores.write` writes them to a file, which `--compare` reads.

    Raises:
        ArgumentError: an impossible argument, or an object that is no model.
        UserError: the model does not follow the protocol, or the data cannot be scored.
        ForeignError: the model raised an exception, which is the error's cause.
    """
    from wsprites.bench.load import check_model
    from wsprites.bench.run import Job

    if isinstance(model, str):
        (result,) = Job((model,), data, split, clips, weights, seed, rollouts=rollouts).run()
        return result.scores
    name = name or type(model).__name__
    return Job((name,), data, split, clips, weights, seed, rollouts=rollouts).score(name, check_model(name, model)).scores


def predict(
    model: Model | str,
    out: Path | str,
    *,
    data: str = "wsprites-paper-v1",
    split: str = "test",
    clips: int | None = None,
    seed: int | None = None,
    masks: bool = False,
    overwrite: bool = False,
) -> None:
    """Write what a model infers from the clips that are scored to a predictions file, which `wsprites bench --model OUT.npz` scores.

    Args:
        model: as of `evaluate`; its method `infer` is called with 4 clips at a time.
        out: the file, which ends in .npz.
        data, split, clips, seed: the clips, as of `evaluate`. The file can be scored on the same ones only.
        masks: write masks as well, T H W values a clip: 3 GB for the 700 clips of a standard world as float32, a quarter as bool.
        overwrite: replace the file if it exists.

    Raises:
        ArgumentError: as of `evaluate`.
        UserError: as of `evaluate`; also if the file exists, or cannot be written.
        ForeignError: as of `evaluate`.
    """
    from wsprites.bench.data import open_data
    from wsprites.bench.load import check_model, load_model
    from wsprites.bench.predictions import check_predictions_file, write_predictions
    from wsprites.bench.protocol import named

    path = Path(out)
    check_predictions_file(path, overwrite=overwrite)
    name = model if isinstance(model, str) else type(model).__name__
    loaded = load_model(name) if isinstance(model, str) else check_model(name, model)
    with named(name):
        write_predictions(path, open_data(data, split=split, clips=clips, seed=seed), loaded, masks=masks)
