"""How fast GLASS is: forward and training steps, eager against optimised, float32 against bfloat16.

    python benchmarks/speed/glass.py [--preset paper tiny] [--set model.figure=64] [--batch 4 64] [--device cuda] [--steps 20]

Prints a table: steps/s, frames/s, the share of the device's matrix rate, which is measured in the same process with a large product of
the same type, and the loss of the first step, which has to agree with that of eager float32 within a tolerance. Sequences are 12 frames of
noise in a row; both analyses are trained, and all but the first frame of LMA's are its own. `drawn`, which needs a reader, is not timed.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from glass_model.glass.config import PRESETS, Config
from glass_model.glass.model import GLASS
from glass_model.systems import System
from glass_model.training.config import load_config
from glass_model.training.device import Process, Setup, Speed, join
from glass_model.training.loop import build, train_step
from glass_model.training.meter import Meter
from wsprites.errors import ArgumentError

LENGTH = 12
TOLERANCE = {"eager float32": 0.0, "optimised float32": 0.01, "optimised bfloat16": 0.05}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", default=["paper", "tiny"], choices=sorted(PRESETS.keys() - {"drawn"}), metavar="PRESET")
    parser.add_argument("--set", nargs="+", default=[], dest="settings", metavar="GROUP.FIELD=VALUE", help="changes of all presets")
    parser.add_argument("--batch", nargs="+", type=int, default=[4, 64])
    parser.add_argument("--device", default="")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    if options.steps < 1 or min(options.batch) < 2:
        parser.error("--steps needs 1 or more, and --batch 2 or more")
    try:
        configs = [load_config(PRESETS, preset, options.settings) for preset in options.preset]
        process = join(options.device)
    except ArgumentError as error:
        parser.error(f"--{'set' if error.argument == 'settings' else error.argument}: {error.problem}")
    name = torch.cuda.get_device_name(process.device) if process.device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads, medians of {options.steps} steps\n")
    print("| preset, batch | way | forward steps/s | training steps/s | frames/s | of the matrix rate | first loss |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    wrong = [line for config in configs for batch in options.batch for line in compare(config, batch, process, options.steps)]
    sys.exit("\n".join(wrong) or None)


def ways(cuda: bool) -> dict[str, Speed]:
    fast = Speed(compiled=cuda, channels_last=True, fused=True, tf32=cuda)
    return {"eager float32": Speed(), "optimised float32": fast, "optimised bfloat16": replace(fast, bfloat16=True)}


def at_once(config: Config) -> Config:
    """A configuration that trains both analyses from its first step on, with sequences of LENGTH frames in a row."""
    lengths = {"window": LENGTH, "length_from": LENGTH, "length_to": LENGTH}
    return config.override(train={"alone": 0, "freeze": config.train.steps, "given_from": 1, "local_skip": 1, **lengths})


def compare(config: Config, batch: int, process: Process, steps: int) -> list[str]:
    """Print the rows of a preset; returns what is wrong."""
    config = at_once(config)
    frames = torch.randint(0, 256, (batch, LENGTH, 3, config.model.height, config.model.width), dtype=torch.uint8).to(process.device)
    wrong, first_loss, flops = [], 0.0, count(config, frames, process)
    for way, speed in ways(process.device.type == "cuda").items():
        system, meter = build(config, Setup(process.device, speed)), Meter(process.device)
        train_step(system, frames, 0, 0, process, meter)
        loss = meter.read()["loss"]
        first_loss = first_loss or loss
        if not abs(loss - first_loss) <= TOLERANCE[way] * abs(first_loss):
            wrong.append(f"{config.name}, {batch}, {way}: the first loss is {loss}, not {first_loss}")
        trained = seconds(partial(train_step, system, frames, 0, 0, process, meter), steps, process.device)
        forward = seconds(partial(only_forward, system, frames), steps, process.device)
        share = flops / trained / matrix_rate(process.device, torch.bfloat16 if speed.bfloat16 else torch.float32)
        rates = f"{1 / forward:.2f} | {1 / trained:.2f} | {batch * LENGTH / trained:,.0f} | {share:.1%} | {loss:.5f}"
        print(f"| {config.name}, {batch} | {way} | {rates} |", flush=True)
    return wrong


def count(config: Config, frames: torch.Tensor, process: Process) -> float:
    """Floating-point operations of a training step; a multiplication and an addition are two."""
    system = build(config, Setup(process.device))
    with FlopCounterMode(display=False) as counter:
        train_step(system, frames, 0, 0, process, Meter(process.device))
    return float(counter.get_total_flops())


@torch.no_grad()
def only_forward(system: System, frames: torch.Tensor) -> None:
    assert isinstance(system.network, GLASS)
    system.network(system.network.to_model(frames), 1)


def seconds(run: Callable[[], object], steps: int, device: torch.device) -> float:
    """Median time of a call in seconds, including the wait for the device."""
    times = []
    for _ in range(steps + 3):
        begin = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[3:])


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a large matrix product."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(2, n, n, device=device).to(dtype)
    return 2 * n**3 / seconds(lambda: a @ b, 10, device)


if __name__ == "__main__":
    main()
