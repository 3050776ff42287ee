"""`wsprites train`, `animate`, `transfer` and `compact`. Nothing heavy is imported before a command needs it."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsprites.commands import OVERWRITE, PATH
from wsprites.terminal import extra, interruptible

if TYPE_CHECKING:
    from tqdm import tqdm

    from glass_model.training.checkpoint import Checkpoint
    from glass_model.training.config import Config
    from glass_model.training.data import Source
    from glass_model.training.device import Process
    from glass_model.training.validation import Scores

_MOST_PIXELS = 2**24  # of a picture that a network plays from: some 2 GB
_MODEL = click.option(
    "--model",
    "checkpoint",
    type=PATH,
    required=True,
    help="A checkpoint of wsprites train, or the name of a trained model of an installed package. A file comes first.",
)


@click.command()
@click.option(
    "--system",
    default="glass",
    show_default=True,
    help="The system to train: glass, caddy, layered, lam or articulated; or toy, MRAA's experiment with rectangles.",
)
@click.option(
    "--preset",
    help="Configuration to begin with, of glass paper, released, tiny, small, ...; an unknown name lists all of the system.  "
    "[default: the system's first]",
)
@click.option("--set", "settings", multiple=True, metavar="GROUP.FIELD=VALUE", help="Change a value of the preset, such as train.batch=8.")
@click.option("--data", type=PATH, help="Learn from this data file.")
@click.option("--stream", is_flag=True, help="Learn from clips that are rendered on the device, without end and without a file.")
@click.option(
    "--world",
    help="With --stream: name of a world (paper, released, factorial, small-world, shadow-world, ...), or a TOML file.  [default: paper]",
)
@click.option("--sheets", help="With --stream: 'own', 'lpc' or a folder of LPC sheets.  [default: own]")
@click.option("--animations", metavar="NAME,...", help="With --stream: animations that characters show.  [default: those of the world]")
@click.option("--skip-incomplete", is_flag=True, default=None, help="With --stream: leave out sheets that lack an animation.")
@click.option("--backgrounds", help="With --stream: 'painted', 'photos' or a folder of images.  [default: painted]")
@click.option("--out", type=PATH, required=True, help="Folder for checkpoints, metrics and pictures.")
@click.option("--steps", type=int, help="Number of training steps; short for --set train.steps=N.")
@click.option("--batch", type=int, help="Sequences per step; short for --set train.batch=N.")
@click.option("--device", default="", help="Device: cpu, cuda, cuda:1.  [default: cuda if available]")
@click.option("--resume", is_flag=True, help="Continue the run in the folder. Safe to pass every time: starts if nothing is there.")
@click.option("--vgg", type=PATH, help="torchvision's vgg19-dcbb9e9d.pth; without it the perceptual terms are off.")
@click.option(
    "--gma",
    type=PATH,
    help="GLASS: begin with the global motion analysis of this checkpoint; train.alone=0 with train.freeze=0 keeps it. LAM: it places "
    "windows.",
)
@click.option("--reader", type=PATH, help="GLASS with model.reader: learn to draw the codes of this checkpoint of LAM.")
@click.option("--precise", is_flag=True, help="Compute in float32 throughout and compile nothing.")
@click.option(
    "--validate-every",
    type=click.IntRange(min=0),
    default=250,
    show_default=True,
    help="Steps between two lines of scores of the val split, if the data has labels; 0: none.",
)
@click.option("--tensorboard", is_flag=True, help="Write metrics for TensorBoard as well.")
def train(
    system: str,
    preset: str | None,
    settings: tuple[str, ...],
    data: Path | None,
    stream: bool,
    world: str | None,
    sheets: str | None,
    animations: str | None,
    skip_incomplete: bool | None,
    backgrounds: str | None,
    out: Path,
    steps: int | None,
    batch: int | None,
    device: str,
    resume: bool,
    vgg: Path | None,
    gma: Path | None,
    reader: Path | None,
    precise: bool,
    validate_every: int,
    tensorboard: bool,
) -> None:
    """Train a model, and print scores of the val split on the way.

    `torchrun --nproc-per-node N --no-python wsprites train ...` trains it on N devices.
    """
    if system == "toy":
        _train_toy(preset, settings, batch, out, resume=resume)
        return
    with extra("torch"):
        from glass_model.systems import find
        from glass_model.training.config import load_config
        from glass_model.training.device import join
        from glass_model.training.loop import train as run
    from tqdm import tqdm

    # What is trained, where, and on what.
    presets = find(system).PRESETS
    short = [f"train.{name}={value}" for name, value in (("steps", steps), ("batch", batch)) if value is not None]
    config = load_config(presets, preset or next(iter(presets)), [*settings, *short])
    process = join(device)
    source = _source(config, process, data, stream, world, sheets, animations, backgrounds, skip_incomplete)
    validation = source.validation() if process.leads and validate_every else None

    # The run.
    if process.leads:
        click.echo(_summary(config, process, source, data, vgg, f"{validation}, every {validate_every} steps" if validation else ""))
    with tqdm(total=config.train.steps, unit=" steps", delay=0.5, disable=not process.leads) as bar, interruptible() as interrupted:
        display = _Display(bar, interrupted, leads=process.leads)
        path = run(
            config,
            source.batches,
            out,
            process,
            data=source.record,
            resume=resume,
            vgg=vgg,
            gma=gma,
            reader=reader,
            precise=precise,
            actions=source.actions,
            validate=validation,
            validate_every=validate_every,
            tensorboard=tensorboard,
            progress=display.progress,
            report=display.report,
            notice=display.note,
        )
    if process.leads:
        click.echo(f"done     {path}: {config.train.steps:,} step{'s' * (config.train.steps != 1)}")


def _train_toy(preset: str | None, settings: tuple[str, ...], batch: int | None, out: Path, *, resume: bool) -> None:
    with extra("torch"):
        from glass_model.articulated.toy.commands import train as run
    run(click.get_current_context(), preset, settings, batch, out, resume=resume)


class _Display:
    """The progress bar of a run, and lines above it. Shows nothing in a process that does not lead."""

    def __init__(self, bar: "tqdm[Any]", interrupted: threading.Event, *, leads: bool) -> None:
        self._bar, self._interrupted, self._leads = bar, interrupted, leads
        self._scores: dict[str, str] = {}

    def progress(self, step: int, metrics: dict[str, Any]) -> None:
        """Move the bar. Raises KeyboardInterrupt after Ctrl-C."""
        self._bar.update(step - self._bar.n)
        if metrics:
            shown = {name: f"{value:.3g}" for name, value in metrics.items() if name in ("loss", "rate", "code_entropy")}
            self._bar.set_postfix(shown | self._scores)
        if self._interrupted.is_set():
            raise KeyboardInterrupt

    def report(self, step: int, scores: "Scores") -> None:
        """Print scores, and keep some of them in the bar."""
        self._scores = scores.short()
        self._print(f"val      step {step:,}: {scores}")

    def note(self, line: str) -> None:
        """Print a line that the user should see."""
        self._print(f"note     {line}")

    def _print(self, line: str) -> None:
        if self._leads:
            with self._bar.external_write_mode():  # otherwise the line would be written into the bar
                click.echo(line)


def _summary(config: "Config", process: "Process", source: "Source", data: Path | None, vgg: Path | None, scores: str) -> str:
    """What is trained, on which data, with which terms, where, and which scores are printed on the way."""
    from glass_model.training.config import fields_of

    spec, fields = source.record.spec, fields_of(config)
    return "\n".join(
        (
            f"system   {config.system}, preset {config.name}",
            *([f"learns   from frames and {', '.join(fields)}"] if fields else []),
            f"data     {f'world {spec.name}, rendered' if spec and data is None else data}",
            f"terms    perceptual {'on' if vgg else 'off: no weights of VGG19 (--vgg)'}",
            f"device   {process.device}, {process.count} process{'es' if process.count > 1 else ''}",
            *([f"scores   {scores}"] if scores else []),
        )
    )


def _source(
    config: "Config",
    process: "Process",
    data: Path | None,
    stream: bool,
    world: str | None,
    sheets: str | None,
    animations: str | None,
    backgrounds: str | None,
    skip_incomplete: bool | None,
) -> "Source":
    """The data file, or the world with its art. An option of the one that is given with the other is refused."""
    from glass_model.training.config import few_labels_of, fields_of
    from glass_model.training.data import from_file, from_world
    from wsprites.art import load_world

    if (data is None) != stream:
        raise click.UsageError("give either --data FILE or --stream")
    fields, few = fields_of(config), few_labels_of(config)

    if data is None:
        shown = () if animations is None else [name.strip() for name in animations.split(",")]
        skip = bool(skip_incomplete)
        art = load_world(world or "paper", sheets or "own", backgrounds or "painted", skip_incomplete=skip, animations=shown)
        return from_world(art, config.train, process, fields=fields, few=few)
    given = {
        "--world": world,
        "--sheets": sheets,
        "--animations": animations,
        "--backgrounds": backgrounds,
        "--skip-incomplete": skip_incomplete,
    }
    for option, value in given.items():
        if value is not None:
            raise click.UsageError(f"{option} goes with --stream; a data file has its own world and art")
    return from_file(data, config.train, process, fields=fields, few=few)


@click.command()
@_MODEL
@click.option(
    "--image",
    "images",
    type=PATH,
    multiple=True,
    required=True,
    help="The first frame: an image, or FILE:CLIP:T for frame T of a clip of a data file; for --grid one per row.",
)
@click.option("--actions", default="", help='What happens, such as "right*8 code2*6 bg-left*4 left+code1".')
@click.option("--grid", "as_grid", is_flag=True, help="Instead of --actions: a PNG of what every action leads to from each image.")
@click.option("--out", type=PATH, required=True, help="The .gif (animated) or .png (every frame) to write.")
def animate(checkpoint: Path, images: tuple[Path, ...], actions: str, as_grid: bool, out: Path) -> None:
    """Generate a video from one picture and a list of actions, as seen on the screen."""
    with extra("torch"):
        from glass_model import play
        from glass_model.training.checkpoint import load
    from wsprites.view.frame import image_file, read_image
    from wsprites.view.picture import check_picture
    from wsprites.view.sheet import write_clips, write_sheet

    if bool(actions) == as_grid:
        raise click.UsageError("give either --actions or --grid")
    if len(images) > 1 and not as_grid:
        raise click.UsageError("--actions takes one --image")
    check_picture(out, inputs=[checkpoint, *map(image_file, images)])
    pictures = [read_image(path, max_pixels=_MOST_PIXELS) for path in images]
    if as_grid and len({picture.shape for picture in pictures}) > 1:
        raise click.UsageError("the images of a grid must be of one size")
    saved = load(checkpoint)
    model, (stride, scene_stride) = saved.model(), _strides(saved)
    if as_grid:
        texts = play.every_action(model.controls)
        columns = [play.parse_actions(text, model.controls, stride=stride, scene_stride=scene_stride) for text in texts]
        write_sheet(out, play.grid(model, pictures, columns), headings=["start", *texts], names=[path.name for path in images])
        click.echo(f"{out}: {len(pictures)} x {len(columns)} actions")
        return
    steps = play.parse_actions(actions, model.controls, stride=stride, scene_stride=scene_stride)
    frames = play.animate(model, pictures, steps)[0]
    write_clips(out, {"": frames})
    click.echo(f"{out}: {len(frames)} frames")


def _strides(saved: "Checkpoint") -> tuple[float, float]:
    """Pixels per step of character and scene in the world that a model was trained on; those of the paper's world if it is not known."""
    from glass_model.play import SCENE_STRIDE, STRIDE

    spec = saved.data.spec if saved.data else None
    return (spec.sprite.step, spec.background.step) if spec else (STRIDE, SCENE_STRIDE)


