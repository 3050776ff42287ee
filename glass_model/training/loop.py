"""Training: the loop, what it reads, and what it leaves in its folder.

OUT/checkpoint.safetensors    weights and configuration, what one goes on to use
OUT/checkpoint.state.pt       the same with the optimiser, what `resume` goes on from
OUT/metrics.jsonl             a line about the run, then one every LOG_EVERY steps
OUT/strips/STEP.png           what the model makes of a few sequences
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from glass_model.glass import losses
from glass_model.glass.config import Config, TrainConfig
from glass_model.glass.gma import compose
from glass_model.glass.model import GLASS, Output
from glass_model.glass.schedule import Phase, phase
from glass_model.perceptual import VGG19, load_vgg
from glass_model.training.checkpoint import load, save, state_path, versions
from wsprites.errors import UserError
from wsprites.weights import read_state

LOG_EVERY = 50
"""Steps between two looks at the losses: the only times at which the loop waits for a GPU."""
_GIVE_UP = 200  # steps in a row whose loss is not finite
_STRIP_ROWS = 2
_WORKERS = 4  # that read a file for a GPU

Batches = Callable[[int], Iterator[Tensor]]
"""Number of the first batch -> this one and all that follow: (B, T, 3, H, W) uint8, on the device. The same whenever it is asked."""


class Progress(Protocol):
    """Told after every step; may raise KeyboardInterrupt to end the run there. `metrics` is what was just logged, or nothing."""

    def __call__(self, step: int, metrics: dict[str, Any]) -> None:
        """After a step."""


@dataclass(frozen=True)
class Process:
    """This process among those of a run."""

    rank: int
    count: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """The one that writes and prints."""
        return self.rank == 0


def join(device: str = "") -> Process:
    """This process as torchrun started it, or alone.

    Args:
        device: as torch names it; empty: CUDA where there is one.
    """
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(kind)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {kind}: {str(error).splitlines()[0]}") from None
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Process(0, 1, place)
    if place.type == "cuda":
        place = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(place)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    return Process(dist.get_rank(), count, place)


def batches_of(config: TrainConfig, process: Process, data: Path | None = None) -> Batches:
    """What to learn from: windows of a data file, or, without one, an endless stream of the paper's world, rendered on the device."""
    from wsprites.stream import FileClips, RenderedClips, WindowSampler, collate

    rank, ranks, device = process.rank, process.count, process.device
    clips = FileClips(data, "train", window=_span(config), keys=["frames"]) if data else None

    def from_file(first: int) -> Iterator[Tensor]:
        assert clips
        sampler = WindowSampler(clips, config.seed, start=first * config.batch, rank=rank, ranks=ranks)
        cuda = device.type == "cuda"
        workers = _WORKERS if cuda else 0
        for sample in DataLoader(clips, config.batch, sampler=sampler, collate_fn=collate, num_workers=workers, pin_memory=cuda):
            yield sample["frames"][:, :: config.skip].to(device, non_blocking=True)

    def rendered(first: int) -> Iterator[Tensor]:
        stream = RenderedClips("paper", "train", _span(config), config.seed, config.batch, device, rank=rank, ranks=ranks)
        stream.load_state_dict({"batches": first})
        for sample in stream:
            yield sample["frames"][:, :: config.skip]

    return from_file if clips else rendered


def _span(config: TrainConfig) -> int:
    """Frames of the data that a sequence reaches over."""
    return (config.window - 1) * config.skip + 1


def train(
    config: Config,
    batches: Batches,
    out: Path,
    process: Process,
    *,
    resume: bool = False,
    vgg: Path | None = None,
    precise: bool = False,
    save_every: int = 1000,
    strip_every: int = 500,
    tensorboard: bool = False,
    progress: Progress = lambda step, metrics: None,
) -> Path:
    """Train to `config.train.steps` steps; returns the path of the weights.

    Args:
        batches: what to learn from; called once, with the number of the first batch.
        resume: go on from the folder's last checkpoint if there is one, to the same numbers as if nothing had happened.
        vgg: torchvision's weights of VGG19; without them the perceptual terms are off.
        precise: float32 throughout, nothing compiled, no layout but the plain one: slower, and the same on every device but for rounding.

    Raises:
        UserError: the folder holds another run, or the loss stays non-finite.
    """
    device, path = process.device, out / "checkpoint.safetensors"
    torch.manual_seed(config.train.seed)
    trainer = Trainer(config, process, Speed.of(device, precise), load_vgg(vgg).to(device) if vgg else None)
    model, optimizer = trainer.model, trainer.optimizer
    notes = {"versions": versions(), "perceptual": "on" if vgg else "off: no weights of VGG19"}
    first = _go_on(path, config, model, optimizer) if _may_go_on(path, resume) else 0
    if process.leads:
        (out / "strips").mkdir(parents=True, exist_ok=True)
        _keep_lines(out / "metrics.jsonl", first)
        if not first:
            _append(out / "metrics.jsonl", {"config": asdict(config), **notes, "processes": process.count, "device": str(device)})
    board = _board(out) if tensorboard and process.leads else None

    def keep(step: int) -> None:
        if process.leads:
            save(path, config, model, step, notes=notes, state={"optimizer": optimizer.state_dict()})

    stream = batches(first)
    clock, since = time.perf_counter(), first
    for step in range(first, config.train.steps):
        output = trainer.step(step, next(stream))
        done, ends = step + 1, step + 1 == config.train.steps
        metrics: dict[str, Any] = {}
        if done % LOG_EVERY == 0 or ends:
            seconds = time.perf_counter() - clock
            metrics = {"step": done, **trainer.read(), "steps_per_s": round((done - since) / seconds, 3)}
            clock, since = time.perf_counter(), done
            if process.leads:
                _append(out / "metrics.jsonl", metrics)
            for name, value in metrics.items() if board else ():
                if isinstance(value, float):
                    board.add_scalar(name, value, done)  # type: ignore[union-attr]
        if process.leads and (done % strip_every == 0 or ends):
            Image.fromarray(strip(trainer.frames, output)).save(out / "strips" / f"{done:07d}.png")
        if done % save_every == 0 and not ends:
            keep(done)
        try:
            progress(done, metrics)
        except KeyboardInterrupt as error:
            keep(done)
            error.add_note(f"{path} is of step {done}; --resume goes on from there")
            raise
    keep(config.train.steps)
    if board:
        board.close()
    return path


@dataclass(frozen=True)
class Speed:
    """What makes training faster and its numbers others in the last places."""

    bfloat16: bool = False
    """Autocast of the networks; losses and quantisation stay in float32."""
    compiled: bool = False
    """torch.compile for GMA and for a transition of LMA, whose shapes are static."""
    channels_last: bool = False
    fused: bool = False
    """Adam as one kernel."""
    tf32: bool = False
    """And cuDNN's choice of the fastest algorithms."""

    @staticmethod
    def of(device: torch.device, precise: bool) -> "Speed":
        """Everything on CUDA, on a CPU what helps there, nothing where it has to be precise."""
        if precise:
            return Speed()
        cuda = device.type == "cuda"
        return Speed(bfloat16=cuda, compiled=cuda, channels_last=True, fused=True, tf32=cuda)


