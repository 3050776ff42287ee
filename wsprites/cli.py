"""The command line: the only place that parses arguments and prints. Nothing heavy is imported before a command needs it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)
_FILE = click.argument("file", type=_PATH)


def _shard(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int]:
    """k/K as two numbers; without it, all in one."""
    number, slash, shards = (value or "1/1").partition("/")
    if not (slash and number.isdecimal() and shards.isdecimal()):
        raise click.BadParameter(f"'{value}' is not of the form k/K, such as 3/10")
    return int(number), int(shards)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="wsprites")
@click.pass_context
def wsprites(context: click.Context) -> None:
    """W-Sprites: videos in which every action is known, and every pixel has a known cause."""
    _help_alone(context)


@wsprites.command()
@click.option("--n", type=int, required=True, help="Number of clips over all splits.")
@click.option("--out", type=_PATH, required=True, help="The HDF5 file to write.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is drawn at random.")
@click.option("--world", default="paper", show_default=True, help="paper, released, factorial, or a TOML file that overrides one of them.")
@click.option("--sheets", default="own", show_default=True, help="'own', 'lpc' (after 'wsprites assets fetch'), or a folder of LPC sheets.")
@click.option("--backgrounds", default="painted", show_default=True, help="'painted', 'photos' (those of scikit-image), or a folder.")
@click.option(
    "--workers", type=click.IntRange(1, 1024), default=None, help="Threads, or processes without numba.  [default: one for each core]"
)
@click.option("--compression", type=click.Choice(["zstd", "gzip", "lz4", "none"]), default="zstd", show_default=True)
@click.option("--no-frames", is_flag=True, help="Labels only: frames and masks are rendered when the file is read.")
@click.option("--no-masks", is_flag=True, help="Leave out the masks.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists, and what an interrupted run has left of it.")
@click.option(
    "--resume", is_flag=True, help="Go on with an interrupted run. Always safe: without one it starts, and what is complete it leaves."
)
@click.option("--shard", callback=_shard, metavar="k/K", help="Only the k-th of K parts, into a file of its own; see wsprites merge.")
@click.option("--dask", metavar="ADDRESS", help="Generate shards on the Dask cluster of this scheduler, or 'local', and merge them.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and stop.")
def generate(
    n: int,
    out: Path,
    seed: int,
    world: str,
    sheets: str,
    backgrounds: str,
    workers: int | None,
    compression: str,
    no_frames: bool,
    no_masks: bool,
    overwrite: bool,
    resume: bool,
    shard: tuple[int, int],
    dask: str | None,
    dry_run: bool,
) -> None:
    """Generate a data set into one HDF5 file."""
    from wsprites.art import ignored_folders, load_art, sheets_folder
    from wsprites.generate import Order, check_disk, check_output, estimate, is_complete
    from wsprites.generate import generate as write
    from wsprites.view import info as summary
    from wsprites.world.script import split_sizes
    from wsprites.world.spec import load_world

    if dask and shard != (1, 1):
        raise click.UsageError("--dask and --shard exclude one another: --dask makes shards of its own")
    spec = load_world(world)
    check_output(out, overwrite or resume)
    art = load_art(spec, sheets, backgrounds)
    spec = art.world(spec)
    order = Order(spec, art, seed, n, compression, not no_frames, not no_masks, shard)
    if resume and is_complete(order, out, overwrite):
        click.echo(f"complete already: {out}")
        return
    expected = estimate(order)
    free = check_disk(out, expected * (2 if dask else 1))  # shards, and what they are merged to
    click.echo(f"world    {summary.world_line(spec)}, seed {seed}")
    click.echo(f"clips    {summary.clips_line(spec, split_sizes(spec, seed, n))}")
    if shard != (1, 1):
        click.echo(f"shard    {shard[0]} of {shard[1]}: clips {order.clips[0]:,} to {order.clips[-1]:,}")
    click.echo(f"cast     {summary.cast_line(spec)}")
    click.echo(f"licence  {art.credits.licence}")
    for name in ignored_folders(sheets_folder(sheets), spec.cast.layers):
        click.echo(f"ignored  folder '{name}' of the sheets: not among the layers of this world")
    click.echo(f"output   {out}: about {summary.size(expected)}; {summary.size(free)} free")
    if dry_run:
        return
    begin = time.perf_counter()
    frames = len(order.clips) * spec.frames
    if dask:
        from wsprites.generate.cluster import connect, generate_on

        with connect(dask) as client, _frames_bar(2 * frames) as progress:
            click.echo(f"cluster  {client.dashboard_link}")
            generate_on(client, order, out, overwrite=overwrite, resume=resume, progress=progress)
    else:
        with _frames_bar(frames if order.pixels else 0) as progress:
            write(order, out, workers=workers or _cores(), overwrite=overwrite, resume=resume, progress=progress)
    seconds = time.perf_counter() - begin
    rate = f"{frames / seconds:,.0f} frames/s, " if order.pixels else ""
    written = out.stat().st_size
    click.echo(f"done     {out}: {summary.size(written)} in {seconds:.1f} s ({rate}{written / frames:,.0f} bytes a frame)")


def _size(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """HxW as two numbers."""
    if value is None:
        return None
    height, _, width = value.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and 0 < int(height) <= 8192 and 0 < int(width) <= 8192):
        raise click.BadParameter(f"'{value}' is not of the form HxW, such as 96x256, of 1 to 8192 pixels")
    return int(height), int(width)


@wsprites.command("import")
@click.argument("folder", type=_PATH)
@click.option("--out", type=_PATH, required=True, help="The HDF5 file to write.")
@click.option("--size", callback=_size, metavar="HxW", help="Scale frames to this size, by area.  [default: as they are]")
@click.option("--frames", type=click.IntRange(1, 10_000), default=90, show_default=True, help="Of a clip: long videos are cut into clips.")
@click.option("--skip", type=click.IntRange(0, 1000), default=0, show_default=True, help="Frames to leave out after each frame.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
def import_(folder: Path, out: Path, size: tuple[int, int] | None, frames: int, skip: int, overwrite: bool) -> None:
    """Make one HDF5 file of the videos in FOLDER: folders of frames (00000.png, ...) or video files, in train, val and test or not."""
    from wsprites.generate import check_output
    from wsprites.videos import import_videos, plan
    from wsprites.view import info as summary

    check_output(out, overwrite)
    made = plan(folder, frames=frames, size=size, skip=skip)
    clips = {name: sum(map(made.clips, videos)) for name, videos in made.videos.items()}
    total = sum(clips.values()) * frames
    each = ", ".join(f"{count:,} {name}" for name, count in clips.items())
    click.echo(f"videos   {sum(map(len, made.videos.values())):,}, split {made.splits}")
    click.echo(f"clips    {sum(clips.values()):,} ({each}) of {frames} frames, {made.size[0]} x {made.size[1]}: {total:,} frames")
    if made.short:
        names = ", ".join([video.name for video in made.short[:5]] + ["..."] * (len(made.short) > 5))
        click.echo(f"left out {len(made.short):,} that are shorter than a clip: {names}")
    with _frames_bar(total) as progress:
        labels = import_videos(made, out, overwrite=overwrite, progress=progress)
    click.echo(f"labels   {', '.join(labels) or 'none'}")
    click.echo(f"done     {out}: {summary.size(out.stat().st_size)}")


@wsprites.command()
@click.argument("shards", type=_PATH, nargs=-1, required=True)
@click.option("--out", type=_PATH, required=True, help="The HDF5 file to write.")
@click.option("--virtual", is_flag=True, help="Write only where everything is: the shards stay, and have to stay where they are beside it.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
def merge(shards: tuple[Path, ...], out: Path, virtual: bool, overwrite: bool) -> None:
    """Check all SHARDS of a data set and put them together: one file, the same bytes as if it had been generated at once."""
    from wsprites.generate.merge import merge as write

    with _frames_bar() as progress:
        write(list(shards), out, virtual=virtual, overwrite=overwrite, progress=progress)
    click.echo(f"done     {out}: {len(shards)} shards")


@wsprites.command()
@_FILE
def info(file: Path) -> None:
    """What is in FILE, how it was made, and the balance of its labels."""
    import wsprites as package
    from wsprites.view.info import summary

    with package.open(file) as data:
        click.echo(summary(data))


@wsprites.command()
@_FILE
@click.option("--all", "all_pixels", is_flag=True, help="Render every clip again, not a sample.")
def verify(file: Path, all_pixels: bool) -> None:
    """Make FILE again from its world, seed and art, and compare: all labels, and the pixels of a sample of clips."""
    from tqdm import tqdm

    from wsprites.file import DataFile
    from wsprites.generate.verify import pixel_rows
    from wsprites.generate.verify import verify as compare

    with DataFile(file) as data:
        stored = [split for split in data.splits.values() if split.stored]
        total = sum(len(pixel_rows(len(split), len(data.indices), all_pixels)) for split in stored)
        with tqdm(total=total, unit=" clips", disable=not total) as bar:
            report = compare(data, all_pixels=all_pixels, progress=bar.update)
    for problem in report.problems:
        click.echo(f"wrong    {problem}")
    pixels = f"pixels of {report.pixels:,}" if report.pixels else "no pixels (the file holds labels only)"
    click.echo(f"{'FAILED' if report.problems else 'ok'}: compared labels of {report.labels:,} clips, {pixels}")
    if report.problems:
        sys.exit(1)


@wsprites.command()
@_FILE
@click.option("--clip", type=int, default=0, show_default=True, help="Number of the clip in the whole data set (the label 'index').")
@click.option("--out", type=_PATH, required=True, help="A .gif, animated, or a .png, a contact sheet.")
def preview(file: Path, clip: int, out: Path) -> None:
    """Draw a clip of FILE with action names, the mask's outline and arrows for motion."""
    from wsprites.file import DataFile
    from wsprites.view.preview import preview as draw

    with DataFile(file) as data:
        draw(data, clip, out)
    click.echo(f"{out}: clip {clip} of {file}")


