"""Strongest floors, headline scores and what they say in words, from score files made by hand."""

import math
from dataclasses import replace

import pytest
from made_scores import DATA, FLOORS, LEAK, LOCAL, NUISANCE, SHIFT, WHOLE, entry, made

from wsprites.bench.floors import Baseline, ceiling, is_floor, strongest_floor
from wsprites.bench.headline import Headline, headlines, sentence
from wsprites.bench.scores import DataDescription, Entry, ScoreFile
from wsprites.bench.table import headline_lines, markdown, table


def answer(file: ScoreFile, group: str, title: str = "") -> Headline:
    (one,) = (one for one in headlines(file) if one.question.group == group and title in one.question.title)
    return one


def test_the_strongest_floor():
    values = {**FLOORS, "direction": 0.5, "state_only": 0.4, "shuffled": math.nan}
    one = Entry(0.6, 0.5, 0.7, "", 6, values)
    assert strongest_floor("vectors.local.linear", one) == ("direction", 0.5)
    for told in ("global.ami", "shift.angle", "vectors.global.mlp"):  # the baseline is told what these ask for
        assert strongest_floor(told, one) == ("state_only", 0.4)
    assert strongest_floor("background_shift.angle", one) == ("direction", 0.5)
    for less in ("shift.mean", "drift.position.16", "nuisance.background.codes"):
        assert strongest_floor(less, one) == ("random", 0.1)
    assert ceiling("local.ami", one) == ("oracle", 1.0)
    for without in ("codes.usage", "leakage.local.codes", "reader.local"):
        assert strongest_floor(without, one) is None is ceiling(without, one)
    assert strongest_floor("local.ami", replace(one, baselines={"oracle": 1.0, "random": math.nan})) is None
    assert strongest_floor("a.score.of.another.version", one) == ("direction", 0.5)
    assert not is_floor("shift_only", "control.shift.mean") and is_floor("shift_only", "control.faithful")
    assert not is_floor("classical", "local.ami") and is_floor("copy", "control.faithful")


@pytest.mark.parametrize(
    ("value", "half", "verdict"), [(0.62, 0.05, "above"), (0.53, 0.05, "same"), (0.51, 0.0, "same"), (0.4, 0.05, "below")]
)
def test_where_the_interval_lies(value: float, half: float, verdict: str):
    one = answer(made(vectors__local__linear=entry(value, half, direction=0.51)), "Local action", "available")
    assert one.verdict == verdict and one.floor == Baseline("direction", 0.51)
    mirrored = answer(made(nuisance__background_motion__codes=entry(1 - value, half, random=0.49, oracle=0.0)), "Nuisance")
    assert mirrored.verdict == verdict
    assert one.place(0.51) == mirrored.place(0.49) == 0 and one.place(1) == mirrored.place(0) == 1
    assert one.place(value) == pytest.approx((value - 0.51) / 0.49) == pytest.approx(mirrored.place(1 - value))


def test_no_interval_and_no_way_from_floor_to_ceiling():
    unknown = answer(made(control__faithful=Entry(0.9, math.nan, math.nan, "", 1, {"copy": 0.2, "oracle": 1.0})), "Local action", "used")
    assert unknown.verdict == "unknown" and unknown.place(0.9) == pytest.approx(0.875)
    equal = answer(made(control__faithful=entry(0.9, 0.05, copy=1.0)), "Local action", "used")
    assert equal.verdict == "below" and math.isnan(equal.place(0.9))
    alone = answer(made(control__faithful=Entry(0.9, 0.8, 1.0, "", 6, {})), "Local action", "used")
    assert alone.verdict == "unknown" and alone.floor is None is alone.ceiling and math.isnan(alone.place(0.9))


def test_vectors_before_codes_and_the_longest_replay():
    file = made(**WHOLE, local__matched_accuracy=SHIFT, leakage__background__codes=SHIFT, drift__position__1=SHIFT)
    assert [one.name for one in headlines(file)] == [name.replace("__", ".") for name in _in_order()]
    one_to_one = {"local__matched_accuracy": SHIFT, "global__matched_accuracy": SHIFT}
    codes = made(**one_to_one, local__many_to_one=SHIFT, global__many_to_one=SHIFT, drift__position__4=SHIFT)
    assert [one.name for one in headlines(codes) if one.name] == ["local.many_to_one", "global.many_to_one", "drift.position.4"]
    transfer = made(drift__position__16=SHIFT, transfer__position__16=SHIFT, transfer__position__4=SHIFT)
    assert answer(transfer, "Drift").name == "transfer.position.16"


def _in_order() -> list[str]:
    first = ["vectors__local__linear", "control__faithful", "shift__action_accuracy", "control__shift__action_accuracy"]
    return [*first, *(name for name in WHOLE if name not in first)]


