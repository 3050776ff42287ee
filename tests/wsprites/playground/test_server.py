"""The server over real connections: frames and labels, models beside the world, slow pages, uploads, and who may connect."""

import base64
import http.client
import io
import json
import re
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from typing import Any, NamedTuple

import h5py
import numpy as np
import play_models
import pytest
from PIL import Image, ImageSequence
from play_page import PATIENCE, Page, Running, running
from websockets.exceptions import ConnectionClosed, InvalidStatus

import wsprites
from wsprites.art import World
from wsprites.env import WalkEnv
from wsprites.playground import lane, session
from wsprites.playground.episode import Choice, Episode
from wsprites.playground.lane import QUEUE, Lane
from wsprites.playground.models import Player
from wsprites.playground.outbox import WINDOW, Outbox
from wsprites.render import render
from wsprites.view.picture import data_uri, encode_webp
from wsprites.world.script import script


def closed(page: Page) -> ConnectionClosed:
    """How the server ends a connection."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            page.receive()
    return caught.value


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(frames: list[np.ndarray], kind: str) -> bytes:
    file = io.BytesIO()
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(file, kind, **({"save_all": True, "append_images": images[1:], "duration": 100} if len(frames) > 1 else {}))
    return file.getvalue()


# The world.


def test_a_page_is_told_what_there_is(server: Running):
    with server.page() as page:
        hello = page.text("hello")
        assert hello["version"] == 1 and hello["world"]["coupled"] and hello["world"]["facings"] == 3
        takes = {model["name"]: (model["codes"], model["vectors"], model["shift"], model["sliders"]) for model in hello["models"]}
        assert takes == {"brighter": (3, 0, True, 0), "raises": (3, 0, True, 0), "rollouts": (0, 1, False, 1), "reads": (0, 0, False, 0)}
        assert page.text("clip")["clip"] == 3


def test_frames_and_labels_are_those_of_the_environment(server: Running, play_world: World):
    """Every step against WalkEnv, which has a stage of its own, with a scene that stands still."""
    env = WalkEnv(world=play_world, background="frozen")
    expected, _ = env.reset(options={"clip": 3})
    actions = [(1, 2), (1, 2), (2, 0), (4, 7), (4, 7), (4, 3), (0, 1), (3, 0), (3, 0), (1, 2)]
    with server.page() as page:
        assert np.array_equal(page.frame(0, 0), expected)
        for step, action in enumerate(actions, 1):
            page.act(*action)
            expected, _, _, _, info = env.step(np.array(action))
            assert np.array_equal(page.frame(0, step), expected)
            row = page.rows(0)[-1]
            assert row == [step, *action, 4, info["animation_frame"], *info["position"], *info["shift"], 0, 0]


def test_the_scene_moves_against_the_crop_and_ends_at_the_edge(server: Running, play_world: World):
    offset = script(play_world.spec, 0, 3).background_offset[0]
    room = play_world.spec.background.limit - int(offset[0])
    with server.page() as page:
        for _ in range(room // 2 + 2):
            page.act(4, 0, 1)
        page.frame(0, room // 2 + 2)
        moved = [row[9:] for row in page.rows(0)[1:]]
    assert moved == [[-2, 0]] * (room // 2) + [[-(room % 2), 0]] + [[0, 0]]


def test_the_clip_plays_itself(server: Running, play_world: World):
    clip = script(play_world.spec, 0, 3)
    frames = render(play_world, clip).frames_thwc
    with server.page() as page:
        page.send("pace", pace=30)
        page.send("autoplay", on=True)
        assert np.array_equal(page.frame(0, 12), frames[12])
        page.send("autoplay", on=False)
        for row in page.rows(0)[:12]:
            t = row[0]
            assert row[1:4] == [clip.global_action[t], clip.local_action[t], clip.background_action[t]]


def test_a_tap_is_at_least_one_step_and_names_its_input(server: Running):
    with server.page() as page:
        page.send("input", id=1, walk="right")
        page.send("input", id=2)
        page.frame(0, 1)
        assert page.rows(0)[1][1:3] == [1, 2]
        page.act(4, 0)
        last = max(row[0] for row in page.rows(0))
        page.frame(0, last + 1)
        assert page.frames[-1][0]["input"] == 2 or any(header["input"] == 2 for header, _ in page.frames)


def test_twins_show_another_world_that_moves_alike(server: Running, play_world: World):
    clip = script(play_world.spec, 0, 3)
    blank = render(play_world, clip, background="blank").frames_thwc[0]
    with server.page() as page:
        page.frame(0, 0)
        for view, same in (("blank", True), ("character", False), ("true", False)):
            page.frames.clear()
            page.send("view", view=view)
            assert np.array_equal(page.frame(0, 0), blank) == same
        assert np.array_equal(page.frame(0, 0), render(play_world, clip).frames_thwc[0])
        page.send("view", view="still")
        before = page.frame(0, 0)
        page.act(4, int(clip.local_action[0]), 1)  # the scene would move
        after = page.frame(0, 1)
        mask = render(play_world, clip.window(0, 1)).masks_thw[0]
        far = np.ones_like(mask)
        far[np.ix_(mask.any(1), mask.any(0))] = False
        far[:, max(clip.position[0, 0] - 8, 0) : clip.position[0, 0] + 72] = False
        assert np.array_equal(before[far], after[far])


def test_actions_that_the_world_lacks_are_answered_by_a_line(server: Running):
    with server.page() as page:
        page.act(1, 11)
        assert "local_action: slash_back (11)" in page.text("problem")["line"]
        page.act(1, 2)
        assert page.frame(0, 1).shape == (96, 128, 3)


# Slow pages.


def test_a_stalled_page_gets_a_few_frames_and_all_labels(server: Running):
    with server.page(acknowledges=False) as page:
        for _ in range(40):
            page.act(4, 3)
        page.send("infer")  # its answer comes after all of these steps
        page.text("video")
        while len(page.frames) < WINDOW:
            page.receive()
        page.send("save", format="h5")  # answered by a file; no frame comes before it
        while not page.files:
            page.receive()
        assert len(page.frames) == WINDOW
        page.acknowledges = True
        page.send("shown", frame=WINDOW)
        page.frame(0, 40)
        assert [row[0] for row in page.rows(0)] == list(range(41))
        assert page.frames[-1][0]["dropped"] > 20


def test_fifty_pages_each_with_a_clip_of_its_own(play_world: World):
    with running(play_world, {}) as server:
        open_pages = [server.page(clip=clip) for clip in range(50)]
        pages = [each.__enter__() for each in open_pages]
        for page in pages:
            page.act(1, 2)
        for clip, page in enumerate(pages):
            page.frame(0, 1)
            x, _ = script(play_world.spec, 0, clip).position[0].tolist()
            assert page.rows(0)[1][5] == min(x + 7, 64)
        for each in open_pages:
            each.__exit__(None, None, None)


def test_too_many_pages(play_world: World):
    with running(play_world, {}, most_sessions=1) as server, server.page() as first:
        first.frame(0, 0)
        with server.page(greets=False) as second:
            assert closed(second).rcvd.code == 4429
        first.act(4, 3)
        first.frame(0, 1)


def test_a_silent_page_is_disconnected(play_world: World):
    with running(play_world, {}, idle=0.1) as server, server.page(acknowledges=False) as page:
        assert closed(page).rcvd.code == 4410


# Models.


def test_a_model_gets_the_steps_of_the_world(server: Running):
    with server.page() as page:
        page.text("model", lambda message: message["model"] == 0 and message["ready"])
        first = page.frame(1, 0).astype(int)
        page.send("code", model=0, code=1)
        page.act(1, 2)
        page.act(4, 3)
        added = sum(10 + row[7] + row[8] for row in _rows_to(page, 0, 2)[1:])
        assert np.array_equal(page.frame(1, 2), (first + added).clip(0, 255))
        assert [row[6] for row in page.rows(1)] == [-1, 1, 1]


def _rows_to(page: Page, source: int, step: int) -> list[list[int]]:
    page.frame(source, step)
    return page.rows(source)


def test_a_vector_of_a_slider_and_the_mean_of_the_true_action(server: Running):
    with server.page() as page:
        page.text("model", lambda message: message["model"] == 2 and message["ready"])
        first = page.frame(3, 0).astype(int)
        page.send("vary", model=2, vector=[5])
        page.act(4, 3)
        assert np.array_equal(page.frame(3, 1), (first + 5).clip(0, 255))
        page.send("vary", model=2, vector=None)
        page.act(4, 3)
        meanings = server.shared.known[2].meanings
        assert meanings is not None
        vector = float(meanings.vector_gld[4, 3, 0])
        assert np.array_equal(page.frame(3, 2), (page.frame(3, 1) + np.float32(vector)).clip(0, 255).astype(np.uint8))


def test_a_model_that_raises_shows_its_line_and_the_world_goes_on(server: Running):
    with server.page() as page:
        page.frame(2, 0)
        page.send("code", model=1, code=2)
        page.act(4, 3)
        problem = page.text("problem")
        assert problem["model"] == 1 and "RuntimeError: no such thought" in problem["line"] and "play_models.py, line" in problem["line"]
        page.send("code", model=1, code=0)
        for step in (2, 3):
            page.act(4, 3)
            page.frame(0, step)
            page.frame(1, step)
        page.frames.clear()
        page.send("restart")
        page.act(4, 3)
        page.frame(2, 4)
        assert [row[0] for row in page.rows(2)] == [3, 4]


def test_a_model_that_never_answers_does_not_stop_the_world(play_world: World):
    """It is told so when it is too far behind, and begins again at the world's frame."""
    model = play_models.Blocked()
    with running(play_world, {"blocked": model}) as server, server.page() as page:
        page.frame(0, 0)
        for _ in range(QUEUE + 3):
            page.act(4, 3)
        page.frame(0, QUEUE + 3)
        assert f"{QUEUE} steps behind the world" in page.text("problem")["line"]
        model.go.set()
        page.frame(1, QUEUE + 3)
        steps = [row[0] for row in page.rows(1)]
        assert [step for step in steps if step] in ([QUEUE, QUEUE + 1, QUEUE + 2, QUEUE + 3], [QUEUE + 1, QUEUE + 2, QUEUE + 3])


