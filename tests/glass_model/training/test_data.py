"""Batches from files and worlds, and the record of where they come from."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from glass_model.training.config import FewLabels, TrainConfig
from glass_model.training.data import DataRecord, Source, from_file, from_world, record_of
from glass_model.training.device import Process
from glass_model.training.labels import labelled
from wsprites.art import Art, World, load_world
from wsprites.errors import UserError
from wsprites.fields import SpecError, from_json, to_json
from wsprites.generate import Order, generate
from wsprites.render import render
from wsprites.videos import import_videos, plan
from wsprites.world.script import LABELS, Script, script
from wsprites.world.spec import PRESETS, WorldSpec

CONFIG = TrainConfig(batch=2, window=3, skip=2)
ALONE = Process(0, 1, torch.device("cpu"))


@pytest.mark.parametrize("stored", [True, False])
def test_data_continues_from_any_batch(data_file: Path, spec: WorldSpec, art: Art, stored: bool) -> None:
    """From a file or rendered: batch n is the same whenever it is asked for, and processes see different ones."""

    def source(process: Process) -> Source:
        return from_file(data_file, CONFIG, process) if stored else from_world(World(spec, art), CONFIG, process)

    whole = list(itertools.islice(source(ALONE).batches(0), 4))
    assert all(frames.shape == (2, 3, 3, 96, 128) and frames.dtype == torch.uint8 for frames in whole)
    assert torch.equal(next(source(ALONE).batches(3)), whole[3])
    ranks = [next(source(Process(rank, 2, ALONE.device)).batches(1)) for rank in (0, 1)]
    seen = torch.cat(whole)
    assert sum(any(torch.equal(clip, other) for other in seen) for clip in torch.cat(ranks)) == 4  # they share what one sees alone
    assert not torch.equal(*ranks)


def test_worlds_that_cannot_be_streamed_are_refused_at_once(spec: WorldSpec, art: Art) -> None:
    with pytest.raises(UserError, match=r"train\.window = .*, train\.skip = .*: 41 is outside the range 1 to 40"):
        from_world(World(spec, art), TrainConfig(window=21, skip=2), ALONE)


def test_the_record_of_a_world(spec: WorldSpec, art: Art) -> None:
    record = from_world(World(spec, art), replace(CONFIG, seed=9), ALONE).record
    assert (record.source, record.spec, record.art_sha256, record.seed) == ("stream", spec, art.sha256, 9)
    assert from_json(DataRecord(), to_json(record)) == record


def test_the_record_of_a_file(data_file: Path, labels_file: Path, spec: WorldSpec, art: Art, tmp_path: Path) -> None:
    """What is stored, and how it is compressed, makes no difference; the shard does."""
    record = record_of(data_file)
    assert record == from_file(data_file, CONFIG, ALONE).record == record_of(labels_file)
    assert (record.source, record.spec, record.art_sha256, record.seed, record.clips) == ("file", spec, art.sha256, 5, 24)
    generate(Order(World(spec, art), seed=5, n=24, frames=False, shard=(1, 2)), tmp_path / "shard.h5")
    assert record.differences(record_of(tmp_path / "shard.h5")) == "shard is '1/2', not '1/1'"


def videos(folder: Path, count: int, changed: bool, level: int) -> Path:
    """A folder of videos of noise, as PNGs of some level of compression; `changed` changes the pixels of the first one."""
    for number in range(count):
        (folder / f"{number:05d}").mkdir(parents=True)
        for frame, pixels in enumerate(np.random.default_rng(number + 100 * (changed and number == 0)).integers(0, 256, (6, 8, 10, 3))):
            path = folder / f"{number:05d}" / f"{frame:05d}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path, compress_level=level)
    return folder


def test_the_record_of_imported_videos(tmp_path: Path) -> None:
    """The same videos give the same record wherever they are; other ones, or other cuts, another."""

    def record(name: str, frames: int = 3, count: int = 4, changed: bool = False) -> DataRecord:
        import_videos(plan(videos(tmp_path / name, count, changed, level=len(name)), frames=frames), tmp_path / f"{name}.h5")
        return record_of(tmp_path / f"{name}.h5")

    first = record("a")
    assert (first.source, first.spec, len(first.videos_sha256)) == ("videos", None, 64)
    assert record("bbb") == first
    for other in (record("c", frames=2), record("d", count=5), record("e", changed=True)):
        assert first.differences(other).startswith("videos_sha256 is ")


def test_differences_are_named() -> None:
    paper, factorial = (DataRecord("stream", PRESETS[name].to_json(), "ab") for name in ("paper", "factorial"))
    assert paper.differences(paper) == ""
    assert paper.differences(factorial) == "world.local.coupled is False, not True"
    assert paper.differences(replace(paper, world=replace(PRESETS["paper"], name="mine").to_json())) == ""  # a name decides about nothing
    older = json.loads(paper.world)
    del older["rule"]  # as of a version that did not have this field
    assert replace(paper, world=json.dumps(older)).differences(paper) == ""
    assert paper.differences(replace(paper, art_sha256="cd", seed=1)) == "art_sha256 is 'cd', not 'ab', seed is 1, not 0"
    assert paper.differences(DataRecord("videos", videos_sha256="ab")) == "source is videos, not stream"


def test_worlds_with_other_art_differ() -> None:
    painted, photos = (load_world("paper", backgrounds=backgrounds) for backgrounds in ("painted", "photos"))
    records = [from_world(world, CONFIG, ALONE).record for world in (painted, photos)]
    assert "art_sha256 is" in records[0].differences(records[1])


def test_a_damaged_record() -> None:
    for text in ('{"source": "tape"}', '{"world": "{"}', '{"clips": -1}', "3"):
        with pytest.raises(SpecError):
            from_json(DataRecord(), text)


# What some systems learn from beside frames.

GUIDED = ["masks", "centre", "twin", "twin_masks", "index", "local_action"]


@pytest.mark.parametrize("stored", [True, False])
def test_fields_of_a_batch(data_file: Path, spec: WorldSpec, art: Art, stored: bool) -> None:
    """Those that are named, the same batches as without any; the twin is rendered from the labels of this clip and the next one."""
    config = replace(CONFIG, skip=1, batch=3)

    def batches(fields: list[str]) -> list:
        source = (
            from_file(data_file, config, ALONE, fields=fields) if stored else from_world(World(spec, art), config, ALONE, fields=fields)
        )
        return list(itertools.islice(source.batches(1), 2))

    labels = [*LABELS]
    for frames, sample, every in zip(batches([]), batches(GUIDED), batches(["masks", *labels]), strict=True):
        assert list(sample) == ["frames", *GUIDED] and torch.equal(sample["frames"], frames)
        for name in ("masks", "index", "local_action"):
            assert torch.equal(sample[name], every[name])
        script = Script(**{name: every[name].numpy() for name in labels})
        own = render(World(spec, art), script)
        assert np.array_equal(own.masks_thw, sample["masks"].numpy())
        # By hand: clip b moves as it does, as the character of clip b + 1 in its scene.
        for b in range(3):
            other, mine = script[(b + 1) % 3], script[b]
            twin = replace(mine, character=other.character, parts=other.parts, background=other.background)
            clip = render(World(spec, art), twin)
            assert np.array_equal(clip.frames_thwc.transpose(0, 3, 1, 2), sample["twin"][b].numpy())
            assert np.array_equal(clip.masks_thw, sample["twin_masks"][b].numpy())
        assert torch.equal(sample["centre"], every["position"].float() + 32)
        # The mask lies in the cell around the centre.
        for b, t in itertools.product(range(3), range(3)):
            y, x = np.nonzero(own.masks_thw[b, t])
            away = np.abs(np.stack([x, y], 1) + 0.5 - sample["centre"][b, t].numpy())
            assert len(away) and away.max() < 32


@pytest.mark.parametrize("stored", [True, False])
def test_fields_of_every_second_frame(data_file: Path, spec: WorldSpec, art: Art, stored: bool) -> None:
    """With frames left out, the arrays of frames are those of the frames that are left, and the clips are the same."""
    fields = ["masks", "centre", "twin", "twin_masks", "index"]
    every, second = (replace(CONFIG, batch=3, window=window, skip=skip) for window, skip in ((5, 1), (3, 2)))
    of_every, of_second = (
        next(
            (
                from_file(data_file, config, ALONE, fields=fields) if stored else from_world(World(spec, art), config, ALONE, fields=fields)
            ).batches(1)
        )
        for config in (every, second)
    )
    for name in ("frames", *fields):
        expected = of_every[name] if name == "index" else of_every[name][:, ::2]
        assert torch.equal(of_second[name], expected)


@pytest.mark.bad_input
def test_fields_that_cannot_be_had(data_file: Path, spec: WorldSpec, art: Art, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^train\.skip = 2: local_action is of single transitions; set train\.skip to 1"):
        from_world(World(spec, art), CONFIG, ALONE, fields=["masks", "index", "local_action"])
    import_videos(plan(videos(tmp_path / "videos", 3, False, 1), frames=6), tmp_path / "videos.h5")
    with pytest.raises(UserError, match=r"videos\.h5: imported videos have no centre, which this configuration learns from"):
        from_file(tmp_path / "videos.h5", replace(CONFIG, skip=1), ALONE, fields=["centre"])


# Few labels.


@pytest.mark.parametrize("stored", [True, False])
def test_windows_of_clips_with_labels(data_file: Path, spec: WorldSpec, art: Art, stored: bool) -> None:
    """The last windows of a batch are of clips with labels, rendered or read as they are; the others are those of smaller batches."""
    config, few = TrainConfig(batch=5, window=3), FewLabels(0.3, 0, 2)
    fields = ["index", "masks", "twin", *_SHOWN]

    def source(process: Process = ALONE, config: TrainConfig = config, few: FewLabels | None = few) -> Source:
        if stored:
            return from_file(data_file, config, process, fields=fields, few=few)
        return from_world(World(spec, art), config, process, fields=fields, few=few)

    batches = list(itertools.islice(source().batches(0), 6))
    assert all(sample["frames"].shape == (5, 3, 3, 96, 128) for sample in batches)
    for name in ("frames", "index", "local_action"):
        alone = itertools.islice(source(config=replace(config, batch=3), few=None).batches(0), 6)
        assert all(torch.equal(sample[name][:3], other[name]) for sample, other in zip(batches, alone, strict=True))
    assert torch.equal(next(source().batches(4))["frames"], batches[4]["frames"])  # resumed
    actions = source().actions
    assert actions and torch.equal(actions(4)["local_action"], batches[4]["local_action"])
    others = [next(source(Process(rank, 2, ALONE.device)).batches(1))["index"][3:] for rank in (0, 1)]
    assert torch.equal(torch.cat(others), torch.cat([sample["index"][3:] for sample in batches[2:4]]))  # ranks share what one sees alone
    # Against the scripts of the clips: every window lies in its clip, begins anywhere, and shows what its labels say.
    index = torch.cat([sample["index"][3:] for sample in batches])
    assert labelled(index, 0.3, 0).all() and len(index.unique()) > 3
    seed, begins = 5 if stored else 0, set[int]()
    for sample in batches:
        for b in (3, 4):
            whole = script(spec, seed, int(sample["index"][b]))
            start = next(t for t in range(spec.frames - 2) if _shows(sample, b, whole.window(t, t + 3)))
            begins.add(start)
            own = render(World(spec, art), whole.window(start, start + 3))
            assert np.array_equal(own.frames_thwc.transpose(0, 3, 1, 2), sample["frames"][b].numpy())
            assert np.array_equal(own.masks_thw, sample["masks"][b].numpy())
    assert len(begins) > 5


_SHOWN = ("local_action", "animation_frame", "position", "background_offset")
"""What decides what the frames of a clip show."""


def _shows(sample: dict[str, torch.Tensor], b: int, window: Script) -> bool:
    return all(np.array_equal(sample[name][b].numpy(), getattr(window, name)) for name in _SHOWN)


def test_no_other_clips_of_a_stream_have_labels(spec: WorldSpec, art: Art, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond the data set that the clips with labels are drawn from have no number by which they could have some."""
    monkeypatch.setattr("glass_model.training.data.STREAM_CLIPS", 40)
    config = replace(CONFIG, batch=5, window=3)
    batches = from_world(World(spec, art), config, ALONE, fields=["index"], few=FewLabels(0.3, 0, 2)).batches(0)
    every = torch.cat([next(batches)["index"] for _ in range(20)])
    assert (every < 40).all() and (every == -1).any() and every.unique().numel() > 5
    assert not labelled(torch.tensor([-1]), 1.0, 0).any()