def test_why_a_headline_is_missing():
    nothing = made()
    assert [one.reason for one in headlines(nothing)] == [
        "the model infers no vectors or codes",
        "the model does not generate",
        "the model infers no vectors, codes or shifts",
        "the model does not generate",
        "the model infers no vectors or codes",
        "the model itself is needed, not its predictions",
        "the model does not generate",
    ]
    assert answer(made(control__faithful=LOCAL), "Global action", "used").reason == "the model infers no shift to ask for"
    constant = made(
        nuisance__background_motion__codes=replace(NUISANCE, value=math.nan), vectors__local__linear=replace(LOCAL, value=math.nan)
    )
    assert answer(constant, "Nuisance").reason == "no response to a true action either"
    assert answer(constant, "Local action", "available").reason == "not defined by these clips"


def test_leakage_has_ends_only_as_a_share():
    new = made(leakage__background__codes=LEAK)
    assert answer(new, "Leakage").place(0.2) == pytest.approx(0.8) and answer(new, "Leakage").verdict == "above"
    old = replace(new, settings=replace(new.settings, protocol="bench-1"))
    assert answer(old, "Leakage").verdict == "unknown" and answer(old, "Leakage").entry == LEAK


def test_the_sentence_of_a_whole_model():
    assert sentence(made(**WHOLE)) == (
        "It partly tells the local action (0.62, floor 0.51), almost perfectly tells the global action (0.97, floor 0.10), "
        "mostly keeps the scene's motion out of its vectors (0.20, floor 1.00), "
        "and almost perfectly keeps its vectors the same when only the scene moves (0.05, floor 1.00). "
        "It does not measurably beat random local actions at generating the local action asked for (0.21, floor 0.20), "
        "and does worse than a repeated first frame at generating the global action asked for (0.15, floor 0.20) "
        "and keeping the character of a replay near its place (30.00 px, floor 20.00)."
    )


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (
            {"vectors__local__linear": entry(0.79, 0.02, state_only=0.8)},
            "It does not measurably beat the state before a transition alone",
        ),
        ({"vectors__local__linear": entry(0.7, 0.02, state_only=0.8)}, "It does worse than the state before a transition alone at telling"),
        (
            {"local__many_to_one": entry(0.55, 0.02, direction=0.51)},
            "It barely tells the local action (0.55, floor 0.51). It does not",
        ),
        ({"local__many_to_one": entry(0.99, 0.005)}, "It almost perfectly tells the local action (0.99, floor 0.10)."),
        ({"local__many_to_one": entry(0.2, 0.01, newest=0.5)}, "It does worse than the floor newest at telling the local action"),
        ({"control__faithful": entry(0.8, 0.05, copy=0.2)}, "It mostly generates the local action asked for (0.80, floor 0.20)."),
        (
            {"drift__position__16": entry(1.0, 0.5, "px", copy=20.0, random=30.0, oracle=0.0)},
            "It almost perfectly keeps the character",
        ),
        ({}, "It does not generate video."),
    ],
)
def test_each_branch_of_the_sentence(scores: dict[str, Entry], words: str):
    text = sentence(made(**scores))
    assert text.startswith(words), text
    assert text.count(". It ") <= 1 and text.endswith(".")


def test_a_latent_that_tells_nothing_is_not_praised_for_leaking_nothing():
    """A code that never changes has no leakage and no response to the scene."""
    tells_nothing = {**WHOLE, "vectors__local__linear": entry(0.5, 0.05, direction=0.51), "shift__action_accuracy": entry(0.1, 0.05)}
    assert "scene" not in sentence(made(**tells_nothing)) and "scene" in sentence(made(**WHOLE))
    for group in ("Leakage", "Nuisance"):
        assert answer(made(**tells_nothing), group).says == "better than its floor, as is one that tells nothing"
        assert answer(made(**WHOLE), group).says == "better than its floor"
    assert answer(made(**tells_nothing), "Local action", "available").says == "not distinguishable from its floor"


def test_each_latent_has_to_tell_something_itself():
    """A code that never changes beside a shift that is right: the shift is no reason to praise the code."""
    code = {"local__many_to_one": entry(0.1, 0.0, majority=0.1), "leakage__background__codes": LEAK}
    silent = made(**code, nuisance__background_motion__codes=NUISANCE, shift__action_accuracy=entry(0.97, 0.01))
    assert answer(silent, "Global action", "available").verdict == "above"
    assert answer(silent, "Leakage").tells_nothing and answer(silent, "Nuisance").tells_nothing
    for tells in ("local__many_to_one", "global__many_to_one"):
        assert not answer(made(**{**code, tells: entry(0.9, 0.05)}), "Leakage").tells_nothing
    shift = made(nuisance__background_motion__shift=NUISANCE, shift__action_accuracy=entry(0.97, 0.01))
    assert not answer(shift, "Nuisance").tells_nothing


def test_a_claim_needs_the_whole_interval():
    """The same value with a wider interval claims less, and nothing at all if the interval holds the floor."""
    said = [sentence(made(vectors__local__linear=entry(0.99, half, direction=0.5))) for half in (0.01, 0.1, 0.3, 0.48, 0.5)]
    assert [text.split()[1] for text in said] == ["almost", "mostly", "partly", "barely", "does"]