def test_a_page_that_leaves_leaves_nothing_behind(play_world: World):
    """The server learns of it when it reads the end of the connection, which may be after the next page has come."""
    with running(play_world, {"brighter": play_models.Brighter()}) as server:
        for _ in range(3):
            with server.page() as page:
                page.frame(1, 0)
        with server.page() as page:
            page.frame(1, 0)
            for _ in range(50 * PATIENCE):
                if server.shared.sessions == len(server.shared._listeners) == 1:
                    break
                time.sleep(0.02)
            assert server.shared.sessions == 1 and len(server.shared._listeners) == 1


def test_a_page_waits_for_the_models_before_they_read_more(play_world: World):
    """The model is busy until the end; what it has not begun to read when the page leaves is never read."""
    model, ended = play_models.Blocked(), threading.Event()
    with running(play_world, {"blocked": model}) as server:
        (player,) = server.shared.players
        submit, readings = player.submit, []

        def recorded(call: Callable[[], Any]) -> Future[Any]:
            future = submit(call)
            if getattr(call, "func", None) == player.infer:
                readings.append(future)
                future.add_done_callback(lambda _: ended.set())
            return future

        player.submit = recorded
        with server.page() as page:
            page.act(4, 3)
            page.send("infer")
            page.text("video")
            page.send("infer")
            assert "the models still read the video before" in page.text("problem")["line"]
            page.upload("video", "clip.gif", encoded([noise(16, 16), noise(16, 16)[::-1]], "GIF"))
            assert "the models still read the video before" in page.text("problem")["line"]
        assert ended.wait(PATIENCE) and len(readings) == 1 and readings[0].cancelled()
        model.go.set()