class Trainer:
    """A model in training, and what is counted on its device between two looks."""

    def __init__(self, config: Config, process: Process, speed: Speed, features: VGG19 | None = None) -> None:
        self.config, self.device, self.speed, self.features, self.rank = config, process.device, speed, features, process.rank
        torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = speed.tf32
        self.model = model = GLASS(config.model).to(self.device).train()
        if speed.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=config.train.rate, weight_decay=config.train.weight_decay, fused=speed.fused or None
        )
        self.forward: nn.Module = model
        if process.count > 1:
            # While GMA is trained alone, LMA's parameters have no gradient.
            self.forward = nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
        if speed.compiled:
            model.gma.compile(dynamic=False)
            model.lma.transition = torch.compile(model.lma.transition, dynamic=False)  # type: ignore[method-assign]
        self._places: dict[tuple[str, ...], Tensor] = {}
        self.names = [name for name in asdict(config.loss) if name not in ("mask_size", "recb_power", "commitment")]
        self._reset(torch.zeros((), device=self.device))

    def _reset(self, in_a_row: Tensor) -> None:
        zeros = torch.zeros(len(self.names) + 1, device=self.device)
        self.sums, self.counts, self.bad = zeros.clone(), zeros.clone(), zeros.clone()
        self.codes = torch.zeros(self.config.model.codes, device=self.device)
        self.in_a_row = in_a_row

    def step(self, step: int, frames: Tensor) -> Output:
        """One step of the optimiser. Reads nothing back from the device."""
        # A step's random numbers depend on nothing that was before it, so that there is nothing to keep for `resume`.
        (seed,) = np.random.SeedSequence([self.config.train.seed, step, self.rank]).generate_state(1, np.uint64)
        torch.manual_seed(int(seed))
        now = phase(self.config.train, step)
        self.now: Phase = now
        self.frames = self.model.to_model(frames[:, : now.length])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.speed.bfloat16):
            output: Output = self.forward(self.frames, None if now.alone else now.given, now.temperature)
        terms = losses.terms(self.frames, *output, self.config.loss, self.features)
        loss = losses.total(terms, self.config.loss)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                torch.nan_to_num(parameter.grad, nan=0.0, posinf=1e5, neginf=-1e5, out=parameter.grad)
        for group in self.optimizer.param_groups:
            group["lr"] = now.rate
        self.optimizer.step()
        self._count(terms, loss.detach(), output)
        return output

    def _count(self, terms: dict[str, Tensor], loss: Tensor, output: Output) -> None:
        values = torch.stack([*(term.detach() for term in terms.values()), loss])
        at = self._places_of((*terms, "loss"))
        finite = values.isfinite()
        self.sums[at] += torch.where(finite, values, 0.0)
        self.counts[at] += finite
        self.bad[at] += ~finite
        self.in_a_row = (self.in_a_row + 1) * ~finite[-1]
        if output.local:
            code = output.local.action.code.flatten()
            self.codes.scatter_add_(0, code, torch.ones_like(code, dtype=torch.float32))

    def _places_of(self, names: tuple[str, ...]) -> Tensor:
        """Where terms are counted. Kept on the device: copying numbers there makes it wait."""
        if names not in self._places:
            self._places[names] = torch.tensor([[*self.names, "loss"].index(name) for name in names], device=self.device)
        return self._places[names]

    def read(self) -> dict[str, Any]:
        """Means since the last look, as numbers. Raises UserError if the loss has not been finite for long."""
        names = [*self.names, "loss"]
        sums, counts, bad, codes = (x.tolist() for x in (self.sums, self.counts, self.bad, self.codes))
        nonfinite = {name: int(n) for name, n in zip(names, bad, strict=True) if n}
        if self.in_a_row.item() >= _GIVE_UP:
            raise UserError(
                f"the loss has not been finite for {_GIVE_UP} steps (of the last {LOG_EVERY}: {nonfinite}); "
                "try --precise or a lower rate (--set train.rate=1e-4), and --resume from the checkpoint before"
            )
        metrics: dict[str, Any] = {name: total / n for name, total, n in zip(names, sums, counts, strict=True) if n}
        share = np.array(codes) / max(sum(codes), 1)
        if sum(codes):
            used = share[share > 0]
            metrics |= {"codes_used": int((share > 0).sum()), "code_entropy": float(-(used * np.log2(used)).sum())}
        if nonfinite:
            metrics["nonfinite"] = nonfinite
        self._reset(self.in_a_row)
        return {**metrics, "given": self.now.given, "length": self.now.length, "rate": self.now.rate}


def _may_go_on(path: Path, resume: bool) -> bool:
    exists = state_path(path).exists()
    if exists and not resume:
        raise UserError(f"--out {path.parent}: there is a run already; --resume goes on with it, or name another folder")
    return exists


def _go_on(path: Path, config: Config, model: GLASS, optimizer: torch.optim.Optimizer) -> int:
    """Put a run back to where its state was saved; returns the number of steps done."""
    found, state = load(state_path(path)), read_state(state_path(path))
    if replace(found.config, train=replace(found.config.train, steps=config.train.steps)) != config:
        raise UserError(f"{path.parent}: begun with another configuration; only train.steps may change when a run is resumed")
    try:
        model.load_state_dict(found.weights)
        optimizer.load_state_dict(state["optimizer"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{state_path(path)}: damaged: {error}") from None
    return found.step


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _keep_lines(path: Path, step: int) -> None:
    """Drop what was logged after a step, or everything for step 0: it will be logged again."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines() if step else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line).get("step", 0) <= step]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _board(out: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError("--tensorboard: it is not installed; pip install 'wsprites[tensorboard]'") from None
    return SummaryWriter(str(out))


@torch.no_grad()
def strip(frames: Tensor, output: Output) -> NDArray[np.uint8]:
    """What a model makes of the first sequences of a batch, (rows, columns, 3) uint8: one column for each transition.

    From above: the true next frame, GMA's mask of it, its foreground and background, GMA's frame, and, once LMA learns, its
    foreground, its mask, and its frame before GMA's background.
    """
    motion, local = output
    rows = []
    for i in range(min(_STRIP_ROWS, len(frames))):
        parts = [x[i, 1:] for x in motion.parts]
        images = [frames[i, 1:], parts[0] * 2 - 1, parts[1], parts[2], motion.frame[i]]
        if local:
            made, mask = local.made.images[-1][i], local.made.mask[i]
            moved = motion.moved._replace(mask=mask, foreground=made, background=motion.moved.background[i])
            images += [made, mask * 2 - 1, compose(moved)]
        for image in images:
            tiles = image.expand(-1, 3, -1, -1).clamp(-1, 1).permute(0, 2, 3, 1)
            rows.append(np.concatenate(list(((tiles.float() + 1) * 127.5).round().byte().cpu().numpy()), 1))
    sheet: NDArray[np.uint8] = np.concatenate(rows, 0)
    return sheet
