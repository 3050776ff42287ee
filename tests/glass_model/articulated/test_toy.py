"""The toy experiment: labels that follow the long axis, losses, sharding, resuming and what is made of the results."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from glass_model.articulated import toy
from glass_model.articulated.toy import NETWORKS, SIZES, Job, axial, jobs, main, plain, rectangles


def test_a_label_is_the_angle_of_the_long_axis() -> None:
    """By PCA of the bright pixels, where y points down."""
    data = rectangles(20, seed=3)
    y, x = np.mgrid[:64, :64]
    for image, angle in zip(data.images.numpy(), data.angles.numpy(), strict=True):
        bright = image.sum(0) > image.sum(0).max() / 2
        points = np.stack([x[bright], y[bright]]) - np.array([[x[bright].mean()], [y[bright].mean()]])
        u, s, _ = np.linalg.svd(points @ points.T)
        assert s[0] / s[1] == pytest.approx(2.5**2, rel=0.15)
        assert math.degrees(axial(torch.tensor(np.arctan2(u[1, 0], u[0, 0]) - angle))) < 1
    assert data.images.min() == 0 and data.images.max() <= 1 and data.angles.min() >= 0 and data.angles.max() <= math.pi / 2


def test_larger_training_sets_contain_the_smaller_ones() -> None:
    small, large, other = rectangles(4, 1), rectangles(8, 1), rectangles(4, 2)
    assert torch.equal(small.images, large.images[:4]) and torch.equal(small.angles, large.angles[:4])
    assert not torch.equal(small.angles, other.angles)


def test_an_axis_has_no_direction() -> None:
    difference = torch.tensor([0.0, 1.0, -1.0, 89.0, 91.0, 178.0, -178.0]) * math.pi / 180
    assert (axial(difference) * 180 / math.pi).tolist() == pytest.approx([0, 1, 1, 89, 89, 2, 2], abs=1e-3)
    assert (plain(difference) * 180 / math.pi).tolist() == pytest.approx([0, 1, 1, 89, 91, 178, 178], abs=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_angles_and_learns(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name][0]()
    angles = network(rectangles(4, 1).images)
    assert angles.shape == (4,) and (not name.startswith("pca") or angles.abs().max() <= math.pi / 2)
    angles.sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_shards_are_all_trainings_once() -> None:
    every = jobs(list(NETWORKS), SIZES, 5)
    assert len(every) == len(set(every)) == 5 * 6 * 5
    assert sorted(job for k in range(8) for job in every[k::8]) == sorted(every)


def test_a_run_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two shards and the call that merges them; what has a result is not trained again, and all is the same in one call."""
    options = ["--network", "naive", "--network", "pca", "--size", "8", "--size", "16", "--seeds", "2", "--epochs", "1"]

    def run(out: Path, *more: str) -> str:
        result = CliRunner().invoke(main, ["--out", str(out), *options, *more], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    parts, whole = tmp_path / "parts", tmp_path / "whole"
    run(parts, "--shard", "1/2")
    assert len(list(parts.glob("*.json"))) == 4
    run(parts, "--shard", "2/2")
    run(whole)
    monkeypatch.setattr(toy, "train", None)
    table = run(parts)
    assert {path.name: path.read_bytes() for path in parts.iterdir()} == {path.name: path.read_bytes() for path in whole.iterdir()}
    # The first cell by hand.
    angles = [json.loads((whole / Job("naive", 8, seed).file).read_text())["angles"] for seed in range(2)]
    a, b = (np.degrees(np.abs(np.array(one) - rectangles(128, 0).angles.numpy())).mean() for one in angles)
    assert f"| naive | {(a + b) / 2:.2f} ± {12.7062 * abs(a - b) / 2:.2f} |" in table
    assert CliRunner().invoke(main, ["--out", str(whole), *options, "--epochs", "2"]).exit_code != 0


@pytest.mark.parametrize("shard", ["0/2", "3/2", "a/b", "1", "1/999"])
def test_a_shard_that_is_none(tmp_path: Path, shard: str) -> None:
    result = CliRunner().invoke(main, ["--out", str(tmp_path), "--shard", shard])
    assert result.exit_code == 2 and "is not k/K" in result.output


@pytest.mark.bad_input
def test_results_of_another_length_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    """In one line, also where they are not the first of what is wanted."""
    last = jobs(["pca"], [2, 3], 1)[-1]
    (tmp_path / last.file).write_text('{"epochs": 1, "angles": []}', encoding="utf-8")
    result = CliRunner().invoke(
        main, ["--out", str(tmp_path), "--network", "pca", "--size", "2", "--size", "3", "--seeds", "1", "--epochs", "2"]
    )
    assert result.exit_code == 2 and f"--out: {tmp_path / last.file}: not the result of 2 epochs" in result.output
    assert [path.name for path in tmp_path.iterdir()] == [last.file]
