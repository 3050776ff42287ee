"""The evaluation that was released with GLASS, with its units mended.

There, labels were stored in normalised coordinates, 2 dx / 64 and 2 dy / 32 for the sprite and 2 d / 25 for the scene, predictions were
turned into pixels, and the two were subtracted: a perfect model gets a "global shift norm" of 3.8, one that always says 0 gets 0.17. Here
both are in pixels, and the figure as it was released stands beside. All transitions count once; there, 4,000 windows of 12 were drawn.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks import controls
from benchmarks.data import Data
from benchmarks.evaluate import collect
from benchmarks.metrics import actions, motion
from benchmarks.protocol import Arrays, Model, Predictions

_NORMS = {"shift": np.array([64, 32]) / 2, "background_shift": np.array([25, 25]) / 2}


def figures(data: Data, arrays: Arrays, soft_iou_nt: NDArray[np.float64] | None = None) -> dict[str, float]:
    """The released figures of arrays for `data.scored`.

    NMI with the local action, pooled ("global NMI") and averaged over characters ("local NMI"), also of random codes; for each shift the
    mean error in px, the same with the released units, and the angle match; soft IoU of masks.
    """
    part = data.scored
    truth, found = part.sources(), {}
    local, size = truth.labels[1], truth.sizes[1]
    if "codes" in arrays:
        k = int(arrays["codes"].max()) + 1
        for prefix, code in (("", arrays["codes"]), ("random ", controls.codes("random", data, "local", k)[1])):
            found[f"{prefix}global NMI"] = float(actions.nmi(actions.table(code, local, k, size)))
            found[f"{prefix}local NMI"] = actions.per_character(code, local, part.script.character, k, size)["per_character.nmi"].value
    for name, norm in _NORMS.items():
        if name in arrays:
            true = getattr(part.script, name)[:, 1:].astype(float)
            moves = np.any(true != 0, -1)
            found[f"{name} norm, px"] = float(motion.error(arrays[name], true).mean())
            found[f"{name} norm as released"] = float(motion.error(arrays[name], true / norm).mean())
            found[f"{name} angle match"] = float(motion.within_45_degrees(arrays[name], true)[moves].mean())
    if soft_iou_nt is not None:
        found["masks soft IoU"] = float(soft_iou_nt.mean())
    return found


def table(model: Model | Predictions, data: Data, name: str, progress: Callable[[int], object]) -> str:
    """The released figures of a model as text, beside those of a perfect one and of one that says 0."""
    arrays, masks = collect(model, data.scored, name, progress)
    found = figures(data, arrays, masks["model"]["soft_iou"] if masks else None)
    perfect = figures(data, {**controls.arrays("oracle", data.scored), "codes": data.scored.sources().labels[1]})
    nothing = figures(data, {**controls.arrays("majority", data.scored), "codes": np.zeros_like(data.scored.sources().labels[1])})
    lines = [f"{'released protocol':<32} {name:>12.12} {'perfect':>9} {'says 0':>9}"]
    for key, value in found.items():
        both = (f"{of[key]:9.3f}" if key in of else f"{'':9}" for of in (perfect, nothing))
        lines.append(f"{key:<32} {value:>12.3f} {' '.join(both)}".rstrip())
    return "\n".join(lines)
