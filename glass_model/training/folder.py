"""The folder of a run.

checkpoint.safetensors    weights and configuration: what is used after training
checkpoint.state.pt       the same with the states of the optimisers: what a run is resumed from
metrics.jsonl             a line about the run, then a line of metrics every LOG_EVERY steps and after each validation
strips/STEP.png           a few sequences as the model sees them, with the true actions where they are known
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glass_model.training.checkpoint import state_path
from wsprites.errors import ArgumentError
from wsprites.generate import append_line, naming, replace_file
from wsprites.terminal import extra
from wsprites.view.picture import encode_png


class RunFolder:
    """The files of a run. Only the leading process writes; in the others all writing methods do nothing.

    Args:
        out: the folder; created when something is written.
        leads: whether this process writes.
        resume: whether a run in the folder is continued.

    Raises:
        ArgumentError: the folder holds a run, and `resume` is False; or it holds weights alone, such as those of a compact checkpoint.
    """

    def __init__(self, out: Path, *, leads: bool, resume: bool) -> None:
        self.out, self.leads = out, leads
        self.checkpoint = out / "checkpoint.safetensors"
        self.state = state_path(self.checkpoint)
        self._log = out / "metrics.jsonl"
        self._board: Any = None
        self.resumes = self.state.exists()
        """Whether there is a run to be continued."""
        if out.exists() and not out.is_dir():
            raise ArgumentError("out", f"{out} is no folder; name another one")
        if self.checkpoint.exists() and not self.resumes:
            raise ArgumentError("out", f"{out} holds weights without {self.state.name}, from which training resumes; name another folder")
        if self.resumes and not resume:
            raise ArgumentError("out", f"{out} holds a run already; pass resume=True to continue it, or name another folder")

    def open(self, step: int, first_line: dict[str, Any], *, tensorboard: bool) -> None:
        """Begin to write: create folders, drop what was logged after `step`, and log the first line of a new run."""
        if not self.leads:
            return
        writer = _writer() if tensorboard else None  # before anything is written: the package may be missing
        with naming(self.out):
            (self.out / "strips").mkdir(parents=True, exist_ok=True)
        if self._log.exists():
            lines = self._log.read_text(encoding="utf-8").splitlines() if step else []
            kept = [line for line in lines if _step(line) <= step]
            replace_file(self._log, "".join(f"{line}\n" for line in kept).encode())
        if not step:
            append_line(self._log, json.dumps(first_line))
        if writer:
            self._board = writer(str(self.out))

    def log(self, step: int, metrics: dict[str, Any]) -> None:
        """Append a line of metrics, and write its numbers for TensorBoard."""
        if not self.leads:
            return
        append_line(self._log, json.dumps(metrics))
        with naming(self.out):
            for name, value in metrics.items() if self._board else ():
                if isinstance(value, int | float) and name != "step":
                    self._board.add_scalar(name, value, step)

    def strip(self, step: int, picture: NDArray[np.uint8]) -> None:
        """Write a picture of the last batch, (H, W, 3) uint8, for TensorBoard as well."""
        if not self.leads:
            return
        replace_file(self.out / "strips" / f"{step:07d}.png", encode_png(picture))
        if self._board:
            with naming(self.out):
                self._board.add_image("strip", picture, step, dataformats="HWC")

    def close(self) -> None:
        """Finish what is written for TensorBoard."""
        if self._board:
            self._board.close()


def _step(line: str) -> float:
    """The step of a line of the log, 0 for the first one; infinite for a line that was cut off when the machine went down."""
    try:
        return float(json.loads(line).get("step", 0))
    except (AttributeError, TypeError, ValueError):
        return math.inf


def _writer() -> Any:
    """TensorBoard's class. Raises UserError if the package is missing."""
    with extra("tensorboard"):
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter
