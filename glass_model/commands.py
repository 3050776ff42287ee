"""`wsprites train`, `animate` and `transfer`. Nothing heavy is imported before a command needs it."""

from pathlib import Path
from typing import Any

import click

from wsprites.commands import PATH
from wsprites.terminal import extra, interruptible


@click.command()
@click.option("--preset", default="paper", show_default=True, help="Of the model and its training: paper, released, tiny, an ablation, ...")
@click.option("--set", "settings", multiple=True, metavar="GROUP.KEY=VALUE", help="Another value, such as train.batch=8; repeatable.")
@click.option("--data", type=PATH, help="The data file to learn from.")
@click.option("--stream", is_flag=True, help="Learn from clips that are rendered on the device, without a file and without an end.")
@click.option("--out", type=PATH, required=True, help="The folder for checkpoints, metrics and pictures.")
@click.option("--steps", type=int, help="The same as --set train.steps=N.")
@click.option("--batch", type=int, help="The same as --set train.batch=N.")
@click.option("--device", default="", help="cpu, cuda, cuda:1.  [default: cuda where there is one]")
@click.option("--resume", is_flag=True, help="Go on with the folder's run. Always safe: without one it starts.")
@click.option("--vgg", type=PATH, help="torchvision's vgg19-dcbb9e9d.pth; without it the perceptual terms are off.")
@click.option("--precise", is_flag=True, help="float32 throughout and nothing compiled.")
@click.option("--tensorboard", is_flag=True, help="Write metrics for TensorBoard as well.")
def train(
    preset: str,
    settings: tuple[str, ...],
    data: Path | None,
    stream: bool,
    out: Path,
    steps: int | None,
    batch: int | None,
    device: str,
    resume: bool,
    vgg: Path | None,
    precise: bool,
    tensorboard: bool,
) -> None:
    """Train GLASS. `torchrun --nproc-per-node N --no-python wsprites train ...` runs it on N devices."""
    with extra("torch"):
        from glass_model.glass.config import load_config
        from glass_model.training.loop import batches_of, join
        from glass_model.training.loop import train as run
    from tqdm import tqdm

    if (data is None) != stream:
        raise click.UsageError("one of --data FILE and --stream is wanted")
    given = {"train.steps": steps, "train.batch": batch}
    config = load_config(preset, [*settings, *(f"{key}={value}" for key, value in given.items() if value is not None)])
    process = join(device)
    batches = batches_of(config.train, process, data)
    if process.leads:
        click.echo(f"model    {config.name}, {config.model.height} x {config.model.width}, {config.model.codes} codes")
        click.echo(f"terms    perceptual {'on' if vgg else 'off: no weights of VGG19 (--vgg)'}")
        click.echo(f"device   {process.device}, {process.count} process{'es' if process.count > 1 else ''}")
    with tqdm(total=config.train.steps, unit=" steps", delay=0.5, disable=not process.leads) as bar, interruptible() as interrupted:

        def progress(step: int, metrics: dict[str, Any]) -> None:
            bar.update(step - bar.n)
            if metrics:
                shown = {name: f"{metrics[name]:.3g}" for name in ("loss", "recj", "recs", "code_entropy") if name in metrics}
                bar.set_postfix(shown)
            if interrupted.is_set():
                raise KeyboardInterrupt

        path = run(config, batches, out, process, resume=resume, vgg=vgg, precise=precise, tensorboard=tensorboard, progress=progress)
    if process.leads:
        click.echo(f"done     {path}: {config.train.steps:,} steps")


@click.command()
@click.option("--model", "checkpoint", type=PATH, required=True, help="A checkpoint of wsprites train.")
@click.option("--image", "images", type=PATH, multiple=True, required=True, help="The first frame; for a grid several, one a row.")
@click.option("--actions", default="", help='Such as "right*8 code2*6 bg-left*4 left+code1".')
@click.option("--grid", "as_grid", is_flag=True, help="Instead of --actions: where every action leads from each image, as a PNG.")
@click.option("--out", type=PATH, required=True, help="A .gif, animated, or a .png, the frames side by side.")
def animate(checkpoint: Path, images: tuple[Path, ...], actions: str, as_grid: bool, out: Path) -> None:
    """Generate a video from one picture and a list of actions, as seen on the screen."""
    with extra("torch"):
        from glass_model import play
        from glass_model.training.checkpoint import load

    if bool(actions) == as_grid:
        raise click.UsageError("one of --actions and --grid is wanted")
    if len(images) > 1 and not as_grid:
        raise click.UsageError("--actions wants one --image")
    found = load(checkpoint)
    pictures = [play.read_picture(path) for path in images]
    if as_grid:
        if len({picture.shape for picture in pictures}) > 1:
            raise click.UsageError("the images of a grid must be of one size")
        frames = play.grid(found.model(), pictures, play.every_action(found.config.model.codes))[None]
    else:
        frames = play.animate(found.model(), pictures, play.parse_actions(actions, found.config.model.codes))[0]
    play.write_pictures(frames, out)
    click.echo(f"{out}: {len(frames)} frame{'s' if len(frames) > 1 else ''}")


@click.command()
@click.option("--model", "checkpoint", type=PATH, required=True, help="A checkpoint of wsprites train.")
@click.option("--from", "file", type=PATH, required=True, help="The data file with the clip whose motion is read.")
@click.option("--clip", type=int, default=0, show_default=True, help="Number of the clip in the whole data set (the label 'index').")
@click.option("--to", "image", type=PATH, required=True, help="The picture that is to move like it.")
@click.option("--out", type=PATH, required=True, help="A .gif, animated, or a .png, the frames side by side.")
def transfer(checkpoint: Path, file: Path, clip: int, image: Path, out: Path) -> None:
    """Read the actions of a clip and play them from another picture."""
    with extra("torch"):
        from glass_model import play
        from glass_model.training.checkpoint import load
    from wsprites.file import DataFile

    found, picture = load(checkpoint), play.read_picture(image)
    with DataFile(file) as data:
        split, row = data.find(clip)
        frames = play.transfer(found.model(), data[split]["frames"][row], picture)
    play.write_pictures(frames, out)
    click.echo(f"{out}: {len(frames)} frames")
