"""Codebooks, rounding, noise: against slow or independent computations."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import nn

from glass_model.lam.bottleneck import Bottleneck, Codebooks, Rounding, Whitening, kl, spread
from glass_model.lam.config import ModelConfig


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Codebooks.


def slow_codes(z: torch.Tensor, vectors: torch.Tensor, groups: int) -> list[list[int]]:
    """The nearest code of each group, one after the other."""
    books, size = len(vectors), z.shape[1] // groups
    codes = []
    for row in z.tolist():
        of_row = []
        for g in range(groups):
            part, book = row[g * size : (g + 1) * size], vectors[g * books // groups].tolist()
            of_row.append(min(range(len(book)), key=lambda k: sum((a - b) ** 2 for a, b in zip(part, book[k], strict=True))))
        codes.append(of_row)
    return codes


@pytest.mark.parametrize(("groups", "books"), [(1, 1), (4, 2), (3, 3), (4, 1)])
def test_codes_are_the_nearest_of_each_groups_codebook(groups: int, books: int) -> None:
    torch.manual_seed(0)
    codebooks, z = Codebooks(5, 2, groups, books).eval(), seeded(7, 2 * groups)
    nearest, codes = codebooks(z)
    assert codes.tolist() == slow_codes(z, codebooks.vectors, groups)
    by_hand = [[x for g in range(groups) for x in codebooks.vectors[g * books // groups, row[g]].tolist()] for row in codes.tolist()]
    torch.testing.assert_close(nearest, torch.tensor(by_hand))
    torch.testing.assert_close(codebooks.look_up(codes), nearest)


def test_codes_begin_with_vectors_of_the_first_batch() -> None:
    for count in (9, 4):  # fewer than codes: some twice
        codebooks, z = Codebooks(6, 2), seeded(count, 2)
        torch.manual_seed(1)
        nearest, _ = codebooks(z)
        assert all(any(torch.allclose(row, other) for other in z) for row in nearest)


def test_averages_follow_the_vectors_nearest_to_them() -> None:
    """Counts and sums by hand, of a code that is shared by two groups and of one that is not used."""
    codebooks = Codebooks(3, 1, 2, 1, keep=0.9, reset=0)
    codebooks.begun.fill_(1)
    codebooks.vectors.copy_(torch.tensor([[[0.0], [10.0], [99.0]]]))
    codebooks.sums.copy_(codebooks.vectors)
    codebooks(torch.tensor([[1.0, 2.0], [3.0, 12.0]]))
    counts = [0.9 + 0.1 * 3, 0.9 + 0.1 * 1, 0.9]
    sums = [0.1 * (1 + 2 + 3), 0.9 * 10 + 0.1 * 12, 0.9 * 99]
    torch.testing.assert_close(codebooks.counts[0], torch.tensor(counts))
    torch.testing.assert_close(codebooks.vectors[0, :, 0], torch.tensor([s / c for s, c in zip(sums, counts, strict=True)]))


def test_unused_codes_get_another_place() -> None:
    torch.manual_seed(0)
    codebooks = Codebooks(2, 1, reset=3)
    codebooks.begun.fill_(1)
    codebooks.vectors.copy_(torch.tensor([[[0.0], [1000.0]]]))
    codebooks.sums.copy_(codebooks.vectors)
    z = torch.tensor([[1.0], [-1.0]])
    for step in range(3):
        assert codebooks.idle[0].tolist() == [0, step] and codebooks.vectors[0, 1, 0] > 900
        codebooks(z)
    assert codebooks.idle[0].tolist() == [0, 0] and abs(codebooks.vectors[0, 1, 0].item()) == pytest.approx(1)
    used = {tuple(codebooks(z)[1].flatten().tolist()) for _ in range(3)}
    assert used <= {(0, 1), (1, 0)}


def test_nothing_moves_but_in_training() -> None:
    codebooks, z = Codebooks(3, 2).eval(), seeded(8, 2)
    before = {name: tensor.clone() for name, tensor in codebooks.state_dict().items()}
    codebooks(z)
    codebooks.train().nearest(z)
    assert all(torch.equal(tensor, before[name]) for name, tensor in codebooks.state_dict().items())


def test_clusters_are_those_of_k_means() -> None:
    centres = np.array([[0, 0], [5, 0], [0, 5]], np.float32)
    z = (centres[np.random.default_rng(0).integers(0, 3, 300)] + np.random.default_rng(1).normal(0, 0.3, (300, 2))).astype(np.float32)
    codebooks = Codebooks(3, 2).eval()
    codebooks.cluster(z)
    theirs = KMeans(3, n_init=5, random_state=0).fit(z).cluster_centers_
    ours = codebooks.vectors[0].numpy()
    assert min(np.abs(ours[list(order)] - theirs).max() for order in itertools.permutations(range(3))) < 1e-3


# Rounding.


@pytest.mark.parametrize("levels", [(3, 3), (2, 2, 2), (4, 4, 4), (8, 5, 3)])
def test_rounding_reaches_every_code_and_no_other(levels: tuple[int, ...]) -> None:
    rounding = Rounding(levels)
    rounded, codes = rounding(4 * seeded(20_000, len(levels)))
    assert sorted(set(codes.flatten().tolist())) == list(range(math.prod(levels)))
    torch.testing.assert_close(rounding.look_up(codes), rounded)
    for axis, count in enumerate(levels):  # as many values in each dimension, at equal distances, 0 among them
        values = rounded[:, axis].unique()
        assert len(values) == count and torch.allclose(values.diff(), torch.full((count - 1,), 1 / (count // 2)), atol=1e-6)
        assert 0 in values and values.abs().max() <= 1


def test_rounding_passes_the_gradient_of_the_bound() -> None:
    z = torch.tensor([[0.3, -0.2]], requires_grad=True)
    Rounding((3, 3))(z)[0].sum().backward()
    assert z.grad is not None
    torch.testing.assert_close(z.grad, 1.001 * (1 - z.detach().tanh() ** 2))


# Whitening.


def correlated(count: int) -> torch.Tensor:
    """Vectors far from 0 whose dimensions are nearly the same, as an untrained encoder makes them."""
    common = 80 * seeded(count, 1, seed=2) + 350
    return common.expand(-1, 2) + seeded(count, 2, seed=3)


def test_whitening_against_numpy() -> None:
    z, whitening = correlated(400), Whitening(2)
    white = whitening(z)
    theirs = np.linalg.inv(np.linalg.cholesky(np.cov(z.numpy().T.astype(float), bias=True))) @ (z - z.mean(0)).numpy().T
    np.testing.assert_allclose(white.numpy(), theirs.T, atol=0.1)
    np.testing.assert_allclose(np.cov(white.numpy().T, bias=True), np.eye(2), atol=0.05)
    assert whitening(torch.ones(4, 2)).isfinite().all()  # where nothing differs


def test_whitening_reads_by_what_it_remembers() -> None:
    """After many batches of one kind, reading one vector is what the batch made of it, and changes nothing."""
    z, whitening = correlated(400), Whitening(2)
    for _ in range(200):
        white = whitening(z)
    before = {name: buffer.clone() for name, buffer in whitening.named_buffers()}
    torch.testing.assert_close(whitening.read(z[:1]), white[:1], rtol=0, atol=0.05)
    torch.testing.assert_close(whitening.eval()(z[:1]), whitening.read(z[:1]))
    assert all(torch.equal(before[name], buffer) for name, buffer in whitening.named_buffers())


def test_rounding_uses_all_codes_of_vectors_far_away() -> None:
    """Unwhitened, they have one code and no gradient: what `fsq` ended in."""
    z = correlated(400).requires_grad_()
    assert len(Rounding((3, 3))(z)[1].unique()) == 1
    through = Bottleneck(ModelConfig(bottleneck="fsq", levels=(3, 3)), keep=0.9, reset=0)(z)
    assert torch.bincount(through.codes.flatten(), minlength=9).min() > 10
    through.passed[:, 0].sum().backward()
    assert z.grad is not None and z.grad.abs().max() > 1e-6


# All bottlenecks.


def test_kl_is_that_of_torch() -> None:
    mean, log = seeded(5, 3), seeded(5, 3, seed=1)
    ours = torch.distributions.Normal(mean, (log / 2).exp())
    theirs = torch.distributions.kl_divergence(ours, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(kl(mean, log), theirs)


def test_spread_rewards_large_deviations() -> None:
    z = torch.tensor([[0.0, 0.0], [4.0, 0.5]])  # standard deviations 2 and 0.25
    assert spread(z).item() == pytest.approx(0.75 / 2, abs=1e-4)
    assert spread(3 * z).item() < spread(z).item() < spread(torch.zeros(2, 2)).item() <= 1


@pytest.mark.parametrize("kind", ["vq", "fsq", "vae", "none", "softmax"])
def test_every_bottleneck(kind: str) -> None:
    """Shapes, the gradient that reaches z, and that reading is what passes in eval mode, whatever the mode."""
    torch.manual_seed(0)
    bottleneck = Bottleneck(ModelConfig(bottleneck=kind, size=4, codes=5, levels=(3, 5)), keep=0.9, reset=0)
    z = seeded(32, bottleneck.width).requires_grad_()
    through = bottleneck(z)
    assert through.vector.shape == through.passed.shape == (32, {"fsq": 2, "softmax": 5}.get(kind, 4)) and through.codes.shape == (32, 1)
    assert set(through.terms) == {"vq": {"commit"}, "fsq": set(), "vae": {"kl"}, "none": set(), "softmax": set()}[kind]
    through.passed.square().sum().backward()
    assert z.grad is not None and (z.grad != 0).any(0).all()
    read, codes = bottleneck.read(z)
    evaluated = bottleneck.eval()(z)
    torch.testing.assert_close(read, evaluated.vector)
    assert torch.equal(codes, evaluated.codes)
    torch.testing.assert_close(bottleneck.pass_vectors(read), evaluated.passed)
    if kind in ("vq", "fsq", "softmax"):
        torch.testing.assert_close(bottleneck.look_up(codes), evaluated.passed)
        assert len({tuple(row) for row in evaluated.passed.tolist()}) == len(codes.unique())
    first, second = (bottleneck.train()(z).passed for _ in range(2))
    assert torch.equal(first, second) == (kind in ("fsq", "none", "softmax"))  # noise, and codebooks that move


def test_the_straight_through_gradient_and_commitment() -> None:
    bottleneck = Bottleneck(ModelConfig(size=2, codes=3), keep=0.9, reset=0).eval()
    z = seeded(6, 2).requires_grad_()
    weight = seeded(6, 2, seed=3)
    through = bottleneck(z)
    (through.passed * weight).sum().backward()
    torch.testing.assert_close(z.grad, weight)
    z.grad = None
    through.terms["commit"].backward()
    torch.testing.assert_close(z.grad, 2 * (z - through.passed).detach() / 12)


def test_codes_learn_without_gradients() -> None:
    assert not [name for name, _ in Bottleneck(ModelConfig(), keep=0.9, reset=0).named_parameters()]
    assert isinstance(Bottleneck(ModelConfig(), keep=0.9, reset=0), nn.Module)