def test_whatever_is_raised_is_one_line(server: Running, monkeypatch: pytest.MonkeyPatch):
    """In the thread for files and in that of a model; the page stays connected."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session, "read_upload_picture", full)
    with server.page() as page:
        page.frame(1, 0)
        page.upload("picture", "x", b"")
        problem = page.text("problem")
        assert (problem["model"], problem["line"]) == (None, "OSError: [Errno 28] No space left on device")
        monkeypatch.setattr(lane, "compared", full)
        page.act(4, 3)
        assert page.text("problem", lambda message: message["model"] == 0)["line"] == "OSError: [Errno 28] No space left on device"
        page.frame(0, 1)


def test_no_file_is_made_while_one_waits(server: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Outbox, "files", 1)
    with server.page() as page:
        page.act(4, 3)
        page.send("save", format="h5")
        assert "the file before is still on its way" in page.text("problem")["line"]


# Files, and what models read.


def test_models_read_the_steps_beside_the_labels(server: Running):
    actions = [(1, 2), (1, 2), (4, 7), (4, 3)]
    with server.page() as page:
        page.frame(0, 0)
        for action in actions:
            page.act(*action)
        page.send("infer")
        video = page.text("video")
        assert video["frames"] == 5 and video["labels"] == [[*action, 4] for action in actions]
        readings = {message["model"]: message for message in (page.text("reading") for _ in range(4))}
        assert readings[0]["codes"] == readings[3]["codes"] == [0, 1, 2, 0] and "codes" not in readings[2]


def masked(page: Page, mask_hw: np.ndarray | None) -> None:
    """Send a mask, or none, to model 0."""
    header = json.dumps({"type": "mask", "model": 0}).encode()
    page.socket.send(len(header).to_bytes(4, "little") + header + (b"" if mask_hw is None else np.packbits(mask_hw).tobytes()))


def test_a_mask_that_is_drawn_is_the_next_one_of_the_model(play_world: World):
    """Until it is taken back; the model gets neither the shift nor the code of the world's character beside it."""
    model = play_models.Masks()
    mask_hw = np.zeros((96, 128), bool)
    mask_hw[10:20, 100:121] = True
    expected = np.repeat(255 * mask_hw[..., None].astype(np.uint8), 3, -1)
    with running(play_world, {"masks": model}) as server, server.page() as page:
        assert page.text("hello")["models"][0]["masks"]
        page.text("model", lambda message: message["ready"])
        page.frame(1, 0)
        page.frames.clear()
        masked(page, mask_hw)
        assert np.array_equal(page.frame(1, 0), expected)  # a step of its own: the world has not moved
        assert page.rows(0) == [] and page.rows(1) == [[0, None, -1, 0, None, None, -1, 0]]
        assert {name: part.tolist() for name, part in model.given[-1].items() if name != "masks"} == {"background_shift": [[0, 0]]}
        page.act(1, 2, 1)
        assert np.array_equal(page.frame(1, 1), expected)
        assert {name: part.tolist() for name, part in model.given[-1].items() if name != "masks"} == {"background_shift": [[-2, 0]]}
        masked(page, None)
        page.act(1, 2)
        page.frame(1, 2)
        assert model.given[-1].keys() == {"codes", "shift", "background_shift", "masks"}
        episode = Episode(play_world, 0, 3)
        for choice in (Choice(1, 2, 1), Choice(1, 2, 4)):
            episode.act(choice)
        assert np.array_equal(model.given[-1]["masks"][0], episode.look().masks_thw)
        masked(page, mask_hw)
        page.send("restart")  # at another frame the mask means nothing
        page.act(4, 3)
        page.frame(1, 3)
        assert not np.array_equal(model.given[-1]["masks"][0], mask_hw)


