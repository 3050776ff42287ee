"""Probes against scikit-learn, and latents that try to look better, or have to look no worse, than they are."""

import copy
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.metrics as sk
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from wsprites.bench import data, latents
from wsprites.bench import evaluation as evaluate
from wsprites.bench.latents import Probing
from wsprites.bench.metrics import interval, probes

RNG = np.random.default_rng(0)
N, CHARACTERS = 900, 20
HELD = np.arange(N) % CHARACTERS % 4 == 0


def accuracy(x: np.ndarray, label: np.ndarray, x_scored: np.ndarray, scored: np.ndarray) -> float:
    setting = probes.choose_linear(x, label, HELD)
    return float((probes.fit(setting, x, label)(x_scored) == scored).mean())


@pytest.fixture(scope="module")
def task() -> tuple[np.ndarray, ...]:
    """Features and labels to fit on and to score."""
    rng = np.random.default_rng(1)
    label, scored = rng.integers(0, 5, N), rng.integers(0, 5, 2 * N)
    x, x_scored = (np.eye(19)[one] + rng.normal(0, 0.4, (len(one), 19)) for one in (label, scored))
    return x, label, x_scored, scored


# The probes themselves.


def test_a_linear_probe_is_a_pipeline_of_scikit_learn(task: tuple[np.ndarray, ...]):
    x, label, x_scored, _ = (np.concatenate([one, RNG.normal(size=(len(one), 60))], 1) if one.ndim == 2 else one for one in task)
    candidates = [(k, c) for k in (16, 79) for c in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)]
    probe = {(k, c): make_pipeline(StandardScaler(), SelectKBest(f_classif, k=k), LogisticRegression(C=c)) for k, c in candidates}
    value = {at: one.fit(x[~HELD], label[~HELD]).score(x[HELD], label[HELD]) for at, one in probe.items()}
    best = max(candidates, key=lambda at: (value[at], -at[0], at[1]))
    setting = probes.choose_linear(x, label, HELD)
    assert (setting.features, setting.strength, setting.held_out) == (*best, value[best])
    assert (probes.fit(setting, x, label)(x_scored) == probe[best].fit(x, label).predict(x_scored)).mean() > 0.999


def test_ridge_regression_is_scikit_learns():
    x, y = RNG.normal(size=(N, 70)), RNG.normal(size=(N, 2))
    y += 2 * x[:, :2]
    setting = probes.choose_linear(x, y, HELD)
    assert setting.features == 16 and setting.held_out > 0.7
    scaled = StandardScaler().fit_transform(x)
    relevant = np.sort(np.argsort([-sum(np.corrcoef(column, target)[0, 1] ** 2 for target in y.T) for column in x.T])[:16])
    assert {0, 1} <= set(relevant.tolist())
    predicted = probes.fit(setting, x, y)(x)
    in_16 = Ridge(alpha=1 / setting.strength).fit(scaled[:, relevant], y).predict(scaled[:, relevant])
    assert sk.r2_score(y, predicted) == pytest.approx(sk.r2_score(y, in_16), abs=2e-3)
    everything = probes.Setting(70, 0.1)
    assert probes.fit(everything, x, y)(x) == pytest.approx(Ridge(alpha=10).fit(scaled, y).predict(scaled), abs=1e-4)


@pytest.mark.parametrize("width", [4, 64])
def test_mlps_read_what_a_linear_probe_cannot(width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probes, "STEPS", 240)
    x = RNG.normal(size=(2 * N, 2))
    label = (x.prod(1) > 0).astype(int)  # exclusive or
    predict, held_out = probes.fit_mlp(width, 2, x[:N], label[:N], HELD)
    right = (predict(x[N:]) == label[N:]).mean()
    assert right > 0.9 and held_out == (predict(x[:N][HELD]) == label[:N][HELD]).mean()
    assert accuracy(x[:N], label[:N], x[N:], label[N:]) < 0.65


