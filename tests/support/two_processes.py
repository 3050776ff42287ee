"""Training a system in two processes (gloo), to be compared with one."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

_SCRIPT = """
import sys, torch
from dataclasses import replace
from importlib import import_module
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_system import CONFIG, noise
from glass_model.training import loop
from glass_model.training.device import join
module, process, out = import_module(sys.argv[2]), join("cpu"), Path(sys.argv[3])
made, build, seed = [], module.system, loop._seed
module.system = lambda config, setup: made.append(build(config, setup)) or made[-1]
def save(name):
    torch.save(made[-1].network.state_dict(), out / f"{name}{process.rank}.pt")
loop.train(CONFIG, lambda first: noise(first + 100 * process.rank), out / "other", process)
save("other")
loop._seed = lambda number, step, process: seed(number, step, replace(process, rank=0))
loop.train(CONFIG, noise, out / "same", process)
save("same")
torch.distributed.destroy_process_group()
"""


def two_processes(tests: Path, system: str, out: Path) -> dict[str, dict[str, Tensor]]:
    """Train a system's `CONFIG` twice in two processes: with batches of their own, and both with the batches and random numbers of one.

    Args:
        tests: the folder of a test_system.py with `CONFIG` and `noise`.
        system: the module with the system.
        out: an empty folder; the runs are in `other` and `same`.

    Returns:
        The weights after training, by "other" or "same" and the number of the process.
    """
    script = out / "two.py"
    script.write_text(_SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(script)]
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    subprocess.run([*command, str(tests), system, str(out)], check=True, capture_output=True, timeout=600, env=environment)
    return {name: torch.load(out / f"{name}.pt", weights_only=True) for name in ("same0", "same1", "other0", "other1")}


def check_states(states: dict[str, dict[str, Tensor]], one: dict[str, Tensor], saved: dict[str, Tensor], trained: list[str]) -> None:
    """Assert that two processes equal one, bit for bit, and agree about what is trained with batches of their own.

    Args:
        states: of `two_processes`.
        one: the weights of the same training in one process.
        saved: those of the checkpoint of `other`.
        trained: names of the weights that learn; moving averages are those of the first process, which saves them.
    """
    for name, tensor in one.items():
        assert torch.equal(states["same0"][name], tensor) and torch.equal(states["same1"][name], tensor), name
    assert all(torch.equal(states["other0"][name], states["other1"][name]) for name in trained)
    assert all(torch.equal(saved[name], tensor) for name, tensor in states["other0"].items())
    assert any(not torch.equal(saved[name], one[name]) for name in trained)
