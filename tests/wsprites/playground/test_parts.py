"""The parts of the playground without a network: what keys mean, messages, what waits to be sent, comparisons, meanings, uploads."""

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from play_models import Brighter, Reads, Rollouts

from wsprites.art import World
from wsprites.bench.protocol import ProtocolError
from wsprites.bench.reader import Reader
from wsprites.errors import ArgumentError, UserError
from wsprites.playground import messages, saving
from wsprites.playground.episode import Choice, Episode, Held, Moment, View, chosen, other_character
from wsprites.playground.lane import Lane, Order, compared
from wsprites.playground.meanings import collect, loops
from wsprites.playground.messages import MessageError, read_binary, read_text
from wsprites.playground.models import Player, Takes, load_players
from wsprites.playground.outbox import TEXTS, WINDOW, Outbox, OutboxFullError
from wsprites.playground.saving import Steps, save
from wsprites.playground.shared import Playground
from wsprites.playground.uploads import fitted
from wsprites.recording import Recording
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.script import casting, script
from wsprites.world.spec import PRESETS, WorldSpec

G, L = GlobalAction, LocalAction
PAPER, FACTORIAL = PRESETS["paper"], PRESETS["factorial"]
FOUR = replace(PAPER, facings=4)
SIZE = (96, 128)


def moment(local: LocalAction, world: World) -> Moment:
    """A moment whose character shows an action."""
    episode = Episode(world, 0, 3)
    return episode.act(Choice(G.stay, local, G.stay))


@pytest.mark.parametrize(
    ("spec", "held", "expected"),
    [
        (PAPER, Held(), None),
        (PAPER, Held(facing=G.left), None),
        (PAPER, Held(walk=G.left), (G.left, L.walk_left, G.stay)),
        (PAPER, Held(walk=G.up), (G.up, L.walk_front, G.stay)),
        (FOUR, Held(walk=G.up), (G.up, L.walk_back, G.stay)),
        (PAPER, Held(animation="slash"), (G.stay, L.slash_right, G.stay)),  # in the direction that is seen
        (PAPER, Held(animation="slash", walk=G.left), (G.stay, L.slash_left, G.stay)),  # a coupled character turns, and stays
        (FACTORIAL, Held(animation="slash", walk=G.left), (G.left, L.slash_left, G.stay)),
        (FACTORIAL, Held(animation="spellcast", walk=G.left, facing=G.down), (G.left, L.spellcast_front, G.stay)),
        (FOUR, Held(animation="spellcast", facing=G.up), (G.stay, L.spellcast_back, G.stay)),
        (PAPER, Held(scene=G.left), (G.stay, L.walk_right, G.right)),  # the crop moves against the scene
        (PAPER, Held(walk=G.down, scene=G.up), (G.down, L.walk_front, G.down)),
        (replace(FACTORIAL, animations=("slash",)), Held(animation="spellcast"), None),
        (replace(FACTORIAL, animations=("slash",)), Held(walk=G.left), (G.left, L.walk_right, G.stay)),
    ],
)
def test_what_keys_mean(play_world: World, spec: WorldSpec, held: Held, expected: tuple[int, int, int] | None):
    assert chosen(spec, moment(L.walk_right, play_world), held) == expected


def test_the_actions_of_a_clip_lead_through_the_clip(play_world: World):
    expected, episode = script(play_world.spec, 5, 8), Episode(play_world, 5, 8)
    for t in range(1, play_world.spec.frames):
        now = episode.act(episode.scripted())
        labels = now.state.script
        assert now.position == expected.position[t].tolist() and labels.animation_frame[0] == expected.animation_frame[t]
        assert labels.background_offset[0].tolist() == expected.background_offset[t].tolist()
    assert episode.scripted() == (expected.global_action[1], expected.local_action[1], expected.background_action[1])  # it begins anew


def test_the_other_character_is_of_the_same_split():
    cast = casting(PAPER, 0)
    split = dict(zip(cast.character.tolist(), cast.split.tolist(), strict=True))
    for character in cast.character[:40].tolist():
        other = other_character(PAPER, character)
        assert other != character and split[other] == split[character]


