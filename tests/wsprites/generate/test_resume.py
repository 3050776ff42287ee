"""Nothing is lost: whenever a run is stopped, resuming it gives the bytes of an undisturbed one."""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from samples import sha256

from wsprites.art import World
from wsprites.errors import UserError
from wsprites.generate import Order, generate
from wsprites.generate.journal import partial_path

FRAMES = 31
"""Of a clip; its frames and its masks are two chunks each."""


@pytest.fixture(scope="module")
def order(order: Order) -> Order:
    return replace(order, world=order.world.replace(frames=FRAMES))


@pytest.fixture(scope="module", autouse=True)
def small_jobs() -> Iterator[None]:
    """Five jobs for the workers, more than are made ahead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wsprites.generate.workers._CLIPS_PER_JOB", 12)
        yield


@pytest.fixture
def many(order: Order) -> Order:
    return replace(order, n=60)


@pytest.fixture(scope="module")
def undisturbed(order: Order, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("undisturbed") / "data.h5"
    generate(replace(order, n=60), out)
    return sha256(out)


def stop_after(frames: int) -> Callable[[int], None]:
    """A progress that interrupts once so many frames are done."""
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        if done >= frames:
            raise KeyboardInterrupt

    return progress


def interrupt(order: Order, out: Path, frames: int, **how: bool) -> str:
    """Interrupt a run; what it says is kept."""
    with pytest.raises(KeyboardInterrupt) as error:
        generate(order, out, progress=stop_after(frames), **how)
    return error.value.__notes__[-1]


def test_an_interrupted_run_is_resumed(many: Order, undisturbed: str, tmp_path: Path):
    out = tmp_path / "data.h5"
    assert interrupt(many, out, FRAMES * 20) == "20 of 60 clips are kept; pass resume=True to continue"
    assert interrupt(many, out, FRAMES * 30, resume=True).startswith("30 of 60")
    assert interrupt(many, out, FRAMES * 10, resume=True) == "the clips of the unfinished run are kept; pass resume=True to continue"
    counted: list[int] = []
    generate(many, out, resume=True, workers=2, progress=counted.append)
    assert sum(counted) == 60 * FRAMES
    assert sha256(out) == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]


def test_what_is_kept_is_not_made_again(many: Order, undisturbed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import wsprites.generate.writer

    out, wanted = tmp_path / "data.h5", []
    interrupt(many, out, FRAMES * 20)
    make = wsprites.generate.writer.encode_in_order

    def watched(order, index_n, workers, progress):
        wanted.extend(index_n.tolist())
        return make(order, index_n, workers, progress)

    monkeypatch.setattr(wsprites.generate.writer, "encode_in_order", watched)
    generate(many, out, resume=True)
    assert sha256(out) == undisturbed
    assert len(wanted) == 40 and wanted == many.visit_n.tolist()[20:]


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_other_codecs_are_resumed(order: Order, tmp_path: Path, compression: str):
    few = replace(order, n=12, compression=compression)
    generate(few, tmp_path / "whole.h5")
    interrupt(few, tmp_path / "data.h5", FRAMES * 5)
    generate(few, tmp_path / "data.h5", resume=True)
    assert sha256(tmp_path / "data.h5") == sha256(tmp_path / "whole.h5")


def flip(path: Path, at: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 4
    path.write_bytes(content)


def cut(path: Path, at: float) -> None:
    os.truncate(path, int(at * path.stat().st_size))


def zero(path: Path, at: float) -> None:
    content = bytearray(path.read_bytes())
    first = int(at * len(content))
    content[first : first + 4096] = bytes(len(content[first : first + 4096]))
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [flip, cut, zero])
@pytest.mark.parametrize("kind", ["partial", "journal"])
def test_whatever_is_damaged_is_made_again(many: Order, undisturbed: str, tmp_path: Path, damage, kind: str):
    out = tmp_path / "data.h5"
    places = random.Random(f"{damage.__name__} {kind}")
    interrupt(many, out, FRAMES * 50)
    for clips in (51, 52, 53, 54):
        damage(partial_path(out, kind=kind), places.random())
        assert interrupt(many, out, FRAMES * clips, resume=True).startswith(f"{clips} of 60")
    damage(partial_path(out, kind=kind), 0.0)
    generate(many, out, resume=True)
    assert sha256(out) == undisturbed


@pytest.mark.parametrize("kind", ["partial", "journal"])
def test_one_of_the_two_may_be_gone(many: Order, undisturbed: str, tmp_path: Path, kind: str):
    out = tmp_path / "data.h5"
    interrupt(many, out, FRAMES * 20)
    partial_path(out, kind=kind).unlink()
    generate(many, out, resume=kind == "journal")  # without the file there is nothing to lose
    assert sha256(out) == undisturbed


# A program that generates a file in child processes, which kill themselves at given writes, until one is not killed any more. Children
# are forked, since starting Python takes seconds. The write at which a child is killed is cut short.
KILLED = """
import os, random, signal, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from wsprites.art import load_world
from wsprites.generate import Order, generate
from wsprites.generate import workers as working
from wsprites.world.spec import PRESETS

