"""`wsprites parts`: the parts that an articulated model finds in clips, their scores, and parts of a picture on a clip."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wsprites.commands import PATH
from wsprites.terminal import extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wsprites.file import DataFile, VideoFile

_MOST_PIXELS = 2**24  # of the picture that parts are taken from


@click.command()
@click.option("--model", "checkpoint", type=PATH, required=True, help="A checkpoint of wsprites train --system articulated.")
@click.option("--from", "file", type=PATH, required=True, help="The data file with the clip.")
@click.option("--clip", type=int, default=0, show_default=True, help="Number of the clip in the whole data set (the label 'index').")
@click.option("--clips", type=click.IntRange(1), help="Clips that are scored: this one and those after it in its split.  [default: 1]")
@click.option("--swap", "swapped", metavar="N,...", help="Instead of showing parts: give these parts of the clip the looks of --with.")
@click.option("--with", "image", type=PATH, help="The picture that --swap takes parts from, or FILE:CLIP:T.")
@click.option("--out", type=PATH, required=True, help="The .gif (animated) or .png (frames side by side) to write.")
def parts(checkpoint: Path, file: Path, clip: int, clips: int | None, swapped: str | None, image: Path | None, out: Path) -> None:
    """Show the parts that an articulated model finds in a clip, or swap some of them for those of a picture.

    Frames, parts, and in generated data the layers of the character that are seen, are written side by side. Generated data has scores as
    well: the IoU of each layer with the part that it is matched with.
    """
    import wsprites
    from wsprites.view.frame import image_file, read_image
    from wsprites.view.picture import check_picture
    from wsprites.view.sheet import write_clips

    if (swapped is None) != (image is None):
        raise click.UsageError("--swap and --with go together")
    if swapped is not None and clips is not None:
        raise click.UsageError("--clips is for scores, which --swap has none of")
    check_picture(out, inputs=[checkpoint, file, *([image_file(image)] if image else [])])
    model = _model(checkpoint)
    with wsprites.open(file) as data:
        split, row = data.find(clip)
        rows = range(row, min(row + (clips or 1), len(data[split])))
        if len(rows) < (clips or 1):
            raise click.UsageError(f"--clips: there are {len(rows)} clips in {split} from clip {clip} on")
        clip_nthwc = data[split]["frames"][row : rows.stop]
        layers = None if swapped is not None else _layers(data, split, rows)
    if clips is not None and layers is None:
        raise click.UsageError("--clips is for scores, which imported videos have none of")
    if swapped is not None and image is not None:
        made = _swap(model, read_image(image, max_pixels=_MOST_PIXELS), clip_nthwc[0], swapped)
        pictures = {"with other parts": made}
    else:
        pictures = _segment(model, clip_nthwc, layers)
    write_clips(out, {f"clip {clip}": clip_nthwc[0], **pictures})
    click.echo(f"{out}: {len(clip_nthwc[0])} frames of clip {clip}")


def _model(checkpoint: Path) -> Any:
    """The model. Raises UserError if it is none that has regions."""
    with extra("torch"):
        from glass_model.articulated.model import Articulated
        from glass_model.training.checkpoint import load
    from wsprites.errors import UserError

    model = load(checkpoint).model()
    if not isinstance(model, Articulated):
        raise UserError(f"{checkpoint}: only models of the system articulated find parts")
    return model


def _layers(data: "DataFile | VideoFile", split: str, rows: range) -> "tuple[tuple[str, ...], NDArray[np.uint8]] | None":
    """Names of the layers, and which of them is seen, (N, T, H, W); None for imported videos."""
    import numpy as np

    from wsprites.file import DataFile
    from wsprites.render import layer_masks

    if not isinstance(data, DataFile):
        return None
    seen = np.stack([layer_masks(data.world, data[split].script(row)) for row in rows])
    return data.world.art.characters.layers, seen


def _segment(model: Any, clip_nthwc: Any, layers: "tuple[tuple[str, ...], NDArray[np.uint8]] | None") -> "dict[str, NDArray[np.uint8]]":
    """Parts and layers of the first clip in colours, (T, H, W, 3) each, by headings; and print the scores of all."""
    import numpy as np
    import torch

    from glass_model.articulated.parts import coloured, segment
    from wsprites.bench.metrics.parts import part_iou

    videos = torch.from_numpy(clip_nthwc).movedim(-1, -3)
    found = np.concatenate([segment(model, video[None]).numpy() for video in videos])
    shown = {"parts": coloured(found[0], model.config.regions)}
    if layers:
        names, seen = layers
        shown["layers"] = coloured(seen[0], len(names))
        scores = part_iou(found, seen)
        match = {layer: f" (part {part})" for layer, part in scores.matched.items()}
        each = [f"{names[layer - 1]} {iou:.3f}{match.get(layer, '')}" for layer, iou in scores.iou.items()]
        click.echo(f"mIoU     {scores.mean_iou:.3f} over {len(found)} clip{'s' * (len(found) > 1)}: {', '.join(each)}")
    return shown


def _swap(model: Any, picture: Any, clip_thwc: Any, text: str) -> Any:
    """The clip with parts of a picture, (T, H, W, 3) uint8. Raises ArgumentError for numbers that are none of parts."""
    import torch

    from glass_model.articulated.parts import swap
    from glass_model.images import to_bytes
    from wsprites.errors import ArgumentError

    numbers = text.split(",")
    if not all(number.strip().isdecimal() and len(number) < 9 for number in numbers):
        raise ArgumentError("swapped", f"'{text[:80]}' is no list of parts, such as 1,3")
    donor, driving = (torch.from_numpy(array)[None].movedim(-1, -3) for array in (picture, clip_thwc))
    made = swap(model, donor, driving, [int(number) for number in numbers])
    return to_bytes(made)[0].permute(0, 2, 3, 1).numpy()
