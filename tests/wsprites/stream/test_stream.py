"""Torch data sets: the pixels and labels of the renderer, determined by seeds alone."""

import copy
import multiprocessing
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, default_collate  # noqa: E402

import wsprites  # noqa: E402
from wsprites.art import Art, World  # noqa: E402
from wsprites.errors import UserError  # noqa: E402
from wsprites.generate import Order, generate  # noqa: E402
from wsprites.render import render  # noqa: E402
from wsprites.render.resize import resize_frames, resize_masks  # noqa: E402
from wsprites.stream import FileClips, RenderedClips, WindowSampler, collate  # noqa: E402
from wsprites.world.script import LABELS, casting, script  # noqa: E402
from wsprites.world.spec import SPLITS, WorldSpec  # noqa: E402

# Loaders may use forked workers; Python warns that another thread could hold a lock.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def check(sample: dict, spec: WorldSpec, art: Art, seed: int) -> None:
    """A single window is what script and renderer say."""
    whole, start = script(spec, seed, int(sample["index"])), int(sample["start"])
    window = whole.window(start, start + len(sample["position"]))
    frames, masks = render(World(spec, art), window)
    assert sample["frames"].dtype == torch.uint8 and np.array_equal(sample["frames"].movedim(-3, -1).numpy(), frames)
    assert sample["masks"].dtype == torch.bool and np.array_equal(sample["masks"].numpy(), masks)
    for name in LABELS:
        expected = getattr(window, name)
        assert np.array_equal(sample[name].numpy(), expected) and sample[name].numpy().dtype == expected.dtype, name


@pytest.mark.parametrize("kind", ["data_file", "labels_file"])
def test_every_window_of_a_file(kind: str, spec: WorldSpec, art: Art, request: pytest.FixtureRequest):
    clips = FileClips(request.getfixturevalue(kind), "val", window=12)
    assert len(clips) == 3 * (40 - 12 + 1)
    for item in (0, 28, 29, 50, len(clips) - 1):
        check(clips[item], spec, art, 5)
        assert int(clips[item]["start"]) == item % 29
    with wsprites.open(request.getfixturevalue(kind)) as data:
        assert int(clips[58]["index"]) == data["val"]["index"][2]
    assert equal(clips[-1], clips[len(clips) - 1])
    with pytest.raises(IndexError):
        clips[len(clips)]
    assert clips[0]["frames"].shape == (12, 3, 96, 128) and clips[0]["frames"].is_contiguous(memory_format=torch.channels_last)


def test_streams_say_what_they_are(data_file: Path, spec: WorldSpec, art: Art):
    stream = RenderedClips(art.world(spec), "val", window=3, seed=4, batch=2)
    assert repr(stream) == "<RenderedClips paper, val, seed 4: batches of 2 windows of 3 frames, 96 x 128>"
    clips = FileClips(data_file, "test", window=5, keys=["frames", "shift"])
    assert repr(clips) == f"<FileClips {data_file}, test: {len(clips)} windows of 5 frames from {clips.clips} clips; frames, shift>"


@pytest.mark.parametrize("kind", ["data_file", "labels_file"])
def test_windows_of_a_file_at_another_size(kind: str, request: pytest.FixtureRequest):
    path = request.getfixturevalue(kind)
    clips, small = FileClips(path, "val", window=3), FileClips(path, "val", window=3, resize=(64, 32))
    sample, resized = clips[40], small[40]
    assert resized["frames"].shape == (3, 3, 64, 32) and resized["masks"].shape == (3, 64, 32)
    assert np.array_equal(resized["frames"].movedim(1, -1).numpy(), resize_frames(sample["frames"].movedim(1, -1).numpy(), (64, 32)))
    assert np.array_equal(resized["masks"].numpy(), resize_masks(sample["masks"].numpy(), (64, 32)))
    assert all(torch.equal(resized[name], sample[name]) for name in sample if name not in ("frames", "masks"))  # labels as they are
    assert small.pixel_scale == (32 / 128, 64 / 96) and clips.pixel_scale == (1, 1)
    assert "3 frames from 3 clips, 64 x 32, resized from 96 x 128; frames" in repr(small)
    assert set(FileClips(path, "val", keys=["shift"], resize=(64, 32))[0]) == {"shift", "start"}


