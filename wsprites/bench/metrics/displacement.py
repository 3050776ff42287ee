"""What codes tell about the displacement of an object, and where the object is in generated video, by the measures of CADDY.

Menapace et al., Playable video generation, CVPR 2021. A position that was not detected is NaN. Axis suffixes: n clips, t transitions or
frames, d coordinates; k codes, r replicates.
"""

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics.interval import Clusters, Score, ratio

Floats = NDArray[np.floating]

FOLDS = 5
"""Parts of the clips that each are left out once for the held-out accuracy."""


def delta_mse(displacement_ntd: Floats, code_nt: NDArray[np.integer], clusters: Clusters) -> dict[str, Score]:
    """The error of the best guess of a displacement from a code, which is the mean of that code, over the variance, in per cent.

    With v_k the variance of the displacements with code k, the mean over their coordinates, f_k the share of code k among the transitions
    with a displacement, and V the variance of all displacements: `delta_mse` is 100 sum_k f_k v_k / V, which is 100 (1 - R^2), and
    `delta_mse_unweighted` 100 mean_k v_k / V over the codes that occur. Variances are over n, not n - 1.

    Args:
        displacement_ntd: (N, T-1, D) floats; a transition with NaN is left out.
        code_nt: (N, T-1) int codes of the same transitions.
        clusters: the groups of the clips.

    Returns:
        Both, in per cent: 0 where the code decides the displacement, 100 where it tells nothing; NaN where nothing ever moves. The weighted
        one is at most 100; the other one may be larger.

    Example:
        >>> moved = np.array([[[0.0], [2.0], [1.0], [1.0]], [[0.0], [2.0], [1.0], [1.0]]])
        >>> scores = delta_mse(moved, np.array([[0, 0, 1, 1], [0, 0, 1, 1]]), Clusters([0, 1]))
        >>> scores["delta_mse"].value, scores["delta_mse_unweighted"].value
        (100.0, 100.0)
    """
    defined_nt = _detected(displacement_ntd)
    used, code = np.unique(code_nt[defined_nt], return_inverse=True)
    displacement = displacement_ntd[defined_nt].astype(np.float64)
    shape = (len(code_nt), len(used))
    if not len(used):
        return dict.fromkeys(("delta_mse", "delta_mse_unweighted"), Score(float("nan"), unit="%"))
    # Counts, sums and sums of squares of each code in each clip, from which those without a group of clips follow.
    displacement -= displacement.mean(0)
    cell = np.nonzero(defined_nt)[0] * len(used) + code
    columns = [np.ones(len(cell)), (displacement**2).sum(-1), *displacement.T]
    moments_nkm = np.stack([np.bincount(cell, column, shape[0] * shape[1]).reshape(shape) for column in columns], -1)
    without_rkm = clusters.sums(moments_nkm.reshape(shape[0], -1)).reshape(-1, *moments_nkm.shape[1:])
    (value,), value_r = _errors(moments_nkm.sum(0)[None]), _errors(without_rkm)
    clips = int(defined_nt.any(1).sum())
    most = (100.0, np.inf)
    return {
        name: clusters.score(value[at], value_r[:, at], unit="%", most=most[at], clips=clips)
        for at, name in enumerate(("delta_mse", "delta_mse_unweighted"))
    }


def _errors(moments_rkm: Floats) -> Floats:
    """(R, 2) both errors in per cent, from the count, the sum of squares and the sums of each code."""
    count, square, sums = moments_rkm[..., 0], moments_rkm[..., 1], moments_rkm[..., 2:]
    occurs = count > 0.5
    at_least_1 = np.maximum(count, 1)
    variance_rk = np.where(occurs, np.maximum(square / at_least_1 - ((sums / at_least_1[..., None]) ** 2).sum(-1), 0), 0)
    n = np.maximum(count.sum(1), 1)
    total = square.sum(1) / n - ((sums.sum(1) / n[:, None]) ** 2).sum(-1)
    moves = total > 1e-12 * np.maximum(square.sum(1) / n, 1e-300)
    error = np.stack([(count * variance_rk).sum(1) / n, variance_rk.sum(1) / np.maximum(occurs.sum(1), 1)], -1)
    return np.where(moves[:, None], 100 * error / np.where(moves, total, 1)[:, None], np.nan)