@click.command()
@_MODEL
@click.option("--from", "file", type=PATH, required=True, help="The data file with the clip whose motion is read.")
@click.option("--clip", type=int, default=0, show_default=True, help="Number of the clip in the whole data set (the label 'index').")
@click.option("--to", "image", type=PATH, required=True, help="The picture that is to move in the same way, or FILE:CLIP:T.")
@click.option("--mode", metavar="NAME", help="Of an articulated model: standard, relative or avd.  [default: play what is read]")
@click.option("--background", metavar="MOTIONS", help='How the scene moves instead, such as "left*8 rotate*8"; "stay": not at all.')
@click.option("--out", type=PATH, required=True, help="The .gif (animated) or .png (every frame) to write.")
def transfer(checkpoint: Path, file: Path, clip: int, image: Path, mode: str | None, background: str | None, out: Path) -> None:
    """Read the actions of a clip, generated or imported, and play them from another picture. Both are written side by side."""
    with extra("torch"):
        from glass_model import play
        from glass_model.training.checkpoint import load
    import wsprites
    from wsprites.view.frame import image_file, read_image
    from wsprites.view.picture import check_picture
    from wsprites.view.sheet import write_clips

    check_picture(out, inputs=[checkpoint, file, image_file(image)])
    picture = read_image(image, max_pixels=_MOST_PIXELS)
    with wsprites.open(file) as data:
        split, row = data.find(clip)
        saved = load(checkpoint)
        moves = None if background is None else play.parse_background(background, stride=_strides(saved)[1])
        source = data[split]["frames"][row]
        frames = play.transfer(saved.model(), source, picture, mode=mode, background=moves)
    write_clips(out, {f"clip {clip}": source, "its actions": frames})
    click.echo(f"{out}: {len(frames)} frames")


@click.command()
@click.argument("checkpoint", type=PATH)
@click.option("--out", type=PATH, required=True, help="The .safetensors file to write.")
@OVERWRITE
def compact(checkpoint: Path, out: Path, overwrite: bool) -> None:
    """Write a checkpoint at half its size, with large weights as float16. It is used as before; training cannot be resumed from it."""
    with extra("torch"):
        from glass_model.training.compact import compact as write
    from wsprites.generate import readable_size

    write(checkpoint, out, overwrite=overwrite)
    click.echo(f"done     {out}: {readable_size(out.stat().st_size)}")