sheets, backgrounds, out, seed, workers, kills = sys.argv[1:]
order = Order(load_world(replace(PRESETS["paper"], frames=31), sheets, backgrounds), 5, 60)
working._CLIPS_PER_JOB = 12
list(working.encode(order, np.arange(1)))  # all code is compiled before the first fork
write = os.write

def child(out, kill_at, share):
    # Generate the file; killed at the write of this number, after a share of its bytes. Returns the number of writes.
    done = 0
    def counted(file, data):
        nonlocal done
        done += 1
        if done == kill_at:
            write(file, memoryview(data)[:int(share * len(data))])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(file, data)
    os.write = counted
    generate(order, Path(out), resume=True, workers=int(workers))
    return done

def run(*args):
    # The number of writes of a forked child, or None if it was killed.
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        write(writer, str(child(*args)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        done = pipe.read()
    status = os.waitpid(process, 0)[1]
    assert done or os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status
    return int(done) if done else None

total = run(out + ".undisturbed", 0, 0)
last = total - 61  # a resumed run does not write the journal's lines of clips that it restores
random = random.Random(int(seed))
for moment in [1, *(random.randint(1, last) for _ in range(int(kills) - 2)), last]:
    assert run(out, moment, random.random()) is None
    assert not Path(out).exists()
assert last <= run(out, 0, 0) < total
assert run(out + ".late", total, 0.5) is None
assert run(out + ".late", 0, 0) == last
print(total)
"""


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_killed_at_random_moments_until_it_is_through(sheets: Path, backgrounds: Path, undisturbed: str, tmp_path: Path, workers: int):
    out = tmp_path / "data.h5"
    command = [sys.executable, "-W", "ignore", "-c", KILLED, sheets, backgrounds, out, workers, workers, 8]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert {sha256(path) for path in (out, Path(f"{out}.undisturbed"), Path(f"{out}.late"))} == {undisturbed}
    assert int(done.stdout) > 60 * 5  # each clip has four chunks and a line in the journal


@pytest.mark.slow
def test_a_disk_may_be_full_at_any_write(order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    few = replace(order, n=6)
    writes, limit = 0, 10**9
    write = os.write

    def counted(file: int, data: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes > limit:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    monkeypatch.setattr(os, "write", counted)
    generate(few, tmp_path / "whole.h5")
    whole, total = sha256(tmp_path / "whole.h5"), writes
    out = tmp_path / "data.h5"
    for limit in (*range(1, total, max(total // 20, 1)), total - 1):
        writes = 0
        with pytest.raises(OSError, match=r"data.h5: writing failed \(.*No space left on device.*\); .* kept") as error:
            generate(few, out)
        assert "\n" not in str(error.value)
        kept = "nothing was kept" not in str(error.value)
        assert partial_path(out).exists() == partial_path(out, kind="journal").exists() == kept
        writes, limit = 0, 10**9
        generate(few, out, resume=True)
        assert sha256(out) == whole
        out.unlink()


def test_a_write_that_is_cut_short_is_an_error(order: Order, tmp_path: Path):
    """The system writes what still fits, and says how much it was."""
    out, few = tmp_path / "data.h5", replace(order, n=30)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_234_567, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large.* of 30 clips are kept; pass resume=True"):
            generate(few, out)
        assert partial_path(out).stat().st_size == 1_234_567
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    generate(few, out, resume=True)
    generate(few, tmp_path / "whole.h5")
    assert sha256(out) == sha256(tmp_path / "whole.h5")


def test_a_folder_may_vanish(many: Order, undisturbed: str, tmp_path: Path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()

    def progress(frames: int) -> None:
        if frames and here.exists():
            here.rename(there)

    with pytest.raises(OSError, match=r"here is gone.*; nothing was kept") as error:
        generate(many, here / "data.h5", progress=progress)
    assert "\n" not in str(error.value)
    generate(many, there / "data.h5", resume=True)
    assert sha256(there / "data.h5") == undisturbed


def test_a_worker_may_die(many: Order, undisturbed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import wsprites.generate.writer

    make = wsprites.generate.writer.encode_in_order

    def mortal(*args):
        yield next(make(*args))
        raise OSError("a worker died")

    with monkeypatch.context() as patch:
        patch.setattr(wsprites.generate.writer, "encode_in_order", mortal)
        with pytest.raises(OSError, match=r"data.h5: writing failed \(a worker died\); \d+ of 60 clips are kept; pass resume=True"):
            generate(many, tmp_path / "data.h5")
    generate(many, tmp_path / "data.h5", resume=True)
    assert sha256(tmp_path / "data.h5") == undisturbed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 6}, "seed is 5, not 6"),
        ({"n": 61}, "clips is 60, not 61"),
        ({"compression": "gzip"}, "compression is 'zstd', not 'gzip'"),
        ({"masks": False}, "pixels is 'frames masks', not 'frames'"),
        ({"shard": (1, 2)}, "shard is '1/1', not '1/2'"),
    ],
)
def test_another_order_is_refused_by_what_differs(many: Order, undisturbed: str, tmp_path: Path, changes, words: str):
    out = tmp_path / "data.h5"
    interrupt(many, out, FRAMES * 20)
    with pytest.raises(UserError, match=words) as error:
        generate(replace(many, **changes), out, resume=True)
    assert "the unfinished run used other settings" in str(error.value) and "\n" not in str(error.value)
    generate(many, out, resume=True)
    with pytest.raises(UserError, match=words):
        generate(replace(many, **changes), out, resume=True)
    assert sha256(out) == undisturbed


def test_another_world_art_or_version_is_refused(many: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "data.h5"
    interrupt(many, out, FRAMES)
    with pytest.raises(UserError, match=r"other settings: world.sprite.step is 7, not 5;"):
        generate(replace(many, world=many.world.replace(sprite=replace(many.spec.sprite, step=5))), out, resume=True)
    backgrounds = many.world.art.backgrounds
    changed = replace(backgrounds, images=backgrounds.images ^ 1)
    with pytest.raises(UserError, match=r"art_sha256 is '\w+\.\.\.\w+', not"):
        generate(replace(many, world=World(many.spec, replace(many.world.art, backgrounds=changed))), out, resume=True)
    monkeypatch.setattr("wsprites.version.__version__", "9.9")
    with pytest.raises(UserError, match=r"other settings: versions.wsprites is '0.1.0', not '9.9';"):
        generate(many, out, resume=True)


def test_work_is_not_thrown_away_unasked(many: Order, undisturbed: str, tmp_path: Path):
    out = tmp_path / "data.h5"
    interrupt(many, out, FRAMES * 20)
    for order in (many, replace(many, seed=6)):
        with pytest.raises(UserError, match="pass resume=True to continue, or pass overwrite=True to start again"):
            generate(order, out)
    assert interrupt(many, out, FRAMES * 20, overwrite=True).startswith("20 of 60")
    generate(many, out, overwrite=True)
    assert sha256(out) == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]


def test_resume_and_overwrite_discard_the_clips_of_another_order_only(many: Order, undisturbed: str, tmp_path: Path):
    out = tmp_path / "data.h5"
    interrupt(many, out, FRAMES * 20)
    assert interrupt(many, out, FRAMES * 30, resume=True, overwrite=True).startswith("30 of 60")
    assert interrupt(replace(many, seed=6), out, FRAMES * 10, resume=True, overwrite=True).startswith("10 of 60")
    generate(many, out, resume=True, overwrite=True)
    assert sha256(out) == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]


def test_resume_is_always_safe_to_pass(many: Order, undisturbed: str, tmp_path: Path):
    out = tmp_path / "data.h5"
    generate(many, out, resume=True)
    assert sha256(out) == undisturbed
    before = out.stat()
    generate(many, out, resume=True, overwrite=True)
    assert out.stat().st_mtime_ns == before.st_mtime_ns
    generate(replace(many, n=2), out, resume=True, overwrite=True)
    with h5py.File(out) as h5:
        assert h5.attrs["clips"] == 2
    out.write_text("precious", encoding="utf-8")
    with pytest.raises(UserError, match="not a complete HDF5 file"):
        generate(many, out, resume=True)
    assert out.read_text(encoding="utf-8") == "precious"


def test_a_run_killed_after_its_last_step_is_complete(many: Order, undisturbed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "data.h5"
    monkeypatch.setattr("wsprites.generate.journal.UnfinishedFile.discard", lambda self: None)
    generate(many, out)
    monkeypatch.undo()
    assert partial_path(out, kind="journal").exists()
    generate(many, out, resume=True)
    out.unlink()
    generate(many, out)  # a journal alone is nothing to lose
    assert sha256(out) == undisturbed and [path.name for path in tmp_path.iterdir()] == ["data.h5"]


def test_a_system_may_write_a_part_at_a_time(order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    generate(order, tmp_path / "whole.h5")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, memoryview(data)[:5000]))
    generate(order, tmp_path / "data.h5")
    assert sha256(tmp_path / "data.h5") == sha256(tmp_path / "whole.h5")