def test_a_stream_at_another_size(spec: WorldSpec, art: Art):
    own, resized, device = (
        RenderedClips(art.world(spec), "val", window=2, batch=3, length=2, **given)
        for given in ({}, {"resize": [64, 64]}, {"resize": (64, 64), "device": "meta"})
    )
    assert len(resized) == 2 and repr(resized).endswith("windows of 2 frames, 64 x 64, resized from 96 x 128>")
    assert resized.pixel_scale == device.pixel_scale == (0.5, 64 / 96)
    device.device = torch.device("cpu")  # whole batches, as on any device but a CPU
    for a, b, c in zip(own, resized, device, strict=True):
        assert b["frames"].shape == (3, 2, 3, 64, 64) and equal(b, c)
        assert np.array_equal(b["frames"].movedim(2, -1).numpy(), resize_frames(a["frames"].movedim(2, -1).numpy(), (64, 64)))
        assert np.array_equal(b["masks"].numpy(), resize_masks(a["masks"].numpy(), (64, 64)))
        assert all(torch.equal(a[name], b[name]) for name in a if name not in ("frames", "masks"))
    with pytest.raises(UserError, match="resize is '64 x 64', not '32 x 32'"):
        RenderedClips(art.world(spec), "val", window=2, batch=3, length=2, resize=(32, 32)).load_state_dict(resized.state_dict())
    with pytest.raises(UserError, match="resize is '64 x 64', not None"):
        own.load_state_dict(resized.state_dict())
    with pytest.raises(UserError, match="resize is None, not '64 x 64'"):
        resized.load_state_dict(own.state_dict())
    older = {name: value for name, value in own.state_dict().items() if name != "resize"}
    own.load_state_dict(older)  # of a version that could not resize


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_resized_stream_has_the_same_bytes_on_a_gpu(spec: WorldSpec, art: Art):
    cpu, gpu = (next(iter(RenderedClips(art.world(spec), batch=4, resize=(64, 64), device=device))) for device in ("cpu", "cuda"))
    assert equal(cpu, {name: tensor.cpu() for name, tensor in gpu.items()})


def test_only_what_is_asked_for(data_file: Path, tmp_path: Path, order: Order):
    assert set(FileClips(data_file, "val", keys=["frames", "shift"])[3]) == {"frames", "shift", "start"}
    generate(replace(order, masks=False), tmp_path / "no-masks.h5")
    assert equal(FileClips(tmp_path / "no-masks.h5", "val")[3], FileClips(data_file, "val")[3])