def test_videos_have_no_headlines():
    videos = replace(made(**WHOLE), data=DataDescription("v", "0" * 64, "videos", 20, {"test": 4}, {}, {"test": 2}))
    assert headlines(videos) == [] and sentence(videos).startswith("The videos have no labels")
    assert " ".join(headline_lines(videos).split()) == f"a:b: {sentence(videos)}"


def test_the_headlines_as_text():
    file = made(**{**WHOLE, "nuisance__background_motion__vectors": replace(NUISANCE, value=math.nan)})
    lines = headline_lines(file).splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("  score "))
    assert " ".join(lines[:head]) == f"a:b: {sentence(file)}" and max(map(len, lines)) <= 100
    assert lines[head].split() == ["score", "value,", "95", "%", "strongest", "floor", "ceiling"]
    assert lines[head + 1] == "Local action, available: better than its floor"
    assert lines[head + 2].split("  ")[1] == "vectors.local.linear" and lines[head + 2].endswith(" 1.000")
    assert "0.620 [0.570, 0.670]" in lines[head + 2] and "0.510 direction" in lines[head + 2]
    assert sum(line.endswith("scene's motion: no response to a true action either") for line in lines) == 1
    assert lines[-2].endswith(": worse than its floor")
    assert "30.000 [28.000, 32.000] px  20.000 copy" in lines[-1] and lines[-1].endswith(" 0.000")
    assert lines[head + 2].index("vectors.local") == lines[head + 4].index("control.faithful") == lines[head].index("score")


def test_scores_print_without_what_only_comparisons_need():
    file = made(local__ami=entry(0.3, 0.1, previous=0.25))
    assert repr(file) == f"<ScoreFile of a:b on {DATA.name}: 1 scores>"
    assert "value=0.3" in repr(file.scores["local.ami"]) and "previous" in repr(file.scores["local.ami"])
    assert "replicates" not in repr(file.scores["local.ami"])


def test_the_strongest_floor_in_tables():
    """Several models of the same data have one floor, the strongest; Markdown tables have one for each data set."""
    first = made(local__ami=entry(0.3, 0.1, previous=0.25), shift__mean=entry(2.0, 0.1, "px", majority=3.0, random=4.0, oracle=0.0))
    second = made(local__ami=entry(0.2, 0.1, previous=0.27), shift__mean=entry(2.0, 0.1, "px", majority=2.5, random=4.0, oracle=0.0))
    other = replace(second, data=replace(DATA, sha256="1" * 64, world="factorial"))
    assert [line.split() for line in table([first]).splitlines()[:3]] == [
        ["a:b", "strongest", "floor", "ceiling"],
        ["local.ami", "0.300", "[0.200,", "0.400]", "0.250", "previous", "1.000", "↑"],
        ["shift.mean,", "px", "2.000", "[1.900,", "2.100]", "3.000", "majority", "0.000", "↓"],
    ]
    less = replace(second, scores={"local.ami": second.scores["local.ami"]})
    for files in ([first, less], [less, first]):  # the best one first
        assert [line.split() for line in table(files).splitlines()[1:3]] == [
            ["local.ami", "0.300", "[0.200,", "0.400]", "0.200", "[0.100,", "0.300]", "0.270", "1.000", "↑"],
            ["shift.mean,", "px", "2.000", "[1.900,", "2.100]", "-", "3.000", "0.000", "↓"],
        ]
    assert "  2.500 " in table([first, second]).splitlines()[2]
    three = table([first, second, replace(less, model="a/very/long/path/of/checkpoint.safetensors")])
    assert three.count("strongest floor") == 0 and three.count("ceiling") == 2 and "...ckpoint.safetensors" in three
    assert max(map(len, three.splitlines())) <= 100
    longest = {
        "nuisance__background_motion__vectors": entry(-0.4, 0.1, random=1.0),
        "control__shift__mean": entry(20.0, 5.0, "px", copy=30.0),
    }
    wide = made(**longest)
    assert table([wide, wide]).count("ceiling") == 1 and max(map(len, table([wide, wide]).splitlines())) <= 100
    runs = replace(wide, scores={name: replace(each, runs=(each.low, each.high)) for name, each in wide.scores.items()})
    below = table([runs, runs])
    assert below.count("ceiling") == 2 and below.count("-0.400 [-0.500, -0.300] (-0.500 to -0.300)") == 2
    assert max(map(len, below.splitlines())) <= 100
    px = "2.000 [1.900, 2.100]"
    assert markdown([first, second, other]).splitlines() == [
        "| score | strongest floor, `paper` | strongest floor, `factorial` | ceiling | b, `paper` | b, `paper` | b, `factorial` |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| `local.ami` | 0.270 previous | 0.270 previous | 1.000 | 0.300 [0.200, 0.400] | 0.200 [0.100, 0.300] | 0.200 [0.100, 0.300] |",
        f"| `shift.mean`, px | 2.500 majority | 2.500 majority | 0.000 | {px} | {px} | {px} |",
    ]
