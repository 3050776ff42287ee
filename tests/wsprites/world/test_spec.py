"""Presets, ranges and types, worlds as JSON and TOML, and what is said about those that are wrong."""

import dataclasses
import json
import math
import sys
from dataclasses import fields, is_dataclass, replace
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsprites.errors import UserError
from wsprites.fields import SpecError
from wsprites.world.spec import AXES, PRESETS, BackgroundSpec, CastSpec, LocalSpec, SplitSpec, WalkSpec, WorldSpec, load_spec

SPECS = [WorldSpec, *(type(getattr(WorldSpec(), f.name)) for f in fields(WorldSpec) if is_dataclass(getattr(WorldSpec(), f.name)))]
FIELDS = [pytest.param(spec, f, id=f"{spec.__name__}.{f.name}") for spec in SPECS for f in fields(spec)]
NUMBERS = [pytest.param(*p.values, id=p.id) for p in FIELDS if "low" in p.values[1].metadata]
FLOATS = [pytest.param(*p.values, id=p.id) for p in FIELDS if get_type_hints(p.values[0])[p.values[1].name] is float]
CHOICES = [pytest.param(*p.values, id=p.id) for p in FIELDS if "choices" in p.values[1].metadata]
WRONG = {
    int: ["1", True, 64.0, [64], None],
    float: ["0.5", True, [0.5], None],
    str: [1, True, b"paper", ["paper"], None],
    bool: [1, 0, "true", None],
    tuple[int, ...]: [6, "6", [6, 6, 6, 6, 1], (6, 6, 6, 6, True), (6, 6, 6, 6, 1.0), (6, 6, 6, 6, "1"), None],
    tuple[str, ...]: ["body", ["body"], ("body", 1), 5, None],
}


def value_of(f, number):
    """A number as the value of a field, or as the last item of one that is a list."""
    return (*f.default[:-1], number) if isinstance(f.default, tuple) else number


def shown(value):
    return repr(list(value) if isinstance(value, tuple) else value)


def outside(low, high):
    """The nearest numbers below and above a range."""
    if isinstance(low, int):
        return low - 1, high + 1
    return math.nextafter(low, -math.inf), math.nextafter(high, math.inf)


# Presets.


def test_presets_carry_their_names():
    axes = ["still", "moving", "no-inertia", "position", "one-character", "new-scenes"]
    assert list(PRESETS) == ["paper", "released", "factorial", "small-world", "shadow-world", *(f"axes-{axis}" for axis in axes)]
    assert [spec.name for spec in AXES.values()] == [f"axes-{axis}" for axis in AXES] and list(AXES) == axes
    assert all(PRESETS[name].name == name == load_spec(name).name for name in PRESETS)


def test_paper_has_the_numbers_of_the_supplement():
    paper = PRESETS["paper"]
    assert (paper.height, paper.width, paper.frames, paper.rule, paper.facings) == (96, 128, 90, "paper", 3)
    assert (paper.sprite.p_inertia, paper.sprite.step) == (0.9, 7)
    assert (paper.background.p_inertia, paper.background.step, paper.background.limit) == (0.95, 2, 25)
    assert (paper.local.coupled, paper.local.bout_min, paper.local.bout_max) == (True, 4, 8)
    assert (paper.split.train, paper.split.val, paper.split.test, paper.split.holdout) == (0.8, 0.1, 0.1, "")
    assert paper.cast.characters == 1296
    assert paper.cast.parts == ("body", "bottomwear", "topwear", "hair")
    assert paper.cast.part_counts == (6, 6, 6, 6)


def test_other_presets_differ_from_paper_in_one_thing():
    assert replace(PRESETS["released"], name="paper", rule="paper") == PRESETS["paper"]
    assert replace(PRESETS["factorial"], name="paper", local=LocalSpec(coupled=True)) == PRESETS["paper"]
    small = replace(PRESETS["small-world"], name="paper", height=96, width=128, scale=1.0)
    assert replace(small, sprite=WalkSpec(), background=BackgroundSpec()) == PRESETS["paper"]
    assert replace(PRESETS["shadow-world"], name="paper", shadow=0, cast=CastSpec()) == PRESETS["paper"]
    assert len(set(PRESETS.values())) == len(PRESETS)


