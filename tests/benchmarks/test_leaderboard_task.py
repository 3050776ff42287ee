"""The downstream task of the leaderboard: what is demonstrated, what latents lead to, and what they cannot."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.leaderboard import task
from wsprites.art import load_art
from wsprites.world.actions import GlobalAction, LocalAction

EPISODES, TRIALS = 60, 100


@pytest.fixture(scope="module", autouse=True)
def art_is_read_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wsprites.art.load_art", lru_cache(load_art))
        yield


@pytest.fixture(scope="module")
def shown() -> task.Demonstrations:
    return task.demonstrate("factorial", EPISODES)


class Light:
    """Its vector is the mean of the next frame."""

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        return {"vectors": frames[:, 1:].mean((3, 4), dtype=np.float32)}


def test_the_agent_walks_to_the_marker_and_slashes_there(shown: task.Demonstrations) -> None:
    ends = np.cumsum([len(frames) - 1 for frames in shown.frames]) - 1
    near = np.abs(shown.distance).max(-1) <= 1
    slash = task.PAIRS[shown.action, 1] == LocalAction.slash_front
    assert np.array_equal(slash, near) and np.array_equal(np.flatnonzero(slash), ends) and len(ends) == EPISODES
    # It comes closer by a step, or stays; standing poses are more frequent than the slash.
    step = {GlobalAction.left: (-1, 0), GlobalAction.right: (1, 0), GlobalAction.up: (0, -1), GlobalAction.down: (0, 1)}
    moved = np.array([step.get(GlobalAction(pair), (0, 0)) for pair in task.PAIRS[shown.action, 0]])
    inside = np.setdiff1d(np.arange(len(near)), ends)
    assert np.allclose(shown.distance[inside + 1], (shown.distance - moved)[inside])
    count = np.bincount(shown.action, minlength=len(task.PAIRS))
    assert count[4] > count[6] < count[5] and count.min() > 0
    assert all(frames.shape[1:] == (96, 128, 3) for frames in shown.frames)


def test_latents_are_in_the_order_of_the_transitions(shown: task.Demonstrations) -> None:
    expected = np.concatenate([frames[1:].mean((1, 2), dtype=np.float32) for frames in shown.frames])
    assert np.allclose(task.latents(Light(), shown.frames), expected, atol=1e-3)


def test_compact_latents_have_unit_variance_or_few_features() -> None:
    latent = np.random.default_rng(0).normal(3, 5, (200, 3)) * [1, 100, 0]
    compact = task.compact(latent)
    assert np.allclose(compact.std(0), [1, 1, 0]) and np.allclose(compact.mean(0), 0)
    wide = np.random.default_rng(0).normal(size=(100, 90))
    assert task.compact(wide).shape == (100, 64)


def success(shown: task.Demonstrations, latent: np.ndarray) -> float:
    """With labels of a third of the transitions."""
    labelled = np.random.default_rng(0).permutation(len(shown.action))[::3]
    return task.success("factorial", shown.distance, task.decoded(latent, shown.action, labelled), trials=TRIALS)


def test_only_latents_that_tell_the_pose_solve_the_task(shown: task.Demonstrations) -> None:
    """All labels solve it; so do latents that are the true actions. Latents of motion alone never slash."""
    assert task.success("factorial", shown.distance, shown.action, trials=TRIALS) > 0.95
    pairs = task.PAIRS[shown.action]
    both = np.concatenate([np.eye(5)[pairs[:, 0]], np.eye(9)[pairs[:, 1]]], 1)
    assert success(shown, both) > 0.95
    assert success(shown, np.eye(5)[pairs[:, 0]]) < 0.05
    assert success(shown, np.random.default_rng(1).normal(size=(len(pairs), 2))) < 0.5


def test_a_model_that_infers_no_action_has_no_results(shown: task.Demonstrations, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Masks:
        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {"masks": np.zeros((*frames.shape[:2], *frames.shape[3:]), bool)}

    monkeypatch.setattr(task, "load_model", lambda _: Masks())
    monkeypatch.setattr(task, "demonstrate", lambda *_: shown)
    task.write_results(tmp_path / "task.json", Path(__file__), "a:b", "factorial")
    assert json.loads((tmp_path / "task.json").read_text())["success"] == {}  # it is done all the same


def test_results_are_kept_until_the_model_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []

    def results(model: object, world: str) -> dict[str, list[float]]:
        calls.append(world)
        return {"true": [1.0], "latents-1": [0.25, 0.75]}

    monkeypatch.setattr(task, "load_model", lambda _: Light())
    monkeypatch.setattr(task, "results", results)
    source, path = tmp_path / "model.py", tmp_path / "task.json"
    for content in ("a", "a", "b"):
        source.write_text(content)
        task.write_results(path, source, "a:b", "factorial")
    assert calls == ["factorial"] * 2
    assert json.loads(path.read_text())["success"] == {"true": 1.0, "latents-1": 0.5}


def test_the_results_of_a_model(shown: task.Demonstrations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "demonstrate", lambda *_: shown)
    monkeypatch.setattr(task, "DRAWS", 2)
    rates = task.results(Light(), "factorial", episodes=8, trials=20)
    assert {*rates} == {"true", "none", *(f"{what}-{share}" for what in ("latents", "labels") for share in ("0.1", "1", "10"))}
    assert [len(values) for values in rates.values()] == [1 if name == "true" else 2 for name in rates]
    assert all(0 <= value <= 1 for values in rates.values() for value in values) and max(rates["none"]) < rates["true"][0]