@pytest.mark.parametrize(("samples", "epochs"), [(20, 15), (249, 15), (250, 15), (300, 12), (5000, 1)])
def test_an_mlp_is_trained_for_a_number_of_steps(samples: int, epochs: int, monkeypatch: pytest.MonkeyPatch):
    """15 steps from check to check, of batches of 250 transitions, or of all where there are fewer; by hand, 12.5 is rounded to 12."""
    calls = []
    monkeypatch.setattr(probes, "_CHECKS", 1)
    monkeypatch.setattr(probes, "STEPS", 15)
    monkeypatch.setattr(MLPClassifier, "partial_fit", lambda self, x, y, classes: calls.append(len(x)))
    monkeypatch.setattr(MLPClassifier, "predict", lambda self, x: np.zeros(len(x), int))
    x, label = RNG.normal(size=(samples + 10, 2)), np.arange(samples + 10) % 2
    probes.fit_mlp(4, 2, x, label, np.arange(samples + 10) >= samples)
    assert calls == [samples] * epochs


def test_labels_of_one_value():
    x, constant = RNG.normal(size=(N, 3)), np.full(N, 3)
    assert (probes.fit(probes.choose_linear(x, constant, HELD), x, constant)(x) == 3).all()
    assert (probes.fit_mlp(4, 3, x, constant, HELD)[0](x) == 3).all()
    only_held = np.where(HELD, 1, 0)  # nothing to choose by
    assert probes.choose_linear(x, only_held, HELD) == probes.Setting(3) and probes.fit_mlp(4, 3, x, only_held, HELD)[1] == -np.inf


def test_shares_and_explained_variance():
    x, clip = RNG.normal(size=(600, 4)), np.repeat(np.arange(20), 30)
    clusters = interval.Clusters(np.arange(10))
    y = x[:, :2] @ np.array([[1.0, 2], [0, 1]]) + RNG.normal(0, 0.5, (600, 2))
    predicted = probes.fit(probes.Setting(4), x[:300], y[:300])(x[300:])
    got = probes.explained(predicted, y[300:], clip[:300], clusters)
    level = y * [1, 0]  # a world as high as the character: nothing moves up or down
    assert probes.explained(predicted, level[300:], clip[:300], clusters).value == pytest.approx(sk.r2_score(y[300:, 0], predicted[:, 0]))
    assert np.isnan(probes.explained(predicted, level[300:] * 0, clip[:300], clusters).value)
    assert got.value == pytest.approx(sk.r2_score(y[300:], predicted)) and 0.6 < got.low < got.value < got.high < 0.95
    # A clip whose second sum is 0 counts with its first.
    part, whole = np.array([2.0, -1.0, 1.0, 1.0]), np.array([2.0, 0.0, 3.0, 1.0])
    share = probes.quotient(part, whole, np.arange(4), interval.Clusters(np.arange(4)), least=-np.inf)
    assert (
        share.value == 3 / 6 and share.replicates is not None and share.replicates.kinds[0] == pytest.approx([1 / 4, 4 / 6, 2 / 3, 2 / 5])
    )
    assert np.isnan(probes.quotient(part, whole * 0, np.arange(4), interval.Clusters(np.arange(4))).value)


# Latents that hold the same, in another form.

FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "constant features": lambda x: np.concatenate([x, np.full((len(x), 30), 1e8)], 1),
    "duplicated features": lambda x: np.tile(x, 12),
    "huge and tiny scales": lambda x: (x * np.where(np.arange(x.shape[1]) % 2, 1e30, 1e-30)).astype(np.float32),
    "far from 0": lambda x: x + 1e6,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_latent_does_not_matter(form: str, task: tuple[np.ndarray, ...]):
    x, label, x_scored, scored = task
    narrow = accuracy(x, label, x_scored, scored)
    assert 0.6 < narrow < 0.95
    assert accuracy(FORMS[form](x), label, FORMS[form](x_scored), scored) == pytest.approx(narrow, abs=0.015)


@pytest.mark.parametrize("width", [256, pytest.param(4096, marks=pytest.mark.slow)])
def test_width_alone_is_not_punished(width: int, task: tuple[np.ndarray, ...]):
    """19 informative features among so many; with all of them, and C = 10, accuracy falls from 0.8 to about 0.5 and 0.3."""
    rng = np.random.default_rng(6)
    wide = [np.concatenate([x, rng.normal(size=(len(x), width - 19))], 1).astype(np.float32) for x in (task[0], task[2])]
    narrow = accuracy(*task)
    assert accuracy(wide[0], task[1], wide[1], task[3]) > narrow - 0.03
    if width == 256:  # a fixed setting is punished
        assert (probes.fit(probes.Setting(width, 10.0), wide[0], task[1])(wide[1]) == task[3]).mean() < narrow - 0.1


