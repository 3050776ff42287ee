"""The downstream task: clone an agent that walks to a marker and slashes there, from latent actions and few labels. See RULES.md, 8.

Demonstrations are videos of a scripted agent of `train`. A model infers latents of their transitions; a linear decoder from latents to true
actions is fitted on a share of the transitions, and decides about all of them; a policy is fitted to what it says. The policy sees the
distance to the marker, so that a wrong action is never one of perception. Success is that of episodes of `test`.

The agent also pauses while it walks, in poses that are more frequent than the slash: a model that reads only motion takes the slash
for a pause.

Axes: n episodes or transitions, t steps, d features, 2 = (x, y) in steps or (global, local) action.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.leaderboard.entries import SHARES
from benchmarks.leaderboard.record import read_text, sha256
from wsprites.bench.data import VideoSize, load_standard
from wsprites.bench.load import load_model
from wsprites.bench.protocol import Model, infer
from wsprites.env.stage import Stage
from wsprites.generate import replace_file
from wsprites.world.actions import GlobalAction as Step
from wsprites.world.actions import LocalAction as Pose

NAME = "marker-1"
"""Version of everything here that decides about results."""
EPISODES, TRIALS, STEPS, DRAWS = 500, 500, 40, 5
"""Demonstrations, episodes of a test, their longest, and draws of labels."""
_PAUSE, _LONGEST, _LEAF, _FEATURES, _BATCH = 0.5, 100, 20, 64, 8
_WALKS = {Step.left: Pose.walk_left, Step.right: Pose.walk_right, Step.up: Pose.walk_front, Step.down: Pose.walk_front}
_PAUSES = ((Step.stay, Pose.spellcast_front), (Step.stay, Pose.walk_front))
PAIRS = np.array([*_WALKS.items(), *_PAUSES, (Step.stay, Pose.slash_front)], np.int64)
"""(7, 2) the actions of the agent."""
_SLASH = len(PAIRS) - 1

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Policy = Callable[[NDArray[np.float64]], Ints]
"""From (n, 2) distances to the marker, in steps, to (n,) rows of PAIRS."""


class Size(NamedTuple):
    """A number of clips of one length, for the checks of the protocol."""

    name: str
    spec: VideoSize
    clips: int

    def __len__(self) -> int:
        return self.clips


class Demonstrations(NamedTuple):
    """What the agent did. Transitions of all episodes follow one another."""

    frames: list[NDArray[np.uint8]]
    """(T, H, W, 3) of each episode."""
    distance: NDArray[np.float64]
    """(n, 2) from the character to the marker before each transition, in steps."""
    action: Ints
    """(n,) row of PAIRS."""


def stage_of(world: str, split: str, n: int, seed: int, *, length: int = STEPS) -> Stage:
    """n episodes of the task in a world, with characters of a split, at their first frames."""
    stage = Stage(
        n,
        world=load_standard(world),
        sheets="own",
        backgrounds="painted",
        background="moving",
        length=length,
        split=split,
        data_seed=0,
        art_sha256="",
        task="marker",
    )
    stage.begin(stage.write(stage.draw_clips(np.random.default_rng(seed), n)))
    return stage


def distance(stage: Stage) -> NDArray[np.float64]:
    """(n, 2) from the characters to their markers, in steps."""
    state = stage.running("step")
    assert state.marker is not None
    return (state.marker.astype(np.float64) - state.pose.position) / stage.spec.sprite.step


def agent(distance_n2: NDArray[np.float64], rng: np.random.Generator) -> Ints:
    """(n,) what the scripted agent does: slashes at the marker, otherwise pauses or takes a step, first in x, then in y."""
    axis = (np.abs(distance_n2[:, 0]) <= 1).astype(int)
    positive = np.take_along_axis(distance_n2, axis[:, None], -1)[:, 0] > 0
    step = 2 * axis + positive  # left, right, up, down, as the first rows of PAIRS
    pause = len(_WALKS) + rng.integers(0, len(_PAUSES), len(step))
    walked = np.where(rng.random(len(step)) < _PAUSE, pause, step)
    return np.where(np.abs(distance_n2).max(-1) <= 1, _SLASH, walked)


def demonstrate(world: str, episodes: int = EPISODES) -> Demonstrations:
    """Videos of the agent in `train`, until it has slashed at the marker."""
    rng, stage = np.random.default_rng(1), stage_of(world, "train", episodes, 0, length=_LONGEST)
    shown = [[frame] for frame in stage.look()[0]]
    done: list[tuple[NDArray[np.float64], Ints, NDArray[np.bool_]]] = []
    running = np.ones(episodes, bool)
    while running.any():
        before = distance(stage)
        action = agent(before, rng)
        stage.step(PAIRS[action], (episodes, 2))
        done.append((before, action, running))
        frames = stage.look()[0]
        for n in np.flatnonzero(running):
            shown[n].append(frames[n])
        running = running & ~stage.solved() & (len(done) < _LONGEST)
    distances, actions, kept = (np.stack(values, 1) for values in zip(*done, strict=True))
    return Demonstrations([np.stack(frames) for frames in shown], distances[kept], actions[kept])


def latents(model: Model, frames: list[NDArray[np.uint8]]) -> Floats:
    """(n, d) codes one-hot, vectors and shifts of the transitions of all episodes, those that a model infers; d = 0 without any.

    Raises:
        ProtocolError, ForeignError: the model does not follow the protocol, or raised an exception.
    """
    found: list[dict[str, NDArray[Any]]] = [{} for _ in frames]
    for rows in _of_one_length(frames):
        clips = np.stack([frames[row] for row in rows]).transpose(0, 1, 4, 2, 3)
        size = VideoSize(clips.shape[1], *clips.shape[3:])
        arrays = infer(model, clips, Size("train", size, len(rows)))
        for place, row in enumerate(rows):
            found[row] = {name: array[place] for name, array in arrays.items()}
    parts: list[Floats] = []
    if "codes" in found[0]:
        code = np.concatenate([arrays["codes"] for arrays in found])
        parts.append(np.eye(int(code.max()) + 1)[code])
    parts += [np.concatenate([arrays[name] for arrays in found]) for name in ("vectors", "shift") if name in found[0]]
    return np.concatenate(parts, -1).astype(np.float64) if parts else np.zeros((sum(len(clip) - 1 for clip in frames), 0))


def _of_one_length(frames: list[NDArray[np.uint8]]) -> Iterator[list[int]]:
    """Rows of episodes that are equally long, some at a time."""
    lengths = np.array([len(clip) for clip in frames])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length).tolist()
        yield from (rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH))


def compact(latent_nd: Floats) -> Floats:
    """(n, d') with a variance of 1 or 0 in each feature, and at most 64 of them: principal components, for which no label is needed."""
    scaled: Floats = latent_nd - latent_nd.mean(0)
    scaled /= np.where(scaled.std(0) > 1e-9, scaled.std(0), 1.0)
    if scaled.shape[1] <= _FEATURES:
        return scaled
    _, _, axes = np.linalg.svd(scaled, full_matrices=False)
    return np.asarray(scaled @ axes[:_FEATURES].T)


def decoded(latent_nd: Floats, action_n: Ints, labelled: Ints) -> Ints:
    """(n,) actions of all transitions, by a linear classifier that is fitted on those with labels, which it decides about as well."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(action_n[labelled])) == 1:
        return np.full(len(latent_nd), action_n[labelled[0]])
    predicted: Ints = LogisticRegression(max_iter=2000).fit(latent_nd[labelled], action_n[labelled]).predict(latent_nd)
    return predicted


def success(world: str, distance_n2: NDArray[np.float64], action_n: Ints, *, trials: int = TRIALS) -> float:
    """Share of episodes of `test` that are solved by a policy that is fitted to actions.

    It draws an action from those that the leaf of a decision tree of the distance to the marker holds.
    """
    from sklearn.tree import DecisionTreeClassifier

    leaf, rng = max(1, min(_LEAF, len(action_n) // 10)), np.random.default_rng(4)
    tree = DecisionTreeClassifier(min_samples_leaf=leaf, random_state=0).fit(distance_n2, action_n)

    def policy(far_n2: NDArray[np.float64]) -> Ints:
        below_nk = tree.predict_proba(far_n2).cumsum(-1)[:, :-1]
        drawn: Ints = tree.classes_[(rng.random((len(far_n2), 1)) >= below_nk).sum(-1)]
        return drawn

    return solved_by(policy, world, trials)


def solved_by(policy: Policy, world: str, trials: int = TRIALS) -> float:
    """Share of episodes of `test` that a policy solves within STEPS."""
    stage = stage_of(world, "test", trials, 2)
    solved = np.zeros(trials, bool)
    for _ in range(STEPS):
        stage.step(PAIRS[policy(distance(stage))], (trials, 2))
        solved |= stage.solved()
    return float(solved.mean())


def results(model: Model, world: str, *, episodes: int = EPISODES, trials: int = TRIALS) -> dict[str, list[float]]:
    """Rates of success of each draw: "latents-P" and "labels-P" for each share of labels in percent, "true" and "none".

    Empty for a model that infers nothing of the character's action.
    """
    shown = demonstrate(world, episodes)
    latent = compact(latents(model, shown.frames))
    if not latent.shape[1]:
        return {}
    rates: dict[str, list[float]] = {"true": [success(world, shown.distance, shown.action, trials=trials)], "none": []}
    for draw in range(DRAWS):
        rng = np.random.default_rng([3, draw])
        order = rng.permutation(len(shown.action))
        for name, share in SHARES.items():
            few = order[: max(1, round(share * len(order)))]
            says = decoded(latent, shown.action, few)
            rates.setdefault(f"latents-{name}", []).append(success(world, shown.distance, says, trials=trials))
            rates.setdefault(f"labels-{name}", []).append(success(world, shown.distance[few], shown.action[few], trials=trials))
        rates["none"].append(solved_by(_at_random(rng), world, trials))
    return rates


def _at_random(rng: np.random.Generator) -> Policy:
    """What is left without labels: any of the agent's actions."""
    return lambda far_n2: rng.integers(0, len(PAIRS), len(far_n2))


def _about(source: Path, world: str) -> dict[str, str]:
    """What task.json says that its rates are of."""
    return {"task": NAME, "world": world, "model": sha256(source)}


def are_of(path: Path, source: Path, world: str) -> bool:
    """Whether a file has the rates of success of a model, by this version of the task; False for one that is damaged or missing.

    Args:
        path, source, world: as for `write_results`.
    """
    about = _about(source, world)
    try:
        stored = json.loads(read_text(path))
        return all(stored[key] == value for key, value in about.items()) and {"success", "draws"} <= stored.keys()
    except (ValueError, KeyError, TypeError, RecursionError):  # UserError is a ValueError
        return False


def write_results(path: Path, source: Path, name: str, world: str) -> None:
    """Write the rates of success of a model, unless they are there already; none for one that infers no action.

    Args:
        path: task.json of a run.
        source: the checkpoint, or the module of a factory.
        name: package.module:factory, or anything else for a checkpoint.
        world: the preset.
    """
    if are_of(path, source, world):
        return
    rates = results(load_model(name if ":" in name else str(source)), world)
    means = {key: round(float(np.mean(values)), 4) for key, values in rates.items()}
    replace_file(path, (json.dumps({**_about(source, world), "success": means, "draws": rates}, indent=1) + "\n").encode())
