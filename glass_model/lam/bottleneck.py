"""What z passes through between the inverse and the forward model: codebooks, rounding, noise, or nothing. z is (N, D) float32."""

from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.images import constants
from glass_model.lam.config import ModelConfig

_LEAST, _ADDED = 1e-5, 1e-6  # of a count that sums are divided by; to variances, relative to their mean
_KEPT = 0.9  # of the averages that whiten, per step


class Passed(NamedTuple):
    """What came through a bottleneck, with the terms that belong to it."""

    vector: Tensor
    """(N, D) float32: z before quantisation, or its mean without noise; what `Reading.vectors` are."""
    passed: Tensor
    """(N, D) float32: what the forward model gets."""
    codes: Tensor
    """(N, G) int64: the code of each group."""
    terms: dict[str, Tensor]
    """Terms of the loss, unweighted."""


class Codebooks(nn.Module):
    """K codes for each of G groups of z, from L codebooks, that are moving averages of the vectors nearest to them (VQ-VAE, appendix A.1).

    They begin with vectors of the first batch. A code that is not used for `reset` steps in a row becomes a vector of the batch. All this
    happens in training mode only, and needs no gradient.

    Args:
        codes: K.
        size: dimensions of a group.
        groups: G; z has G times `size` dimensions.
        books: L; codebook l serves groups l G / L to (l + 1) G / L - 1.
        keep: share of the averages that a step keeps.
        reset: see above; 0 never resets.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor
    idle: Tensor
    begun: Tensor

    def __init__(self, codes: int, size: int, groups: int = 1, books: int = 1, *, keep: float = 0.99, reset: int = 50) -> None:
        super().__init__()
        self.groups, self._keep, self._reset = groups, keep, reset
        self.register_buffer("vectors", torch.randn(books, codes, size))
        self.register_buffer("counts", torch.ones(books, codes))
        self.register_buffer("sums", self.vectors.clone())
        self.register_buffer("idle", torch.zeros(books, codes))
        self.register_buffer("begun", torch.zeros(()))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest vectors, (N, D), and their codes, (N, G)."""
        if not self.training:
            return self.nearest(z)
        parts = self._parts(z)
        self._begin(parts)
        nearest, codes = self.nearest(z)
        self._update(parts, codes.T)
        return nearest, codes

    def nearest(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The same as in eval mode: nothing changes."""
        codes = torch.cdist(self._parts(z), self._each()).argmin(2).T
        return self.look_up(codes), codes

    def look_up(self, codes: Tensor) -> Tensor:
        """The vectors (N, D) of codes (N, G)."""
        group = torch.arange(self.groups, device=codes.device)
        return self._each()[group, codes].flatten(1)

    def _parts(self, z: Tensor) -> Tensor:
        """(G, N, d): the groups of vectors, without gradient."""
        return z.detach().reshape(len(z), self.groups, -1).transpose(0, 1)

    def _each(self) -> Tensor:
        """(G, K, d): the codebook of each group."""
        return self.vectors.repeat_interleave(self.groups // len(self.vectors), 0)

    @torch.no_grad()
    def _begin(self, parts: Tensor) -> None:
        """At the first batch, take its vectors. Decided without waiting for the device."""
        drawn = self._drawn(parts)
        for buffer, value in ((self.vectors, drawn), (self.sums, drawn)):
            buffer.copy_(torch.where(self.begun > 0, buffer, value))
        self.begun.fill_(1)

    def _drawn(self, parts: Tensor) -> Tensor:
        """(L, K, d): vectors of the batch for every code of every codebook."""
        of_book = parts.reshape(len(self.vectors), -1, parts.shape[2])
        at = torch.rand(of_book.shape[:2], device=parts.device).argsort(1)
        at = at.repeat(1, -(-self.vectors.shape[1] // at.shape[1]))[:, : self.vectors.shape[1]]  # again, where there are few
        return of_book.gather(1, at[..., None].expand(-1, -1, parts.shape[2]))

    @torch.no_grad()
    def _update(self, parts: Tensor, code: Tensor) -> None:
        """Move the averages towards the batch, and give unused codes another place."""
        books, codes = self.counts.shape
        chosen = F.one_hot(code, codes).to(parts.dtype)
        counts = chosen.sum(1).view(books, -1, codes).sum(1)
        sums = (chosen.transpose(1, 2) @ parts).view(books, -1, *self.vectors.shape[1:]).sum(1)
        self.counts.lerp_(counts, 1 - self._keep)
        self.sums.lerp_(sums, 1 - self._keep)
        self.idle.copy_(torch.where(counts > 0, 0.0, self.idle + 1))
        if self._reset:
            unused = self.idle >= self._reset
            self.counts.copy_(torch.where(unused, self.counts.mean(1, keepdim=True), self.counts))
            self.sums.copy_(torch.where(unused[..., None], self._drawn(parts) * self.counts[..., None], self.sums))
            self.idle.copy_(torch.where(unused, 0.0, self.idle))
        self.vectors.copy_(self.sums / self.counts.clamp_min(_LEAST)[..., None])

    def cluster(self, z: np.ndarray) -> None:
        """Replace the codes by k-means clusters of vectors, (N, D) float32 with N >= K."""
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
        cv2.setRNGSeed(0)
        labels = np.empty((len(z), 1), np.int32)  # of the vectors, which are not needed
        _, _, centres = cv2.kmeans(z, self.vectors.shape[1], labels, stop, 5, cv2.KMEANS_PP_CENTERS)
        self.vectors.copy_(torch.from_numpy(np.asarray(centres))[None])


class Rounding:
    """Finite scalar quantisation (Mentzer et al., 2024): each dimension is bounded by tanh and rounded to one of its levels.

    Args:
        levels: number of levels of each dimension.

    Example:
        >>> rounded, codes = Rounding((3, 3))(torch.tensor([[-9.0, 9.0], [0.0, 0.0]]))
        >>> rounded.tolist(), codes.tolist()
        ([[-1.0, 1.0], [0.0, 0.0]], [[6], [4]])
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        self._levels = levels

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Rounded vectors in -1 to 1, (N, D), with the gradient of what was bounded; and codes, (N, 1)."""
        levels = constants(self._levels, z)
        half, offset = (levels - 1) * (1 + 1e-3) / 2, (levels % 2 == 0) * 0.5
        bounded = (z + (offset / half).atanh()).tanh() * half - offset
        rounded = bounded.detach().round() + (bounded - bounded.detach())
        whole = levels // 2
        code = ((rounded.detach() + whole) * self._basis(z)).sum(1).round().long()
        return rounded / whole, code[:, None]

    def look_up(self, codes: Tensor) -> Tensor:
        """The rounded vectors (N, D) of codes (N, 1)."""
        basis, levels = self._basis(codes), constants(self._levels, codes)
        whole = levels // 2
        return ((codes // basis) % levels - whole).float() / whole

    def _basis(self, like: Tensor) -> Tensor:
        return constants(np.cumprod([1, *self._levels[:-1]]).tolist(), like)


class Whitening(nn.Module):
    """Vectors (N, D) with mean 0, variance 1 and no correlation over the batch (Huang et al., Decorrelated batch normalization, 2018).

    Without it, all dimensions of what is rounded soon lie beyond the outermost level, where tanh has no gradient, and lie there together:
    one code is left. In eval mode, and in `read`, mean and covariance are moving averages of those of batches.

    Example:
        >>> z = Whitening(2)(torch.tensor([[100.0, 100.0], [100.0, 101.0], [102.0, 101.0], [102.0, 102.0]]))
        >>> torch.allclose(z.T @ z / 4, torch.eye(2), atol=1e-3)
        True
    """

    mean: Tensor
    covariance: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("covariance", torch.eye(size))

    def forward(self, z: Tensor) -> Tensor:
        """Whiten by the batch in training mode, otherwise as `read`."""
        if not self.training:
            return self.read(z)
        mean = z.mean(0)
        covariance = (z - mean).T @ (z - mean) / len(z)
        with torch.no_grad():
            self.mean.lerp_(mean, 1 - _KEPT)
            self.covariance.lerp_(covariance, 1 - _KEPT)
        return self._whitened(z - mean, covariance)

    def read(self, z: Tensor) -> Tensor:
        """Whiten by the moving averages."""
        return self._whitened(z - self.mean, self.covariance)

    def _whitened(self, centred: Tensor, covariance: Tensor) -> Tensor:
        least = _ADDED * (1 + covariance.diagonal().mean())
        root = torch.linalg.cholesky_ex(covariance + least * torch.eye(len(covariance), device=centred.device))[0]
        white: Tensor = torch.linalg.solve_triangular(root, centred.T, upper=False).T
        return white


class Softmax:
    """Codes from logits: the likeliest passes, as a one-hot vector with the gradient of the probabilities (straight-through).

    Example:
        >>> passed, codes = Softmax(3)(torch.tensor([[0.0, 2.0, 1.0]]))
        >>> passed.tolist(), codes.tolist()
        ([[0.0, 1.0, 0.0]], [[1]])
    """

    def __init__(self, codes: int) -> None:
        self._codes = codes

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """One-hot vectors, (N, K), and codes, (N, 1), of logits (N, K)."""
        codes, share = z.argmax(1, keepdim=True), z.softmax(1)
        return self.look_up(codes) + (share - share.detach()), codes

    def look_up(self, codes: Tensor) -> Tensor:
        """The one-hot vectors (N, K) of codes (N, 1)."""
        return F.one_hot(codes[:, 0], self._codes).float()


class Bottleneck(nn.Module):
    """One of the five bottlenecks: (N, `width`) -> Passed. In float32, whatever the type of the input.

    Args:
        config: sizes.
        keep: see `Codebooks`.
        reset: see `Codebooks`.
    """

    def __init__(self, config: ModelConfig, *, keep: float, reset: int) -> None:
        super().__init__()
        self._kind, size = config.bottleneck, config.dimensions
        self.width = 2 * size if self._kind == "vae" else size
        """Dimensions of the input: mean and logarithm of the variance for "vae"."""
        self._fixed = Softmax(config.codes) if self._kind == "softmax" else Rounding(config.levels)
        self.whitening = Whitening(size) if self._kind == "fsq" else None
        # For "vae" and "none" the codes are clusters that nothing learns from.
        grouped = (config.size, config.groups, config.books) if self._kind == "vq" else (size,)
        learned = self._kind not in ("fsq", "softmax")
        self.codebooks = Codebooks(config.codes, *grouped, keep=keep, reset=reset) if learned else None

    def forward(self, z: Tensor) -> Passed:
        """Pass vectors on: sampled in training for "vae", otherwise the mean."""
        with torch.autocast(z.device.type, enabled=False):
            z = z.float()
            if self.codebooks is None:
                z = self.whitening(z) if self.whitening else z
                return Passed(z, *self._fixed(z), {})
            if self._kind == "vq":
                nearest, codes = self.codebooks(z)
                return Passed(z, nearest + (z - z.detach()), codes, {"commit": F.mse_loss(z, nearest)})
            if self._kind == "none":
                return Passed(z, z, self.codebooks(z)[1], {})
            mean, log = z.chunk(2, 1)
            noise = (log / 2).exp() * torch.randn_like(mean) if self.training else 0.0
            return Passed(mean, mean + noise, self.codebooks(mean)[1], {"kl": kl(mean, log)})

    def read(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (N, D) and codes (N, G), as in `Passed`. Nothing is drawn or changed, in any mode."""
        z = z.float().chunk(2, 1)[0] if self._kind == "vae" else z.float()
        z = self.whitening.read(z) if self.whitening else z
        return z, (self._fixed(z) if self.codebooks is None else self.codebooks.nearest(z))[1]

    def look_up(self, codes: Tensor) -> Tensor:
        """What the forward model gets for codes (N, G)."""
        return (self.codebooks or self._fixed).look_up(codes)

    def pass_vectors(self, vectors: Tensor) -> Tensor:
        """What the forward model gets for vectors (N, D) as they are read: quantised where codes are all that passes."""
        if self.codebooks is None:
            return self._fixed(vectors)[0]
        return self.codebooks.nearest(vectors)[0] if self._kind == "vq" else vectors


def spread(z: Tensor) -> Tensor:
    """How far the standard deviations of dimensions over a batch (N, D) are below 1: mean over the dimensions, 0 to 1."""
    return (1 - (z.var(0, correction=0) + 1e-8).sqrt()).clamp_min(0).mean()


def kl(mean: Tensor, log: Tensor) -> Tensor:
    """Divergence of normal distributions from the standard one, in nats: sum over the dimensions, mean over the batch.

    Args:
        mean: (N, D).
        log: (N, D) logarithms of the variances.
    """
    return (0.5 * (log.exp() + mean.square() - 1 - log)).sum(1).mean()
