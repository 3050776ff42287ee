"""benchmarks/leaderboard/speedrun.py: a record follows from the codes that it holds, or is refused."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.leaderboard import speedrun
from benchmarks.leaderboard.entries import ENTRIES
from benchmarks.leaderboard.record import Record, Training
from benchmarks.leaderboard.training import Plan
from wsprites.bench.packed import packed
from wsprites.errors import UserError


@pytest.fixture(scope="module")
def codes() -> list[np.ndarray]:
    """Codes of five runs that are the local action in three quarters of the transitions, and noise elsewhere."""
    rng, true = np.random.default_rng(0), speedrun.val().script.local_action[:, 1:]
    return [np.where(rng.random(true.shape) < 0.75, true, rng.integers(0, 9, true.shape)) for _ in range(5)]


def record(codes: list[np.ndarray]) -> dict:
    scores = map(speedrun.conditional, codes)
    runs = [
        {"seed": n, "steps": 9, "checkpoint": f"{n:064}", "minutes": 10.0 + n, "local.conditional": score, "codes": stored(code)}
        for n, (code, score) in enumerate(zip(codes, scores, strict=True))
    ]
    return {"name": "first", "date": "2026-01-02", "changes": "the first | one", "machine": "two cores", "runs": runs}


def stored(code: np.ndarray) -> dict:
    kept = packed(code, "u2")
    return {"shape": kept.shape, "text": kept.text}


def test_a_record_holds_and_is_on_the_page(codes: list[np.ndarray], tmp_path: Path) -> None:
    """In `factorial` the three sources are independent, so that codes of the local action tell about as much of it given the others."""
    assert speedrun.conditional(speedrun.val().script.local_action[:, 1:]) == pytest.approx(1)
    assert abs(speedrun.conditional(speedrun.val().script.global_action[:, 1:])) < 0.01
    (tmp_path / "first.json").write_text(json.dumps(record(codes)))
    (entry,) = speedrun.entries(tmp_path)
    assert entry.minutes == (10, 11, 12, 13, 14) and min(entry.scores) > 0.3
    t = (np.mean(entry.scores) - 0.3) / (np.std(entry.scores, ddof=1) / np.sqrt(5))
    assert entry.p == pytest.approx(stats.t.sf(t, 4))
    assert "<b>" not in speedrun.page([entry._replace(machine="<b>")]) and speedrun.p_value([1.0] * 5) == 1
    page = speedrun.page([entry])
    assert "| 2026-01-02 | first | **12.0** (10.0 to 14.0) |" in page and "| the first / one |" in page
    assert "There is no record yet." in speedrun.page([])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one["runs"].pop(), "4 runs with a mean"),
        (lambda one: one["runs"][2].update({"local.conditional": 0.9}), "run 2 says 0.900000; its codes have"),
        (lambda one: one["runs"][0]["codes"].update(shape=[89, 200]), "codes of the shape"),
        (lambda one: one["runs"][0]["codes"].update(text="AAAA"), "not a record"),
        (lambda one: one["runs"][0].update(minutes=0), "no time"),
        (lambda one: one.pop("machine"), "not a record of the speedrun"),
        *(
            (lambda one, machine=machine: one.update(machine=machine), "a machine of more than two cores, or with a GPU")
            for machine in ("AMD EPYC, 64 of 64 cores", "Intel Xeon, 2 of 2 cores, Tesla T4")
        ),
        (lambda one: one.update(changes="a\nb"), "not a line"),
        (lambda one: one.update(runs=one["runs"][:1] * 5), "a checkpoint is there twice"),
        (lambda one: one["runs"][4].update(seed=7), "the seeds are not 0, 1, 2"),
        (lambda one: one["runs"][4].update(checkpoint=one["runs"][0]["checkpoint"]), "a checkpoint is there twice"),
        (lambda one: one["runs"][4].update(steps=8), "the steps not equal"),
        (lambda one: one["runs"][4].update(checkpoint=None), "a checkpoint without its SHA-256"),
        (lambda one: one["runs"][4].update(codes=one["runs"][0]["codes"]), "two infer the same codes"),
        (lambda one: one["runs"][4].update({"local.conditional": float("nan")}), "run 4 says nan; its codes have"),
        *((lambda one, value=value: one["runs"][0].update(minutes=value), "not a record") for value in (10**400, math.inf, math.nan, -1.0)),
        *((lambda one, date=date: one.update(date=date), "date|not a record") for date in ("zzz", "2026-1-2", "20260102", "2026-02-30")),
        (lambda one: one.update(name="second"), r"first\.json: its name is second; name the file as the record"),
        (lambda one: one.update(name="../x"), "a name that is not of a-z, 0-9 and -"),
    ],
)
def test_a_record_that_does_not_hold(change, words: str, codes: list[np.ndarray], tmp_path: Path) -> None:
    one = record(codes)
    change(one)
    (tmp_path / "first.json").write_text(json.dumps(one))
    with pytest.raises(UserError, match=words):
        speedrun.entries(tmp_path)


@pytest.mark.parametrize("renamed", [False, True])
def test_a_copy_of_a_record_is_none(renamed: bool, codes: list[np.ndarray], tmp_path: Path) -> None:
    """Nor one whose checkpoints were given other hashes: codes of the same runs are in it."""
    (tmp_path / "first.json").write_text(json.dumps(record(codes)))
    copy = record(codes) | {"name": "second", "date": "2026-01-03"}
    for number, run in enumerate(copy["runs"]):
        run.update(minutes=0.01, **({"checkpoint": f"{99 + number:064}"} if renamed else {}))
    (tmp_path / "second.json").write_text(json.dumps(copy))
    with pytest.raises(UserError, match=r"second\.json: a checkpoint, or what it infers, is that of first\.json"):
        speedrun.entries(tmp_path)


def test_codes_below_the_target_are_no_record(codes: list[np.ndarray]) -> None:
    rng = np.random.default_rng(1)
    weak = [np.where(rng.random(code.shape) < 0.3, code, rng.integers(0, 9, code.shape)) for code in codes]
    with pytest.raises(UserError, match=r"the target is 0\.3 at p < 0\.01"):
        speedrun.parse(json.dumps(record(weak)))


class Made:
    """What a checkpoint says."""

    complete, standard, helped = True, True, False

    def __init__(self, seed: int, world: str = "factorial", **settings: str) -> None:
        changes = {f"train.{name}": value for name, value in {"steps": "2000", **settings}.items()}
        self.config = Plan("lam-tiny", replace(ENTRIES["lam-tiny"], settings=changes), "factorial", "minutes", seed).config
        self.world, self.chain = world, [self]


class First(Made):
    """One that uses the GMA of a GLASS that was trained first, for as many steps as its seed says."""

    def __init__(self, seed: int, steps: int = 1000) -> None:
        super().__init__(seed)
        self.chain = [self, Made(seed, steps=str(steps))]


class Unfinished(Made):
    complete = False


class Elsewhere(Made):
    standard = False


class Helped(Made):
    helped = True


def test_runs_that_are_no_record() -> None:
    one = Record("lam-tiny", "unsupervised", "minutes", training=Training(machine="m"))
    runs, made = [replace(one, seed=seed) for seed in range(5)], [Made(seed) for seed in range(5)]
    speedrun._check_runs(runs, made)
    speedrun._check_runs(runs, [*map(First, range(5))])
    for wrong, saved, words in (
        (runs[:4], made[:4], "the seeds are 0, 1, 2, 3; a record needs 0 to 4"),
        ([*runs[:4], runs[0]], made, "the seeds are 0, 0, 1, 2, 3"),
        ([*runs[:4], replace(runs[4], seed=5)], [*made[:4], Made(5)], "the seeds are 0, 1, 2, 3, 5"),
        *((runs, [*made[:4], kind(4)], "not all runs are complete") for kind in (Unfinished, Elsewhere, Helped)),
        (runs, [Made(seed, labels="1.0") for seed in range(5)], "saw frames alone"),
        (runs, [*made[:4], Made(4, steps="1999")], "not all of one configuration"),
        (runs, [*made[:4], Made(4, world="paper")], "not all of one configuration"),
        (runs, [*made[:4], First(4)], "not all of one configuration"),
        (runs, [*map(First, range(4)), First(4, steps=999)], "not all of one configuration"),
        ([replace(run, track="labels") for run in runs], made, "the track unsupervised"),
        ([*runs[:4], replace(runs[4], training=Training(machine="n"))], made, "of one machine"),
        ([replace(run, budget="gpu") for run in runs], made, "not on two cores"),
        ([replace(run, training=Training(machine="AMD EPYC, 64 of 64 cores")) for run in runs], made, "not on two cores"),
    ):
        with pytest.raises(UserError, match=words):
            speedrun._check_runs(wrong, saved)