def test_nothing_is_read_from_noise_by_any_probe():
    label, x = RNG.integers(0, 4, 3 * N), RNG.normal(size=(3 * N, 200))
    assert accuracy(x[:N], label[:N], x[N:], label[N:]) == pytest.approx(0.25, abs=0.04)
    assert (probes.fit_mlp(64, 200, x[:N], label[:N], HELD)[0](x[N:]) == label[N:]).mean() == pytest.approx(0.25, abs=0.04)


# Latents of the clips of a world.


def small_probing(few: data.Data) -> Probing:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "FITTED", 600)
        patch.setattr(probes, "SCORED", 500)
        return Probing(few)


@pytest.fixture(scope="module")
def probing(few: data.Data) -> Probing:
    return small_probing(few)


def pair(few: data.Data, make: Callable[[data.Part], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return make(few.fit), make(few.scored)


def state(part: data.Part) -> np.ndarray:
    steps = part.spec.frames - 1
    return part.state(np.arange(len(part) * steps)).reshape(len(part), steps, -1)


def test_leakage_of_a_latent_that_copies_the_state_is_0_and_of_the_truth_1(few: data.Data, probing: Probing):
    copied = probing.chosen(*pair(few, state))
    truth = probing.chosen(*pair(few, lambda part: part.sources().labels[1]))
    scores = probing.leakage({"copied": copied, "truth": truth})
    assert probing.linear(copied, probing.settings(copied))["vectors.local.linear"].value > 0.7  # which looks like an action space
    for source in ("global", "local", "background"):
        assert abs(scores["model"][f"leakage.{source}.copied"].value) < 0.06
        assert scores["random"][f"leakage.{source}.truth"].value < 0.12
    assert scores["model"]["leakage.local.truth"].value == 1 > scores["model"]["leakage.background.truth"].value + 0.8
    # By hand: the share of what the state does not tell.
    true, by_state = few.scored.sources().labels[0].ravel()[probing._scored], probing._state_hits["global"]
    fit, scored = (np.concatenate(parts, 1) for parts in zip(probing.state, truth, strict=True))
    predicted = probes.fit(probing._settings(truth)["global"], fit, few.fit.sources().labels[0].ravel()[probing._fit])(scored)
    share = ((predicted == true).mean() - by_state.mean()) / (1 - by_state.mean())
    assert scores["model"]["leakage.global.truth"].value == pytest.approx(share)


def test_the_ceiling_of_leakage_is_1(probing: Probing):
    ceiling = probing.ceiling(["codes", "shift"])
    assert len(ceiling) == 10
    for name, score in ceiling.items():
        assert score.value == pytest.approx(1, abs=1e-3 if "shift." in name else 0), name


def test_leakage_is_not_defined_where_the_state_tells_everything(probing: Probing):
    of = copy.copy(probing)
    of.__dict__["_state_hits"] = {source: np.ones_like(hits) for source, hits in probing._state_hits.items()}
    assert np.isnan(of._leakage(of.state, {"local": probes.Setting(62)}, with_fit=True)["local"].value)


def test_shuffled_labels_and_random_latents_are_at_chance(few: data.Data, probing: Probing):
    truth = probing.chosen(*pair(few, lambda part: part.sources().labels[1]))
    settings, most = probing.settings(truth), probing.majority()
    assert probing.linear(truth, settings)["vectors.local.linear"].value == 1
    for who, scores in probing.by_chance(truth, settings).items():
        for name, score in scores.items():
            assert score.value == pytest.approx(most[name].value, abs=0.12), (who, name)
    local = few.fit.sources().labels[1].ravel()[probing._fit], few.scored.sources().labels[1].ravel()[probing._scored]
    assert most["vectors.local.mlp"].value == (local[1] == np.bincount(local[0]).argmax()).mean()


def test_fewer_transitions_are_subsets_and_tell_less(few: data.Data, probing: Probing):
    noise = np.random.default_rng(3).normal(0, 0.4, (18, 89, 9))

    def hidden(part: data.Part) -> np.ndarray:
        return np.eye(9)[part.sources().labels[1]] + noise[: len(part)]

    latent = probing.chosen(*pair(few, hidden))
    scores = probing.by_samples(latent)
    assert [name for name in scores if "local" in name] == [f"vectors.local.linear.n{samples}" for samples in (250, 50)]  # of 600
    values = [scores[f"vectors.local.linear.n{samples}"].value for samples in (50, 250)]
    assert 0.3 < values[0] < values[1] < 1


def test_the_interval_of_a_linear_probe_includes_its_fit(few: data.Data, probing: Probing):
    truth = few.fit.sources().labels[1], few.scored.sources().labels[1]
    rng = np.random.default_rng(4)
    latent = probing.chosen(*(np.eye(9)[label] + rng.normal(0, 1, (*label.shape, 9)) for label in truth))
    settings = probing.settings(latent, sources=("local",))
    fixed, whole = (probing.linear(latent, settings, with_fit=with_fit)["vectors.local.linear"] for with_fit in (False, True))
    assert fixed.value == whole.value and fixed.replicates and whole.replicates and whole.replicates.fit is not None
    # The jackknife over groups of fitted characters, by hand.
    character = np.unique(few.fit.script.character, return_inverse=True)[1][probing._fit // 89]
    label, true = truth[0].ravel()[probing._fit], truth[1].ravel()[probing._scored]
    left_out = [character % 10 != group for group in range(10)]
    without = [(probes.fit(settings["local"], latent[0][rows], label[rows])(latent[1]) == true).mean() for rows in left_out]
    assert whole.replicates.fit == pytest.approx(without, abs=0.005)
    assert whole.replicates.variance == pytest.approx(fixed.replicates.variance + 9 * np.var(whole.replicates.fit))


def test_settings_are_chosen_by_clip_where_characters_are_few(few: data.Data):
    """A world of one character has no others to hold out."""
    script = SimpleNamespace(**{**few.fit.script.__dict__, "character": np.zeros(len(few.fit), int)})
    of = Probing(data.Data("", data.Part("val", few.fit.world, script), few.scored, ""))
    clip = of._fit // 89
    assert (of._held == (clip % 4 == 0)).all() and len(of._without) == 10
    by_character = Probing(few)
    character = few.fit.script.character[by_character._fit // 89]
    held, others = set(character[by_character._held].tolist()), set(character[~by_character._held].tolist())
    assert not held & others and len(held) == -(-len(held | others) // 4)


def test_codes_that_the_state_predicts(few: data.Data, probing: Probing):
    codes = probing.predicted_by_state("local")
    assert [code.shape for code in codes] == [(12, 89), (6, 89)]
    assert codes[1].ravel()[probing._scored].tolist() == pytest.approx(
        np.where(probing._state_hits["local"], few.scored.sources().labels[1].ravel()[probing._scored], codes[1].ravel()[probing._scored])
    )
    assert (codes[1].ravel()[probing._scored] == few.scored.sources().labels[1].ravel()[probing._scored]).mean() == pytest.approx(
        probing._state_hits["local"].mean()
    )


def test_what_the_state_predicts_does_not_depend_on_what_was_asked_before(few: data.Data, probing: Probing):
    other = small_probing(few)
    for probe, order in ((probing, (False, True)), (other, (True, False)), (probing, (True, False))):
        for with_direction in order:
            probe.predicted_by_state("local", with_direction=with_direction)
    for with_direction in (False, True):
        a, b = (probe.predicted_by_state("local", with_direction=with_direction) for probe in (probing, other))
        assert (a[0] == b[0]).all() and (a[1] == b[1]).all()
    right = [(probing.predicted_by_state("local", with_direction=f)[1] == few.scored.sources().labels[1]).mean() for f in (False, True)]
    assert right[0] < right[1] - 0.04  # the direction tells more
    assert probing.predicted_by_state("global")[1].max() < 5 <= probing.predicted_by_state("local")[1].max()


def test_every_headline_of_vectors_has_a_floor(few: data.Data, probing: Probing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probes, "STEPS", 90)
    monkeypatch.setattr(probes, "WIDTHS", (4, 16))
    monkeypatch.setattr(probes, "SHUFFLES", 2)
    vectors = pair(few, lambda part: np.random.default_rng(0).normal(size=(len(part), 89, 3)))
    scores = evaluate.vector_scores(probing, *vectors)
    for name in scores["model"]:
        assert name in scores["state_only"], name
    assert {"vectors.local.mlp", "vectors.local.mlp_4", "vectors.local.mlp_16", "vectors.local.linear.n50"} <= scores["model"].keys()
    both = [scores["model"][f"vectors.local.mlp_{width}"] for width in (4, 16)]
    assert scores["model"]["vectors.local.mlp"] in both
    for who in ("shuffled", "random", "majority", "direction", "oracle"):
        assert "vectors.local.linear" in scores[who], who
    assert latents.REFITS == 10