# Messages.


def test_messages_are_read():
    text = json.dumps({"type": "input", "id": 4, "walk": "left", "animation": None, "facing": "up", "scene": None})
    message = read_text(text)
    assert isinstance(message, messages.Input) and message.held == Held(G.left, None, G.up, None)
    assert read_text('{"type": "vary", "model": 0, "vector": [1, -2.5]}') == messages.Vary(0, (1, -2.5))
    assert read_text('{"type": "clip", "clip": null}') == messages.NewClip(None)
    header = b'{"type": "picture", "name": "a.png"}'
    assert read_binary(len(header).to_bytes(4, "little") + header + b"PNG") == messages.Picture("a.png", b"PNG")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("[" * 2000, "not JSON"),
        ("[]", "there is no message"),
        ("{}", "there is no message None"),
        ('{"type": ["act"]}', "there is no message"),
        ('{"type": "picture"}', "there is no message 'picture'"),
        ('{"type": "act", "global_action": 1}', "act lacks one of local_action, background_action"),
        ('{"type": "act", "global_action": true, "local_action": 0, "background_action": 0}', "act: global_action = True is not possible"),
        ('{"type": "act", "global_action": 1.5, "local_action": 0, "background_action": 0}', "global_action = 1.5 is not possible"),
        ('{"type": "clip", "clip": -1}', "clip: clip = -1 is not possible"),
        ('{"type": "clip", "clip": 9007199254740992}', "is not possible"),
        ('{"type": "clip", "path": "/etc/passwd"}', "clip has no field 'path'"),
        ('{"type": "input", "id": 1, "walk": "stay"}', "input: walk = 'stay' is not possible"),
        ('{"type": "input", "id": 1, "walk": {}}', "is not possible"),
        ('{"type": "view", "view": "x"}', "view: view = 'x' is not possible"),
        ('{"type": "pace", "pace": 10.0}', "pace: pace = 10.0 is not possible"),
        ('{"type": "pace", "pace": 1000}', "pace = 1000 is not possible"),
        ('{"type": "vary", "model": 0, "vector": [NaN]}', "is not possible"),
        ('{"type": "vary", "model": 0, "vector": [1e400]}', "is not possible"),
        ('{"type": "vary", "model": 0, "vector": 3}', "is not possible"),
        ('{"type": "autoplay", "on": 1}', "autoplay: on = 1 is not possible"),
        ('{"type": "save", "format": "../h5"}', "save: format = '../h5' is not possible"),
        ('{"type": "clip"' + " " * 5000 + "}", "a message of 5,016 characters; at most 4,096 are read"),
    ],
)
def test_what_is_no_message(text: str, problem: str):
    with pytest.raises(MessageError, match=problem.replace("[", r"\[").replace(".", r"\.")):
        read_text(text)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xff\xff\xff{}",
        (2).to_bytes(4, "little") + b"\xff\xff",
        (16).to_bytes(4, "little") + b'{"type": "clip"}',
        (35).to_bytes(4, "little") + b'{"type": "picture", "content": "x"}',
        (36).to_bytes(4, "little") + b'{"type": "picture", "name": "a\\u0000"}',
    ],
)
def test_what_is_no_binary_message(content: bytes):
    with pytest.raises(MessageError):
        read_binary(content)


# What waits to be sent.


def header_of(message: str | bytes) -> dict[str, object]:
    assert isinstance(message, bytes)
    header: dict[str, object] = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
    return header


def test_frames_replace_each_other_and_rows_do_not():
    async def run() -> None:
        outbox = Outbox()
        for number in range(WINDOW):
            outbox.put_frame(0, {"rows": [[number]]}, b"")
            assert header_of(await outbox.take()) == {"rows": [[number]], "frame": number + 1, "dropped": 0}
        for number in range(4):
            outbox.put_frame(number % 2, {"rows": [[number]]}, b"")
        waiting = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        assert not waiting.done()  # as many as may be on their way
        outbox.put({"type": "text"})
        assert await waiting == '{"type":"text"}'  # texts are not held up
        outbox.drawn(1)
        assert header_of(await outbox.take()) == {"rows": [[0], [2]], "frame": WINDOW + 1, "dropped": 2}
        outbox.drawn(10**9)  # no more than were sent
        assert header_of(await outbox.take()) == {"rows": [[1], [3]], "frame": WINDOW + 2, "dropped": 2}
        outbox.put_frame(0, {"rows": []}, b"")
        outbox.clear_frames()
        outbox.put({})
        assert await outbox.take() == "{}"

    asyncio.run(run())


