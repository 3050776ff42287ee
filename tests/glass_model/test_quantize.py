"""Quantisation: nearest vectors with straight-through gradients, and the Gumbel softmax."""

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
