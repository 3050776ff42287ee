"""Episodes against a slow re-implementation of the law of actions, against generated scripts, and against labels worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from wsprites.errors import ArgumentError
from wsprites.world.act import pose
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.episode import (
    Episode,
    Start,
    advance,
    character_splits,
    check_actions,
    check_start,
    driven_clips,
    driven_sizes,
    replay,
    start_of,
    windows,
)
from wsprites.world.script import FRAME_LABELS, LABELS, casting, parts_of, script, scripts
from wsprites.world.spec import PRESETS, SPLITS, CastSpec, SplitSpec, WorldSpec

RNG = np.random.default_rng(0)
STEPS = {0: (-1, 0), 1: (1, 0), 2: (0, -1), 3: (0, 1), 4: (0, 0)}
"""left, right, up, down, stay."""


def chosen(spec: WorldSpec, steps: int) -> np.ndarray:
    local = RNG.choice(spec.local_actions, steps)
    return np.stack([RNG.integers(0, 5, steps), local, RNG.integers(0, 5, steps)], 1).astype(np.uint8)


def slow_replay(spec: WorldSpec, start: Start, actions: np.ndarray) -> dict[str, list]:
    """One character, one frame at a time, in plain numbers."""
    first = {name: getattr(start.script, name)[0].tolist() for name in FRAME_LABELS}
    frames, cursor = [first], {action: int(frame) for action, frame in enumerate(start.cursor)}
    for step, local, crop in actions.tolist():
        before, now = frames[-1], {"global_action": step, "local_action": local, "background_action": crop}
        for point, motion, action, length, box, sign in (
            ("position", "shift", step, spec.sprite.step, spec.sprite_box, 1),
            ("background_offset", "background_shift", crop, spec.background.step, spec.background_box, -1),
        ):
            now[point] = [min(max(at + length * way, 0), most) for at, way, most in zip(before[point], STEPS[action], box, strict=True)]
            now[motion] = [sign * (after - at) for at, after in zip(before[point], now[point], strict=True)]
        continues = local == before["local_action"] or (spec.local.coupled and local in (0, 1, 2, 9))
        now["animation_frame"] = cursor[local] if continues else 0
        cursor[local] = (now["animation_frame"] + 1) % 8
        frames.append(now)
    return {name: [frame[name] for frame in frames] for name in FRAME_LABELS}


@pytest.mark.parametrize("facings", [3, 4])
@pytest.mark.parametrize("preset", ["paper", "released", "factorial", "small-world"])
def test_a_replay_equals_the_slow_one(preset: str, facings: int):
    spec = replace(PRESETS[preset], facings=facings)
    for index in range(3):
        start, actions = start_of(spec, 5, index), chosen(spec, 120)
        result = replay(spec, Episode(start, actions))
        for name, expected in slow_replay(spec, start, actions).items():
            values = getattr(result, name)
            assert values.tolist() == expected and values.dtype == getattr(scripts(spec, 0, [0]), name).dtype, name
        assert int(result.character) == int(start.script.character) and int(result.index) == index


@pytest.mark.parametrize("preset", ["paper", "released", "factorial", "small-world"])
def test_the_actions_of_a_generated_clip_replay_to_it(preset: str):
    spec = PRESETS[preset]
    for index in range(5):
        clip = script(spec, 3, index)
        actions = np.stack([clip.global_action, clip.local_action, clip.background_action], 1)
        result = replay(spec, Episode(start_of(spec, 3, index), actions[1:]))
        assert all(np.array_equal(getattr(result, name), getattr(clip, name)) for name in LABELS)


def corner(spec: WorldSpec) -> Start:
    """The sprite one pixel from the left edge, the crop at the right edge of its box, in frame 6 of a slash."""
    free = start_of(spec, 0, 0)
    first = replace(
        free.script,
        global_action=np.array([4], np.uint8),
        background_action=np.array([4], np.uint8),
        local_action=np.array([LocalAction.slash_left], np.uint8),
        animation_frame=np.array([6], np.uint8),
        position=np.array([[1, 0]], np.int16),
        shift=np.zeros((1, 2), np.int16),
        background_offset=np.array([[25, 3]], np.int16),
        background_shift=np.zeros((1, 2), np.int16),
    )
    cursor = np.zeros(9, np.uint8)
    cursor[LocalAction.slash_left], cursor[LocalAction.walk_left] = 7, 5
    return Start(first, cursor)


def test_labels_worked_out_by_hand():
    """At the edges steps are short or zero, and the label is the action that was chosen."""
    spec = PRESETS["paper"]  # steps of 7, crop of 2, the walk resumes
    start = corner(spec)
    check_start(spec, start)
    left, right, up, down, stay = GlobalAction
    actions = [
        (left, LocalAction.slash_left, right),  # 1 pixel is left of 7; the crop is at its edge already
        (left, LocalAction.slash_left, left),  # at the edge: no motion, and the slash begins its cycle anew
        (down, LocalAction.walk_left, down),  # the walk resumes with its frame 5
        (right, LocalAction.slash_left, up),  # another animation begins with frame 0
        (stay, LocalAction.walk_left, stay),  # a walk on the spot is possible
    ]
    result = replay(spec, Episode(start, np.array(actions, np.uint8)))
    assert result.global_action.tolist() == [stay, left, left, down, right, stay]
    assert result.local_action.tolist() == [7, 7, 7, 1, 7, 1]
    assert result.animation_frame.tolist() == [6, 7, 0, 5, 0, 6]
    assert result.position.tolist() == [[1, 0], [0, 0], [0, 0], [0, 7], [7, 7], [7, 7]]
    assert result.shift.tolist() == [[0, 0], [-1, 0], [0, 0], [0, 7], [7, 0], [0, 0]]
    assert result.background_action.tolist() == [stay, right, left, down, up, stay]
    assert result.background_offset.tolist() == [[25, 3], [25, 3], [23, 3], [23, 5], [23, 3], [23, 3]]
    assert result.background_shift.tolist() == [[0, 0], [0, 0], [2, 0], [0, -2], [0, 2], [0, 0]]


def test_a_step_changes_neither_its_start_nor_the_actions():
    spec = PRESETS["paper"]
    start, actions = start_of(spec, 0, 1), chosen(spec, 20)
    kept = [getattr(start.script, name).copy() for name in LABELS], start.cursor.copy(), actions.copy()
    advance(spec, start, actions[0])
    replay(spec, Episode(start, actions))
    assert all(np.array_equal(getattr(start.script, name), copy) for name, copy in zip(LABELS, kept[0], strict=True))
    assert np.array_equal(start.cursor, kept[1]) and np.array_equal(actions, kept[2])


def test_a_start_is_the_state_of_a_script():
    spec = PRESETS["factorial"]
    whole = scripts(spec, 9, [4])
    start = start_of(spec, 9, 4)
    assert np.array_equal(start.cursor, pose(spec, whole, 0).cursor[0]) and start.seed == 9
    assert all(np.array_equal(getattr(start.script, name), getattr(whole[0].window(0, 1), name)) for name in LABELS)
    check_start(spec, start)


def changed(start: Start, **labels: object) -> Start:
    """A start with other labels, which begins like no clip."""
    return Start(replace(start.script, **{name: np.array(value) for name, value in labels.items()}), start.cursor)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"position": [[65, 0]]}, "position .* outside 0 to"),
        ({"position": [[-1, 0]]}, "position"),
        ({"background_offset": [[0, 26]]}, "background_offset"),
        ({"shift": [[8, 0]]}, "shift"),
        ({"background": 7}, "background 7 is outside 0 to 6"),
        ({"character": 1296}, "character"),
        ({"character": 3, "parts": [0, 0, 0, 0]}, "parts .* are not those of character 3"),
        ({"animation_frame": [8]}, "animation_frame"),
        ({"animation_frame": [1]}, "cursor"),
        ({"local_action": [9]}, "local_action 9 is none of this world's"),
        ({"global_action": [5]}, "global_action"),
        ({"position": [[1, 0], [1, 0]]}, "its arrays do not have the shapes"),
        ({"position": [[1.5, 0]]}, "its arrays do not have the shapes and types"),
    ],
)
def test_impossible_starts(labels: dict, words: str):
    start = corner(PRESETS["paper"])
    with pytest.raises(ArgumentError, match=f"^start: {words}"):
        check_start(PRESETS["paper"], changed(start, **labels))


def test_a_start_of_a_seed_is_that_of_the_clip():
    spec = PRESETS["paper"]
    start = start_of(spec, 0, 7)
    check_start(spec, start)
    for wrong in (replace(start, seed=1), Start(replace(start.script, index=np.array(8)), start.cursor, 0), replace(corner(spec), seed=0)):
        with pytest.raises(ArgumentError, match="it is not the first frame of clip"):
            check_start(spec, wrong)


def test_a_held_out_scene_is_not_shown_with_other_characters():
    cast = CastSpec(backgrounds=13)
    spec = replace(PRESETS["paper"], cast=cast, split=SplitSpec(scenes=6))
    index = int(np.flatnonzero(casting(spec, 0).split == SPLITS.index("train"))[0])
    start = start_of(spec, 0, index)
    check_start(spec, start)
    with pytest.raises(ArgumentError, match="background 12 is never shown with characters of train"):
        check_start(spec, changed(start, background=12))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("action", "words"),
    [
        ((5, 0, 0), "^global_action: 5 .step 2. is outside the range 0 to 4"),
        ((0, 0, 7), "^background_action: 7 .step 2."),
        ((0, 3, 0), r"^local_action: spellcast_front \(3\) .step 2.: this world has none such; its local actions are 0 walk_front"),
        ((0, 77, 0), "^local_action: 77 .step 2."),
    ],
)
def test_actions_that_a_world_lacks(action: tuple, words: str):
    spec = replace(PRESETS["paper"], animations=("walk", "slash"))
    check_actions(spec, np.array([(0, 0, 0), (4, 8, 4)], np.uint8))
    with pytest.raises(ArgumentError, match=words):
        check_actions(spec, np.array([(0, 0, 0), action], np.uint8))


@pytest.mark.bad_input
@pytest.mark.parametrize("actions", [np.zeros((3, 2), np.uint8), np.zeros(3, np.uint8), np.zeros((3, 3))])
def test_actions_of_other_shapes(actions: np.ndarray):
    with pytest.raises(ArgumentError, match=r"^actions_t3: .* is not \(T, 3\) whole numbers"):
        check_actions(PRESETS["paper"], actions)


def test_clips_are_cut_one_after_the_other():
    assert windows([25, 9, 10, 0, 1], 10) == [(0, 0), (0, 10), (2, 0)]
    assert windows([3, 1], 1) == [(0, 0), (0, 1), (0, 2), (1, 0)] and windows([], 5) == [] == windows([4], 5)


def test_clips_belong_to_the_splits_of_their_characters():
    spec = replace(PRESETS["paper"], frames=10)
    episodes = [Episode(start_of(spec, 0, index), chosen(spec, steps)) for index, steps in enumerate([24, 8, 9, 39] * 6)]
    clips = list(driven_clips(spec, episodes))
    scripts_e = {number: replay(spec, episode) for number, episode in enumerate(episodes)}
    # Every clip, by its index, is the window that `windows` says, and no split has the character of another.
    seen: dict[str, set] = {name: set() for name in SPLITS}
    rows = dict.fromkeys(SPLITS, 0)
    cut, indices = windows([episode.frames for episode in episodes], 10), []
    for split, row, script_n in clips:
        assert row == rows[split]
        rows[split] += len(script_n.index)
        for n, index in enumerate(script_n.index.tolist()):
            episode, first = cut[index]
            window = scripts_e[episode].window(first, first + 10)
            assert all(np.array_equal(getattr(script_n[n], name), getattr(window, name)) for name in LABELS if name != "index")
            seen[split].add(int(script_n.character[n]))
            indices.append(index)
    assert indices == list(range(len(cut))) and rows == driven_sizes(spec, episodes) and len(cut) == 6 * (2 + 0 + 1 + 4)
    order = casting(spec, 0)
    for number, name in enumerate(SPLITS):
        assert seen[name] <= set(order.character[order.split == number].tolist())
    assert sum(map(bool, seen.values())) >= 2


def test_splits_by_character():
    spec = PRESETS["paper"]
    split_c, order = character_splits(spec), casting(spec, 17)
    assert np.array_equal(split_c[order.character], order.split)
    assert parts_of(spec, np.array([0])).shape == (1, 4)
