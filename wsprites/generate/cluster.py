"""Generating on a Dask cluster whose machines share a file system with this one: shards are tasks, which are merged at the end.

A worker that dies leaves its shard unfinished on the disk, and the next worker that gets the task resumes it. No pixels travel over the
network: workers read the world and its art from a small file next to the shards.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsprites.errors import UserError
from wsprites.file import DataFile, Facts, differences, versions
from wsprites.file.facts import version_differences
from wsprites.generate.journal import RESUME
from wsprites.generate.merge import merge
from wsprites.generate.order import Order, order_of
from wsprites.generate.output import check_output, replace_file
from wsprites.generate.writer import generate, is_complete
from wsprites.terminal import extra
from wsprites.version import __version__

if TYPE_CHECKING:
    from distributed import Client

_CLIPS_PER_SHARD, _FEWEST_SHARDS, _MOST_SHARDS = 1296, 16, 1000
_IGNORE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"  # a terminal sends it to workers too
_POLL_SECONDS = 0.2  # between calls of `progress`


@contextmanager
def connect(address: str) -> Iterator["Client"]:
    """A client of a Dask scheduler.

    Args:
        address: address of the scheduler, or "local" for a cluster of processes on this machine.

    Raises:
        UserError: Dask is not installed, or no scheduler answers.
    """
    with extra("dask"):
        import distributed
    if address == "local":
        local = distributed.LocalCluster(
            threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL, preload=_IGNORE_CTRL_C
        )
        with local, distributed.Client(local) as client:
            yield client
        return
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UserError(f"{address}: no Dask scheduler answers there ({' '.join(str(error).split())})") from None
    with client:
        yield client


def generate_on(
    client: "Client",
    order: Order,
    out: Path,
    *,
    shards: int | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[int], object] = lambda frames: None,
) -> None:
    """Write a data file, the same bytes as `generate` writes, with the workers of a Dask cluster.

    Args:
        client: a client of the cluster.
        order: what the file is to hold.
        out: path of the file, on a file system that all workers share.
        shards: number of tasks; by default one per 1,296 clips, but at least 16 and at most 1,000.
        overwrite, resume: as in `generate`.
        progress: called with the number of frames that were finished since the last call, several times a second. Every frame counts
            twice, in its shard and when that is merged. What it raises stops everything.

    Raises:
        UserError: as in `generate`, or the workers lack a package, have other versions, or share no file system with this process.
        OSError: writing failed, or several workers died while they made the same shard. Finished shards are kept.
    """
    check_output(out, overwrite or resume)
    if resume and is_complete(order, out, overwrite):
        return
    count = min(order.n, shards or max(_FEWEST_SHARDS, min(_MOST_SHARDS, order.n // _CLIPS_PER_SHARD)))
    folder = out.absolute().with_name(f".{out.name}.wsprites-shards")
    _prepare(folder, order.facts, count, out, overwrite=overwrite, resume=resume)
    orders = {folder / f"{k}-of-{count}.h5": replace(order, shard=(k, count)) for k in range(1, count + 1)}
    try:
        _make_all(client, orders, folder / "recipe.h5", progress)
    except BaseException as error:
        error.add_note(f"finished shards are kept; {RESUME}")
        raise
    merge(list(orders), out, overwrite=overwrite, progress=progress)
    shutil.rmtree(folder)


def _prepare(folder: Path, facts: Facts, count: int, out: Path, *, overwrite: bool, resume: bool) -> None:
    """Make the folder of the shards. Raises UserError if an unfinished run is neither to be resumed nor discarded, or was another."""
    settings = folder / "order.json"
    known = settings.exists() and resume
    different = _differences(json.loads(settings.read_text(encoding="utf-8")), facts, count) if known else ""
    if different and not overwrite:
        raise UserError(f"{out}: the unfinished run used other settings: {different}; rerun with those, or pass overwrite=True")
    if folder.exists() and (different or not known):
        if not overwrite and not resume:
            raise UserError(f"{out}: an unfinished run left shards; {RESUME}, or pass overwrite=True to start again")
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    replace_file(settings, json.dumps({"facts": facts.attributes(), "shards": count}).encode())


def _differences(stored: Mapping[str, Any], facts: Facts, count: int) -> str:
    """The differences between the settings of an unfinished run and these, readable; the empty string if there are none."""
    try:
        different = differences(Facts.from_attributes(stored["facts"]), facts)
    except (KeyError, ValueError):
        return "they are those of another version of wsprites"
    if different or stored["shards"] == count:
        return different
    return f"shards is {stored['shards']}, not {count}"


def _make_all(client: "Client", orders: dict[Path, Order], recipe: Path, progress: Callable[[int], object]) -> None:
    """Have all shards made. Tasks stop when the recipe, a file with the world and its art, is deleted."""
    from distributed import KilledWorker, wait

    first = next(iter(orders.values()))
    generate(replace(first, n=1, frames=False, shard=(1, 1)), recipe, overwrite=True)
    try:
        futures = {}
        for path, order in orders.items():
            settings = (order.n, order.frames, order.masks, order.shard)
            futures[client.submit(_make, recipe, settings, versions(), path, pure=False)] = len(order.clips) * order.spec.frames
        waiting = set(futures)
        while waiting:
            with suppress(TimeoutError):
                done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
                for future in done:
                    future.result()
                    progress(futures[future])
            progress(0)
    except KilledWorker as error:
        raise OSError(f"several workers died while they made the same shard ({error})") from None
    except ImportError as error:
        raise UserError(f"the workers of the cluster lack a package: {error}; install wsprites {__version__} there") from None
    finally:
        recipe.unlink(missing_ok=True)


def _make(recipe: Path, settings: tuple[int, bool, bool, tuple[int, int]], expected: dict[str, str], out: Path) -> None:
    """The task: make one shard."""
    if different := version_differences(versions(), expected):
        raise UserError(f"a worker of the cluster has other versions: {different}; install the same there")

    def progress(_: int) -> None:
        if not recipe.exists():
            raise OSError("the job was cancelled")

    n, frames, masks, shard = settings
    with DataFile(recipe) as data:
        order = replace(order_of(data), n=n, frames=frames, masks=masks, shard=shard)
    generate(order, out, resume=True, progress=progress)