def test_texts_do_not_pile_up():
    outbox = Outbox()
    for _ in range(TEXTS):
        outbox.put({})
    with pytest.raises(OutboxFullError):
        outbox.put({})


def test_files_that_wait_are_counted():
    async def run() -> None:
        outbox = Outbox()
        outbox.put({})
        outbox.put_file({}, b"GIF")
        assert outbox.files == 1
        await outbox.take()
        await outbox.take()
        assert outbox.files == 0

    asyncio.run(run())


# Files.


def steered(world: World, clip: int, steps: int) -> Episode:
    episode = Episode(world, 0, clip)
    for _ in range(steps):
        episode.act(Choice(G.stay, L.slash_left, G.stay))
    return episode


def test_what_is_saved_does_not_change_while_it_waits(play_world: World):
    episode = steered(play_world, 3, 2)
    taken = Steps.of(episode)
    episode.act(Choice(G.stay, L.slash_left, G.stay))
    episode.show("character")
    assert taken.frames == taken.done.frames == 3 and taken.view == "true" and taken.character != episode.character
    with Image.open(io.BytesIO(save(play_world, 0, [taken], "gif", pace=10, scripted=False).content)) as gif:
        assert len(list(ImageSequence.Iterator(gif))) == 3


def test_the_latest_episodes_that_fit_are_saved(play_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(saving, "MAX_FRAMES", 8)
    episodes = [Steps.of(steered(play_world, clip, steps)) for clip, steps in ((3, 2), (4, 0), (5, 4), (6, 2), (7, 0))]

    def saved(count: int) -> tuple[list[int], tuple[str, ...]]:
        file = save(play_world, 0, episodes[-count:], "h5", pace=10, scripted=False)
        (tmp_path / file.name).write_bytes(file.content)
        return [episode.frames for episode in Recording.read(tmp_path / file.name).episodes], file.notes

    lengths, notes = saved(5)
    assert lengths == [5, 3] and notes[0] == "without the oldest 3 frames, since a file has at most 8"
    lengths, notes = saved(3)  # as many as fit; the last one, without steps, does not count
    assert lengths == [5, 3] and not any("oldest" in note for note in notes)
    with pytest.raises(UserError, match="no steps yet"):
        saved(1)


# Models.


def test_comparison_with_the_truth(play_world: World):
    """The truth itself, the truth moved by 3 px, the truth at the next frame of the animation, and no character."""
    episode = Episode(play_world, 0, 3)
    now = episode.act(Choice(G.stay, L.slash_left, G.stay))
    frame = episode.look().frames_thwc

    def reader() -> Reader:
        return Reader(play_world.art, episode.character, 3)

    order = Order(now, {}, frame, SIZE, reader)
    error, action, right, fit, psnr = compared(frame, order)
    assert (round(error, 1), action, right, round(fit, 2), psnr) == (0, L.slash_left, 1, 1.0, 99.0)
    x = 1 if now.position[0] < 32 else -1
    moved = np.roll(frame, 3 * x, 1)
    error, action, right, _, psnr = compared(moved, order)
    mse = ((moved.astype(float) - frame) ** 2).mean()
    assert error == pytest.approx(3, abs=0.2) and right == 1 and psnr == pytest.approx(10 * np.log10(255**2 / mse), abs=0.06)
    episode.act(Choice(G.stay, L.walk_front, G.stay))
    assert compared(episode.look().frames_thwc, order)[1:3] == [L.walk_front, 0]
    assert compared(np.zeros_like(frame), order)[:3] == [None, -1, 0]
    assert compared(frame, replace(order, truth_hwc=None)) == [None, -1, 0, None, None]


@pytest.mark.parametrize(("view", "moves"), [("true", True), ("character", True), ("still", False), ("blank", False)])
@pytest.mark.parametrize("picture", [False, True])
def test_the_scene_of_a_twin_stands_still_for_models_too(play_world: World, view: View, moves: bool, picture: bool):
    class Scene(Brighter):
        controls = Takes(background_shift=True)

    async def run() -> None:
        told = Lane(Player("a", Scene(), SIZE), lambda *_: None, lambda _: None)
        episode = Episode(play_world, 0, 3)
        episode.show(view)
        told.begin(episode, np.zeros((*SIZE, 3), np.uint8) if picture else None)
        episode.act(Choice(G.stay, L.walk_left, G.right))
        told.follow(episode, None)
        parts = told._orders[-1].parts
        assert parts is not None and parts["background_shift"].tolist() == [[-2 if moves else 0, 0]]

    asyncio.run(run())


def test_a_chosen_code_is_not_contradicted_by_the_mask_of_the_world(play_world: World):
    class Masks(Brighter):
        controls = Takes(codes=3, vectors=2, masks=True)

    async def run() -> None:
        told = Lane(Player("a", Masks(), SIZE), lambda *_: None, lambda _: None)
        episode = Episode(play_world, 0, 3)
        told.begin(episode)
        for code, vector, names in (
            (None, None, {"codes", "masks"}),
            (2, None, {"codes"}),
            (None, (0.5, 0.0), {"codes", "vectors"}),
        ):
            told.code, told.vector = code, vector
            episode.act(Choice(G.right, L.walk_right, G.stay))
            told.follow(episode, None)
            parts = told._orders[-1].parts
            assert parts is not None and parts.keys() == names
            if "masks" in names:
                assert np.array_equal(parts["masks"][0], episode.look().masks_thw)

    asyncio.run(run())


def test_meanings_of_codes_and_vectors():
    """Two clips with known codes and vectors; the code of an action is that which occurred with it most often."""
    player = Player("model", Brighter(), SIZE)
    actions = np.array([(G.left, L.walk_left), (G.left, L.walk_left), (G.stay, L.slash_front), (G.stay, L.slash_front)])
    read = [(np.array([0, 1, 2, 2]), np.zeros((4, 0)), actions), (np.array([0, 0, 0, 2]), np.zeros((4, 0)), actions)]
    meanings = collect(player, PAPER, read)
    assert meanings.matches() == [
        {"action": "walk_left", "share": 0.75, "of": 4},
        {"action": "walk_left", "share": 1.0, "of": 1},
        {"action": "slash_front", "share": 1.0, "of": 3},
    ]

    def code(g: GlobalAction, local: LocalAction, model: object = meanings) -> object:
        return model.parts(type("Moment", (), {"choice": Choice(g, local, G.stay)}))

    assert code(G.left, L.walk_left) == {"codes": 0} and code(G.stay, L.slash_front) == {"codes": 2}
    assert code(G.left, L.slash_front) == {"codes": 2}  # never seen together: the animation decides
    assert code(G.up, L.spellcast_left) == {"codes": 0}  # never seen at all: the most frequent one

    vectors = Player("model", Rollouts(), SIZE)
    of_vectors = collect(vectors, PAPER, [(np.zeros(0, int), np.array([[1.0], [3.0], [10.0], [20.0]]), actions)])
    assert of_vectors.matches() == [] and np.allclose(of_vectors.ranges(), [[1.12, 19.4]])
    for local, expected in ((L.walk_left, 2), (L.slash_front, 15), (L.slash_left, 8.5)):
        parts = code(G.stay, local, of_vectors)
        assert isinstance(parts, dict) and parts["vectors"].tolist() == [[expected]]


def test_a_model_with_many_codes_is_not_asked_for_all_of_them_at_once():
    """A batch of 65,536 videos would not fit into memory, and a page has no buttons for them."""

    class Many(Brighter):
        controls = Takes(codes=65_536)

        def start(self, frame_bchw: np.ndarray) -> np.ndarray:
            raise AssertionError(f"{len(frame_bchw)} videos")

    assert loops(Player("a", Many(), SIZE), np.zeros((*SIZE, 3), np.uint8)) == []
    assert len(loops(Player("a", Brighter(), SIZE), np.zeros((*SIZE, 3), np.uint8))) == 3


def test_the_first_numbers_of_a_vector_may_be_given():
    """A page has eight sliders, and a text of 4,096 characters has no room for all numbers of a long vector."""

    class Long(Brighter):
        controls = Takes(vectors=1536)

    lane = Lane(Player("a", Long(), SIZE), lambda *_: None, lambda _: None)
    lane.choose(messages.Vary(0, (0.5, -1.0)))
    assert lane.vector is not None and len(lane.vector) == 1536 and lane.vector[:2] == (0.5, -1.0) and not any(lane.vector[2:])
    lane.choose(messages.Vary(0))
    assert lane.vector is None
    with pytest.raises(MessageError, match="vary: this model takes vectors of size 1536"):
        lane.choose(messages.Vary(0, ()))
    with pytest.raises(MessageError, match="vary: this model takes vectors of size 0"):
        Lane(Player("a", Brighter(), SIZE), lambda *_: None, lambda _: None).choose(messages.Vary(0, (1.0,)))


def test_what_models_take():
    assert Player("a", Brighter(), SIZE).takes == Takes(codes=3, shift=True)
    assert Player("a", Rollouts(), SIZE).takes == Takes(vectors=1)
    assert Player("a", Reads(), SIZE).takes.nothing
    with pytest.raises(ArgumentError, match="given twice"):
        load_players(("play_models:Reads", "play_models:Reads"), SIZE)
    assert [player.name for player in load_players(("play_models:Reads",), SIZE)] == ["play_models:Reads"]


def test_a_rollout_without_codes_and_vectors_only_reads():
    class OnlyShift(Rollouts):
        def infer(self, frames_btchw):
            return {"shift": np.zeros((len(frames_btchw), frames_btchw.shape[1] - 1, 2))}

    assert Player("a", OnlyShift(), SIZE).takes.nothing


def test_a_step_of_another_shape_is_refused():
    class Flat(Brighter):
        def step(self, state, parts):
            return state[:, :1].astype(np.uint8), state

    player = Player("a", Flat(), SIZE)
    frame = np.zeros((1, *SIZE, 3), np.uint8)
    with pytest.raises(ProtocolError, match=r"step returned uint8 \(1, 1, 96, 128\); expected uint8 \(1, 3, 96, 128\)"):
        player.step(player.start(frame), {"codes": np.zeros(1, int), "shift": np.zeros((1, 2))}, frame.shape)


def test_clips_are_of_the_split(play_world: World):
    spec = replace(play_world.spec, split=replace(PAPER.split, train=0.5, val=0.0, test=0.5))
    with pytest.raises(ArgumentError, match="split: this world has no characters in val"):
        Playground(World(spec, play_world.art), [], split="val")
    shared, cast = Playground(play_world, [], split="test"), casting(play_world.spec, 0)
    tested = set(cast.character[cast.split == 2].tolist())
    assert {shared.episode(None).character for _ in range(20)} <= tested


@pytest.mark.parametrize(("size", "expected"), [((96, 128), (0, 0)), ((192, 256), (0, 0)), ((96, 200), (36, 0)), ((300, 128), (0, 102))])
def test_the_middle_of_a_picture_is_kept(size: tuple[int, int], expected: tuple[int, int]):
    y, x = np.mgrid[: size[0], : size[1]]
    picture = np.stack([x % 256, y % 256, x // 256 + 2 * (y // 256)], -1).astype(np.uint8)
    result = fitted(picture, SIZE)
    assert result.shape == (96, 128, 3)
    scale = min(size[0] / 96, size[1] / 128)
    first = result[0, 0].astype(int)
    assert abs(first[0] - expected[0] - (scale - 1) / 2) <= 1 and abs(first[1] - expected[1] - (scale - 1) / 2) <= 1
