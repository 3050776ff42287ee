"""Shards: the same data set, whatever it was cut into; and nothing is put together that does not belong together."""

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import wsprites
from wsprites.errors import UserError
from wsprites.generate import Order, generate, order_like
from wsprites.generate.merge import merge
from wsprites.generate.verify import verify
from wsprites.view.info import summary
from wsprites.world.script import LABELS


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def cut(order: Order, folder: Path, count: int) -> list[Path]:
    """The shards of an order."""
    paths = [folder / f"shard-{number}.h5" for number in range(1, count + 1)]
    for number, path in enumerate(paths, start=1):
        generate(replace(order, shard=(number, count)), path)
    return paths


@pytest.fixture(scope="module")
def three(order: Order, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The shards of `data_file`. Not to be changed."""
    return cut(order, tmp_path_factory.mktemp("shards"), 3)


@pytest.fixture(scope="module")
def nine(order: Order, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine shards without frames. Not to be changed."""
    return cut(replace(order, frames=False), tmp_path_factory.mktemp("nine"), 9)


@pytest.fixture
def copies(three: list[Path], tmp_path: Path) -> list[Path]:
    return [Path(shutil.copy(path, tmp_path)) for path in three]


def test_a_shard_is_a_stretch_of_the_data_set(three: list[Path], data_file: Path):
    with wsprites.open(data_file) as whole:
        seen = []
        for path in three:
            with wsprites.open(path) as shard:
                seen += shard.indices
                report = verify(shard, all_pixels=True)
                assert (report.labels, report.pixels, report.problems) == (8, 8, [])
                assert "shard        " in summary(shard)
                for index in shard.indices:
                    (split, row), (same, other) = shard.find(index), whole.find(index)
                    assert split == same
                    for name in ("frames", "masks", *LABELS):
                        assert np.array_equal(shard[split][name][row], whole[split][name][other])
                with pytest.raises(UserError, match=f"has clips {shard.indices[0]} to {shard.indices[-1]}"):
                    shard.find(24)
    assert seen == list(range(24))


@pytest.mark.parametrize("count", [1, 3, 24])
def test_merged_shards_are_the_file_of_a_single_run(order: Order, data_file: Path, tmp_path: Path, count: int):
    counted: list[int] = []
    paths = cut(order, tmp_path, count)
    merge(paths[::-1], tmp_path / "data.h5", progress=counted.append)
    assert sha256(tmp_path / "data.h5") == sha256(data_file) and sum(counted) == 24 * 40
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("changes", [{"compression": "gzip"}, {"masks": False}, {"frames": False}, {"n": 130}])
def test_other_orders_merge_as_well(order: Order, tmp_path: Path, changes):
    other = replace(order, **changes)
    generate(other, tmp_path / "whole.h5")
    merge(cut(other, tmp_path, 4), tmp_path / "data.h5")
    assert sha256(tmp_path / "data.h5") == sha256(tmp_path / "whole.h5")


def stop_after(frames: int) -> Callable[[int], None]:
    """A progress that interrupts once more frames are done."""
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        if done > frames:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_merge_is_resumed(three: list[Path], data_file: Path, tmp_path: Path):
    out = tmp_path / "data.h5"
    with pytest.raises(KeyboardInterrupt) as error:
        merge(three, out, progress=stop_after(5 * 40))
    assert error.value.__notes__ == ["6 of 24 clips are kept; merge again to continue"]
    merge(three, out)
    assert sha256(out) == sha256(data_file)


def test_a_virtual_merge_discards_no_unfinished_run_unasked(copies: list[Path], tmp_path: Path, run):
    """Its own interrupted run left nothing to lose, and is written anew."""
    out = tmp_path / "data.h5"
    with pytest.raises(KeyboardInterrupt) as error:
        merge(copies, out, progress=stop_after(5 * 40))
    assert error.value.__notes__[0].startswith("6 of 24 clips")
    words = "data.h5: an unfinished run left a partial file; merge without virtual=True to continue, or pass overwrite=True"
    with pytest.raises(UserError, match=words):
        merge(copies, out, virtual=True)
    code, _, err = run("merge", *copies, "--out", out, "--virtual")
    assert code == 2 and "merge without --virtual to continue, or pass --overwrite" in err
    with pytest.raises(KeyboardInterrupt) as error:
        merge(copies, out, virtual=True, overwrite=True, progress=stop_after(5 * 40))
    assert error.value.__notes__ == ["nothing was kept"]
    merge(copies, out, virtual=True)
    with wsprites.open(out) as data:
        assert len(data.shards) == 3


def test_a_killed_virtual_merge_is_not_unfinished(copies: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "data.h5"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("wsprites.generate.journal.UnfinishedFile.discard", lambda self: None)  # as a killed process leaves its files
        merge(copies, out, virtual=True, progress=stop_after(5 * 40))
    assert [path.name for path in sorted(tmp_path.glob(".*"))] == [".data.h5.wsprites-journal", ".data.h5.wsprites-partial"]
    merge(copies, out, virtual=True)
    assert out.exists() and not list(tmp_path.glob(".*"))


def truncated(paths: list[Path], order: Order) -> str:
    os.truncate(paths[1], paths[1].stat().st_size - 100)
    return "shard-2.h5: truncated: not a complete HDF5 file"


def missing(paths: list[Path], order: Order) -> str:
    del paths[1:]
    command = r"for k in 2 3; do wsprites generate --like .*shard-1.h5 --shard \$k/3 "
    return f"of 3 shards, these are missing: 2, 3; name them all, or make them: {command}"


def twice(paths: list[Path], order: Order) -> str:
    paths.append(Path(shutil.copy(paths[0], paths[0].with_name("again.h5"))))
    return "again.h5: shard 1/3 occurs twice, also as .*shard-1.h5"


def another_seed(paths: list[Path], order: Order) -> str:
    generate(replace(order, seed=6, shard=(2, 3)), paths[1], overwrite=True)
    return "shard-2.h5: comes from another run than .*shard-1.h5: seed is 6, not 5$"


def another_count(paths: list[Path], order: Order) -> str:
    generate(replace(order, shard=(2, 4)), paths[1], overwrite=True)
    return "shard-2.h5: is shard 2/4, but .*shard-1.h5 is shard 1/3: K, the number of all shards, is the same for every k"


def another_world(paths: list[Path], order: Order) -> str:
    world = order.world.replace(sprite=replace(order.spec.sprite, p_inertia=0.5))
    generate(replace(order, world=world, shard=(2, 3)), paths[1], overwrite=True)
    return "world.sprite.p_inertia is 0.5, not 0.9$"


def another_number(paths: list[Path], order: Order) -> str:
    with h5py.File(paths[1], "r+") as h5:
        h5.attrs["shard"] = "3/3"
    paths.pop()
    return "damaged: its clips are not those of shard 3/3"


def other_versions(paths: list[Path], order: Order) -> str:
    for path in paths:
        with h5py.File(path, "r+") as h5:
            h5.attrs["versions"] = h5.attrs["versions"].replace('"wsprites": "0', '"wsprites": "9')
    return "cannot be merged here: versions.wsprites is '9.1.0', not '0.1.0'; use the versions that made it"


def flipped_bit(paths: list[Path], order: Order) -> str:
    with h5py.File(paths[2]) as h5:
        place = h5["train/masks"].id.get_chunk_info(3).byte_offset + 20
    content = bytearray(paths[2].read_bytes())
    content[place] ^= 1
    paths[2].write_bytes(content)
    return r"shard-3.h5: damaged: clip \d+ is not what was written; generate this shard again"


def missing_chunk(paths: list[Path], order: Order) -> str:
    with h5py.File(paths[2], "r+") as h5:
        old = h5["train/masks"]
        shape, chunks = old.shape, old.chunks
        del h5["train/masks"]
        h5.create_dataset("train/masks", shape, bool, chunks=chunks)
    return r"shard-3.h5: damaged: clip \d+ is not what was written"


def no_checksums(paths: list[Path], order: Order) -> str:
    with h5py.File(paths[2], "r+") as h5:
        del h5["train/checksum"]
    return "shard-3.h5: damaged: /train/checksum is missing"


FAULTS = [
    *(truncated, missing, twice, another_seed, another_count, another_world),
    *(another_number, other_versions, flipped_bit, missing_chunk, no_checksums),
]


@pytest.mark.parametrize("virtual", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_belong_together_is_refused(
    copies: list[Path], order: Order, tmp_path: Path, fault: Callable[[list[Path], Order], str], virtual: bool
):
    words = fault(copies, order)
    with pytest.raises(UserError, match=words) as error:
        merge(copies, tmp_path / "data.h5", virtual=virtual)
    assert "\n" not in str(error.value) and not (tmp_path / "data.h5").exists()
    assert not (virtual and list(tmp_path.glob(".*")))


def test_a_shard_is_not_overwritten_by_what_is_merged(copies: list[Path]):
    before = sha256(copies[0])
    with pytest.raises(UserError, match="is read as well, and would be lost"):
        merge(copies, copies[0], overwrite=True)
    with pytest.raises(UserError, match="exists already"):
        merge(copies[1:], copies[0])
    assert sha256(copies[0]) == before


@pytest.fixture
def virtual(three: list[Path], tmp_path: Path) -> Path:
    """A virtual data set, whose shards are in a folder beside it with a name that HDF5 could misunderstand."""
    folder = tmp_path / "100%b"
    folder.mkdir()
    paths = [Path(shutil.copy(path, folder)) for path in three]
    merge(paths, tmp_path / "data.h5", virtual=True)
    return tmp_path / "data.h5"


def test_a_virtual_data_set_is_the_data_set(virtual: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch):
    moved = virtual.parent / "elsewhere"
    moved.mkdir()
    for path in (virtual, virtual.parent / "100%b"):
        path.rename(moved / path.name)
    monkeypatch.chdir(virtual.parent)
    with wsprites.open(moved / "data.h5") as data, wsprites.open(data_file) as solid:
        assert len(data.shards) == 3 and (moved / "data.h5").stat().st_size < data_file.stat().st_size / 3
        for name in ("train", "val", "test"):
            for key in ("frames", "masks", *LABELS):
                assert np.array_equal(data[name][key][...], solid[name][key][...])
            assert np.array_equal(data[name]["frames"][1, 25:35:3], solid[name]["frames"][1, 25:35:3])
            assert np.array_equal(data[name]["frames"][[1, 0], 5], solid[name]["frames"][[1, 0], 5])
        report = verify(data, all_pixels=True)
        assert (report.labels, report.pixels, report.problems) == (24, 24, [])
        assert "virtual      reads from 3 files" in summary(data)
        with pytest.raises(UserError, match="a virtual data set; merge the shards"):
            merge([data.path], moved / "again.h5")
    with h5py.File(moved / "data.h5") as h5, h5py.File(data_file) as solid_h5:
        for name in ("frames", "local_action", "checksum"):
            assert np.array_equal(h5["val"][name][()], solid_h5["val"][name][()])


def test_a_virtual_data_set_without_a_shard_is_an_error(virtual: Path, order: Order, monkeypatch: pytest.MonkeyPatch):
    shard = virtual.parent / "100%b" / "shard-2.h5"
    decoy = virtual.parent / "cwd"
    (decoy / "100%b").mkdir(parents=True)
    shutil.copy(shard, decoy / "100%b")  # where HDF5 would look as well
    monkeypatch.chdir(decoy)
    shard.rename(shard.with_name("moved.h5"))
    with pytest.raises(UserError, match=r"data.h5: its shard .*shard-2.h5: no such file"):
        wsprites.open(virtual)
    generate(replace(order, seed=6, shard=(2, 3)), shard)
    with pytest.raises(UserError, match=r"shard-2.h5 has changed since it was merged; restore the original shard"):
        wsprites.open(virtual)
    shutil.copy(shard.with_name("shard-1.h5"), shard)
    with pytest.raises(UserError, match=r"damaged: its arrays are not those of all its shards"):
        wsprites.open(virtual)
    shutil.copy(shard.with_name("moved.h5"), shard)
    os.truncate(shard, shard.stat().st_size // 2)
    with pytest.raises(UserError, match=r"shard-2.h5: truncated: not a complete HDF5 file"):
        wsprites.open(virtual)


def test_a_virtual_array_leads_nowhere_else(virtual: Path):
    layout = h5py.VirtualLayout((3, 40), "u1")
    layout[:] = h5py.VirtualSource("100%%b/shard-1.h5", "val/local_action", (3, 40), "u1")
    with h5py.File(virtual, "r+") as h5:
        del h5["val/animation_frame"]
        h5.create_virtual_dataset("val/animation_frame", layout)
    with pytest.raises(UserError, match="damaged"):
        wsprites.open(virtual)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("shard-2.h5", "shard-{k}.h5"),
        ("a b/part 002 of 9.h5", "a b/part {k} of 9.h5"),
        ("2.h5", "{k}.h5"),
        ("2-2-x.h5", "2-{k}-x.h5"),
        ("it's.h5", "shard-{k}.h5"),
        ("12.h5", "shard-{k}.h5"),
    ],
)
@pytest.mark.parametrize("given", [[2], [2, 4, 8], [1, 2, 3, 4, 5, 6, 7, 9]])
def test_the_command_makes_the_missing_shards(nine: list[Path], tmp_path: Path, name: str, made: str, given: list[int]):
    """A shell runs it, with a stand-in for the program that prints its arguments."""
    (tmp_path / "a b").mkdir()
    paths = {k: tmp_path / (name if k == 2 else f"other-{k}.h5") for k in given}
    for k in given:
        shutil.copy(nine[k - 1], paths[k])
    with pytest.raises(UserError) as error:
        merge(sorted(paths.values(), key=lambda path: path != paths[2]), tmp_path / "data.h5")
    line = str(error.value).partition("or make them: ")[2]
    program = "wsprites() { printf '%s\\n' \"$*\"; }\n"
    printed = subprocess.run(["bash", "-c", program + line], capture_output=True, text=True, timeout=600, check=True).stdout
    missing = [k for k in range(1, 10) if k not in given]
    assert printed.splitlines() == [
        f"generate --like {paths[2]} --shard {k}/9 --out {tmp_path / made.format(k=k)} --resume" for k in missing
    ]


def test_a_file_like_a_shard_is_another_part_of_its_data_set(three: list[Path], order: Order, data_file: Path, tmp_path: Path):
    """Whatever the art and the world are: they are in the file."""
    generate(order_like(three[0], shard=(2, 3)), tmp_path / "2.h5")
    assert sha256(tmp_path / "2.h5") == sha256(three[1])
    merge([three[0], tmp_path / "2.h5", three[2]], tmp_path / "data.h5")
    assert sha256(tmp_path / "data.h5") == sha256(data_file)
    with pytest.raises(UserError, match="shard: 4/3: k = 4 is larger"):
        order_like(three[0], shard=(4, 3))


def test_the_suggested_command_completes_a_data_set(run):
    """Also of another world; another K is refused, and so are options that would contradict the file."""
    Path("my.toml").write_text('preset = "factorial"\nframes = 6', encoding="utf-8")
    make = ("generate", "--n", 12, "--world", "my.toml", "--seed", 8, "--no-masks")
    assert run(*make, "--out", "whole.h5")[0] == 0
    for k in (1, 3):
        assert run(*make, "--shard", f"{k}/3", "--out", f"s{k}.h5")[0] == 0
    Path("my.toml").unlink()
    code, _, err = run("merge", "s1.h5", "s3.h5", "--out", "data.h5")
    assert code == 2 and err.count("\n") == 1
    command = shlex.split(err.partition("or make them: wsprites ")[2])
    assert run(*command)[0] == 0 and command[-2:] == ["s2.h5", "--resume"]
    assert run("merge", "s1.h5", "s2.h5", "s3.h5", "--out", "data.h5")[0] == 0
    assert sha256(Path("data.h5")) == sha256(Path("whole.h5"))
    for more, words in (
        (("--like", "s1.h5", "--seed", 0), "--seed cannot be combined with --like"),
        (("--like", "s1.h5", "--n", 12), "--n cannot be combined with --like"),
        (("--like", "s1.h5", "--no-masks"), "--no-masks cannot be combined with --like"),
        (("--like", "s4.h5"), "s4.h5: no such file"),
        (("--like", "s1.h5", "--shard", "4/3"), "4/3: k = 4 is larger than K = 3"),
        (("--shard", "1/3"), "Missing option '--n'"),
    ):
        code, _, err = run("generate", "--out", "other.h5", *more)
        assert code == 2 and words in err and err.count("\n") == 1, err
    assert run("generate", "--like", "s1.h5", "--shard", "2/2", "--out", "half.h5")[0] == 0
    code, _, err = run("merge", "s1.h5", "half.h5", "s3.h5", "--out", "no.h5")
    assert code == 2 and "half.h5: is shard 2/2, but s1.h5 is shard 1/3: K, the number of all shards" in err
