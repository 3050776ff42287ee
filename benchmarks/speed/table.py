"""A table of every stage: frames/s, CPU time, its share of the CPU time of the whole, and its rate as a share of the limit.

    python benchmarks/speed/table.py [clips of the whole] [rounds]

Stages are interleaved, round by round, so that other load on the machine affects all of them alike; figures are medians.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stages import PARTS, READS, clean, whole


def main(clips: int = 12_960, rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, wholes = Path(name), whole(clips)
        stages = {name: prepare(folder) for name, prepare in (PARTS | wholes | READS).items()}
        timed: dict[str, list[tuple[float, float]]] = {name: [] for name in stages}
        for _ in range(rounds):
            for name, (run, frames) in stages.items():
                clean(folder)
                timed[name].append(_seconds(run, frames))
    wall = {name: statistics.median(seconds for seconds, _ in rows) for name, rows in timed.items()}
    cpu = {name: statistics.median(seconds for _, seconds in rows) for name, rows in timed.items()}
    print("| stage | frames/s | CPU us a frame | share of CPU | share of the limit |\n| --- | ---: | ---: | ---: | ---: |")
    for name in stages:
        share = f"{cpu[name] / cpu['end to end, 2 workers']:.0%}" if name in PARTS else ""
        of_limit = f"{wall['the limit, 2 threads'] / wall[name]:.0%}" if name in wholes else ""
        print(f"| {name} | {1 / wall[name]:,.0f} | {1e6 * cpu[name]:.1f} | {share} | {of_limit} |")


def _seconds(run: Callable[[], object], frames: int) -> tuple[float, float]:
    """Seconds a frame by the clock, and of CPU time here and in processes that have ended."""
    wall, cpu = time.perf_counter(), _cpu()
    run()
    return (time.perf_counter() - wall) / frames, (_cpu() - cpu) / frames


def _cpu() -> float:
    usages = [resource.getrusage(target) for target in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="?", type=int, default=12_960)
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    main(**vars(parser.parse_args()))