@pytest.mark.parametrize(
    ("axis", "changed"),
    [
        ("still", {"background"}),
        ("moving", {"background"}),
        ("no-inertia", {"sprite", "background", "local"}),
        ("position", {"sprite", "local"}),
        ("one-character", {"cast"}),
        ("new-scenes", {"split"}),
    ],
)
def test_axes_differ_from_factorial_in_one_thing(axis, changed):
    one, other = AXES[axis], PRESETS["factorial"]
    assert {f.name for f in fields(one) if getattr(one, f.name) != getattr(other, f.name)} == {"name", *changed}


def test_worlds_without_a_shadow_are_stored_as_before_the_field_existed():
    for name, world in PRESETS.items():
        assert ("shadow" in json.loads(world.to_json())) == ("faces" in json.loads(world.to_json())["cast"]) == (name == "shadow-world")
    again = WorldSpec.from_json(PRESETS["shadow-world"].to_json())
    assert again == PRESETS["shadow-world"] and (again.shadow, again.cast.faces) == (110, 2)


def test_splits_show_all_scenes_or_their_own():
    world = PRESETS["factorial"].with_cast(("body",), (9,), 5)
    assert [world.scenes(split) for split in ("train", "val", "test")] == [range(5)] * 3
    held_out = replace(world, split=SplitSpec(scenes=2))
    assert [held_out.scenes(split) for split in ("train", "val", "test")] == [range(3), range(3), range(3, 5)]
    held_out.with_cast(("body",), (9,), 3)
    with pytest.raises(SpecError) as error:
        held_out.with_cast(("body",), (9,), 2)
    assert str(error.value) == "split.scenes = 2: the art has 2 backgrounds, and train and val need one"


def test_the_small_world_is_the_paper_world_at_half_its_size():
    small, paper = PRESETS["small-world"], PRESETS["paper"]
    assert (small.height, small.width, small.cell) == (48, 64, 32)
    assert small.sprite_box == (32, 16) == tuple(side // 2 for side in paper.sprite_box)
    assert abs(small.sprite.step - paper.sprite.step / 2) <= 0.5 and abs(small.background.limit - paper.background.limit / 2) <= 0.5
    assert (small.background.step, small.background_size) == (1, (60, 76))


@pytest.mark.parametrize(("rule", "sprite_box", "background_box"), [("paper", (64, 32), (25, 25)), ("released", (63, 31), (24, 24))])
def test_boxes_are_inclusive_and_one_smaller_in_the_release(rule, sprite_box, background_box):
    world = WorldSpec(rule=rule)
    assert world.sprite_box == sprite_box
    assert world.background_box == background_box
    assert world.background_size == (96 + 25, 128 + 25)


@pytest.mark.parametrize("rule", ["paper", "released"])
def test_a_box_is_never_smaller_than_a_point(rule):
    world = WorldSpec(height=64, width=64, rule=rule, background=BackgroundSpec(limit=0))
    assert world.sprite_box == world.background_box == (0, 0)
    assert world.background_size == (64, 64)


def test_with_cast_changes_the_cast_only():
    world = replace(PRESETS["released"], frames=7).with_cast(("body", "hat"), (3, 1), 2)
    assert world == replace(PRESETS["released"], frames=7, cast=CastSpec(("body", "hat"), (3, 1), 2))
    assert (world.cast.characters, world.cast.parts, world.cast.part_counts) == (3, ("body",), (3,))


@pytest.mark.parametrize("spec", SPECS)
def test_specs_are_frozen_and_equal_ones_hash_alike(spec):
    one, other = spec(), spec()
    assert one == other
    assert hash(one) == hash(other)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, fields(spec)[0].name, None)


# Ranges and types, over every field there is.


@pytest.mark.parametrize(("spec", "f"), FIELDS)
def test_every_number_has_a_range_or_a_list_of_choices(spec, f):
    want = get_type_hints(spec)[f.name]
    if {want, *get_args(want)} & {int, float}:
        assert {"low", "high"} <= set(f.metadata) or f.metadata["choices"]