def svm_accuracy(displacement_nd: Floats, code_n: NDArray[np.integer], *, fold_n: NDArray[np.integer] | None = None) -> float:
    """Share of codes that a linear support vector machine predicts from the displacement, in per cent.

    `LinearSVC(max_iter=10000)` of scikit-learn on the displacements as they are. Of a single code, that code is always predicted.

    Args:
        displacement_nd: (N, D) floats, all finite.
        code_n: (N,) int codes.
        fold_n: (N,) int labels of the parts that each are predicted by a machine which was fitted on all others; None: one machine is
            fitted on everything and scored on the same, as CADDY does.

    Returns:
        0 to 100; NaN without transitions, or with a single part.

    Example:
        >>> svm_accuracy(np.array([[-1.0], [-1.0], [1.0], [1.0]]), np.array([3, 3, 5, 5]))
        100.0
        >>> svm_accuracy(np.array([[-1.0], [1.0]]), np.array([3, 3]))  # one code that never changes
        100.0
    """
    if fold_n is None:
        return 100 * float((_predicted(displacement_nd, code_n, displacement_nd) == code_n).mean()) if len(code_n) else float("nan")
    folds = np.unique(fold_n)
    if len(folds) < 2:
        return float("nan")
    hits = [_predicted(displacement_nd[fold_n != one], code_n[fold_n != one], displacement_nd[fold_n == one]) for one in folds]
    return 100 * sum(int((hit == code_n[fold_n == one]).sum()) for hit, one in zip(hits, folds, strict=True)) / len(code_n)


def _predicted(fit_nd: Floats, code_n: NDArray[np.integer], displacement_nd: Floats) -> NDArray[np.integer]:
    from sklearn.svm import LinearSVC

    if code_n.min() == code_n.max():  # which LinearSVC refuses
        return np.full(len(displacement_nd), code_n[0])
    # The same optimum as the dual problem that older versions of scikit-learn solve by random coordinates, without a draw.
    machine = LinearSVC(max_iter=10_000, dual=False).fit(fit_nd, code_n)
    return np.asarray(machine.predict(displacement_nd))


def folds(group_n: NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) int64: the part of FOLDS that each clip belongs to. The j-th group, by ascending id, is of part j modulo FOLDS.

    Args:
        group_n: (N,) int ids of the groups of the clips, such as characters; where there is a single one, each clip is a group.

    Example:
        >>> folds(np.array([7, 7, 9, 12])).tolist()
        [0, 0, 1, 2]
    """
    order = np.unique(group_n, return_inverse=True)[1].ravel()
    return np.asarray((order if order.any() else np.arange(len(group_n))) % FOLDS, np.int64)


def detection_scores(true_ntd: Floats, generated_ntd: Floats, clusters: Clusters, *, unit: str) -> dict[str, Score]:
    """How far the object is from its place in generated frames, and how often it is missed there.

    `add`, the average detection distance: the mean Euclidean distance over the frames where both positions are detected. `mdr`, the missed
    detection rate: of the frames where it is detected in the true video, those where it is not in the generated one, in per cent.

    Args:
        true_ntd, generated_ntd: (N, T, D) floats, positions in true and in generated frames; NaN where nothing was detected.
        clusters: the groups of the clips.
        unit: that of positions.

    Returns:
        Both; NaN where no frame counts.

    Example:
        >>> true, generated = np.zeros((2, 2, 1)), np.array([[[3.0], [np.nan]], [[1.0], [0.0]]])
        >>> scores = detection_scores(true, generated, Clusters([0, 1]), unit="px")
        >>> round(scores["add"].value, 3), scores["mdr"].value
        (1.333, 25.0)
    """
    expected, found = _detected(true_ntd), _detected(generated_ntd)
    both = expected & found
    distance = np.where(both, np.linalg.norm(np.where(both[..., None], generated_ntd - true_ntd, 0), axis=-1), 0)
    missed = expected & ~found
    return {
        "add": ratio(distance.sum(1), both.sum(1), clusters, unit=unit),
        "mdr": ratio(100 * missed.sum(1), expected.sum(1), clusters, unit="%", most=100.0),
    }


def _detected(position_ntd: Floats) -> NDArray[np.bool_]:
    """(N, T) whether all coordinates are known."""
    return np.asarray(np.isfinite(position_ntd).all(-1))