@pytest.mark.bad_input
def test_too_few_labels(data_file: Path, spec: WorldSpec, art: Art) -> None:
    few = FewLabels(1e-7, 0, 1)
    with pytest.raises(UserError, match=r"^train\.labels = 1e-07: none of the \d+ clips has labels; set a larger share$"):
        from_file(data_file, CONFIG, ALONE, fields=["index"], few=few)
    with pytest.raises(UserError, match=r"^train\.labels = 1e-07: none of the \d+ clips has labels"):
        from_world(World(spec, art), CONFIG, ALONE, fields=["index"], few=few)


def test_labelled_clips_are_a_share_that_the_seed_draws() -> None:
    index = torch.arange(200_000)
    for share in (0.01, 0.025, 0.5):
        known = labelled(index, share, 0)
        assert known.float().mean().item() == pytest.approx(share, abs=4 * math.sqrt(share / 200_000))
        # Independent of the neighbours, of other seeds, and the same for whatever else is in the batch.
        for other in (labelled(index + 1, share, 0), labelled(index, share, 1)):
            assert (known & other).float().mean().item() == pytest.approx(share**2, abs=4 * math.sqrt(share**2 / 200_000))
        assert torch.equal(labelled(index[777:790], share, 0), known[777:790])
        assert (known <= labelled(index, min(2 * share, 1), 0)).all()
    assert labelled(index, 0.5, 2**62).float().mean().item() == pytest.approx(0.5, abs=0.01)  # the largest seed
    assert labelled(index, 1.0, 5).all() and not labelled(index, 0.0, 5).any()
