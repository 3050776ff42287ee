"""Matching of parts against all permutations."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from wsprites.bench.metrics.parts import part_iou


@pytest.mark.parametrize(("found_count", "true_count"), [(4, 3), (3, 3), (2, 4)])
def test_the_matching_is_the_best_of_all(found_count: int, true_count: int) -> None:
    """With more, as many and fewer parts than there are; each IoU is scikit-learn's."""
    generator = np.random.default_rng(found_count)
    true = generator.integers(0, true_count + 1, (3, 8, 9))
    found = np.where(generator.random(true.shape) < 0.5, true, generator.integers(0, found_count + 1, true.shape))
    found = np.where(found > found_count, 0, found)

    def iou(part: int, match: int) -> float:
        return float(jaccard_score((true == part).ravel(), (found == match).ravel()))

    numbers = [*range(1, found_count + 1), *[99] * max(0, true_count - found_count)]
    best = max(np.mean([iou(k + 1, match) for k, match in enumerate(order[:true_count])]) for order in permutations(numbers))
    scores = part_iou(found, true)
    assert scores.mean_iou == pytest.approx(best)
    assert scores.iou == pytest.approx(
        {part: iou(part, match) for part, match in scores.matched.items()}
        | {part: 0.0 for part in range(1, true_count + 1) if part not in scores.matched}
    )


def test_the_background_is_no_part() -> None:
    """Whatever is found there costs a part its pixels; a frame without parts has no score."""
    true = np.array([[[0, 0, 1, 1]]])
    assert part_iou(np.array([[[0, 0, 5, 5]]]), true).mean_iou == 1
    assert part_iou(np.array([[[5, 5, 5, 5]]]), true).mean_iou == 0.5
    assert part_iou(np.zeros((1, 1, 4), int), true) == (0.0, {1: 0.0}, {})
    assert np.isnan(part_iou(true, np.zeros((1, 1, 4), int)).mean_iou)


def test_frames_are_scored_together() -> None:
    """A part has one match in all frames."""
    true = np.array([[[1, 1]], [[1, 1]]])
    scores = part_iou(np.array([[[1, 1]], [[2, 2]]]), true)
    assert scores.mean_iou == 0.5 and scores.matched == {1: 1}
