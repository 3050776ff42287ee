"""Baselines of masks: how much of a score one mask for all frames explains, or one shape at the place that the model's mask is at.

Axis suffixes: f frames of several clips, t frames of a clip, h rows, w columns.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Part
from wsprites.bench.metrics.masks import hard

Bools = NDArray[np.bool_]

EVERY = 10
"""Baselines are fitted on the frames 0, 10, 20 ... of each clip."""
_LEVELS = 20
"""The constant mask is chosen among the pixels of at least 1/20, 2/20 ... 19/20 of the highest frequency."""


@dataclass(frozen=True, eq=False)
class MaskBaselines:
    """What is known of the true masks of other clips."""

    constant_hw: Bools
    """The mask that is best for all frames alike."""
    silhouette_hw: Bools
    """The mean shape of the characters, with its centre at (W // 2, H // 2)."""

    def masks(self, mask_thw: NDArray[Any]) -> dict[str, Bools]:
        """(T, H, W) masks of each baseline, beside those of a model.

        "mean_mask" is constant; "silhouette" is the mean shape with its centre where the model's mask has its own, empty where that is.
        """
        placed, around = np.zeros(mask_thw.shape, bool), _padded(self.silhouette_hw)
        for t, mask_hw in enumerate(hard(mask_thw)):
            if mask_hw.any():
                placed[t] = _moved(around, _centre(mask_hw) - _middle(mask_hw))
        return {"mean_mask": np.broadcast_to(self.constant_hw, mask_thw.shape).copy(), "silhouette": placed}


def fit_masks(part: Part) -> MaskBaselines:
    """The baselines that are fitted on every tenth frame of all clips of a part."""
    true_fhw = np.concatenate([part.render(part.script[n, ::EVERY]).masks_thw for n in range(len(part))])
    return MaskBaselines(best_constant(true_fhw), mean_silhouette(true_fhw))


def best_constant(true_fhw: Bools) -> Bools:
    """(H, W) the pixels that are most often in a mask: those of at least a share of the highest frequency.

    The share is the multiple of 1/20, from 1/20 to 19/20, whose mask has the highest mean IoU with `true_fhw`, the smallest of several.
    """
    count_hw = true_fhw.sum(0)
    nested = np.stack([_LEVELS * count_hw >= level * count_hw.max() for level in range(1, _LEVELS)])
    area_f, area_l = true_fhw.sum((1, 2)), nested.sum((1, 2))
    both_fl = true_fhw.reshape(len(true_fhw), -1).astype(np.float32) @ nested.reshape(len(nested), -1).T.astype(np.float32)
    iou_fl = both_fl / (area_f[:, None] + area_l - both_fl)
    best: Bools = nested[iou_fl.mean(0).argmax()]
    return best


def mean_silhouette(true_fhw: Bools) -> Bools:
    """(H, W) the pixels in at least half of the masks, after each is moved so that its centre is at (W // 2, H // 2).

    Empty masks do not count.
    """
    count_hw, masks = np.zeros(true_fhw.shape[1:], np.int64), 0
    for mask_hw in true_fhw:
        if mask_hw.any():
            count_hw += _moved(_padded(mask_hw), _middle(mask_hw) - _centre(mask_hw))
            masks += 1
    return (2 * count_hw >= masks) & (count_hw > 0)


def _centre(mask_hw: Bools) -> NDArray[np.int64]:
    """(x, y) the mean place of the pixels of a mask, rounded to whole pixels, halves up."""
    moments = cv2.moments(mask_hw.view(np.uint8), binaryImage=True)
    return np.floor(np.array([moments["m10"], moments["m01"]]) / moments["m00"] + 0.5).astype(np.int64)


def _middle(mask_hw: Bools) -> NDArray[np.int64]:
    return np.array([mask_hw.shape[1] // 2, mask_hw.shape[0] // 2])


def _padded(mask_hw: Bools) -> Bools:
    """(3 H, 3 W) a mask in the middle of nothing."""
    return np.pad(mask_hw, [(size, size) for size in mask_hw.shape])


def _moved(padded: Bools, by_xy: NDArray[np.int64]) -> Bools:
    """(H, W) a padded mask, moved by at most W and H pixels; what leaves the frame is cut off."""
    (height, width), (x, y) = (size // 3 for size in padded.shape), by_xy
    return padded[height - y : 2 * height - y, width - x : 2 * width - x]
