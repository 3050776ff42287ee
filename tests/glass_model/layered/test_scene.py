"""Motion of the scene."""

import torch

from glass_model.layered.scene import scene_motion, seen_before


def scenes(shifts: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows of a large picture that moves on the screen, with a figure that moves in another way."""
    torch.manual_seed(0)
    large = torch.rand(3, 40, 50) * 2 - 1
    before, after = (torch.stack([large[:, 5 - k * y : 29 - k * y, 5 - k * x : 37 - k * x] for x, y in shifts]).clone() for k in (0, 1))
    before[..., 8:16, 10:15] = 1
    after[..., 8:16, 14:19] = 1
    return before, after


def test_the_motion_of_most_pixels_is_that_of_the_scene() -> None:
    shifts = [(0, 0), (2, 0), (-1, 2), (0, -2), (1, 1)]
    assert scene_motion(*scenes(shifts), 2).tolist() == [list(map(float, shift)) for shift in shifts]


def test_longer_motions_than_the_reach_are_not_looked_for() -> None:
    assert scene_motion(*scenes([(2, 2)]), 1).abs().max() <= 1
    assert scene_motion(*scenes([(2, 2), (1, 0)]), 0).tolist() == [[0, 0], [0, 0]]


def test_of_equal_motions_the_shortest_is_taken() -> None:
    plain = torch.zeros(1, 3, 16, 16)
    assert scene_motion(plain, plain, 3).tolist() == [[0, 0]]


def test_what_comes_from_outside_was_not_seen_before() -> None:
    seen = seen_before(torch.tensor([[2.0, 0.0], [0.0, -1.0], [0.0, 0.0]]), (4, 6))
    assert seen.shape == (3, 1, 4, 6)
    assert seen[0, 0].tolist() == [[0, 0, 1, 1, 1, 1]] * 4
    assert seen[1, 0].tolist() == [[1] * 6] * 3 + [[0] * 6]
    assert seen[2].all()