@pytest.mark.parametrize("frames", [True, False])
def test_clips_of_as_many_frames_as_a_character_has_parts(tmp_path: Path, order: Order, frames: bool):
    """The array `parts` has as many columns as the clips have frames, and is still a label of clips."""
    world = order.world.replace(frames=4)
    generate(replace(order, world=world, n=12, frames=frames), tmp_path / "data.h5")
    with wsprites.open(tmp_path / "data.h5") as data:
        parts = data["train"]["parts"][...]
    assert parts.shape[1] == 4
    clips = FileClips(tmp_path / "data.h5", "train", window=3)
    for item in range(len(clips)):
        check(clips[item], world.spec, world.art, 5)
    alone = FileClips(tmp_path / "data.h5", "train", window=1, keys=["parts"])
    assert all(np.array_equal(alone[item]["parts"].numpy(), parts[item // 4]) for item in range(len(alone)))


def test_files_of_videos_have_no_labels(tmp_path: Path):
    from PIL import Image

    from wsprites.videos import import_videos, plan

    for video in range(3):
        (tmp_path / "videos" / "train" / str(video)).mkdir(parents=True)
        for frame in range(6):
            pixels = np.full((16, 24, 3), 40 * video + frame, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "videos" / "train" / str(video) / f"{frame:05}.png")
    import_videos(plan(tmp_path / "videos", frames=6), tmp_path / "videos.h5")
    clips = FileClips(tmp_path / "videos.h5", "train", window=4)
    sample = clips[5]
    assert len(clips) == 9 and sample["frames"].shape == (4, 3, 16, 24) and "local_action" not in sample
    assert sample["frames"][:, 0, 0, 0].tolist() == [42, 43, 44, 45] and sample["start"] == 2


@pytest.mark.parametrize("method", ["fork", "spawn", pytest.param("forkserver", marks=pytest.mark.slow)])
def test_workers_of_any_kind_read_the_same(data_file: Path, method: str):
    clips = FileClips(data_file, "train", keys=["frames", "index"])
    clips[0]  # it is open here when others start
    sampler, again = (WindowSampler(clips, seed=3, passes=1) for _ in range(2))
    context = multiprocessing.get_context(method)
    alone = list(DataLoader(clips, batch_size=4, sampler=sampler, collate_fn=collate))
    workers = 2 if method == "fork" else 1  # others import torch for themselves
    helped = list(DataLoader(clips, batch_size=4, sampler=again, num_workers=workers, multiprocessing_context=context))
    assert alone[0]["frames"].flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert len(alone) == len(helped) == 5 and all(equal(a, b) for a, b in zip(alone, helped, strict=True))


def test_copies_open_the_file_for_themselves(data_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    clips = FileClips(data_file, "train")
    expected = clips[7]
    copy = pickle.loads(pickle.dumps(clips))
    monkeypatch.chdir(tmp_path)
    assert copy._opened is None and equal(copy[7], expected)


def test_a_pass_shows_every_clip_once(data_file: Path):
    clips = FileClips(data_file, "train", keys=["index"])
    passes = np.array(list(WindowSampler(clips, seed=1, passes=60))).reshape(60, clips.clips)
    assert (np.sort(passes // clips.starts, axis=1) == np.arange(clips.clips)).all()
    assert len({tuple(row) for row in passes // clips.starts}) == 60  # in another order each time
    counts = np.bincount((passes % clips.starts).ravel(), minlength=29)
    assert counts.min() > 0 and ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 60  # chi square with 28 degrees of freedom
    assert not np.array_equal(passes[0], list(WindowSampler(clips, seed=2, passes=1)))


@pytest.mark.parametrize("start", [0, 5, 18, 100])
def test_sampling_resumes_exactly_where_it_was(data_file: Path, start: int):
    clips = FileClips(data_file, "train", keys=["index"])
    whole = [item for item, _ in zip(WindowSampler(clips, seed=1), range(160), strict=False)]
    later = WindowSampler(clips, seed=1, start=start)
    assert [item for item, _ in zip(later, range(50), strict=False)] == whole[start : start + 50]
    ranks = [WindowSampler(clips, seed=1, start=start // 2, rank=rank, ranks=2) for rank in (0, 1)]
    both = [[item for item, _ in zip(sampler, range(20), strict=False)] for sampler in ranks]
    assert np.array(both).T.ravel().tolist() == whole[start // 2 * 2 :][:40]
    assert len(WindowSampler(clips, passes=3, start=10)) == len(list(WindowSampler(clips, passes=3, start=10))) == 3 * clips.clips - 10


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["data_file", "labels_file"])
def test_batches_of_a_file_are_its_windows(kind: str, request: pytest.FixtureRequest, two_threads: None):
    clips = FileClips(request.getfixturevalue(kind), "train")
    items = [3, 0, len(clips) - 1, 3, 77]
    batch = clips.__getitems__(items)
    assert len(batch) == 5 and all(equal(sample, clips[item]) for sample, item in zip(batch, items, strict=True))
    assert equal(collate(batch), collate(list(batch))) and equal(collate(batch), default_collate(batch))
    assert collate(batch)["frames"].data_ptr() == batch[0]["frames"].data_ptr()
    with pytest.raises(IndexError):
        clips.__getitems__([0, len(clips)])


def test_threads_do_not_change_a_stream(spec: WorldSpec, art: Art, two_threads: None):
    several = [batch for batch, _ in zip(RenderedClips(World(spec, art), seed=1, batch=5), range(4), strict=False)]
    torch.set_num_threads(1)
    assert all(equal(a, b) for a, b in zip(several, RenderedClips(World(spec, art), seed=1, batch=5), strict=False))


LOOKS = {
    "tensor": lambda batch: batch["frames"],
    "a view": lambda batch: batch["frames"][1, 2:3],
    "a view of a view": lambda batch: batch["masks"][1].view(torch.uint8)[3:][..., 5:90],
    "its storage": lambda batch: batch["frames"].untyped_storage(),
    "an array": lambda batch: batch["frames"].numpy()[:, ::2],
    "an array of bytes": lambda batch: memoryview(batch["masks"][1].numpy()),
    "dlpack": lambda batch: np.from_dlpack(batch["frames"][1]),
    "detached": lambda batch: batch["frames"].detach().flatten(2)[..., ::3],
    "an iterator": lambda batch: iter(batch["frames"]),
    "a cycle": lambda batch: (lambda ring: ring.append(ring) or ring)([batch["frames"]]),
}


def contents(look: object) -> bytes:
    match look:
        case torch.UntypedStorage():
            look = torch.tensor([], dtype=torch.uint8).set_(look)
        case list():
            look = look[0]
        case memoryview() | np.ndarray() | torch.Tensor():
            pass
        case _:
            look = torch.stack(list(copy.copy(look)))
    return np.ascontiguousarray(look).tobytes()


@pytest.mark.parametrize("source", ["stream", "file"])
@pytest.mark.parametrize("how", LOOKS)
def test_memory_that_is_still_used_is_not_lent_again(source: str, how: str, spec: WorldSpec, art: Art, data_file: Path):
    if source == "stream":
        batches = iter(RenderedClips(World(spec, art), "train", batch=2, seed=4))
    else:
        clips = FileClips(data_file, "train")
        batches = iter(DataLoader(clips, 2, sampler=WindowSampler(clips), collate_fn=collate))
    held, again, seen = [], 0, set()
    for number in range(12):
        batch = next(batches)
        again += batch["frames"].data_ptr() in seen
        seen.add(batch["frames"].data_ptr())
        if number % 3 == 0:
            look = LOOKS[how](batch)
            held.append((look, contents(look)))
        del batch
    assert again >= 7  # only what is held is not
    assert len({before for _, before in held}) == 4
    for look, before in held:
        assert contents(look) == before
    del held, look


@pytest.mark.parametrize("as_a_whole", [False, True])
def test_rendered_windows_are_those_of_the_data_set(spec: WorldSpec, art: Art, as_a_whole: bool):
    stream = RenderedClips(World(spec, art), "val", window=7, seed=9, batch=5)
    stream._as_a_whole = as_a_whole  # what other devices do, on this one
    seen = set()
    for _, batch in zip(range(3), stream, strict=False):
        assert batch["frames"].shape == (5, 7, 3, 96, 128) and batch["masks"].shape == (5, 7, 96, 128)
        for n in range(5):
            check({name: tensor[n] for name, tensor in batch.items()}, spec, art, 9)
            seen.add((int(batch["index"][n]), int(batch["start"][n])))
    assert len(seen) == 15


def test_a_stream_never_repeats_and_knows_one_split(spec: WorldSpec, art: Art):
    split_of = dict(zip(*casting(spec, 2)._replace(split=casting(spec, 2).split.tolist()), strict=True))
    stream = RenderedClips(World(replace(spec, height=64, width=64), art), "train", window=5, seed=2)
    seen = set()
    for sample, _ in zip(stream, range(2300), strict=False):  # 256 clips have 2048 windows
        assert SPLITS[split_of[int(sample["character"])]] == "train"
        seen.add((int(sample["index"]), int(sample["start"])))
    assert len(seen) == 2300
    clips = {}
    for index, start in seen:
        clips.setdefault(index, []).append(start)
    assert all(len({start % 5 for start in starts}) == 1 for starts in clips.values())  # side by side
    assert len({index for index, _ in seen}) > 256


def test_a_stream_resumes_exactly_where_it_was(spec: WorldSpec, art: Art):
    whole = [batch for batch, _ in zip(RenderedClips(World(spec, art), "train", seed=1, batch=3), range(6), strict=False)]
    stream = RenderedClips(World(spec, art), "train", seed=1, batch=3)
    part = iter(stream)
    for _ in range(4):
        next(part)
    other = RenderedClips(World(spec, art), "train", seed=1, batch=3)
    other.load_state_dict(stream.state_dict())
    assert stream.state_dict()["batches"] == 4 and equal(next(iter(other)), whole[4])
    single = [sample for sample, _ in zip(RenderedClips(World(spec, art), "train", seed=1), range(6), strict=False)]
    assert all(torch.equal(single[n]["frames"], whole[n // 3]["frames"][n % 3]) for n in range(6))
    ranks = [iter(RenderedClips(World(spec, art), "train", seed=1, batch=3, rank=rank, ranks=2)) for rank in (0, 1)]
    assert all(equal(next(ranks[n % 2]), whole[n]) for n in range(6))


def test_workers_do_not_change_a_stream(spec: WorldSpec, art: Art):
    stream = RenderedClips(World(spec, art), "train", seed=1, batch=3)
    stream.load_state_dict({"batches": 1})
    alone = [batch for batch, _ in zip(stream, range(5), strict=False)]
    stream.load_state_dict({"batches": 1})
    # Spawned ones, ended in the midst of an endless stream, may abort when Python unloads torch.
    helped = DataLoader(pickle.loads(pickle.dumps(stream)), batch_size=None, num_workers=2, multiprocessing_context="fork")
    held = [batch for batch, _ in zip(helped, range(5), strict=False)]
    assert all(equal(a, b) for a, b in zip(alone, held, strict=True))


def test_a_batch_is_made_on_its_device(spec: WorldSpec, art: Art):
    """The meta device has shapes without contents; like a GPU, it refuses most mixtures of its tensors with those of a CPU."""
    here = next(iter(RenderedClips(World(spec, art), seed=1, batch=3)))
    for there, _ in zip(
        RenderedClips(World(spec, art), seed=1, batch=500, device="meta"), range(2), strict=False
    ):  # the second of two blocks
        assert list(there) == list(here)
        for name, tensor in there.items():
            assert (tensor.device.type, tensor.shape, tensor.dtype) == ("meta", (500, *here[name].shape[1:]), here[name].dtype)


@pytest.mark.parametrize("as_a_whole", [False, True])
def test_labels_are_the_callers_own(spec: WorldSpec, art: Art, as_a_whole: bool):
    """Whatever mode the first batch of a block was asked for in, and however long one is kept."""
    stream = RenderedClips(World(spec, art), seed=1, batch=2)
    stream._as_a_whole = as_a_whole
    batches = iter(stream)
    with torch.inference_mode():
        next(batches)
    for name, tensor in next(batches).items():
        assert not tensor.is_inference()
        if name not in ("frames", "masks"):
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("compile_", [False, True])
def test_cuda_gives_the_same_bytes(spec: WorldSpec, art: Art, compile_: bool):
    stream = RenderedClips(World(spec, art), "train", seed=1, batch=3, device="cuda", compile=compile_)
    for here, there, _ in zip(RenderedClips(World(spec, art), "train", seed=1, batch=3), stream, range(3), strict=False):
        assert equal(here, {name: tensor.cpu() for name, tensor in there.items()})