def test_the_mask_to_begin_with_is_that_of_the_models_last_frame(play_world: World):
    """The one that it was given, or else the one that it reads."""
    mask_hw = np.random.default_rng(1).random((96, 128)) > 0.5
    with running(play_world, {"masks": play_models.Masks()}) as server, server.page() as page:
        page.text("model", lambda message: message["ready"])
        read = page.frame(1, 0).min(-1) > 200
        page.send("read_mask", model=0)
        assert np.array_equal(_mask_of(page), read) and read.any()
        masked(page, mask_hw)
        page.frames.clear()
        page.frame(1, 0)
        page.send("read_mask", model=0)
        assert np.array_equal(_mask_of(page), mask_hw)


def _mask_of(page: Page) -> np.ndarray:
    while not page.files:
        page.receive()
    header, bits = page.files.pop()
    assert header == {"type": "mask", "model": 0, "height": 96, "width": 128}
    return np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(96, 128).astype(bool)


def test_masks_of_which_the_last_one_counts(play_world: World):
    """A page that draws faster than the model steps does not make it fall behind."""
    model = play_models.Masks()
    player = Player("masks", model, (96, 128))
    each, episode = Lane(player, lambda *_: None, lambda _: None), Episode(play_world, 0, 3)
    each.begin(episode)
    for number in range(QUEUE + 5):
        each.draw(episode, np.full((96, 128), number % 2 == 0))
    assert each.behind == 2  # the beginning, and one step
    each.draw(episode, None)
    each.follow(episode, None)
    assert each.behind == 3


