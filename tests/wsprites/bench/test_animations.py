"""The benchmark in a world without spellcast."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_models import Seer

from wsprites.art import load_world
from wsprites.bench import control, data
from wsprites.bench.classical import Classical
from wsprites.bench.evaluation import evaluate
from wsprites.bench.metrics.actions import one_to_one
from wsprites.bench.reader import Reader
from wsprites.generate import Order, generate
from wsprites.world.spec import PRESETS

pytestmark = pytest.mark.usefixtures("quick")
SEEN = {0, 1, 2, 6, 7, 8}


@pytest.fixture(scope="module")
def unmagical(tmp_path_factory: pytest.TempPathFactory) -> data.Data:
    path: Path = tmp_path_factory.mktemp("unmagical") / "a.h5"
    world = load_world(replace(PRESETS["paper"], frames=20), animations=["walk", "slash"])
    generate(Order(world, seed=0, n=40, frames=False, masks=False), path)
    return data.from_file(path)


def test_codes_are_matched_to_actions_of_the_world_only():
    count_kl = np.zeros((9, 9), int)
    count_kl[:, [0, 1, 2, 6, 7, 8]] = 1
    assert set(one_to_one(count_kl).tolist()) == set(range(9))
    assert set(one_to_one(count_kl, labels=sorted(SEEN)).tolist()) == SEEN | {-1}


def test_the_reader_reads_actions_of_the_world_only(unmagical: data.Data):
    part = unmagical.scored
    reader = Reader(part.art, int(part.script[0].character), 3, animations=part.spec.animations)
    frames = part.clip(0).frames_thwc
    read = reader.read(frames)
    assert (read.local_action == part.script[0].local_action).mean() > 0.8
    noise = np.random.default_rng(0).integers(0, 256, frames[:8].shape, dtype=np.uint8)
    assert set(reader.read(noise).local_action.tolist()) <= SEEN


def test_rollouts_ask_for_actions_of_the_world_only(unmagical: data.Data, monkeypatch: pytest.MonkeyPatch):
    asked: set[int] = set()
    original = control.world

    def world(part, start, local_t, direction_t):
        if len(local_t) > 2:  # but for those that are asked for their positions alone
            asked.update(np.asarray(local_t).tolist())
        return original(part, start, local_t, direction_t)

    monkeypatch.setattr(control, "world", world)
    fitted = {"codes": unmagical.fit.sources().labels[1]}
    scores, *_ = control.control(Seer(unmagical), unmagical, fitted)
    assert asked == SEEN
    assert scores["oracle"]["control.distinct"].value == 1.0 and scores["oracle"]["control.faithful"].value > 0.9


@pytest.mark.slow
def test_the_classical_model_is_scored(unmagical: data.Data):
    evaluation = evaluate(Classical([unmagical.fit]), unmagical, "classical")
    assert {label for label in evaluation.confusion["local"].matched if label >= 0} <= SEEN
