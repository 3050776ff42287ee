"""Control scores of generators that cheat, made with the renderer, and their definitions by slow re-implementations."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from wsprites.bench import control, data, reading, replays, rollouts
from wsprites.bench.control import GHOST, NOT_HELD, UNREADABLE, Held, held_scores
from wsprites.bench.metrics import motion
from wsprites.bench.metrics.interval import Clusters
from wsprites.bench.rollouts import Actor, Start, puppet
from wsprites.world.actions import DELTA_XY, GlobalAction, LocalAction

STEPS = 4


@pytest.fixture(scope="module")
def begin(few: data.Data) -> list[Start]:
    return [rollouts.start_of(few.scored, n) for n in range(4)]


@pytest.fixture(scope="module")
def oracle(few: data.Data, begin: list[Start]) -> Actor:
    return rollouts._actor_of_world(few, begin)


def held_by(actor: Actor, begin: list[Start], *, ghosts: bool = False) -> Held:
    return control.hold(begin, range(len(begin)), actor, STEPS, ghosts=ghosts)


def values_of(held: Held, actor: Actor, few: data.Data) -> dict[str, float]:
    clusters = few.scored.clusters[np.arange(len(held.action_sk))]
    return {name.removeprefix("control."): one.value for name, one in held_scores(held, actor, clusters, few.scored).items()}


def painted(oracle: Actor, paint: Callable[[Start, np.ndarray], np.ndarray]) -> Actor:
    """Another actor, whose frames are made from those of the oracle."""

    def generate(begin: Sequence[Start], action: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        frames = oracle.generate(begin, action, shifts)
        return np.stack([paint(start, clip) for start, clip in zip(begin, frames, strict=True)])

    return replace(oracle, generate=generate)


def test_pictures_that_hold_nothing_are_wrong(few: data.Data, begin: list[Start], oracle: Actor):
    rng = np.random.default_rng(0)
    noise = painted(oracle, lambda _, clip: rng.integers(0, 256, clip.shape, dtype=np.uint8))
    vanished = painted(oracle, lambda start, clip: np.repeat(start.scene_hwc[None], len(clip), 0))
    for cheat in (noise, vanished):
        values = values_of(held_by(cheat, begin[:2]), cheat, few)
        assert values["unreadable"] == 1 and values["consistency"] == values["faithful"] == values["distinct"] == 0
        assert values["delta_psnr"] < 1


def test_soft_and_tinted_pictures_are_read(few: data.Data, begin: list[Start], oracle: Actor):
    softened = painted(oracle, lambda _, clip: np.stack([cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in clip]))
    tinted = painted(oracle, lambda _, clip: np.clip(clip * 0.7 + [40, 10, 0], 0, 255).astype(np.uint8))
    for soft in (softened, tinted):
        values = values_of(held_by(soft, begin[:2], ghosts=True), soft, few)
        assert values["unreadable"] == values["ghost"] == 0 and values["faithful"] > 0.9


def test_generators_that_ignore_codes_get_their_share(few: data.Data, begin: list[Start], oracle: Actor):
    shown = np.array([start.script.local_action[start.t] for start in begin])
    copy = replace(oracle, generate=lambda begin, action, _: np.stack([np.repeat(s.frame_hwc[None], action.shape[1], 0) for s in begin]))
    values = values_of(held_by(copy, begin), copy, few)
    assert values["faithful"] == pytest.approx(sum(w * (shown == k).mean() for w, k in zip(copy.weight_k, copy.meaning_k, strict=True)))
    assert values["distinct"] == 1 / 9 and values["unreadable"] == 0
    # A walker that goes where it is told, in the most frequent animation for the direction.
    walks = {GlobalAction.left: LocalAction.walk_left, GlobalAction.right: LocalAction.walk_right}
    walk_of = np.array([walks.get(direction, LocalAction.walk_front) for direction in sorted(GlobalAction)])

    def walk(begin: Sequence[Start], action: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is not None
        return oracle.generate(begin, walk_of[motion.action_of(shifts, 1.0)], shifts)

    walker = replace(oracle, generate=walk)
    values = values_of(held_by(walker, begin), walker, few)
    right = [k in (LocalAction.walk_front, LocalAction.walk_left, LocalAction.walk_right) for k in walker.meaning_k]
    assert values["faithful"] == pytest.approx(walker.weight_k[right].sum()) and values["consistency"] == 1


def test_codes_that_are_matched_to_nothing_are_wrong(few: data.Data, begin: list[Start], oracle: Actor, monkeypatch: pytest.MonkeyPatch):
    """64 codes, nine of which are right, for 40 % of the transitions."""
    local_k = np.where(np.arange(64) < 9, np.arange(64), LocalAction.walk_front)
    many = replace(
        oracle,
        generate=lambda begin, action, shifts: oracle.generate(begin, local_k[action], shifts),
        action_k=np.arange(64),
        weight_k=np.where(np.arange(64) < 9, 0.4 / 9, 0.6 / 55),
        meaning_k=np.where(np.arange(64) < 9, np.arange(64), -1),
        direction_k=np.full(64, GlobalAction.stay),
    )
    monkeypatch.setattr(control, "HELD", 2 * 64)
    held = held_by(many, begin)
    assert ((held.action_sk != NOT_HELD).sum(0) == 2).all() and ((held.action_sk != NOT_HELD).sum(1) == 32).all()
    values = values_of(held, many, few)
    assert values["faithful"] == pytest.approx(0.4)
    alone = values_of(
        Held(held.action_sk[:, :9], held.delta_sk[:, :9]), replace(many, weight_k=np.full(9, 1 / 9), meaning_k=np.arange(9)), few
    )
    assert values["delta_psnr"] == pytest.approx(0.4 * alone["delta_psnr"]) and alone["faithful"] == 1


def test_few_codes_are_compared_with_a_generator_of_one_action(few: data.Data, begin: list[Start], oracle: Actor):
    """One code is done faithfully by a model that draws a single action; `shift_only` does not know which."""
    alone = replace(
        oracle,
        action_k=np.array([0]),
        weight_k=np.array([1.0]),
        meaning_k=np.array([LocalAction.walk_front]),
        direction_k=np.array([GlobalAction.stay]),
        generate=lambda begin, action, shifts: oracle.generate(begin, np.full_like(action, LocalAction.walk_front), shifts),
    )
    assert values_of(held_by(alone, begin[:2]), alone, few)["faithful"] == 1 == control.one_action(alone)
    weighted = replace(oracle, weight_k=np.array([4, 3, 2, 1]), meaning_k=np.array([2, -1, 1, 1]))
    assert control.one_action(weighted) == pytest.approx(0.4)
    assert control.one_action(replace(weighted, meaning_k=np.full(4, -1))) == 0


@pytest.mark.parametrize("opacity", [1.0, 0.4])
def test_a_figure_that_is_left_behind_is_found(few: data.Data, begin: list[Start], oracle: Actor, opacity: float):
    def leave(start: Start, clip: np.ndarray) -> np.ndarray:
        scene = start.scene_hwc.astype(float)
        behind = scene + opacity * (start.frame_hwc - scene)
        return np.rint(np.where((clip != start.scene_hwc).any(-1, keepdims=True), clip, behind)).astype(np.uint8)

    sideways = replace(oracle, direction_k=np.where(np.arange(9) % 2, GlobalAction.left, GlobalAction.right))
    ends = [[start.position[0] + by for by in (-28, 28)] for start in begin]
    roomy = [start for start, (left, right) in zip(begin, ends, strict=True) if left >= 0 and right <= few.scored.spec.sprite_box[0]]
    cheat = painted(sideways, leave)
    assert (held_by(cheat, roomy, ghosts=True).action_sk == GHOST).mean() > 0.9
    assert (held_by(sideways, roomy, ghosts=True).action_sk == sideways.meaning_k).all()


def test_codes_that_hide_the_frames_to_come_fail_at_transfer(few: data.Data, begin: list[Start], oracle: Actor):
    frames = np.stack([start.after(16) for start in begin]).reshape(-1, *begin[0].frame_hwc.shape)
    cheat = replace(oracle, generate=lambda _, action, __: frames[action], replay=np.arange(len(frames)).reshape(len(begin), -1))
    values = {name: np.mean(one) for name, one in replays.values(begin, range(len(begin)), cheat, 16, None).items()}
    honest = {name: np.mean(one) for name, one in replays.values(begin, range(len(begin)), oracle, 16, None).items()}
    for t in rollouts.HORIZONS:
        assert values[f"drift.local.{t}"] == honest[f"drift.local.{t}"] == honest[f"transfer.local.{t}"] == 1
        assert values[f"transfer.local.{t}"] <= 0.25 and values[f"transfer.position.{t}"] > 2
        assert honest[f"drift.position.{t}"] < 0.1 > honest[f"transfer.position.{t}"]
        assert values[f"drift.psnr.{t}"] == honest[f"drift.psnr.{t}"] == 60 and honest[f"drift.unreadable.{t}"] == 0
    assert all(begin[replays.giver(begin, n)].script.character != start.script.character for n, start in enumerate(begin))


def test_the_definitions_of_held_scores(few: data.Data, oracle: Actor):
    rng = np.random.default_rng(1)
    action_sk = rng.choice([0, 0, 1, 2, UNREADABLE, GHOST, NOT_HELD], (12, 9))
    weight_k = rng.dirichlet(np.ones(9))
    actor = replace(oracle, weight_k=weight_k, meaning_k=np.array([0, 1, 2, -1, 0, 1, -1, 2, 0]))
    clusters = Clusters(np.arange(12) % 4, np.arange(12) % 3)
    delta_sk = np.where(action_sk == NOT_HELD, np.nan, rng.normal(size=(12, 9)))

    def by_hand(rows: np.ndarray) -> dict[str, float]:
        sums = dict.fromkeys(("unreadable", "ghost", "consistency", "faithful", "delta_psnr"), 0.0)
        pairs_weight = weight = 0.0
        for k in range(9):
            held = [n for n in rows if action_sk[n, k] != NOT_HELD]
            weight += weight_k[k] if held else 0
            for name, value in (("unreadable", UNREADABLE), ("ghost", GHOST), ("faithful", actor.meaning_k[k])):
                sums[name] += weight_k[k] * np.mean([action_sk[n, k] == value != -1 for n in held]) if held else 0
            sums["delta_psnr"] += weight_k[k] * np.mean(delta_sk[held, k]) if held else 0
            pairs = list(itertools.combinations(held, 2))
            if pairs:
                pairs_weight += weight_k[k]
                sums["consistency"] += weight_k[k] * np.mean([action_sk[a, k] == action_sk[b, k] >= 0 for a, b in pairs])
        return {name: value / (pairs_weight if name == "consistency" else weight) for name, value in sums.items()}

    scores = held_scores(Held(action_sk, delta_sk), actor, clusters, few.scored)
    expected, without = by_hand(np.arange(12)), by_hand(np.flatnonzero(np.arange(12) % 4 != 1))
    for name, value in expected.items():
        one = scores[f"control.{name}"]
        assert one.value == pytest.approx(value), name
        assert one.replicates is not None and one.replicates.kinds[0][1] == pytest.approx(without[name]), name
        assert one.low < one.value < one.high
    # Maps of draws of the characters that it was fitted on.
    refits = tuple((np.roll(actor.meaning_k, n), np.roll(weight_k, n)) for n in range(3))
    again = held_scores(Held(action_sk, delta_sk), replace(actor, refits=refits), clusters, few.scored)["control.faithful"]
    assert again.replicates is not None and again.replicates.fit is not None
    assert again.value == scores["control.faithful"].value and again.high > scores["control.faithful"].high
    drawn = [held_scores(Held(action_sk, delta_sk), replace(actor, meaning_k=m, weight_k=w), clusters, few.scored) for m, w in refits]
    without_fit = scores["control.faithful"].replicates
    assert without_fit is not None
    added = np.var([one["control.faithful"].value for one in drawn])
    assert again.replicates.variance == pytest.approx(without_fit.variance + added)


def test_delta_psnr_is_taken_inside_both_figures(few: data.Data, begin: list[Start]):
    start, part, direction = begin[1], few.scored, GlobalAction.left
    clips = [part.render(rollouts.world(part, start, np.full(4, a), np.full(4, direction)).window(3, 4)) for a in part.spec.local_actions]
    frame = cv2.GaussianBlur(clips[5].frames_thwc[0], (0, 0), 1.0)
    gains = []
    for other in (0, 1, 2, 3, 4, 6, 7, 8):
        inside = clips[5].masks_thw[0] | clips[other].masks_thw[0]
        errors = [((clips[n].frames_thwc[0][inside].astype(float) - frame[inside]) ** 2).mean() for n in (5, other)]
        gains.append(10 * np.log10(errors[1] / errors[0]))
    assert control._delta_psnr(start, frame, 5, direction, 4) == pytest.approx(np.mean(gains)) and np.mean(gains) > 1
    assert control._delta_psnr(start, frame, -1, direction, 4) == 0


def test_a_puppet_moves_by_the_law_and_by_any_shift(few: data.Data, begin: list[Start]):
    start, part = begin[0], few.scored
    local = np.array([0, 0, 5, 5, 1, 1])
    direction = np.array([GlobalAction.down] * 6)
    by_law = rollouts.world(part, start, local, direction)
    moved = puppet(part, start, local, part.spec.sprite.step * DELTA_XY[direction].astype(float))
    for name in ("position", "shift", "local_action", "animation_frame"):
        assert (getattr(moved, name) == getattr(by_law, name)).all(), name
    crept = puppet(part, start, local, np.full((6, 2), 0.4))
    assert (crept.position - start.position).tolist() == [[0, 0], [1, 1], [1, 1], [2, 2], [2, 2], [2, 2]]


def test_starts_of_few_clips_lie_in_pieces_of_them(few: data.Data, monkeypatch: pytest.MonkeyPatch):
    every = rollouts.starts(few.scored)
    places = {(start.clip, start.t) for start in every}
    assert len(every) == len(places) == 5 * len(few.scored) and all(start.t + rollouts.STEPS < 90 for start in every)
    monkeypatch.setattr(rollouts, "STARTS", 5)
    assert [start.clip for start in rollouts.starts(few.scored)] == [0, 1, 2, 3, 4]


def test_what_the_reader_can_read_is_measured(begin: list[Start]):
    found = {name: each.mean() for name, each in reading.values(begin, range(2)).items()}
    kinds = [f"blur.{sigma}" for sigma in ("0", "0.5", "1", "1.5", "2", "2.5")] + [
        "size.48x64",
        "size.32x40",
        "colour",
        "contrast",
        "noise",
    ]
    assert {*found} == {f"reader.{kind}.{name}" for kind in kinds for name in ("position", "local", "unreadable")} | {
        "reader.empty.unreadable",
        "reader.static.unreadable",
    }
    assert all(found[f"reader.{kind}.unreadable"] == 0 and found[f"reader.{kind}.position"] < 1 for kind in kinds)
    assert found["reader.blur.0.local"] == found["reader.blur.1.local"] == found["reader.contrast.local"] == 1
    assert found["reader.empty.unreadable"] == found["reader.static.unreadable"] == 1
