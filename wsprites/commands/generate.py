"""`wsprites generate`, `import`, `merge` and `assets`: the commands that write data files."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from wsprites.commands import ANIMATIONS, OVERWRITE, PATH, size
from wsprites.fields import build
from wsprites.terminal import cores, frames_bar, show_help

if TYPE_CHECKING:
    from wsprites.file.chunks import ChunkRules
    from wsprites.videos import Plan

_Command = TypeVar("_Command", bound=Callable[..., Any])
_MOST_DIGITS = 18  # of a number: Python refuses to read one of thousands


def _shard(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int]:
    """Parse k/K; without it, the data set is one file."""
    number, slash, shards = ("1/1" if value is None else value).partition("/")
    if not (slash and number.isdecimal() and shards.isdecimal() and max(len(number), len(shards)) <= _MOST_DIGITS):
        raise click.BadParameter(f"'{value:.60}' is not of the form k/K, such as 3/10")
    return int(number), int(shards)


@click.command()
@click.option("--n", type=int, help="Number of clips in all splits together. Required without --like.")
@click.option("--out", type=PATH, required=True, help="HDF5 file to write.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for all random draws.")
@click.option(
    "--world",
    default="paper",
    show_default=True,
    help="Name of a world (paper, released, factorial, small-world, shadow-world, axes-still, ...), or a TOML file.",
)
@click.option("--sheets", default="own", show_default=True, help="'own', 'lpc' (after 'wsprites assets fetch'), or a folder of LPC sheets.")
@ANIMATIONS
@click.option("--skip-incomplete", is_flag=True, help="Leave out sheets that lack an animation, and say how many.")
@click.option("--backgrounds", default="painted", show_default=True, help="'painted', 'photos' (from scikit-image), or a folder of images.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Number of worker threads.  [default: available processor cores]")
@click.option(
    "--compression", type=click.Choice(["zstd", "gzip", "lz4", "none"]), default="zstd", show_default=True, help="Codec of the file."
)
@click.option("--no-frames", is_flag=True, help="Write labels only; frames and masks are rendered when the file is read.")
@click.option("--no-masks", is_flag=True, help="Do not write masks.")
@click.option("--overwrite", is_flag=True, help="Replace the output file if it exists, and discard an unfinished run.")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an unfinished run. Safe to pass every time: starts if nothing is there, does nothing if the file is complete.",
)
@click.option("--shard", callback=_shard, metavar="k/K", help="Generate part k of K only, into a file of its own; see 'wsprites merge'.")
@click.option("--dask", metavar="ADDRESS", help="Generate shards on the Dask cluster of this scheduler, or 'local', and merge them.")
@click.option(
    "--like", type=PATH, metavar="FILE", help="Generate the data set of FILE, or with --shard a part of it: its world, art, clips and seed."
)
@click.option("--dry-run", is_flag=True, help="Print what would be generated, and the size of the file, and stop.")
def generate(
    n: int | None,
    out: Path,
    seed: int,
    world: str,
    sheets: str,
    animations: tuple[str, ...],
    skip_incomplete: bool,
    backgrounds: str,
    workers: int | None,
    compression: str,
    no_frames: bool,
    no_masks: bool,
    overwrite: bool,
    resume: bool,
    shard: tuple[int, int],
    dask: str | None,
    like: Path | None,
    dry_run: bool,
) -> None:
    """Generate a data set as one HDF5 file."""
    from wsprites.art import load_world
    from wsprites.generate import Order, check_disk, check_output, estimate, is_complete, order_like, readable_size
    from wsprites.generate import generate as write
    from wsprites.view.info import order_summary
    from wsprites.world.spec import PRESETS

    if dask == "":
        raise click.UsageError("--dask is empty; expected the address of a scheduler, or local")
    if dask and shard != (1, 1):
        raise click.UsageError("--dask and --shard cannot be combined: --dask chooses the shards itself")
    if dask and workers:
        raise click.UsageError("--dask and --workers cannot be combined: a task takes one core; start more workers of the cluster")
    n = _clips(like, n)
    named = {*PRESETS, "own", "lpc", "painted", "photos"}  # a folder of such a name is not read
    paths = [Path(path) for path in (world, sheets, backgrounds, like) if path and path not in named]
    check_output(out, overwrite or resume, inputs=paths)
    if like:
        order = order_like(like, shard=shard)
    else:
        loaded = load_world(world, sheets, backgrounds, skip_incomplete=skip_incomplete, animations=animations)
        order = Order(loaded, seed, n, compression, not no_frames, not no_masks, shard)
    if resume and is_complete(order, out, overwrite):
        click.echo(f"complete already: {out}")
        return
    expected = estimate(order)
    free = check_disk(out, expected * (2 if dask else 1))  # shards, and what they are merged to
    click.echo(order_summary(order))
    click.echo(f"output   {out}: about {readable_size(expected)}; {readable_size(free)} free")
    if dry_run:
        return
    begin = time.perf_counter()
    frames = len(order.clips) * order.spec.frames
    if dask:
        from wsprites.generate.cluster import connect, generate_on

        with connect(dask) as client, frames_bar(2 * frames) as progress:
            click.echo(f"cluster  {client.dashboard_link}")
            generate_on(client, order, out, overwrite=overwrite, resume=resume, progress=progress)
    else:
        with frames_bar(frames if order.pixels else 0) as progress:
            write(order, out, workers=workers or cores(), overwrite=overwrite, resume=resume, progress=progress)
    seconds = time.perf_counter() - begin
    rate = f"{frames / seconds:,.0f} frames/s, " if order.pixels else ""
    written = out.stat().st_size
    click.echo(f"done     {out}: {readable_size(written)} in {seconds:.1f} s ({rate}{written / frames:,.0f} bytes a frame)")


def _clips(like: Path | None, n: int | None) -> int:
    """The number of clips, 0 for that of a file. Raises UsageError for --like together with what it replaces, or neither."""
    context = click.get_current_context()
    if like is None:
        if n is None:
            raise click.MissingParameter(ctx=context, param_hint="'--n'", param_type="option")
        return n
    with_it = ("like", "out", "workers", "overwrite", "resume", "shard", "dask", "dry_run")
    for param in context.command.params:
        if param.name not in with_it and context.get_parameter_source(str(param.name)) == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{param.opts[0]} cannot be combined with --like, which takes it from {like}")
    return 0


def _rule(option: str, kind: click.IntRange | click.FloatRange, text: str) -> Callable[[_Command], _Command]:
    """An option of `import` that goes with --chunks."""
    return click.option(option, type=kind, help=f"With --chunks{text}")


@click.command("import")
@click.argument("folder", type=PATH)
@click.option("--out", type=PATH, required=True, help="HDF5 file to write.")
@click.option(
    "--size",
    callback=size,
    metavar="HxW",
    help="Scale frames to this height and width, by area averaging.  [default: no scaling; with --chunks: 384x384]",
)
@click.option(
    "--frames",
    type=click.IntRange(1, 10_000),
    help="Frames per clip; longer videos are cut into several clips.  [default: 90; with --chunks: 64]",
)
@click.option("--skip", type=click.IntRange(0, 1000), default=0, show_default=True, help="Frames to skip after each frame.")
@click.option(
    "--fps",
    type=click.FloatRange(0, 1000, min_open=True),
    help="Resample to this many frames per second, each the one nearest in time.  [default: all frames as they are]",
)
@click.option(
    "--chunks",
    metavar="CSV|hog",
    help="Import square chunks of people who stay near one place, without camera cuts. Boxes of people come from a CSV file (video, frame, "
    "left, top, right, bottom), or from OpenCV's HOG detector.",
)
@_rule("--min-frames", click.IntRange(1, 10**6), ": drop chunks with fewer frames.  [default: 64]")
@_rule("--min-height", click.IntRange(1, 65536), ": drop chunks whose person is less high, in pixels of the video.  [default: 384]")
@_rule("--min-overlap", click.FloatRange(0, 1), ": end a chunk where the box overlaps less with the first one (IoU).  [default: 0.25]")
@_rule("--margin", click.FloatRange(0, 10), ": widen the square around a person by this share.  [default: 0.1]")
@_rule("--max-gap", click.IntRange(0, 10**6), ": frames without a box that a chunk may span.  [default: 12]")
@_rule("--cut-threshold", click.FloatRange(0, 255), ": least change that is a camera cut, as measured by PySceneDetect.  [default: 15]")
@_rule("--detect-every", click.IntRange(1, 10**6), " hog: look for people in every N-th frame.  [default: 5]")
@OVERWRITE
def import_(
    folder: Path,
    out: Path,
    size: tuple[int, int] | None,
    frames: int | None,
    skip: int,
    fps: float | None,
    chunks: str | None,
    overwrite: bool,
    **rules: float | None,
) -> None:
    """Write the videos in FOLDER to one HDF5 file.

    A video is a video file or a folder of numbered pictures (00000.png, frame_00000.jpg, ...), in folders of any depth. Folders train, val
    (or validation) and test become the splits. What is left out is listed at the end, by reason, and recorded in the file.
    """
    from wsprites.generate import check_output, readable_size
    from wsprites.videos import VideoFile, import_videos, plan, plan_chunks
    from wsprites.view.info import chunk_lines, left_out_lines, rate_line

    check_output(out, overwrite, inputs=[Path(chunks)] if chunks else [])
    if chunks == "":
        raise click.UsageError("--chunks is empty; expected a CSV file of boxes, or hog")
    given = _chunk_rules(chunks, rules)
    with frames_bar() as progress:
        if chunks:
            videos = plan_chunks(folder, chunks, given, frames=frames or 64, size=size, skip=skip, fps=fps, progress=progress)
        else:
            videos = plan(folder, frames=frames or 90, size=size, skip=skip, fps=fps, progress=progress)
    _print_plan(videos)
    with frames_bar(sum(positions.size for positions in videos.cuts.values())) as progress:
        labels = import_videos(videos, out, overwrite=overwrite, progress=progress)
    click.echo(f"labels   {', '.join(labels) or 'none'}")
    with VideoFile(out) as data:
        click.echo("\n".join([f"rate     {rate_line(data)}", *chunk_lines(data), *left_out_lines(data)]))
    click.echo(f"done     {out}: {readable_size(out.stat().st_size)}")


def _chunk_rules(chunks: str | None, rules: dict[str, float | None]) -> "ChunkRules | None":
    """The rules by which chunks are cut. Raises UsageError for a rule without --chunks, UserError for a value that is not possible."""
    given = {name: value for name, value in rules.items() if value is not None}
    if chunks is None:
        if given:
            raise click.UsageError(f"--{next(iter(given)).replace('_', '-')} goes with --chunks")
        return None
    if "detect_every" in given and chunks != "hog":
        raise click.UsageError("--detect-every goes with --chunks hog; a file has boxes for every frame")
    from wsprites.file.chunks import ChunkRules

    return build(ChunkRules(), given)


def _print_plan(videos: "Plan") -> None:
    """Say what is going to be written."""
    clips = {name: sum(map(videos.clips, split)) for name, split in videos.videos.items()}
    each = ", ".join(f"{count:,} {name}" for name, count in clips.items())
    total, (height, width) = sum(clips.values()), videos.size
    click.echo(f"videos   {len(videos.cuts):,}, split {videos.splits}")
    click.echo(f"clips    {total:,} ({each}) of {videos.frames} frames, {height} x {width}: {total * videos.frames:,} frames")
    stretched = 0 if videos.rules else sum(video.size[0] * width != video.size[1] * height for video in videos.cuts)
    if stretched:
        click.echo(f"scaled   {stretched:,} videos to another ratio of height to width")
    if videos.fps:
        repeated, dropped = videos.resampling()
        click.echo(f"sampled  to {videos.fps:g} frames/s: {repeated:,} frames repeat the one before, {dropped:,} are dropped")


@click.command()
@click.argument("shards", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, required=True, help="HDF5 file to write.")
@click.option("--virtual", is_flag=True, help="Write an index only (HDF5 virtual dataset); the shards must stay next to it.")
@OVERWRITE
def merge(shards: tuple[Path, ...], out: Path, virtual: bool, overwrite: bool) -> None:
    """Check all SHARDS of a data set and merge them into one file, the same bytes as if it had been generated in one run."""
    from wsprites.generate.merge import merge as write

    with frames_bar() as progress:
        write(list(shards), out, virtual=virtual, overwrite=overwrite, progress=progress)
    click.echo(f"done     {out}: {len(shards)} shards")


@click.group(invoke_without_command=True)
@click.pass_context
def assets(context: click.Context) -> None:
    """Manage art that is not part of the package."""
    show_help(context)


@assets.command()
def fetch() -> None:
    """Download the LPC character sheets (CC-BY-SA 3.0 or GPL 3.0, 0.4 MB) for `--sheets lpc`."""
    from tqdm import tqdm

    from wsprites.art import ASSETS
    from wsprites.art.fetch import fetch as download
    from wsprites.art.fetch import lpc

    catalogue = lpc(ASSETS)
    with tqdm(total=len(catalogue["sha256"]), unit=" sheets", leave=False) as bar:
        folder = download(ASSETS, progress=bar.update)
    click.echo(f"{folder}: {len(catalogue['sha256'])} sheets, hashes verified; {catalogue['licence']}")
