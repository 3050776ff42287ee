"""The training loop, for every system: seeds, resuming, processes, precision, logs and checkpoints."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from glass_model.systems import Playable, System, Turn, find
from glass_model.training.checkpoint import restore, save, versions
from glass_model.training.config import Config
from glass_model.training.data import Actions, Batches, DataRecord
from glass_model.training.device import Process, Setup, Speed, average, broadcast
from glass_model.training.folder import RunFolder
from glass_model.training.meter import Meter
from glass_model.training.strips import picture
from glass_model.training.validation import Scores, Validation
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import to_json
from wsprites.weights import checkpoint_path

LOG_EVERY = 50
"""Steps between two lines of the log; there is one more after each validation. Only when one is written does the loop wait for a GPU."""
_GIVE_UP = 200  # steps in a row whose loss is not finite


class Progress(Protocol):
    """Called after every step; may raise KeyboardInterrupt to end the run there."""

    def __call__(self, step: int, metrics: dict[str, Any]) -> None:
        """`step` is the number of steps done, `metrics` what was just logged, empty at most steps."""


def train(
    config: Config,
    batches: Batches,
    out: Path,
    process: Process,
    *,
    data: DataRecord | None = None,
    resume: bool = False,
    vgg: Path | None = None,
    gma: Path | None = None,
    reader: Path | None = None,
    precise: bool = False,
    save_every: int = 1000,
    save_minutes: float = 2.0,
    strip_every: int = 500,
    actions: Actions | None = None,
    validate: Validation | None = None,
    validate_every: int = 250,
    tensorboard: bool = False,
    progress: Progress = lambda step, metrics: None,
    report: Callable[[int, Scores], None] = lambda step, scores: None,
    notice: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.monotonic,
) -> Path:
    """Train a system for `config.train.steps` steps.

    Args:
        config: configuration of the system, with the numbers of training.
        batches: what to learn from; called once, with the number of the first batch.
        out: the folder of the run; see `glass_model.training.folder`.
        process: this process, from `join`.
        data: record of what `batches` gives, kept in checkpoints; a run is not resumed with other data.
        resume: continue the run in the folder if there is one, with as many processes to the same numbers as without the interruption.
        vgg: torchvision's weights of VGG19 for perceptual terms; None leaves these terms out.
        gma: checkpoint of GLASS, or name of a trained model, with the global motion analysis to begin with; `train.freeze` says from which
            step it is kept.
        reader: checkpoint of a latent action model whose codes GLASS learns to draw, with `model.reader`.
        precise: float32 throughout, nothing compiled, no special memory layout: slower, but equal on all devices up to rounding.
        save_every: steps between two checkpoints.
        save_minutes: minutes after which a checkpoint is written in any case.
        strip_every: steps between two pictures of the last batch.
        actions: the true actions of a batch, which are written into its picture; None where they are not known.
        validate: scores the network in the leading process, if it is `Playable`. It trains to the same numbers as without. Other processes
            continue with the next step, in which they wait for the first: a validation may take as long as `torch.distributed` lets them.
        validate_every: steps between two validations; there is one after the last step as well.
        tensorboard: write metrics for TensorBoard as well.
        progress: called after every step.
        report: called with the results of `validate`, which are among the metrics of that step; not if nothing could be scored.
        notice: called with a line that the user should see.
        clock: time in seconds, for `save_minutes` and the logged rate.

    Returns:
        The path of the weights.

    Raises:
        UserError: the folder holds another run or one with other data, or the loss stays non-finite.
        KeyboardInterrupt: `progress` raised it; a checkpoint of that step has been written.
    """
    # The system, its folder, and where the run begins.
    folder = RunFolder(out, leads=process.leads, resume=resume)
    system = build(config, Setup(process.device, Speed.of(process.device, precise), vgg, gma, reader))
    notes = _notes(process, vgg, gma, reader, precise)
    first, data, cut = _restored(folder, config, data, system, notes, notice)
    if process.count > 1:
        broadcast(system.network.state_dict().values())
    run = {"system": config.system, "config": asdict(config), **notes, "processes": process.count, "device": str(process.device)}
    if data:
        notes["data"], run["data"] = to_json(data), data.facts()
    folder.open(first, run, tensorboard=tensorboard)

    def keep(step: int) -> None:
        if process.leads and (step > first or cut):  # a run that was done keeps its file, whose hash others know
            save(folder.checkpoint, config, system.network, step, notes=notes, optimizers=system.optimizers)

    # The loop.
    stream, meter = batches(first), Meter(process.device, notice)
    log, saved_at = _Log(folder, meter, first, clock, report), clock()
    scored = validate if process.leads and isinstance(system.network, Playable) else None
    for step in range(first, config.train.steps):
        train_step(system, next(stream), step, config.train.seed, process, meter)
        done, ends = step + 1, step + 1 == config.train.steps
        metrics: dict[str, Any] = {}
        validates = scored is not None and (ends or done % validate_every == 0)
        if ends or validates or done % LOG_EVERY == 0:
            _give_up_if_not_finite(meter)
            if ends:
                _finish(system, stream, config, process)
            metrics = log.write(done, system, scored.scores(system.network, process.device) if scored and validates else None)
        if process.leads and (ends or done % strip_every == 0) and (strips := system.strip()):
            folder.strip(done, picture(strips, done, actions(step) if actions else None))
        if not ends and (done % save_every == 0 or clock() - saved_at >= 60 * save_minutes):
            keep(done)
            saved_at = clock()
        try:
            progress(done, metrics)
        except KeyboardInterrupt as error:
            keep(done)
            error.add_note(f"{folder.checkpoint} holds step {done}; pass resume=True to continue")
            raise
    if cut:
        _finish(system, stream, config, process)
    keep(config.train.steps)
    folder.close()
    return folder.checkpoint


def _notes(process: Process, vgg: Path | None, gma: Path | None, reader: Path | None, precise: bool) -> dict[str, str]:
    """What a checkpoint says of how it was made, beside configuration and data."""
    notes = {"versions": versions(), "perceptual": "on" if vgg else "off: no weights of VGG19", "processes": str(process.count)}
    began = {name: checkpoint_path(path).read_bytes() for name, path in (("gma", gma), ("reader", reader)) if path}
    notes |= {name: f"sha256 {hashlib.sha256(content).hexdigest()}" for name, content in began.items()}
    return notes | {"precise": "yes" if precise else "no"}


class _Log:
    """Lines of the log, and the rate of training between two of them."""

    def __init__(
        self, folder: RunFolder, meter: Meter, step: int, clock: Callable[[], float], report: Callable[[int, Scores], None]
    ) -> None:
        self._folder, self._meter, self._clock, self._report = folder, meter, clock, report
        self._step, self._at = step, clock()

    def write(self, step: int, system: System, scores: Scores | None) -> dict[str, Any]:
        """Append a line of the means since the last one, with scores if there are new ones, and return its metrics."""
        rates = {
            "rate": system.optimizers[0].param_groups[0]["lr"],
            "steps_per_s": round((step - self._step) / max(self._clock() - self._at, 1e-9), 3),
        }
        metrics = {"step": step, **self._meter.read(), **rates, **(scores.metrics() if scores else {})}
        self._step, self._at = step, self._clock()
        self._folder.log(step, metrics)
        if scores and scores.metrics():
            self._report(step, scores)
        return metrics


def _restored(
    folder: RunFolder, config: Config, data: DataRecord | None, system: System, notes: dict[str, str], notice: Callable[[str], None]
) -> tuple[int, DataRecord | None, bool]:
    """Put a run that is resumed back to its last checkpoint.

    Returns:
        The number of steps done; the record of the data, that of the checkpoint where `data` is None; and whether this was a longer run,
        which is to end where it is.

    Raises:
        UserError: the run has another configuration, other data or other terms, or is longer than it is to become.
    """
    if not folder.resumes:
        return 0, data, False
    saved = restore(folder.state, config, data, system.network, system.optimizers)
    if saved.step > config.train.steps:
        raise ArgumentError("steps", f"{config.train.steps}: the run has done {saved.step} steps already")
    if saved.notes.get("perceptual", notes["perceptual"]) != notes["perceptual"]:
        raise ArgumentError("vgg", f"the run has perceptual terms {saved.notes['perceptual']}; resume it in the same way")
    for name in ("gma", "reader"):
        if saved.notes.get(name) != notes.get(name):
            raise ArgumentError(name, f"the run began with {saved.notes.get(name, 'random weights')}; resume it in the same way")
    if saved.notes.get("processes", notes["processes"]) != notes["processes"]:
        notice(f"begun by {saved.notes['processes']} processes: with {notes['processes']} it learns from other batches")
    if saved.notes.get("precise", notes["precise"]) != notes["precise"]:
        notice(f"begun {'with' if notes['precise'] == 'no' else 'without'} precise=True: numbers are rounded otherwise from here on")
    if data and saved.data is None:
        notice(f"{folder.out} does not say what it learned from: whether these are the same data could not be checked")
    return saved.step, data or saved.data, saved.step == config.train.steps < saved.config.train.steps


def build(config: Config, setup: Setup) -> System:
    """The system of a configuration, initialised by its seed, with the options for speed that belong to the loop."""
    speed = setup.speed
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = speed.tf32
    torch.manual_seed(config.train.seed)
    system = find(config.system).system(config, setup)
    network = system.network
    if speed.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if speed.bfloat16:
        network.forward = torch.autocast(setup.device.type, torch.bfloat16)(network.forward)
    return system


def train_step(system: System, frames: Any, step: int, seed: int, process: Process, meter: Meter) -> None:
    """One batch: every optimiser takes its turn. Reads nothing back from the device.

    Args:
        system: what is trained.
        frames: what `System.turns` takes.
        step: number of steps done before.
        seed: of the run.
        process: this process; gradients are averaged over all of them.
        meter: adds what the turns report.
    """
    _seed(seed, step, process)
    if process.count > 1:
        broadcast(system.network.buffers())  # moving averages are those of the process that saves them
    turns = []
    for turn in system.turns(frames, step):
        _update(turn, process)
        turns.append(turn)
    meter.add(turns)


def _finish(system: System, stream: Iterator[Any], config: Config, process: Process) -> None:
    """Let a system compute what is found after training, with random numbers that only seed and step decide about."""
    _seed(config.train.seed, config.train.steps, process)
    system.finish(stream)


def _seed(seed: int, step: int, process: Process) -> None:
    """Seed a step: its random numbers do not depend on earlier steps, so that a resumed run needs no saved generator."""
    (step_seed,) = np.random.SeedSequence([seed, step, process.rank]).generate_state(1, np.uint64)
    torch.manual_seed(int(step_seed))


def _update(turn: Turn, process: Process) -> None:
    """Compute gradients, average them over all processes, replace what is not finite, and step."""
    turn.optimizer.zero_grad()
    turn.loss.backward()  # type: ignore[no-untyped-call]
    parameters = (parameter for group in turn.optimizer.param_groups for parameter in group["params"])
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if process.count > 1:
        average(gradients, process.count)
    for gradient in gradients:
        torch.nan_to_num(gradient, nan=0.0, posinf=1e5, neginf=-1e5, out=gradient)
    turn.optimizer.step()


def _give_up_if_not_finite(meter: Meter) -> None:
    if meter.nonfinite_steps() >= _GIVE_UP:
        raise UserError(
            f"the loss has not been finite for {_GIVE_UP} steps (since the last line of the log: {meter.read().get('nonfinite')}); begin "
            "again in another folder with a lower train.rate, or, on a GPU, resume from the last checkpoint with precise=True"
        )