@pytest.mark.parametrize(("spec", "f"), NUMBERS)
def test_numbers_outside_the_range_are_named_with_it(spec, f):
    low, high = f.metadata["low"], f.metadata["high"]
    for number in outside(low, high):
        value = value_of(f, number)
        with pytest.raises(SpecError) as error:
            spec(**{f.name: value})
        assert str(error.value) == f"{f.name} = {shown(value)} is outside the range {low} to {high}"


@pytest.mark.parametrize(("spec", "f"), NUMBERS)
def test_the_ends_of_a_range_belong_to_it(spec, f):
    for number in (f.metadata["low"], f.metadata["high"]):
        value = value_of(f, number)
        try:
            assert getattr(spec(**{f.name: value}), f.name) == value
        except SpecError as error:  # it may contradict another field's default
            assert "outside the range" not in str(error)


@pytest.mark.parametrize(("spec", "f"), NUMBERS)
def test_integers_too_large_for_a_float_are_outside_the_range(spec, f):
    for number in (10**400, -(10**400)):
        with pytest.raises(SpecError, match=rf"^{f.name} = .* is outside the range"):
            spec(**{f.name: value_of(f, number)})


@pytest.mark.parametrize(("spec", "f"), FLOATS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_outside_every_range(spec, f, value):
    with pytest.raises(SpecError) as error:
        spec(**{f.name: value})
    assert str(error.value) == f"{f.name} = {value} is outside the range {f.metadata['low']} to {f.metadata['high']}"


@pytest.mark.parametrize(("spec", "f"), FIELDS)
def test_values_of_a_wrong_type_are_named_with_the_right_one(spec, f):
    want = get_type_hints(spec)[f.name]
    name = (*get_args(want), want)[0].__name__
    for value in WRONG.get(want, [None, 1, {}, WalkSpec]):
        with pytest.raises(SpecError) as error:
            spec(**{f.name: value})
        assert str(error.value).startswith(f"{f.name} = {shown(value)} must be ")
        assert str(error.value).endswith(f" {name}")


@pytest.mark.parametrize(("spec", "f"), FLOATS)
def test_a_whole_number_will_do_for_a_float(spec, f):
    try:
        assert getattr(spec(**{f.name: 1}), f.name) == 1.0
    except SpecError as error:  # a share of 1 leaves nothing to the others, and a policy is below 1
        assert "must add up to 1" in str(error) or f.metadata["high"] < 1


@pytest.mark.parametrize(("spec", "f"), CHOICES)
def test_choices_are_named_where_a_value_is_none_of_them(spec, f):
    for choice in f.metadata["choices"]:
        assert getattr(spec(**{f.name: choice}), f.name) == choice
    wrong = type(f.default)(5)
    with pytest.raises(SpecError) as error:
        spec(**{f.name: wrong})
    assert str(error.value) == f"{f.name} = {wrong!r} is not one of {', '.join(map(repr, f.metadata['choices']))}"


# Fields that contradict one another.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LocalSpec(bout_min=9, bout_max=8), "bout_min = 9 is above bout_max = 8"),
        (lambda: LocalSpec(bout_max=3), "bout_min = 4 is above bout_max = 3"),
        (lambda: SplitSpec(train=0.7), "train + val + test = 0.9; the shares must add up to 1"),
        (lambda: SplitSpec(1.0, 0.5, 0.5), "train + val + test = 2; the shares must add up to 1"),
        (lambda: SplitSpec(0.8, 0.1, 0.1001), "train + val + test = 1.0001; the shares must add up to 1"),
        (lambda: CastSpec(layers=(), counts=()), "layers = [] must name at least one layer and none twice"),
        *(
            (lambda name=name: CastSpec((name,), (2,)), f"layers = [{name!r}]: {name!r} cannot be the name of a folder")
            for name in ("", ".", "..", "a/b", "a\\b", "a\nb", " ")
        ),
        *((lambda name=name: WorldSpec(name=name), f"name = {name!r} must be 1 to 100 printable characters") for name in ("", " ", "a\nb")),
        (lambda: CastSpec(("a", "a"), (2, 3)), "layers = ['a', 'a'] must name at least one layer and none twice"),
        (lambda: CastSpec(("a", "b"), (2,)), "counts = [2] must have one number for each of the 2 layers"),
        (lambda: CastSpec(("a",), (2, 2)), "counts = [2, 2] must have one number for each of the 1 layers"),
        (lambda: CastSpec(("a", "b"), (2, 2), most=(1,)), "most = [1] must have one number for each of the 2 layers, or none"),
        (
            lambda: CastSpec(("a", "b"), (100_000, 101)),
            "counts = [100000, 101] make too many characters; at most 10,000,000 are possible",
        ),
        (
            lambda: WorldSpec(split=SplitSpec(holdout="hat")),
            "split.holdout = 'hat' is not a layer (body, bottomwear, topwear, hair, shoes)",
        ),
        (
            lambda: WorldSpec(split=SplitSpec(holdout="shoes")),
            "split.holdout = 'shoes' has only 1 parts, fewer than there are splits",
        ),
        (
            lambda: WorldSpec(split=SplitSpec(holdout="body"), cast=CastSpec(("body",), (2,))),
            "split.holdout = 'body' has only 2 parts, fewer than there are splits",
        ),
    ],
)
def test_contradictions_are_explained(make, message):
    with pytest.raises(SpecError) as error:
        make()
    assert str(error.value) == message


