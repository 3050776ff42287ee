"""What made a score file, as hashes, and what a model inferred from each clip, so that somebody else can check the file."""

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Data
from wsprites.bench.metrics import motion
from wsprites.bench.packed import Packed, packed
from wsprites.bench.protocol import Arrays
from wsprites.bench.scores import Hashes
from wsprites.weights import find_checkpoint
from wsprites.world.script import Script

MOST_TRANSITIONS = 200_000
"""Nothing is kept clip by clip of data with more transitions in a split: the score file would be large."""


def hashes(model: str) -> Hashes:
    """SHA-256 of the file that a model was loaded from, and of the source of the benchmark.

    Args:
        model: the name that the model was loaded by: a file, a trained model, or `package.module:factory`, whose module is imported.
    """
    path = find_checkpoint(model)
    if path is None:
        module = sys.modules.get(model.partition(":")[0])
        source = getattr(module, "__file__", None)
        path = Path(source) if source and Path(source).is_file() else Path()
    if not path.is_file():  # a module that is a folder, or is built in
        return Hashes("", "", code_sha256())
    with path.open("rb") as file:
        return Hashes(hashlib.file_digest(file, "sha256").hexdigest(), printable(path.name), code_sha256())


@cache
def code_sha256() -> str:
    """SHA-256 of the names and contents of all source files of this package."""
    folder, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def printable(text: str) -> str:
    """A text as a score file can hold it: a path may be no text."""
    return "".join(character if character.isprintable() else "?" for character in text)


def per_clip(arrays: Arrays, script: Script, iou_n: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
    """What a score file keeps of the arrays that a model inferred from N clips.

    Args:
        arrays: (N, T-1[, D]) of each array but masks.
        script: (N, T) labels of the clips.
        iou_n: (N,) mean soft IoU of the masks of each clip; None for a model without masks.

    Returns:
        `codes` themselves, (N, T-1), and (N,) means over the transitions of each clip: the error of `shift` and `background_shift` in px,
        the Euclidean norm of `vectors`, and the soft IoU of `masks`.
    """
    kept = {"codes": arrays["codes"]} if "codes" in arrays else {}
    for name in ("shift", "background_shift"):
        if name in arrays:
            kept[name] = motion.error(arrays[name], getattr(script, name)[:, 1:]).mean(1)
    if "vectors" in arrays:
        kept["vectors"] = np.linalg.norm(arrays["vectors"], axis=-1).mean(1)
    return kept if iou_n is None else {**kept, "masks": iou_n}


def per_clip_of_data(data: Data, fitted: Arrays, scored: Arrays, iou_n: NDArray[Any] | None) -> dict[str, Packed]:
    """`per_clip` of both parts as a score file holds it, by split and name; empty for large data."""
    if max(len(part) for part in data.parts) * (data.scored.spec.frames - 1) > MOST_TRANSITIONS:
        return {}
    kept = {data.fit.name: per_clip(fitted, data.fit.script), data.scored.name: per_clip(scored, data.scored.script, iou_n)}
    return {
        f"{split}/{name}": packed(values, "u2" if name == "codes" else "f4")
        for split, by_name in kept.items()
        for name, values in by_name.items()
    }