def pairs_of(message: dict[str, Any]) -> np.ndarray:
    """The frames of a video and of what follows it, (T, H, 2 W, 3)."""
    with Image.open(io.BytesIO(base64.b64decode(message["picture"].partition(",")[2]))) as image:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])


def test_a_model_follows_a_video_from_the_present_picture(play_world: World):
    grey = [np.full((96, 128, 3), level, np.uint8) for level in (40, 90, 140)]
    with running(play_world, {"follows": play_models.Follows()}) as server, server.page() as page:
        assert page.text("hello")["models"][0]["modes"] == ["same", "darker", "none"]
        page.upload("picture", "grey.png", encoded([np.full((96, 128, 3), 100, np.uint8)], "PNG"))
        page.text("picture")
        for mode, part in ((None, 1), ("darker", 2)):
            if mode:
                page.send("follow", model=0, mode=mode)
            page.upload("video", "clip.gif", encoded(grey, "GIF"))
            driven = page.text("driven")
            assert (driven["model"], driven["mode"]) == (0, mode or "same")
            for frame, level in zip(pairs_of(driven), (40, 90, 140), strict=True):
                assert np.abs(frame[:, :128].astype(int) - level).max() <= 3
                assert np.abs(frame[:, 128:].astype(int) - level // part).max() <= 3
        page.send("follow", model=0, mode="none")
        page.act(4, 3)
        page.send("infer")
        assert "not learned" in page.text("problem")["line"]
        page.send("follow", model=0, mode=None)
        page.texts.clear()
        page.send("infer")
        page.text("reading")
        page.send("infer")  # accepted, so nothing of the one before is still being computed
        page.text("reading")
        assert all(message["type"] not in ("driven", "problem") for message in page.texts)
        page.send("follow", model=0, mode="x")
        end = closed(page).rcvd
        assert end is not None and end.reason == "follow: this model has the modes same, darker, none"


def test_the_clip_before_is_read_and_followed(play_world: World):
    with running(play_world, {"follows": play_models.Follows()}) as server, server.page() as page:
        page.send("infer", before=True)
        assert "there is no clip before this one" in page.text("problem")["line"]
        for _ in range(3):
            page.act(1, 2)
        page.send("clip", clip=4)
        page.send("infer", before=True)
        video = page.text("video")
        assert (video["name"], video["frames"], video["labels"]) == ("clip 3", 4, [[1, 2, 4]] * 3)
        episode, driving = Episode(play_world, 0, 3), []
        for _ in range(3):
            driving.append(episode.look().frames_thwc)
            episode.act(Choice(1, 2, 4))
        driving.append(episode.look().frames_thwc)
        model, present = play_models.Follows(), Episode(play_world, 0, 4).look().frames_thwc.transpose(2, 0, 1)[None]
        state, pairs = model.start(present), []
        for vector_d, left in zip(model.drive(present, np.stack(driving).transpose(0, 3, 1, 2)[None], "same")[0], driving, strict=True):
            right, state = model.step(state, {"vectors": vector_d[None]})
            pairs.append(np.concatenate([left, right[0].transpose(1, 2, 0)], 1))
        assert page.text("driven")["picture"] == data_uri("image/webp", encode_webp(np.stack(pairs), milliseconds=100, quality=75))


def test_no_steps_to_be_read(server: Running):
    with server.page() as page:
        page.send("infer")
        assert page.text("problem")["line"] == "no steps yet; walk, cast or slash first"


def test_a_picture_to_begin_with(server: Running):
    picture = np.repeat(np.repeat(noise(96, 128), 2, 0), 2, 1)
    with server.page() as page:
        page.frame(1, 0)
        page.frames.clear()
        page.upload("picture", "mine.png", encoded([picture], "PNG"))
        assert page.text("picture") == {"type": "picture", "name": "mine.png", "note": "256 x 192 scaled to 128 x 96"}
        assert np.array_equal(page.frame(1, 0), noise(96, 128))
        page.send("code", model=0, code=0)
        page.act(0, 1)  # a picture has no edge: a whole step
        assert np.array_equal(page.frame(1, 1), (noise(96, 128).astype(int) - 7).clip(0, 255))
        assert page.rows(1)[-1][1:6] == [None, -1, 0, None, None]


def test_a_gif_to_be_read(server: Running):
    frames = [np.full((96, 128, 3), value, np.uint8) for value in (10, 60, 110, 160)]
    with server.page() as page:
        page.upload("video", "clip.gif", encoded(frames, "GIF"))
        video = page.text("video")
        assert (video["name"], video["frames"], video["labels"], video["note"]) == ("clip.gif", 4, None, "")
        assert page.text("reading", lambda message: message["model"] == 0)["codes"] == [0, 1, 2]


def bomb() -> bytes:
    """A PNG of few bytes that says to have 60,000 x 60,000 pixels."""
    content = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(1000))):
        content += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return content


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("kind", "content", "line"),
    [
        ("picture", b"no picture", "x: not a PNG, JPEG or WebP picture; save it as one of these"),
        ("picture", encoded([noise(8, 8)], "BMP"), "x: not a PNG, JPEG or WebP picture; save it as one of these"),
        ("picture", bomb(), "60000 x 60000 pixels|more than 8,388,608 pixels"),
        ("picture", encoded([noise(64, 64)], "PNG")[:-3000], "x: the image is damaged"),
        ("video", b"no video", "x: not a video that can be read"),
        ("video", b"", "x: not a video that can be read"),
        ("video", encoded([noise(16, 16)], "GIF"), "x: 1 frames that can be decoded; a video has two or more"),
    ],
)
def test_uploads_that_cannot_be_used(server: Running, kind: str, content: bytes, line: str):
    with server.page() as page:
        page.upload(kind, "x", content)
        answer = page.text("problem")
        assert answer["model"] is None and re.search(line, answer["line"]) and "\n" not in answer["line"]
        page.act(4, 3)
        page.frame(0, 1)


