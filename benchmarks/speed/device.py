"""Batches rendered on a device: frames/s, and the bytes of frames and masks that are written, as a share of what a plain copy moves.

python benchmarks/speed/device.py [cuda, or cpu] [windows in a batch]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from stages import rendered, world

ROUNDS = 5


def main(device: str = "cuda", batch: int = 256) -> None:
    spec = world().spec
    source = torch.empty(2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def copy() -> None:
        for _ in range(10):
            target.copy_(source)
        if device != "cpu":
            torch.cuda.synchronize()

    copy()
    copied = 10 * 2 * source.numel() / _seconds(copy)
    print(f"{torch.cuda.get_device_name() if device == 'cuda' else device}, torch {torch.__version__}, medians of {ROUNDS} rounds")
    print(f"a copy reads and writes {copied / 1e9:,.0f} GB/s")
    for compile_ in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            run, frames = rendered(Path(folder), device, compile_, batch)
            rate = frames / _seconds(run)
        written = rate * spec.height * spec.width * 4
        print(f"{'compiled' if compile_ else 'eager':8} {rate:,.0f} frames/s, writing {written / copied:.1%} of that")


def _seconds(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", nargs="?", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("batch", nargs="?", type=int, default=256)
    main(**vars(parser.parse_args()))
