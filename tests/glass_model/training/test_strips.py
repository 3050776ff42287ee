"""Pictures of the last batch: their images, names, frame numbers and true actions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from glass_model.training import strips
from glass_model.training.config import TrainConfig
from glass_model.training.data import from_file, from_world
from glass_model.training.device import Process
from glass_model.training.folder import RunFolder
from glass_model.training.strips import Column, Strip, images, picture
from wsprites.art import Art, World
from wsprites.world.spec import WorldSpec

ALONE = Process(0, 1, torch.device("cpu"))
ACTIONS = ("global_action", "local_action", "background_action")
GREY = [(name, np.full((3, 8, 16, 3), grey, np.uint8)) for name, grey in (("true frame", 90), ("mask", 200))]
COLUMNS = [Column(1, 0), Column(1, 1, 0), Column(1, 3, 1)]


def written(monkeypatch: pytest.MonkeyPatch, shown: list[Strip], actions: dict[str, torch.Tensor] | None) -> list[dict[str, Any]]:
    """What `picture` has `sheet` write beside the images of each strip."""
    calls: list[dict[str, Any]] = []

    def sheet(rows: list, **text: Any) -> np.ndarray:
        calls.append(text)
        return np.zeros((1, 1, 3), np.uint8)

    with monkeypatch.context() as patch:
        patch.setattr(strips, "sheet", sheet)
        picture(shown, 1500, actions)
    return calls


def test_every_row_and_column_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels stand where one action leads from the frame before to the frame, and nowhere else."""
    actions = {name: torch.tensor([[0] * 4, [0, 1 + n, 0, 0]]) for n, name in enumerate(ACTIONS)}
    first, second = written(monkeypatch, [Strip(COLUMNS, GREY), Strip(COLUMNS[:1], [("true frame", GREY[0][1][:1])])], actions)
    assert first["names"] == ["true frame", "mask"] and (first["head"], second["head"]) == ("step 1,500", "")
    assert first["headings"] == ["clip 1, frame 0", "clip 1, frame 1", "clip 1, frame 3 from 1"]
    assert first["captions"] == ["", "truth: walk_right\nmoves: right\nscene: down", ""]
    (pair,) = written(monkeypatch, [Strip([Column(1, 1, 0, changed=True)], [("source", GREY[0][1][:1])])], actions)
    assert (pair["headings"], pair["captions"]) == (["clip 1, frames 0, 1"], [""])
    assert first["scale"] == 8 and not written(monkeypatch, [Strip(COLUMNS, GREY)], None)[0]["captions"]


def test_images_are_enlarged_and_stand_below_each_other() -> None:
    row = np.random.default_rng(0).integers(0, 256, (2, 8, 64, 3), dtype=np.uint8)
    drawn = picture([Strip(COLUMNS[:2], [("a", row), ("b", row[::-1])])] * 2, 3)
    large = [np.repeat(np.repeat(image, 2, 0), 2, 1) for image in row]
    # A line above all, headings, and a gap of 8 pixels around images of 16 x 128.
    tops = (48, 48 + 24, 96 + 28, 96 + 28 + 24)
    assert len(drawn) == tops[-1] + 24
    left = drawn.shape[1] - 2 * 136
    for top, order in zip(tops, ((0, 1), (1, 0)) * 2, strict=True):
        for number, image in enumerate(order):
            at = left + number * 136
            assert np.array_equal(drawn[top : top + 16, at : at + 128], large[image])


def test_images_of_tensors() -> None:
    assert images(torch.tensor([-1.0, 0.0, 3.0]).view(1, 1, 1, 3)).tolist() == [[[[0] * 3, [128] * 3, [255] * 3]]]
    colours = torch.rand(2, 3, 4, 5) * 2 - 1
    assert np.array_equal(images(colours), torch.round((colours + 1) * 127.5).permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("rank", [0, 1])
def test_true_actions_are_those_of_the_batch(data_file: Path, spec: WorldSpec, art: Art, stored: bool, rank: int) -> None:
    """Those that the same stream gives with the frames, to each process."""
    config, process = TrainConfig(batch=3, window=6, seed=5), Process(rank, 2, ALONE.device)
    made = [
        from_file(data_file, config, process, fields=fields) if stored else from_world(World(spec, art), config, process, fields=fields)
        for fields in ((), ACTIONS)
    ]
    actions, batches = made[0].actions, made[1].batches(2)
    assert actions is not None
    for number in (2, 3):
        batch, known = next(batches), actions(number)
        assert all(torch.equal(known[name], batch[name]) for name in ACTIONS)


def test_no_actions_where_frames_are_skipped(data_file: Path, spec: WorldSpec, art: Art) -> None:
    config = TrainConfig(batch=3, window=6, skip=2)
    assert from_file(data_file, config, ALONE).actions is None and from_world(World(spec, art), config, ALONE).actions is None


def test_tensorboard_gets_the_picture_of_the_file(tmp_path: Path) -> None:
    given: list[tuple[Any, ...]] = []

    class Board:
        def add_image(self, tag: str, image: np.ndarray, step: int, *, dataformats: str) -> None:
            given.append((tag, image, step, dataformats))

    folder = RunFolder(tmp_path, leads=True, resume=False)
    folder.open(0, {}, tensorboard=False)
    folder._board = Board()
    drawn = picture([Strip(COLUMNS, GREY)], 70)
    folder.strip(70, drawn)
    ((tag, image, step, order),) = given
    assert (tag, step, order) == ("strip", 70, "HWC") and image is drawn
    with Image.open(tmp_path / "strips" / "0000070.png") as file:
        assert np.array_equal(np.asarray(file), drawn)
