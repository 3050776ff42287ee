"""The terms of the loss against hand-computed values."""

import math
from dataclasses import fields
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.metrics import log_loss

from glass_model.lam import augment, losses
from glass_model.lam.bottleneck import Passed
from glass_model.lam.config import LossConfig
from glass_model.lam.model import Result


def test_rec_weights_the_figure() -> None:
    frame, target = torch.zeros(1, 3, 1, 2), torch.tensor([0.1, 0.4]).expand(1, 3, 1, 2)
    mask = torch.tensor([[[[1.0, 0.25]]]])
    assert losses.rec_loss(frame, target).item() == pytest.approx((0.01 + 0.16) / 2)
    assert losses.rec_loss(frame, target, mask, 0.1).item() == pytest.approx((0.01 + 0.16 * (0.1 + 0.9 * 0.25)) / 2)
    assert losses.rec_loss(frame, target, mask, 1.0).item() == pytest.approx((0.01 + 0.16) / 2)


def test_label_loss_is_that_of_the_known() -> None:
    rng = np.random.default_rng(0)
    logits, label, known = rng.normal(size=(6, 4)), rng.integers(0, 4, 6), np.array([True, False, True, True, False, False])
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = log_loss(label[known], probability[known], labels=range(4))
    arguments = torch.from_numpy(logits), torch.from_numpy(label), torch.from_numpy(known)
    assert losses.label_loss(*arguments).item() == pytest.approx(expected)
    assert losses.label_loss(*arguments[:2], torch.zeros(6, dtype=torch.bool)).item() == 0


def test_zero_loss_does_not_reward_long_vectors() -> None:
    vectors = torch.tensor([[3.0, 4.0], [0.0, 5.0]], requires_grad=True)  # root mean square length 5
    still = torch.tensor([[1.0, 0.0], [0.0, 0.25]], requires_grad=True)
    loss = losses.zero_loss(still, vectors, 0.1)
    assert loss.item() == pytest.approx((0.2 - 0.1 + 0) / 2)
    loss.backward()
    assert vectors.grad is None and still.grad is not None
    torch.testing.assert_close(still.grad, torch.tensor([[0.1, 0.0], [0.0, 0.0]]))


def test_place_loss_is_in_halves_of_the_frame() -> None:
    middle, true = torch.tensor([[10.0, 10.0], [0.0, 0.0]]), torch.tensor([[14.0, 4.0], [99.0, 99.0]])
    for known, expected in (([True, False], (4 / 64 + 6 / 48) / 2), ([False, False], 0)):
        assert losses.place_loss(middle, true, torch.tensor(known), (96, 128)).item() == pytest.approx(expected)


def test_persist_loss_is_its_definition() -> None:
    torch.manual_seed(0)
    near, far = 2, 4
    share = torch.randn(3, 12, 5, dtype=torch.float64).softmax(2)
    mean, terms = share.mean((0, 1)), []
    for p in share.numpy():
        for i in range(12 - near):
            score = [(p[i] * p[j] / mean.numpy()).sum() + 1e-4 for j in range(12)]
            among = sum(score[j] for j in range(12) if abs(i - j) >= near)
            terms.append(np.mean([-math.log(score[j] / among) for j in range(i + near, min(i + far, 11) + 1)]))
    assert losses.persist_loss(share, near, far).item() == pytest.approx(np.mean(terms))


def test_persist_loss_wants_codes_that_last_and_that_differ_within_a_sequence() -> None:
    def loss(code: np.ndarray) -> float:
        certain = torch.nn.functional.one_hot(torch.from_numpy(code), 4).double()
        return losses.persist_loss(0.8 * certain + 0.05, 2, 4).item()

    runs, same = np.repeat([[0, 1, 2, 3], [1, 0, 3, 2]], 10, 1), np.repeat([[0], [1]], 40, 1)
    noise = np.random.default_rng(0).integers(0, 4, (2, 40))
    assert loss(runs) < loss(noise) and loss(runs) < loss(same)
    assert loss(same) == pytest.approx(loss(0 * same), rel=1e-6)  # what tells the sequences apart is worth nothing
    # A code follows what comes after it: in between two runs, it becomes that of the later one.
    logits = torch.tensor(np.eye(2)[np.repeat([0, 1], 8)] * 9).unsqueeze(0)
    logits[0, 8] = 0
    logits.requires_grad_()
    losses.persist_loss(logits.softmax(2), 2, 4).backward()
    assert logits.grad is not None and logits.grad[0, 8, 1] < 0 < logits.grad[0, 8, 0]