def test_what_was_done_is_saved_as_a_data_file(server: Running, tmp_path):
    with server.page() as page:
        for step in range(1, 6):
            page.act(1, 2, 0)
            expected = page.frame(0, step)
        page.send("save", format="h5", driver="Ada Lovelace")
        while not page.files:
            page.receive()
        header, content = page.files[0]
    assert header["name"] == "wsprites-recording.h5"
    (tmp_path / "mine.h5").write_bytes(content)
    with h5py.File(tmp_path / "mine.h5") as h5:
        (split,) = [name for name in ("train", "val", "test") if len(h5[name]["global_action"])]
        assert h5[split]["global_action"][0, 1:].tolist() == [1] * 5
        assert h5[split]["position"][0].tolist() == [row[5:7] for row in page.rows(0)]
    with wsprites.open(tmp_path / "mine.h5") as data:
        assert np.array_equal(data[split]["frames"][0, 5], expected)
        assert data.driver is not None and (data.driver.policy, data.driver.name) == ("human", "Ada Lovelace")


@pytest.mark.bad_input
def test_a_name_that_is_too_long_is_answered_by_a_line(server: Running):
    with server.page() as page:
        page.act(4, 3)
        page.send("save", format="h5", driver="x" * 101)
        assert "driver" in page.text("problem")["line"]
        page.send("save", format="h5", driver="line\nline")
        assert closed(page).rcvd is not None


def test_no_more_is_kept_for_saving_than_a_file_can_have(server: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "MAX_FRAMES", 6)
    with server.page() as page:
        for clip in (4, 5, 6):
            for _ in range(3):
                page.act(4, 3)
            page.send("clip", clip=clip)
        assert "clip 3, the oldest that you steered, is not kept" in page.text("problem")["line"]
        for _ in range(6):
            page.act(4, 3)
        assert "6 frames, the most of a clip: it begins anew" in page.text("problem", lambda message: "anew" in message["line"])["line"]
        page.frame(0, 1)


@pytest.mark.parametrize(("kind", "begins"), [("gif", b"GIF89a"), ("mp4", b"ftyp")])
def test_what_was_done_is_saved_as_a_video(server: Running, kind: str, begins: bytes):
    with server.page() as page:
        page.act(1, 2)
        page.act(4, 3)
        page.send("save", format=kind)
        while not page.files:
            page.receive()
        header, content = page.files[0]
        assert header["name"] == f"wsprites-clip-3.{kind}" and begins in content[:12]


