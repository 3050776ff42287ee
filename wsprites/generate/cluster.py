"""The shards of a data set as tasks of a Dask cluster whose machines share a file system with this one; then they are merged.

A worker that is lost leaves its shard half-done on the disk, and whoever gets the task next goes on with it. Nothing of the data
travels over the network: workers find the world and its art in a small file beside the shards.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wsprites
from wsprites.errors import UserError
from wsprites.file import DataFile, versions
from wsprites.generate import AGAIN, Order, check_output, generate, is_complete, order_of
from wsprites.generate.journal import differences
from wsprites.generate.merge import merge

if TYPE_CHECKING:
    from distributed import Client

_CLIPS_A_SHARD, _FEW_SHARDS, _MANY_SHARDS = 1296, 16, 1000
_DEAF_TO_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"  # a terminal sends it to workers too
_PATIENCE = 0.2  # seconds between looks at whether to stop


@contextmanager
def connect(address: str) -> Iterator["Client"]:
    """A client of the scheduler at an address, or of a cluster of processes on this machine: "local".

    Raises:
        UserError: Dask is not installed, or no scheduler answers.
    """
    try:
        import distributed
    except ImportError:
        raise UserError("--dask needs Dask: pip install 'wsprites[dask]'") from None
    if address == "local":
        local = distributed.LocalCluster(
            threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL, preload=_DEAF_TO_CTRL_C
        )
        with local, distributed.Client(local) as client:
            yield client
        return
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UserError(f"--dask {address}: no scheduler answers there ({' '.join(str(error).split())})") from None
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
        shards: how many tasks; by default one for 1,296 clips, but at least 16 and at most 1,000.
        overwrite, resume: as in `generate`.
        progress: called with the number of frames that were done since the last call, several times a second. Every frame counts
            twice, in its shard and when that is merged. What it raises stops everything.

    Raises:
        UserError: as in `generate`, or the workers cannot do it: other versions, no common file system.
        OSError: writing failed, or a shard has cost several workers their lives; what was finished is kept.
    """
    check_output(out, overwrite or resume)
    if resume and is_complete(order, out, overwrite):
        return
    count = min(order.n, shards or max(_FEW_SHARDS, min(_MANY_SHARDS, order.n // _CLIPS_A_SHARD)))
    folder = out.absolute().with_name(f".{out.name}.wsprites-shards")
    settings, facts = folder / "order.json", {**order.facts, "shards": count}
    if settings.exists() and resume:
        if different := differences(json.loads(settings.read_text(encoding="utf-8")), facts):
            raise UserError(f"{out}: the interrupted run was another one: {different}; go on with its options, or --overwrite it")
    elif folder.exists():
        if not overwrite and not resume:
            raise UserError(f"{out}: an interrupted run has begun it; {AGAIN}, or --overwrite to start again")
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    settings.write_text(json.dumps(facts), encoding="utf-8")
    orders = {folder / f"{k}-of-{count}.h5": replace(order, shard=(k, count)) for k in range(1, count + 1)}
    try:
        _make_all(client, orders, folder / "recipe.h5", progress)
    except BaseException as error:
        error.add_note(f"finished shards are kept; {AGAIN}")
        raise
    merge(list(orders), out, overwrite=overwrite, progress=progress)
    shutil.rmtree(folder)


def _make_all(client: "Client", orders: dict[Path, Order], recipe: Path, progress: Callable[[int], object]) -> None:
    """Have all shards made. Tasks stop when there is no recipe any more."""
    from distributed import KilledWorker, wait

    some = next(iter(orders.values()))
    generate(replace(some, n=1, frames=False, shard=(1, 1)), recipe, overwrite=True)
    try:
        futures = {}
        for path, order in orders.items():
            changes = {name: getattr(order, name) for name in ("n", "frames", "masks", "shard")}
            futures[client.submit(_make, recipe, changes, versions(), path, pure=False)] = len(order.clips) * order.spec.frames
        waiting = set(futures)
        while waiting:
            with suppress(TimeoutError):
                done, waiting = wait(waiting, timeout=_PATIENCE, return_when="FIRST_COMPLETED")
                for future in done:
                    future.result()
                    progress(futures[future])
            progress(0)
    except KilledWorker as error:
        raise OSError(f"a shard has cost several workers their lives ({error})") from None
    except ImportError as error:
        raise UserError(f"the workers of the cluster lack something: {error}; install wsprites {wsprites.__version__} there") from None
    finally:
        recipe.unlink(missing_ok=True)


def _make(recipe: Path, changes: dict[str, Any], expected: dict[str, str], out: Path) -> None:
    """The task: one shard."""
    if different := differences(versions(), expected):
        raise UserError(f"a worker of the cluster has other versions: {different}; install the same there")

    def progress(_: int) -> None:
        if not recipe.exists():
            raise OSError("nobody waits for it any more")

    with DataFile(recipe) as data:
        order = replace(order_of(data), **changes)
    generate(order, out, resume=True, progress=progress)