def test_entropy_loss_is_that_of_scipy() -> None:
    share = torch.rand(3, 7, 5, dtype=torch.float64).softmax(2)
    assert losses.entropy_loss(share).item() == pytest.approx(-np.mean(entropy(share.mean(1).numpy(), axis=1)))
    assert losses.entropy_loss(torch.eye(4).repeat(1, 3, 1)).item() == pytest.approx(-math.log(4))


def result(**changes: object) -> Result:
    images = torch.rand(2, 3, 4, 4)
    through = Passed(torch.ones(2, 3), torch.ones(2, 3), torch.zeros(2, 1, dtype=torch.int64), {"commit": torch.tensor(2.0)})
    return Result(through, images, images + 0.1, images, images, None, None, None)._replace(**changes)


def test_terms_and_their_weights() -> None:
    latent = (torch.zeros(2, 3), torch.full((2, 3), 2.0), torch.tensor([[0.0] * 3, [1.0] * 3]))
    every = losses.terms(
        result(latent=latent, still=torch.ones(2, 3)),
        LossConfig(zero=0.5),
        label=(torch.zeros(2, 4), torch.tensor([0, 1]), torch.ones(2)),
        place=(torch.zeros(2, 2), torch.ones(2, 2), torch.ones(2), (4, 4)),
    )
    expected = {"rec": 0.01, "commit": 2.0, "latent": 4.0, "variance": 0.5, "label": math.log(4), "zero": 1 - 0.1, "place": 0.5}
    assert {name: term.item() for name, term in every.items()} == pytest.approx(expected, rel=1e-4)
    weights = {"rec": 1, "commit": 0.05, "latent": 1, "variance": 1, "label": 0.1, "zero": 0.5, "place": 0.1}
    assert losses.total(every, LossConfig(zero=0.5)).item() == pytest.approx(sum(weights[n] * v for n, v in expected.items()), rel=1e-4)
    assert set(losses.terms(result(), LossConfig(commit=0.0))) == {"rec"}
    share = torch.full((1, 9, 4), 0.25)
    codes = losses.terms(result(share=share), LossConfig(commit=0.0, persist=1.0, entropy=0.5), lags=(1, 2))
    assert set(codes) == {"rec", "persist", "entropy"}
    assert set(expected) | {"kl", "spread", "persist", "entropy"} == {f.name for f in fields(LossConfig)} - {"target", "outside", "margin"}
    assert losses.logged(result(latent=latent))["latent_std"] == 0  # all true encodings are equal: a collapse
    assert losses.logged(result())["copy"].item() == pytest.approx(0.01)


# Augmentation.


def test_changes_are_shared_by_a_sequence() -> None:
    images = torch.rand(3, 2, 3, 12, 16)
    change = augment.Change(torch.tensor([[4, 0], [-3, 2], [0, 0]]), torch.tensor([0.0, 0.1, -0.05]))
    ours = augment.changed(images, change)
    for b, (x, y) in enumerate(change.shift.tolist()):
        for i, j in ((0, 0), (5, 7), (11, 15)):
            source = images[b, :, :, min(max(i - y, 0), 11), min(max(j - x, 0), 15)]
            torch.testing.assert_close(ours[b, :, :, i, j], source + change.brightness[b])


def test_changes_that_are_drawn() -> None:
    torch.manual_seed(0)
    change = augment.draw(5000, torch.device("cpu"))
    for axis in (0, 1):
        assert torch.bincount(change.shift[:, axis] + 4).min() > 0.8 * 5000 / 9 and change.shift[:, axis].abs().max() == 4
    assert change.brightness.abs().max() <= 0.1 and change.brightness.std().item() == pytest.approx(0.1 / math.sqrt(3), rel=0.05)


def test_disguises_are_shared_by_a_sequence() -> None:
    torch.manual_seed(0)
    still = torch.rand(40, 1, 3, 12, 16).expand(-1, 2, -1, -1, -1) - 0.5
    ours = augment.disguised(still)
    assert torch.equal(ours[:, 0], ours[:, 1])
    # Each channel is one of the true ones, up to a factor, a constant and a shift, which keep its order inside.
    inside, orders = ours[:, 0, :, 4:8, 4:12].flatten(2).numpy(), set()
    for b in range(40):
        best = []
        for channel in inside[b]:
            moved = [
                [still[b, 0, c, 4 - y : 8 - y, 4 - x : 12 - x].flatten().numpy() for c in range(3)]
                for y in range(-2, 3)
                for x in range(-2, 3)
            ]
            fits = np.array([[np.corrcoef(channel, one)[0, 1] for one in three] for three in moved])
            assert fits.max() > 0.999
            best.append(int(fits.max(0).argmax()))
        orders.add(tuple(best))
    assert orders == set(permutations(range(3)))
