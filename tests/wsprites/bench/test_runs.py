"""Several runs of one system as one row: median, range, and an interval over clips and seeds."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_models import predictions
from scipy import stats
from score_files import SCENES, clips, file_of, free

from wsprites.bench import data
from wsprites.bench.compare import differences
from wsprites.bench.metrics import interval
from wsprites.bench.runs import difference, joined
from wsprites.bench.scores import Hashes, ScoreFile, read
from wsprites.bench.table import markdown, table
from wsprites.errors import UserError

Run = Callable[..., tuple[int, str, str]]


def runs_of(values: list[np.ndarray], clusters: interval.Clusters) -> list[ScoreFile]:
    files = [file_of({"local.ami": free(value_n, clusters), "masks.soft_iou": interval.Score(0.5)}) for value_n in values]
    return [replace(file, model=f"run-{n}", system="tiny", hashes=Hashes(str(n), "", "")) for n, file in enumerate(files)]


def test_runs_of_one_system_become_one():
    clusters, easy, rng = clips(0)
    seeds = rng.normal(0, 0.05, 4)
    values = [easy + seed + rng.normal(0, 0.02, len(easy)) for seed in seeds]
    files = runs_of(values, clusters)
    alone, other = replace(files[0], system=""), replace(files[0], system="tiny", data=replace(files[0].data, sha256="1" * 64))
    one, *rest = joined([*files, alone, alone, other])
    assert rest == [alone, alone, other] and one.model == "tiny (4 runs)" and one.confusion == {} and one.hashes is None
    entry, each = one.scores["local.ami"], [value_n.mean() for value_n in values]
    assert entry.value == pytest.approx(np.median(each)) and entry.runs == pytest.approx(each)
    # The definition, from the clips themselves.
    of_mean = free(np.mean(values, 0), clusters)
    assert of_mean.replicates is not None
    of_clips, of_seeds = of_mean.replicates.variance, np.var(each, ddof=1) / 4
    freedom = (of_clips + of_seeds) ** 2 / (of_clips**2 / (SCENES - 1) + of_seeds**2 / 3)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(of_clips + of_seeds)
    assert (entry.low, entry.high) == pytest.approx((np.mean(each) - half, np.mean(each) + half), rel=0.01)
    assert np.isnan(one.scores["masks.soft_iou"].low) and one.scores["masks.soft_iou"].runs == (0.5,) * 4


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_floor_that_one_run_lacks_or_leaves_undefined_is_unknown(order: tuple[int, ...]):
    """Whatever the order of the runs; that of the others is their median."""
    clusters, easy, _ = clips(0)
    files = runs_of([easy] * 3, clusters)
    of_run = ({"random": 0.1, "copy": 0.3}, {"random": float("nan"), "copy": 0.1}, {"random": 0.3, "copy": 0.5})
    known = [
        replace(file, scores={name: replace(entry, baselines=baselines) for name, entry in file.scores.items()})
        for file, baselines in zip(files, of_run, strict=True)
    ]
    (one,) = joined([known[n] for n in order])
    assert np.isnan(one.scores["local.ami"].baselines["random"]) and one.scores["local.ami"].baselines["copy"] == 0.3


def test_intervals_are_cut_to_the_range_of_the_score_alone():
    """Two runs far apart, of which both have intervals between 0 and 1."""
    clusters, easy, _ = clips(3)
    near, far = 0.02 * easy / abs(easy).max() + 0.05, 0.02 * easy / abs(easy).max() + 0.95
    names = ("local.conditional", "local.ami", "nuisance.character.codes", "leakage.background.codes", "masks.soft_iou")
    files = [file_of({name: free(value_n, clusters) for name in names}) for value_n in (near, far)]
    (one,) = joined([replace(file, model=f"run-{n}", system="tiny", hashes=Hashes(str(n), "", "")) for n, file in enumerate(files)])
    low, high = (getattr(one.scores["local.ami"], end) for end in ("low", "high"))
    assert low < -1 and one.scores["local.ami"].high == 1.0
    uncut = one.scores["nuisance.character.codes"].high
    assert uncut == pytest.approx(near.mean() + far.mean() - low) and high == 1.0
    expected = {
        "local.conditional": (low, 1),
        "nuisance.character.codes": (0, uncut),
        "leakage.background.codes": (low, 1),
        "masks.soft_iou": (0, 1),
    }
    assert {name: (one.scores[name].low, one.scores[name].high) for name in expected} == expected


def test_tables_show_runs_in_one_column():
    clusters, easy, _ = clips(1)
    files = runs_of([easy, easy + 0.1], clusters)
    low, high = sorted(file.value("local.ami") for file in files)
    line = next(line for line in table(joined(files)).splitlines() if line.startswith("local.ami"))
    assert f"({low:.3f} to {high:.3f})" in line and f"{(low + high) / 2:.3f}" in line
    assert "tiny (2 runs)" in table(joined(files)) and markdown(joined(files)).count(" to ") == 2
    assert joined(files[:1]) == files[:1]
    missing = replace(files[1], scores={name: entry for name, entry in files[1].scores.items() if name != "local.ami"})
    assert set(joined([files[0], missing])[0].scores) == {"masks.soft_iou"}
    undefined = replace(files[1].scores["local.ami"], value=float("nan"))
    half = replace(files[1], scores={**files[1].scores, "local.ami": undefined})
    assert np.isnan(joined([files[0], half])[0].value("local.ami"))


@pytest.mark.usefixtures("without_probes")
def test_the_command_joins_runs_on_clips_of_a_private_seed(run: Run):
    private = data.standard("wsprites-paper-v1", clips=4, seed=7)
    for name, shift in (("a", 0.25), ("b", 0.75)):
        arrays = {key: array for key, array in predictions(private).items() if "codes" not in key}
        moved = np.array([shift, 0.0])
        np.savez(f"{name}.npz", **{key: array if key == "data" else array + moved for key, array in arrays.items()})
    options = ("--clips", 4, "--seed", 7, "--models", "a.npz,b.npz", "--system", "tiny")
    code, out, err = run("bench", *options, "--out", "tiny.json")
    assert code == 0 and "wsprites-paper-v1-seed-7-first-4 (4 clips of test)" in out, err
    assert "tiny (2 runs)" in out and re.search(r"shift\.mean, px +0\.500 +\[.*\] \(0\.250 to 0\.750\)", out)
    files = [read(Path(f"tiny-{number}.json")) for number in (1, 2)]
    assert [file.system for file in files] == ["tiny", "tiny"] and [file.value("shift.mean") for file in files] == pytest.approx(
        [0.25, 0.75]
    )
    code, _, err = run("bench", *options[:-1], "ti\nny")
    assert code == 2 and "--system is not a name" in err and err.count("\n") == 1


@pytest.mark.bad_input
def test_a_run_that_is_given_twice_is_refused(run: Run):
    """It would make the interval narrower without anything new."""
    clusters, easy, _ = clips(2)
    a, b = runs_of([easy, easy + 0.1], clusters)
    with pytest.raises(UserError, match="run-0 is there twice, as runs of tiny; give each run once"):
        joined([a, b, a])
    copied = replace(b, hashes=replace(a.hashes, model_file="b.ckpt"))
    with pytest.raises(UserError, match="run-0 and run-1 are the same file, as runs of tiny"):
        joined([a, copied])
    source = Hashes("0" * 64, "model.py", "")  # with a factory for each seed
    assert len(joined([replace(a, hashes=source), replace(b, hashes=source)])) == 1
    np.savez("a.npz", codes=np.zeros(3))
    np.savez("b.npz", codes=np.zeros(3))
    code, _, err = run("bench", "--models", "a.npz,b.npz", "--system", "tiny")
    assert code == 2 and "a.npz and b.npz are the same file, as runs of tiny" in err and err.count("\n") == 1


@pytest.mark.slow
def test_the_interval_covers_the_mean_of_all_clips_and_seeds():
    """Simulated: effects of characters, scenes, seeds, and of seeds on single clips, drawn anew each time."""
    covered, tried = 0, 600
    for number in range(tried):
        rng = np.random.default_rng([number, 7])
        character, scene = rng.integers(0, 15, 120), rng.integers(0, 12, 120)
        clusters = interval.Clusters(character, scene)
        easy = 0.5 + rng.normal(0, 0.05, 15)[character] + rng.normal(0, 0.03, 12)[scene] + rng.normal(0, 0.05, 120)
        files = runs_of([easy + seed + rng.normal(0, 0.05, 120) for seed in rng.normal(0, 0.05, 5)], clusters)
        entry = joined(files)[0].scores["local.ami"]
        covered += entry.low <= 0.5 <= entry.high
    assert 0.93 <= covered / tried <= 0.97


def test_the_difference_of_two_systems():
    """By the definition, from the clips themselves; with one run each, that of a comparison of two score files."""
    clusters, easy, rng = clips(2)
    values = [[easy + rng.normal(0.02 * system, 0.02) + rng.normal(0, 0.05, len(easy)) for _ in range(3 - system)] for system in range(2)]
    one, other = ([file.scores["local.ami"] for file in runs_of(of, clusters)] for of in values)
    change, low, high = difference(one, other)
    a, b = (np.mean(of, 0) for of in values)
    of_clips = free(a - b, clusters).replicates
    assert of_clips is not None and change == pytest.approx((a - b).mean())
    seeds = [np.var([value_n.mean() for value_n in of], ddof=1) / len(of) for of in values]
    variance = of_clips.variance + sum(seeds)
    freedom = variance**2 / (of_clips.variance**2 / (SCENES - 1) + seeds[0] ** 2 / 2 + seeds[1] ** 2)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert (low, high) == pytest.approx((change - half, change + half), rel=0.02)
    files = [runs_of([of[0]], clusters)[0] for of in values]
    (paired,) = [found for found in differences(*files) if found.name == "local.ami"]
    assert difference(one[:1], other[:1]) == pytest.approx((paired.change, paired.low, paired.high))
    assert difference(one[:1], one[:1]) == (0.0, 0.0, 0.0)
    without = [replace(entry, replicates=None) for entry in other]
    assert difference(one, without)[0] == change and np.isnan(difference(one, without)[1:]).all()