@wsprites.command()
@_FILE
@click.option("--out", type=_PATH, required=True, help="The .html to write.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
def report(file: Path, out: Path, overwrite: bool) -> None:
    """Write a page about FILE: clips, label statistics against theory, credits; one HTML file that needs nothing else."""
    from tqdm import tqdm

    from wsprites.file import DataFile
    from wsprites.view.info import size
    from wsprites.view.page import report as write

    with DataFile(file) as data, tqdm(total=len(data.indices), unit=" clips", delay=0.5) as bar:
        write(data, out, overwrite=overwrite, progress=bar.update)
    click.echo(f"done     {out}: {size(out.stat().st_size)}")


@wsprites.command()
@_FILE
@click.option("--to", type=click.Choice(["glass", "minari", "webdataset", "parquet", "mp4"]), required=True, help="The format.")
@click.option("--out", type=_PATH, required=True, help="The folder to write. It must not be there.")
@click.option("--clips", type=click.IntRange(1), help="Only so many clips of each split, the first ones.  [default: all; 4 with mp4]")
def export(file: Path, to: str, out: Path, clips: int | None) -> None:
    """Write FILE in another format, lossless but for mp4, with licence, credits and a README."""
    from wsprites.export import Job, check, estimate
    from wsprites.export import export as write
    from wsprites.file import DataFile
    from wsprites.view import info as summary

    check(out)
    with DataFile(file) as data:
        job = Job(data, to, clips)
        expected = estimate(job)
        free = check(out, expected)
        click.echo(f"output   {out}: about {summary.size(expected)}; {summary.size(free)} free")
        begin = time.perf_counter()
        with _frames_bar(job.frames) as progress:
            write(replace(job, progress=progress), out)
        click.echo(f"done     {out}: {job.frames:,} frames in {time.perf_counter() - begin:.1f} s")


@wsprites.command()
@_FILE
def credits(file: Path) -> None:
    """Who drew the art in FILE, and under which licence."""
    from wsprites.file import DataFile

    with DataFile(file) as data:
        click.echo(f"Licence of the art: {data.credits.licence}\n\n{data.credits.attribution}")


@wsprites.command()
@click.option("--model", "--models", "models", metavar="X[,X...]", help="Each package.module:factory, a predictions file, or a checkpoint.")
@click.option("--data", default="wsprites-paper-v1", show_default=True, help="A data file, or a standard world: wsprites-factorial-v1.")
@click.option("--split", default="test", show_default=True, help="Of a data file. Maps are fitted on val, or on train where val is scored.")
@click.option("--clips", type=click.IntRange(min=2), help="Score the first clips only: quick, and named so in the scores.")
@click.option("--out", type=_PATH, help="Write all figures to this JSON file; with several models, to FILE-1.json and so on.")
@click.option("--report", type=_PATH, help="Write a page with plots and films to this HTML file.")
@click.option("--compare", type=_PATH, help="A score file to compare with.")
@click.option("--fail-on", multiple=True, metavar="RULE", help="Exit with 1 if a figure changed by more: 'local.matched_accuracy<-0.02'.")
@click.option(
    "--protocol", type=click.Choice(["wsprites", "released"]), default="wsprites", show_default=True, help="'released': of GLASS."
)
@click.option("--weights", type=_PATH, help="A folder with the usual weights of LPIPS, Inception, I3D: those scores too.")
@click.option("--template", type=_PATH, help="Write a predictions file for these data, to be filled in, and stop.")
def bench(
    models: str | None,
    data: str,
    split: str,
    clips: int | None,
    out: Path | None,
    report: Path | None,
    compare: Path | None,
    fail_on: tuple[str, ...],
    protocol: str,
    weights: Path | None,
    template: Path | None,
) -> None:
    """Score what a model has found out about actions, with intervals, floors and ceilings."""
    from wsprites.bench import data as clips_of
    from wsprites.bench import evaluate, page, released
    from wsprites.bench import scores as scores_of
    from wsprites.bench.distances import left_out
    from wsprites.bench.protocol import Controllable, load, write_template
    from wsprites.generate import check_output

    names = [name.strip() for name in (models or "").split(",")]
    outs = [out if len(names) == 1 else out.with_stem(f"{out.stem}-{number}") for number in range(1, len(names) + 1)] if out else []
    for path in (*outs, report, template):
        if path:
            check_output(path, overwrite=path != template)
    if compare in outs:
        raise click.UsageError(f"--out {compare} is the baseline of --compare, which would be lost; name another")
    if report in outs:
        raise click.UsageError(f"--report {report} is the file of --out as well; name another")
    given = Path(data)
    if split != "test" and not (given.suffix or given.exists()):
        raise click.UsageError(f"--split {split} is for data files; a standard world is scored on test")
    scored = clips_of.from_file(given, split, clips) if given.suffix or given.exists() else clips_of.standard(data, clips)
    if template:
        write_template(template, scored)
        click.echo(f"{template}: predictions for {scored.name}, to be filled in; its array README says how")
        return
    if not models:
        raise click.UsageError("--model is missing: package.module:factory, a predictions file, or a checkpoint")
    if fail_on and not compare:
        raise click.UsageError("--fail-on wants a baseline: --compare scores.json")
    for option, value in (("--weights", weights), ("--out", out), ("--report", report), ("--compare", compare)):
        if value and protocol == "released":
            raise click.UsageError(f"{option} does not go with --protocol released, which prints a table alone")
    baseline = scores_of.read(compare) if compare else None
    if baseline:
        scores_of.check_rules(scored.describe(), baseline, fail_on)
    networks = None
    if weights:
        with _extra("torch"):
            from wsprites.bench.networks import load as load_networks
        networks = load_networks(weights)
        without = left_out(scored, networks)
        having = ", ".join(name.upper() for name in ("lpips", "fid", "fvd") if name not in without) or "nothing"
        click.echo(f"weights  for {having}" + "".join(f", not {name.upper()} ({why})" for name, why in without.items()))
    every, films = [], []
    for number, (name, model) in enumerate([(name, load(name, scored)) for name in names]):
        begin = time.perf_counter()
        if networks and not isinstance(model, Controllable):
            click.echo(f"weights  for nothing: {name} has no rollout")
        total = released.clips_to_do(model, scored) if protocol == "released" else evaluate.clips_to_do(model, scored, networks)
        with _bar(total, "clips") as progress:
            if protocol == "released":
                click.echo(released.table(model, scored, name, progress))
                continue
            scores = evaluate.evaluate(model, scored, name, progress, networks)
        every.append(scores_of.to_json(scores, name, scored, time.perf_counter() - begin, networks.sha256 if networks else None))
        films.append(scores.films)
        if outs:
            scores_of.write(outs[number], every[-1])  # at once: what was scored is not lost if the next model fails
    if not every:
        return
    click.echo(f"data     {scored.name} ({len(scored.scored)} clips of {scored.scored.name}), sha256 {scored.sha256[:16]}")
    click.echo(scores_of.table(every))
    if report:
        page.write(report, every, films)
    if baseline:
        failed = False
        for written in every:
            click.echo(f"\n{written['model']} against {compare}\n{scores_of.changes(written, baseline)}")
            for line in scores_of.regressions(written, baseline, fail_on):
                click.echo(f"FAILED   {line}")
                failed = True
        if failed:
            sys.exit(1)


@wsprites.group(invoke_without_command=True)
@click.pass_context
def assets(context: click.Context) -> None:
    """Art that is not in the package."""
    _help_alone(context)


@assets.command()
def fetch() -> None:
    """Download the real LPC sheets (CC-BY-SA 3.0 or GPL 3.0, 0.4 MB) into the cache, for `--sheets lpc`."""
    from tqdm import tqdm

    from wsprites.art import ASSETS
    from wsprites.art.fetch import fetch as download
    from wsprites.art.fetch import lpc

    catalogue = lpc(ASSETS)
    with tqdm(total=len(catalogue["sha256"]), unit=" sheets", leave=False) as bar:
        folder = download(ASSETS, progress=bar.update)
    click.echo(f"{folder}: {len(catalogue['sha256'])} sheets, hashes verified; {catalogue['licence']}")


@wsprites.command()
@click.option("--preset", default="paper", show_default=True, help="Of the model and its training: paper, released, tiny, an ablation, ...")
@click.option("--set", "settings", multiple=True, metavar="GROUP.KEY=VALUE", help="Another value, such as train.batch=8; repeatable.")
@click.option("--data", type=_PATH, help="The data file to learn from.")
@click.option("--stream", is_flag=True, help="Learn from clips that are rendered on the device, without a file and without an end.")
@click.option("--out", type=_PATH, required=True, help="The folder for checkpoints, metrics and pictures.")
@click.option("--steps", type=int, help="The same as --set train.steps=N.")
@click.option("--batch", type=int, help="The same as --set train.batch=N.")
@click.option("--device", default="", help="cpu, cuda, cuda:1.  [default: cuda where there is one]")
@click.option("--resume", is_flag=True, help="Go on with the folder's run. Always safe: without one it starts.")
@click.option("--vgg", type=_PATH, help="torchvision's vgg19-dcbb9e9d.pth; without it the perceptual terms are off.")
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
    with _extra("torch"):
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
    with tqdm(total=config.train.steps, unit=" steps", delay=0.5, disable=not process.leads) as bar, _interruptible() as interrupted:

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


@wsprites.command()
@click.option("--model", "checkpoint", type=_PATH, required=True, help="A checkpoint of wsprites train.")
@click.option("--image", "images", type=_PATH, multiple=True, required=True, help="The first frame; for a grid several, one a row.")
@click.option("--actions", default="", help='Such as "right*8 code2*6 bg-left*4 left+code1".')
@click.option("--grid", "as_grid", is_flag=True, help="Instead of --actions: where every action leads from each image, as a PNG.")
@click.option("--out", type=_PATH, required=True, help="A .gif, animated, or a .png, the frames side by side.")
def animate(checkpoint: Path, images: tuple[Path, ...], actions: str, as_grid: bool, out: Path) -> None:
    """Generate a video from one picture and a list of actions, as seen on the screen."""
    with _extra("torch"):
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


@wsprites.command()
@click.option("--model", "checkpoint", type=_PATH, required=True, help="A checkpoint of wsprites train.")
@click.option("--from", "file", type=_PATH, required=True, help="The data file with the clip whose motion is read.")
@click.option("--clip", type=int, default=0, show_default=True, help="Number of the clip in the whole data set (the label 'index').")
@click.option("--to", "image", type=_PATH, required=True, help="The picture that is to move like it.")
@click.option("--out", type=_PATH, required=True, help="A .gif, animated, or a .png, the frames side by side.")
def transfer(checkpoint: Path, file: Path, clip: int, image: Path, out: Path) -> None:
    """Read the actions of a clip and play them from another picture."""
    with _extra("torch"):
        from glass_model import play
        from glass_model.training.checkpoint import load
    from wsprites.file import DataFile

    found, picture = load(checkpoint), play.read_picture(image)
    with DataFile(file) as data:
        split, row = data.find(clip)
        frames = play.transfer(found.model(), data[split]["frames"][row], picture)
    play.write_pictures(frames, out)
    click.echo(f"{out}: {len(frames)} frames")


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Where an optional dependency is missing, say how to install it."""
    from wsprites.errors import UserError

    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; pip install 'wsprites[{name}]'") from None


def _help_alone(context: click.Context) -> None:
    """A group without a command says what there is."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _cores() -> int:
    """Cores that this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _bar(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """A progress bar on the terminal's error output."""
    from tqdm import tqdm

    with tqdm(total=total, unit=f" {unit}", delay=0.5) as bar:
        yield bar.update


@contextmanager
def _frames_bar(total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress of frames, which Ctrl-C stops. A total of 0 shows no bar."""
    from tqdm import tqdm

    # The delay leaves room for what is refused at once.
    with tqdm(total=total, unit=" frames", unit_scale=True, delay=0.5, disable=total == 0) as bar, _interruptible() as interrupted:

        def progress(done: int) -> None:
            bar.update(done)
            if interrupted.is_set():
                raise KeyboardInterrupt

        yield progress


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, to be looked at where stopping is safe: an exception in the midst of HDF5 can get lost."""
    interrupted = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield interrupted
        return
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def main(args: list[str] | None = None) -> Any:
    """Run a command. Bad input is one line and exit code 2; a failure on the way is one line and exit code 1."""
    from wsprites.errors import UserError

    try:
        return wsprites(args, prog_name="wsprites", standalone_mode=False)
    except UserError as error:
        _end("; ".join([str(error), *getattr(error, "__notes__", [])]), 2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "wsprites"
        _end(f"{error.format_message()} ({command} --help lists what is possible)", 2)
    except click.ClickException as error:
        _end(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort) as error:
        _end("; ".join(["interrupted", *getattr(error.__cause__ or error, "__notes__", ["nothing was written"])]), 1)
    except OSError as error:
        _end(str(error), 1)


def _end(line: str, code: int) -> None:
    click.echo(f"wsprites: {' '.join(line.split())}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
