"""`wsprites info`, `verify`, `preview`, `frame`, `report`, `export` and `credits`: the commands that read data files."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from wsprites.commands import FILE, OVERWRITE, PATH, size
from wsprites.terminal import frames_bar, printable


@click.command()
@FILE
def info(file: Path) -> None:
    """Print the contents of FILE, how it was generated, and the balance of its labels."""
    import wsprites as package
    from wsprites.view.info import summary

    with package.open(file) as data:
        click.echo(printable(summary(data)))


@click.command()
@FILE
@click.option("--all", "all_pixels", is_flag=True, help="Compare the pixels of every clip, not of a sample.")
def verify(file: Path, all_pixels: bool) -> None:
    """Regenerate FILE from its world, seed and art, and compare all labels, and the pixels of a sample of clips.

    A file of recorded episodes is replayed: the recorded actions are done again from the start of each episode.
    """
    from tqdm import tqdm

    from wsprites.file import DataFile
    from wsprites.generate.verify import pixel_rows
    from wsprites.generate.verify import verify as compare

    with DataFile(file) as data:
        replayed = "" if data.driver is None else f", and replayed {len(data.episodes):,} recorded episodes"
        stored = [split for split in data.splits.values() if split.stored]
        total = sum(len(pixel_rows(len(split), len(data.indices), all_pixels)) for split in stored)
        with tqdm(total=total, unit=" clips", disable=not total) as bar:
            report = compare(data, all_pixels=all_pixels, progress=bar.update)
    for problem in report.problems:
        click.echo(f"wrong    {problem}")
    pixels = f"pixels of {report.pixels:,}" if report.pixels else "no pixels (the file holds labels only)"
    click.echo(f"{'FAILED' if report.problems else 'ok'}: compared labels of {report.labels:,} clips, {pixels}{replayed}")
    if report.problems:
        sys.exit(1)


@click.command()
@FILE
@click.option(
    "--clip", "index", type=int, default=0, show_default=True, help="Index of the clip in the whole data set (the label 'index')."
)
@click.option("--out", type=PATH, required=True, help="A .gif (animated) or a .png (contact sheet).")
def preview(file: Path, index: int, out: Path) -> None:
    """Draw a clip of FILE with its labels: names of actions, and in generated data the outline of the mask and arrows for motion."""
    import wsprites as package
    from wsprites.view.preview import preview as draw

    with package.open(file) as data:
        draw(data, index, out)
    click.echo(f"{out}: clip {index} of {file}")


@click.command()
@FILE
@click.option("--clip", type=int, default=0, show_default=True, help="Index of the clip in the whole data set (the label 'index').")
@click.option("--t", type=int, default=0, show_default=True, help="Number of the frame in the clip, from 0.")
@click.option("--out", type=PATH, required=True, help="The .png to write.")
def frame(file: Path, clip: int, t: int, out: Path) -> None:
    """Write one frame of FILE as a picture, without marks and at its own size, such as `animate` and `transfer` take."""
    import wsprites as package
    from wsprites.view.frame import write_frame

    with package.open(file) as data:
        write_frame(data, clip, t, out)
    click.echo(f"{out}: frame {t} of clip {clip} of {file}")


@click.command()
@FILE
@click.option("--out", type=PATH, required=True, help="HTML file to write.")
@OVERWRITE
def report(file: Path, out: Path, overwrite: bool) -> None:
    """Write one self-contained HTML page about FILE: clips, label statistics compared with theory, and credits."""
    from tqdm import tqdm

    import wsprites as package
    from wsprites.generate import readable_size
    from wsprites.view.page import report as write

    with package.open(file) as data, tqdm(total=sum(map(len, data.splits.values())), unit=" clips", delay=0.5) as bar:
        write(data, out, overwrite=overwrite, progress=bar.update)
    click.echo(f"done     {out}: {readable_size(out.stat().st_size)}")


@click.command()
@FILE
@click.option(
    "--to",
    type=click.Choice(["released", "minari", "webdataset", "parquet", "lerobot", "rlds", "mp4", "glass"]),
    required=True,
    help="Format; 'glass' is another name of 'released'.",
)
@click.option("--out", type=PATH, required=True, help="Folder to write; it must not exist.")
@click.option("--clips", type=click.IntRange(1), help="Number of clips of each split, the first ones.  [default: all; 4 for mp4]")
@click.option(
    "--shard-clips",
    type=click.IntRange(1),
    help="Clips per shard of webdataset or rlds, or per file of parquet. A shard goes to one worker of a loader.  "
    "[default: webdataset at least 16 shards of each split, parquet up to 500 MB a file, rlds up to 200 MB a shard]",
)
@click.option("--plain", is_flag=True, help="With mp4: the frames alone, without marks and text.")
@click.option(
    "--resize",
    callback=size,
    metavar="HxW",
    help="Height and width of written frames and masks, by area averaging.  [default: as in FILE]",
)
def export(file: Path, to: str, out: Path, clips: int | None, shard_clips: int | None, plain: bool, resize: tuple[int, int] | None) -> None:
    """Write FILE, generated or imported, in another format, with licence, credits and a README.

    All formats but lerobot and mp4 keep every pixel, unless frames are resized; labels then stay in pixels of FILE. Labels that a
    format has no place for are named.
    """
    import wsprites as package
    from wsprites.export import Job, check, estimate
    from wsprites.export import export as write
    from wsprites.generate import readable_size
    from wsprites.world.spec import SPLITS

    check(out)
    with package.open(file) as data:
        job = Job(data, "released" if to == "glass" else to, clips, shard_clips=shard_clips, plain=plain, resize=resize)
        expected = estimate(job)
        free = check(out, expected=expected)
        click.echo(f"output   {out}: about {readable_size(expected)}; {readable_size(free)} free")
        click.echo(f"clips    {', '.join(f'{len(job.rows(split)):,} of {len(data[split]):,} {split}' for split in SPLITS)}")
        begin = time.perf_counter()
        with frames_bar(job.frames) as progress:
            notes = write(replace(job, progress=progress), out)
        for note in notes:
            click.echo(note)
        click.echo(f"done     {out}: {job.frames:,} frames in {time.perf_counter() - begin:.1f} s")


@click.command()
@FILE
def credits(file: Path) -> None:
    """Print the authors and the licence of the art in FILE."""
    from wsprites.file import DataFile

    with DataFile(file) as data:
        click.echo(printable(f"Licence of the art: {data.credits.licence}\n\n{data.credits.attribution}"))
