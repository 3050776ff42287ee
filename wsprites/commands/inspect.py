"""`wsprites info`, `verify`, `preview`, `report`, `export` and `credits`: what reads data files."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from wsprites.commands import FILE, PATH
from wsprites.terminal import frames_bar


@click.command()
@FILE
def info(file: Path) -> None:
    """What is in FILE, how it was made, and the balance of its labels."""
    import wsprites as package
    from wsprites.view.info import summary

    with package.open(file) as data:
        click.echo(summary(data))


@click.command()
@FILE
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


@click.command()
@FILE
@click.option("--clip", type=int, default=0, show_default=True, help="Number of the clip in the whole data set (the label 'index').")
@click.option("--out", type=PATH, required=True, help="A .gif, animated, or a .png, a contact sheet.")
def preview(file: Path, clip: int, out: Path) -> None:
    """Draw a clip of FILE with action names, the mask's outline and arrows for motion."""
    from wsprites.file import DataFile
    from wsprites.view.preview import preview as draw

    with DataFile(file) as data:
        draw(data, clip, out)
    click.echo(f"{out}: clip {clip} of {file}")


@click.command()
@FILE
@click.option("--out", type=PATH, required=True, help="The .html to write.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
def report(file: Path, out: Path, overwrite: bool) -> None:
    """Write a page about FILE: clips, label statistics against theory, credits; one HTML file that needs nothing else."""
    from tqdm import tqdm

    from wsprites.file import DataFile
    from wsprites.generate import readable_size
    from wsprites.view.page import report as write

    with DataFile(file) as data, tqdm(total=len(data.indices), unit=" clips", delay=0.5) as bar:
        write(data, out, overwrite=overwrite, progress=bar.update)
    click.echo(f"done     {out}: {readable_size(out.stat().st_size)}")


@click.command()
@FILE
@click.option("--to", type=click.Choice(["glass", "minari", "webdataset", "parquet", "mp4"]), required=True, help="The format.")
@click.option("--out", type=PATH, required=True, help="The folder to write. It must not be there.")
@click.option("--clips", type=click.IntRange(1), help="Only so many clips of each split, the first ones.  [default: all; 4 with mp4]")
def export(file: Path, to: str, out: Path, clips: int | None) -> None:
    """Write FILE in another format, lossless but for mp4, with licence, credits and a README."""
    from wsprites.export import Job, check, estimate
    from wsprites.export import export as write
    from wsprites.file import DataFile
    from wsprites.generate import readable_size

    check(out)
    with DataFile(file) as data:
        job = Job(data, to, clips)
        expected = estimate(job)
        free = check(out, expected)
        click.echo(f"output   {out}: about {readable_size(expected)}; {readable_size(free)} free")
        begin = time.perf_counter()
        with frames_bar(job.frames) as progress:
            write(replace(job, progress=progress), out)
        click.echo(f"done     {out}: {job.frames:,} frames in {time.perf_counter() - begin:.1f} s")


@click.command()
@FILE
def credits(file: Path) -> None:
    """Who drew the art in FILE, and under which licence."""
    from wsprites.file import DataFile

    with DataFile(file) as data:
        click.echo(f"Licence of the art: {data.credits.licence}\n\n{data.credits.attribution}")
