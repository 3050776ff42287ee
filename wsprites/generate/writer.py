"""Writing data files: clips from many workers, in an order that does not depend on them."""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.file import CODECS, DataFile, create, differences, layout
from wsprites.file.layout import write_labels
from wsprites.generate.journal import RESUME, UnfinishedFile, unfinished_file
from wsprites.generate.order import Order
from wsprites.generate.output import check_output
from wsprites.generate.workers import EncodedClip, encode, encode_in_order
from wsprites.world.script import LABELS, casting, scripts, split_indices
from wsprites.world.spec import SPLITS

Source = Callable[[NDArray[np.int64]], Iterator[EncodedClip]]
"""Function that yields the clips of given indices, in their order."""

_LABEL_BATCH = 256


def estimate(order: Order) -> int:
    """The expected size of a file in bytes, from compressing a few of its clips."""
    codec, characters = CODECS[order.compression], order.world.art.characters
    sample = np.unique(np.linspace(order.clips.start, order.clips.stop - 1, 4).astype(np.int64))
    pixels = sum(len(data) for clip in encode(order, sample) for *_, data in clip.chunks) / len(sample) if order.pixels else 0
    raw_labels = sum(dtype.itemsize * math.prod(shape) for name, (shape, dtype) in layout(order.spec, 1).items() if name in LABELS)
    labels = raw_labels / (1 if order.compression == "none" else 8)  # measured: Zstd 8.2, gzip 8.9
    images = order.world.art.backgrounds.images
    art = len(codec.encode(characters.cells(0, 0)[None])) * sum(characters.counts) + len(codec.encode(images[:1])) * len(images)
    return int(len(order.clips) * (pixels + labels) + art)


def generate(
    order: Order,
    out: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[int], object] = lambda frames: None,
) -> None:
    """Write a data file. It appears under its name only when it is complete.

    Args:
        order: what the file is to hold.
        out: path of the file.
        workers: number of threads that render and compress; 1 uses the calling thread. The bytes of the file do not depend on it.
        overwrite: replace the file if it exists, and discard the clips of an unfinished run; with `resume`, only those of another order.
        resume: keep the clips of an unfinished run of the same order. Safe to pass every time: starts if nothing is there, does nothing
            if the file is complete.
        progress: called with the number of frames that were finished since the last call, several times a second. What it raises
            stops everything.

    Raises:
        UserError: the file exists and is not to be overwritten, or its folder is missing, or there is an unfinished run that is neither
            to be resumed nor to be discarded, or that had another order and is not to be discarded.
        OSError: writing failed. Finished clips are kept, as after any other error.
    """
    check_output(out, overwrite or resume)
    if resume and is_complete(order, out, overwrite):
        return

    def source(index_n: NDArray[np.int64]) -> Iterator[EncodedClip]:
        return encode_in_order(order, index_n, workers, progress)

    assemble(order, out, source, resume=resume, overwrite=overwrite, hint=RESUME, progress=progress)


def is_complete(order: Order, out: Path, overwrite: bool) -> bool:
    """Whether a file exists and is what an order asks for.

    Args:
        order: what the file is to hold.
        out: path of the file.
        overwrite: whether it may be replaced if it is something else.

    Raises:
        UserError: it is something else and may not be replaced.
    """
    if not out.exists():
        return False
    try:
        with DataFile(out) as data:
            different = differences(data.facts, order.facts)
    except UserError:
        if overwrite:
            return False
        raise
    if different and not overwrite:
        raise UserError(f"{out}: exists already and is another data set: {different}; choose another name or pass overwrite=True")
    return not different


def assemble(
    order: Order, out: Path, source: Source, *, resume: bool, overwrite: bool, hint: str, progress: Callable[[int], object]
) -> None:
    """Write a data file from the clips of a source.

    Args:
        order: what the file is to hold.
        out: path of the file.
        source: what makes or reads the clips.
        resume, overwrite, hint: as in `unfinished_file`.
        progress: as in `generate`.
    """
    splits = split_indices(order.spec, order.seed, order.n, shard=order.shard)
    with unfinished_file(out, order.facts, order.clips, resume=resume, overwrite=overwrite, hint=hint) as file:
        for _ in file.restore():
            progress(order.spec.frames)
        create(file.h5, order.facts, order.world.art, splits)
        labels = _write_labels(file, order, splits, progress)
        if order.pixels:
            _write_pixels(file, order, splits, source, labels, progress)
        for _ in labels:
            pass


def _write_labels(
    file: UnfinishedFile, order: Order, splits: dict[str, NDArray[np.int64]], progress: Callable[[int], object]
) -> Iterator[None]:
    """Write the labels of one batch of clips for each value that is taken from this iterator."""
    for split, index_n in splits.items():
        for first in range(0, len(index_n), _LABEL_BATCH):
            write_labels(file.h5[split], first, scripts(order.spec, order.seed, index_n[first : first + _LABEL_BATCH]))
            file.raw.check()
            progress(0)
            yield


def _write_pixels(
    file: UnfinishedFile,
    order: Order,
    splits: dict[str, NDArray[np.int64]],
    source: Source,
    labels: Iterator[None],
    progress: Callable[[int], object],
) -> None:
    """Write the chunks of all clips in the order that defines the bytes of the file, their checksums, and labels in between."""
    arrays = [{name: file.h5[split][name].id for name in order.pixels} for split in splits]
    checksums = [np.zeros(len(index_n), np.uint64) for index_n in splits.values()]
    visit_n = order.visit_n
    restored_n = file.is_restored(visit_n)
    with closing(_generator(source(visit_n[~restored_n]))) as made:
        places_n = zip(visit_n.tolist(), restored_n.tolist(), *_split_and_row(order, splits), strict=True)
        for turn, (clip, restored, split, row) in enumerate(places_n):
            encoded = file.restored(clip) if restored else next(made)
            if turn % _LABEL_BATCH == 0:
                next(labels, None)  # after the first clip, while the workers make others
            # Write the chunks, and note where HDF5 put them.
            places = []
            for name, offset, data in encoded.chunks:
                arrays[split][name].write_direct_chunk((row, *offset), data)
                places.append(file.raw.place)
            checksums[split][row] = encoded.checksum
            if not restored:
                file.record(encoded, places)
            progress(0 if restored else order.spec.frames)
    for name, checksum_n in zip(splits, checksums, strict=True):
        file.h5[name]["checksum"][...] = checksum_n


def _generator(clips: Iterator[EncodedClip]) -> Generator[EncodedClip]:
    """An iterator as a generator, which can be closed."""
    yield from clips


def _split_and_row(order: Order, splits: dict[str, NDArray[np.int64]]) -> tuple[list[int], list[int]]:
    """The split (number in SPLITS) of each clip of `order.visit_n`, and its row there."""
    visit_n, split_c = order.visit_n, casting(order.spec, order.seed).split
    split_n = split_c[visit_n % len(split_c)]
    row_n = np.zeros(len(visit_n), np.int64)
    for number, name in enumerate(SPLITS):
        mine = split_n == number
        row_n[mine] = np.searchsorted(splits[name], visit_n[mine])
    return split_n.tolist(), row_n.tolist()