def test_limits_of_the_cross_checks_are_possible():
    LocalSpec(bout_min=8, bout_max=8)
    SplitSpec(0.7, 0.2, 0.1)  # 0.7 + 0.2 + 0.1 is not 1 in floating point
    CastSpec(("a", "b"), (100_000, 100))
    WorldSpec(split=SplitSpec(holdout="body"), cast=CastSpec(("body",), (3,)))
    WorldSpec(split=SplitSpec(0.5, 0.0, 0.5, holdout="body"), cast=CastSpec(("body",), (2,)))
    WorldSpec(split=SplitSpec(1, 0, 0, holdout="body"), cast=CastSpec(("body",), (1,)))


# JSON.

shares = st.lists(st.integers(0, 10), min_size=3, max_size=3).filter(any).map(lambda weights: [w / sum(weights) for w in weights])


@st.composite
def worlds(draw):
    names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="./\\"), min_size=1, max_size=5)
    layers = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    counts = draw(st.tuples(*[st.integers(1, 50)] * len(layers)))
    split = SplitSpec(*draw(shares), seed=draw(st.integers(0, 2**63 - 1)))
    held = [layer for layer, count in zip(layers, counts, strict=True) if layer and count >= 3]
    if held and draw(st.booleans()):
        split = replace(split, holdout=draw(st.sampled_from(held)))
    probability, step, bout = st.floats(0, 1) | st.integers(0, 1), st.integers(1, 1024), st.integers(1, 1000)
    bout_min, bout_max = sorted([draw(bout), draw(bout)])
    return WorldSpec(
        name=draw(names),
        height=draw(st.integers(64, 1024)),
        width=draw(st.integers(64, 1024)),
        frames=draw(st.integers(1, 10_000)),
        rule=draw(st.sampled_from(["paper", "released"])),
        facings=draw(st.sampled_from([3, 4])),
        sprite=WalkSpec(draw(probability), draw(step), draw(st.floats(0, 0.99))),
        background=BackgroundSpec(draw(probability), draw(step), draw(st.integers(0, 1024))),
        local=LocalSpec(draw(st.booleans()), bout_min, bout_max, draw(probability), draw(st.floats(0, 0.99))),
        split=replace(split, scenes=draw(st.integers(0, 9))),
        cast=CastSpec(tuple(layers), counts, draw(st.integers(1, 1_000_000)), draw(st.sampled_from([(), counts]))),
    )


@settings(max_examples=100)
@given(worlds())
def test_json_gives_back_the_world(world):
    again = WorldSpec.from_json(world.to_json())
    assert again == world
    assert hash(again) == hash(world)
    assert again.to_json() == world.to_json()


