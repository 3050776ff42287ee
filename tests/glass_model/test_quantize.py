"""Quantisation: nearest vectors with straight-through gradients, and the Gumbel softmax."""

import pytest
import torch
from torch import nn

from glass_model.quantize import Quantizer


def test_vector_quantisation() -> None:
    quantizer = Quantizer(3, 2, gumbel=False)
    quantizer.vectors.data = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    direction = torch.tensor([[0.6, 0.1], [0.1, 1.2], [-3.0, -1.0]], requires_grad=True)
    action = quantizer(direction)
    assert action.code.tolist() == [1, 2, 0]
    torch.testing.assert_close(action.vector, quantizer.vectors[action.code])
    (action.vector * torch.tensor([[1.0, 2.0]])).sum().backward()
    assert direction.grad is not None
    torch.testing.assert_close(direction.grad, torch.tensor([[1.0, 2.0]]).expand(3, 2))  # straight through
    assert quantizer.vectors.grad is None


def test_gumbel_softmax() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(3, 2, gumbel=True)
    assert quantizer.logits is not None
    nn.init.zeros_(quantizer.logits.weight)
    quantizer.logits.bias.data = torch.tensor([2.0, 0.0, -1.0])
    quantizer.vectors.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    cold = quantizer(torch.zeros(4000, 2), temperature=1e-3).vector
    # At a temperature of 0 a code is drawn with the probability that softmax gives it.
    torch.testing.assert_close(cold.mean(0), torch.tensor([2.0, 0.0, -1.0]).softmax(0)[:2], atol=0.03, rtol=0)
    warm = quantizer(torch.zeros(1, 2), temperature=100.0).vector
    torch.testing.assert_close(warm, torch.full((1, 2), 1 / 3), atol=0.05, rtol=0)
    quantizer.eval()
    assert quantizer(torch.zeros(5, 2)).vector.tolist() == [[1.0, 0.0]] * 5


def test_averaged_vectors_against_a_loop() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(3, 2, gumbel=False, averaged=True)
    assert not list(quantizer.parameters()) and set(quantizer.state_dict()) == {"vectors", "counts", "sums"}
    counts, sums = [1.0] * 3, [vector.clone() for vector in quantizer.vectors]
    for _ in range(5):
        direction, code = torch.randn(7, 2), torch.randint(0, 3, (7,))
        quantizer.update(direction, code)
        for k in range(3):
            counts[k] = 0.99 * counts[k] + 0.01 * (code == k).sum().item()
            sums[k] = 0.99 * sums[k] + 0.01 * direction[code == k].sum(0)
    torch.testing.assert_close(quantizer.vectors, torch.stack([total / count for total, count in zip(sums, counts, strict=True)]))


def test_averaged_vectors_find_the_means_of_clusters() -> None:
    torch.manual_seed(0)
    quantizer, centres = Quantizer(2, 2, gumbel=False, averaged=True), torch.tensor([[3.0, 0.0], [-3.0, 1.0]])
    quantizer.vectors.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    for _ in range(1000):
        direction = centres[torch.randint(0, 2, (16,))] + 0.1 * torch.randn(16, 2)
        quantizer.update(direction, quantizer(direction).code)
    torch.testing.assert_close(quantizer.vectors, centres, atol=0.05, rtol=0)


def test_rare_codes_are_revived() -> None:
    """A code that nothing is near to gets a direction of the batch; a used one keeps its vector."""
    quantizer = Quantizer(3, 2, gumbel=False, averaged=True)
    quantizer.vectors.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [90.0, 90.0]]))
    quantizer.sums.copy_(quantizer.vectors)
    direction = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(50, 1)
    for _ in range(300):
        quantizer.update(direction, quantizer(direction).code)
    assert quantizer.vectors[2] == pytest.approx([90.0, 90.0])  # its count and its sum have faded alike
    quantizer.update(direction, quantizer(direction).code, revive=True)
    assert quantizer.vectors[2].tolist() in direction.tolist()
    torch.testing.assert_close(quantizer.vectors[:2], torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
