"""A table of every stage: frames/s, CPU time, its share of the CPU time of the whole, and its rate as a share of the limit.

    python benchmarks/speed/table.py [clips of the whole] [rounds]

Stages take turns, round by round, so that what else runs on the machine hits all of them alike; figures are medians.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from stages import (
    CLIPS_OF_A_CHARACTER,
    WINDOW,
    Stage,
    clean,
    compose,
    compress,
    end_to_end,
    limit,
    loader,
    paste,
    read,
    rendered,
    script,
    write,
)

from wsprites.render.compiled import compiled


def main(clips: int = 12_960, rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[Path], Stage]] = {
            "script, 256 clips at once": script,
            **({} if compiled() else {f"compose, {CLIPS_OF_A_CHARACTER} clips of a character": compose}),
            "draw frames and masks": paste,
            "compress (Zstd)": compress,
            "write": write,
        }
        whole: dict[str, Callable[[Path], Stage]] = {
            "the limit, 2 threads": limit,
            "end to end, 1 worker": partial(end_to_end, workers=1, clips=clips),
            "end to end, 2 workers": partial(end_to_end, workers=2, clips=clips),
        }
        reads: dict[str, Callable[[Path], Stage]] = {
            f"windows of {WINDOW} from a file": read,
            "the same by 2 threads": partial(read, threads=2),
            "the same by h5py": partial(read, by="h5py"),
            "rendered from labels only": partial(read, stored=False),
            "the same, 32 characters": partial(read, stored=False, characters=32),
        }
        if find_spec("torch"):
            reads |= {f"batches from a file, {workers} of torch's workers": partial(loader, workers=workers) for workers in (0, 1, 2)}
            reads["the same, no workers, 2 threads"] = partial(loader, threads=2)
            reads |= {
                f"batches rendered on the fly, {threads} of torch's threads": partial(rendered, threads=threads) for threads in (1, 2)
            }
        stages = {name: prepare(folder) for group in (parts, whole, reads) for name, prepare in group.items()}
        timed: dict[str, list[tuple[float, float]]] = {name: [] for name in stages}
        for _ in range(rounds):
            for name, (run, frames) in stages.items():
                clean(folder)
                timed[name].append(_seconds(run, frames))
    wall = {name: statistics.median(seconds for seconds, _ in rows) for name, rows in timed.items()}
    cpu = {name: statistics.median(seconds for _, seconds in rows) for name, rows in timed.items()}
    print("| stage | frames/s | CPU us a frame | share of CPU | share of the limit |\n| --- | ---: | ---: | ---: | ---: |")
    for name in stages:
        share = f"{cpu[name] / cpu['end to end, 2 workers']:.0%}" if name in parts else ""
        of_limit = f"{wall['the limit, 2 threads'] / wall[name]:.0%}" if name in whole else ""
        print(f"| {name} | {1 / wall[name]:,.0f} | {1e6 * cpu[name]:.1f} | {share} | {of_limit} |")


def _seconds(run: Callable[[], object], frames: int) -> tuple[float, float]:
    """Seconds a frame by the clock, and of CPU time here and in processes that have ended."""
    wall, cpu = time.perf_counter(), _cpu()
    run()
    return (time.perf_counter() - wall) / frames, (_cpu() - cpu) / frames


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