NOT_WORLDS = {
    "empty": "",
    "not JSON": "{",
    "TOML": "frames = 3",
    "list": "[]",
    "list of worlds": "[{}]",
    "number": "3",
    "string": '"paper"',
    "null": "null",
    "true": "true",
    "NaN": "NaN",
    "unknown key": '{"speed": 1}',
    "unknown nested key": '{"sprite": {"speed": 1}}',
    "number for a table": '{"sprite": 3}',
    "list for a table": '{"sprite": []}',
    "null for a table": '{"sprite": null}',
    "table for a number": '{"frames": {"a": 1}}',
    "list for a number": '{"frames": [90]}',
    "null for a number": '{"frames": null}',
    "tables in a list": '{"cast": {"layers": [{}, {}]}}',
    "nested NaN": '{"sprite": {"p_inertia": NaN}}',
    "infinite by overflow": '{"sprite": {"p_inertia": 1e999}}',
    "integer of 400 digits": '{"frames": 1' + "0" * 400 + "}",
    "integer of 5000 digits": '{"frames": 1' + "0" * 5000 + "}",
    "integer of 400 digits for a float": '{"sprite": {"p_inertia": 1' + "0" * 400 + "}}",
    "deep list": "[" * 100_000,
    "deep table": '{"sprite":' * 100_000,
    "5000 digits of characters": json.dumps({"cast": {"layers": [str(i) for i in range(1000)], "counts": [100_000] * 1000}}),
}


@pytest.mark.parametrize("text", NOT_WORLDS.values(), ids=NOT_WORLDS.keys())
def test_json_of_anything_but_a_world_is_a_spec_error(text):
    with pytest.raises(SpecError):
        WorldSpec.from_json(text)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_as_deep_as_the_parser_bears_is_a_spec_error(opening, closing):
    # Somewhere below the limit the text can still be parsed, but its values can no longer be written into a message.
    for depth in range(sys.getrecursionlimit() // 2, sys.getrecursionlimit() + 10):
        with pytest.raises(SpecError):
            WorldSpec.from_json('{"frames":' + opening * depth + "0" + closing * depth + "}")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([10**400, "paper", "body"])
json_values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3), max_leaves=5)
tables = st.fixed_dictionaries(
    {},
    optional={
        f.name: (
            json_values | st.fixed_dictionaries({}, optional={g.name: json_values for g in fields(f.default)})
            if is_dataclass(f.default)
            else json_values
        )
        for f in fields(WorldSpec)
    },
)


@settings(max_examples=300)
@given(tables)
def test_json_is_a_world_or_a_spec_error_and_nothing_else(table):
    try:
        world = WorldSpec.from_json(json.dumps(table))
    except SpecError as error:
        assert str(error)
    else:
        assert WorldSpec.from_json(world.to_json()) == world


def test_json_errors_name_the_field_with_its_table():
    with pytest.raises(SpecError, match=r"^background\.step = 0 is outside the range 1 to 1024$"):
        WorldSpec.from_json('{"background": {"step": 0}}')
    with pytest.raises(SpecError, match=r"^split\.train \+ val \+ test = 0\.3; the shares must add up to 1$"):
        WorldSpec.from_json('{"split": {"train": 0.1}}')


# TOML.