# Who may connect, and with what.


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('{"type": "restart"}', "the first message is hello"),
        ('{"type": "hello", "version": 2}', "this server speaks version 1; load the page again"),
        ("hello", "a message that is not JSON"),
        (f'{{"type": "{"€" * 70}"}}', f"there is no message '{'€' * 33}"),
        (b"\x01", "a binary message without its JSON"),
    ],
)
def test_what_is_no_message_ends_the_connection(server: Running, message: str | bytes, reason: str):
    with server.page(greets=False) as page:
        page.socket.send(message)
        end = closed(page).rcvd
        assert end is not None and (end.code, end.reason) == (4400, reason)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("masks", "message", "reason"),
    [
        (
            True,
            b"\x1b\x00\x00\x00" + b'{"type":"mask", "model": 0}' + bytes(1535),
            "mask: 1,535 bytes; expected one bit for each of 96 x 128 pixels, or none",
        ),
        (True, b"\x1b\x00\x00\x00" + b'{"type":"mask", "model": 1}', "there are 1 models"),
        (False, b"\x1b\x00\x00\x00" + b'{"type":"mask", "model": 0}', "this model takes no masks"),
        (False, '{"type": "read_mask", "model": 0}', "this model takes no masks"),
    ],
)
def test_masks_that_are_refused(play_world: World, masks: bool, message: str | bytes, reason: str):
    with running(play_world, {"model": play_models.Masks() if masks else play_models.Reads()}) as server, server.page() as page:
        page.text("hello")
        page.socket.send(message)
        end = closed(page).rcvd
        assert end is not None and (end.code, end.reason) == (4400, reason)


def test_a_message_beyond_all_limits_is_not_read(server: Running):
    with server.page() as page:
        page.frame(0, 0)
        with pytest.raises(ConnectionClosed) as caught:
            page.socket.send(bytes(2**24 + 2**13))
            while True:
                page.receive()
        assert caught.value.rcvd is None or caught.value.rcvd.code == 1009


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str


def get(server: Running, path: str, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    with closing(connection):
        connection.putrequest("GET", path, skip_host=True)
        for name, value in ({"Host": f"127.0.0.1:{server.port}"} | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())


def test_the_page_and_nothing_else(server: Running):
    answer = get(server, "/")
    assert answer.status == 200 and "/page/app.js" in answer.text and "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "http://" not in answer.text and "https://" not in answer.text  # works offline
    assert get(server, "/page/style.css").headers["Content-Type"].startswith("text/css")
    for path in ("/page/none.js", "/page/..%2f__init__.py", "/page/../server.py", "/etc/passwd", "/page/"):
        assert get(server, path).status == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "127.0.0.1:{port}/x"])
def test_another_name_of_the_server_is_refused(server: Running, host: str):
    assert get(server, "/", Host=host.format(port=server.port)).status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None, "http://127.0.0.1:1", "http://["])
def test_another_page_may_not_connect(server: Running, origin: str | None):
    with pytest.raises(InvalidStatus), server.page(origin=origin):
        pass


@pytest.fixture(scope="module")
def guarded(play_world: World) -> Iterator[Running]:
    with running(play_world, {}, token="secret") as server:
        yield server


def test_a_token_is_needed_once_then_a_cookie(guarded: Running):
    for path in ("/", "/page/app.js", "/?token=", "/?token=wrong"):
        assert get(guarded, path, Host="somewhere.example:80").status == 403
    answer = get(guarded, "/?token=secret", Host="somewhere.example")
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert (
        cookie.startswith("wsprites-token-") and "SameSite=lax" in answer.headers["Set-Cookie"]
    )  # strict ones are lost on the way from other sites
    assert answer.status == 303 and answer.headers["Location"] == "/" and "httponly" in answer.headers["Set-Cookie"].lower()
    assert get(guarded, "/", Cookie=cookie).status == 200
    with pytest.raises(InvalidStatus), guarded.page():
        pass
    with guarded.page(additional_headers={"Cookie": f"a=b; {cookie}"}) as page:
        page.frame(0, 0)
    with pytest.raises(InvalidStatus), guarded.page(origin="http://evil.example", additional_headers={"Cookie": cookie}):
        pass


def test_json_of_frames_is_what_the_documentation_says(server: Running):
    with server.page() as page:
        page.frame(1, 0)
        world, model = (next(header for header, _ in page.frames if header["source"] == source) for source in (0, 1))
        assert set(world) == {"type", "source", "height", "width", "rows", "input", "frame", "dropped"}
        assert set(model) == {"type", "source", "height", "width", "rows", "behind", "frame", "dropped"}
        assert json.loads(json.dumps(model["rows"])) == [[0, None, -1, 0, None, None, -1, 1]]