@pytest.fixture
def load(tmp_path):
    """Loads the world of a TOML file that has a given text."""

    def load(text, name="town.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_spec(str(path))

    return load


def refusal(load, text):
    """The message about a file, without the file's name, which it begins with."""
    with pytest.raises(UserError) as error:
        load(text)
    place, message = str(error.value).split("town.toml: ")
    assert place
    assert "\n" not in message
    return message


def test_toml_overrides_paper(load):
    assert load("") == replace(PRESETS["paper"], name="town")
    assert load("frames = 12") == replace(PRESETS["paper"], name="town", frames=12)


def test_toml_overrides_nested_keys_and_keeps_the_others(load):
    world = load('preset = "factorial"\nfacings = 4\nsprite.step = 3\n[background]\nlimit = 0\n[local]\np_inertia = 0.5\n')
    assert world == replace(
        PRESETS["factorial"],
        name="town",
        facings=4,
        sprite=WalkSpec(step=3),
        background=BackgroundSpec(limit=0),
        local=LocalSpec(coupled=False, p_inertia=0.5),
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_toml_names_its_preset(load, preset):
    assert load(f"preset = {preset!r}") == replace(PRESETS[preset], name="town")


def test_toml_name_defaults_to_the_stem(load):
    assert load("", "big.city.toml").name == "big.city"
    assert load('name = "village"', "city.toml").name == "village"


def test_toml_layers_have_six_sheets_until_the_art_says_how_many(load):
    assert load('[cast]\nlayers = ["body", "hat"]').cast == CastSpec(("body", "hat"), (6, 6), 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame = 3", "there is no field frame; the nearest is frames"),
        ("Facings = 4", "there is no field Facings; the nearest is facings"),
        ("sprite.p_inertai = 0.5", "there is no field sprite.p_inertai; the nearest is sprite.p_inertia"),
        ("[background]\nlimits = 3", "there is no field background.limits; the nearest is background.limit"),
        ("sprite.step = 0", "sprite.step = 0 is outside the range 1 to 1024"),
        ("local.p_inertia = nan", "local.p_inertia = nan is outside the range 0.0 to 1.0"),
        ("split.train = 0.5", "split.train + val + test = 0.7; the shares must add up to 1"),
        ("local.bout_max = 3", "local.bout_min = 4 is above bout_max = 3"),
        ('split.holdout = "hat"', "split.holdout = 'hat' is not a layer (body, bottomwear, topwear, hair, shoes)"),
        ("cast.counts = [6, 6]", "cast.counts is counted in the art, and cannot be set"),
        ("cast.layers = []", "cast.layers = [] must name at least one layer and none twice"),
        ('rule = "papers"', "rule = 'papers' is not one of 'paper', 'released'"),
        ("frames = true", "frames = True must be of type int"),
        ("frames = 1979-05-27", "frames = datetime.date(1979, 5, 27) must be of type int"),
        ("frames = [90]", "frames = [90] must be of type int"),
        ("frames = {a = 1}", "frames = {'a': 1} must be of type int"),
        ("cast.layers = 5", "cast.layers = 5 must be a list of str"),
        ('cast.layers = "body"', "cast.layers = 'body' must be a list of str"),
        ("cast.layers = [1]", "cast.layers = [1] must be a list of str"),
        ("sprite = 3", "sprite = 3 must be a table of fields"),
        ("cast = 3", "cast = 3 must be a table of fields"),
        ("[[sprite]]\nstep = 3", "sprite = [{'step': 3}] must be a table of fields"),
        ('preset = "big"', "preset = 'big' is not one of {PRESETS}"),
        ("preset = 3", "preset = 3 is not one of {PRESETS}"),
        ('preset = ["paper"]', "preset = ['paper'] is not one of {PRESETS}"),
        ("preset = {}", "preset = {} is not one of {PRESETS}"),
    ],
)
def test_toml_refusals_say_what_is_wrong_and_where(load, text, message):
    assert refusal(load, text) == message.replace("{PRESETS}", ", ".join(PRESETS))


@pytest.mark.parametrize(
    "text",
    ["frames", "frames = ", "frames = 1\nframes = 2", '{"frames": 3}', "[sprite", "a = " + "[" * 100_000, "frames = 1" + "0" * 5000],
    ids=["no value", "half a value", "a key twice", "JSON", "half a table", "too deep", "too long a number"],
)
def test_files_that_cannot_be_parsed_are_not_toml(load, text):
    assert refusal(load, text).startswith("not TOML: ")


def test_numbers_too_large_for_a_float_are_refused_in_toml(load):
    assert "is outside the range 1 to 10000" in refusal(load, "frames = 1" + "0" * 400)


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0", b"\x89HDF\r\n\x1a\n", bytes(range(256))])
def test_binary_files_are_not_text(load, content):
    assert refusal(load, content) == "not a text file; a world is a TOML file"


def test_what_is_neither_a_preset_nor_a_file_lists_the_presets(tmp_path):
    for missing in ("papers", str(tmp_path / "none.toml"), str(tmp_path)):
        with pytest.raises(UserError) as error:
            load_spec(missing)
        assert str(error.value).startswith(f"world: {missing!r} is neither a preset ({', '.join(PRESETS)}) nor a readable TOML file (")
