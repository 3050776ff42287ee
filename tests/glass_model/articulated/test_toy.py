"""The toy experiment: labels that follow the long axis, losses, sharding, resuming and what is made of the results."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from glass_model.articulated.toy import config as toy
from glass_model.articulated.toy import experiment
from glass_model.articulated.toy.__main__ import main
from glass_model.articulated.toy.config import PRESETS, Job, ToyConfig, ToyModels, ToyTrain
from glass_model.articulated.toy.experiment import NETWORKS, axial, plain, rectangles
from wsprites import cli
from wsprites.errors import ArgumentError


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
    """Those of the smaller training sets come first, with all networks and seeds."""
    every = PRESETS["controls"].jobs()
    assert len(every) == len(set(every)) == 5 * 6 * 5 and set(toy.NETWORKS) == set(NETWORKS)
    assert sorted(job for k in range(8) for job in every[k::8]) == sorted(every)
    assert [job.size for job in every] == sorted(job.size for job in every)


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
    monkeypatch.setattr(experiment, "train", None)
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
    last = ToyConfig(toy=ToyModels(("pca",), (2, 3), 1)).jobs()[-1]
    (tmp_path / last.file).write_text('{"epochs": 1, "angles": []}', encoding="utf-8")
    result = CliRunner().invoke(
        main, ["--out", str(tmp_path), "--network", "pca", "--size", "2", "--size", "3", "--seeds", "1", "--epochs", "2"]
    )
    assert (
        result.exit_code == 2
        and f"--out: {tmp_path / last.file}: not the result of pca, 3 images and seed 0 with 2 epochs" in result.output
    )
    assert [path.name for path in tmp_path.iterdir()] == [last.file]


@pytest.mark.bad_input
def test_what_is_no_result_of_a_training_is_refused(tmp_path: Path) -> None:
    """A copy of the result of another one, a folder, and a file in place of the folder."""
    options = ["--network", "naive", "--network", "naive", "--size", "4", "--size", "4", "--seeds", "2", "--epochs", "1"]  # once each

    def run(out: Path) -> str:
        result = CliRunner().invoke(main, ["--out", str(out), *options])
        assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
        return result.output

    assert CliRunner().invoke(main, ["--out", str(tmp_path), *options]).exit_code == 0
    first, second = (tmp_path / Job("naive", 4, seed).file for seed in range(2))
    second.write_bytes(first.read_bytes())
    assert f"{second}: not the result of naive, 4 images and seed 1 with 1 epochs" in run(tmp_path)
    second.unlink()
    second.mkdir()
    assert f"{second}: not the result" in run(tmp_path)
    with pytest.raises(ArgumentError, match="is no folder"):
        experiment.run(first, [], ToyTrain(), print)


SMALL = ["--set", 'toy.networks=["naive"]', "--set", "toy.sizes=[8,4]", "--set", "toy.seeds=2", "--set", "train.epochs=1"]


def test_it_is_a_system_of_the_train_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same results as those of the module, which can be resumed; without --resume they are kept."""
    out, other = tmp_path / "a", tmp_path / "b"
    cli.main(["train", "--system", "toy", "--out", str(out), *SMALL])
    said = capsys.readouterr().out
    assert "naive; 4, 8 images, 2 seeds" in said and "trains   4 of 4" in said and "| naive | " in said
    options = ["--network", "naive", "--size", "4", "--size", "8", "--seeds", "2", "--epochs", "1"]
    CliRunner().invoke(main, ["--out", str(other), *options], catch_exceptions=False)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {path.name: path.read_bytes() for path in other.iterdir()}
    (out / "naive-8-1.json").unlink()
    with pytest.raises(SystemExit):
        cli.main(["train", "--system", "toy", "--out", str(out), *SMALL])
    assert f"--out: {out} holds 3 results already; pass --resume" in capsys.readouterr().err
    cli.main(["train", "--system", "toy", "--out", str(out), "--resume", *SMALL])
    assert "trains   1 of 4" in capsys.readouterr().out
    assert (out / "naive-8-1.json").read_bytes() == (other / "naive-8-1.json").read_bytes()


def test_table_and_plot_of_what_is_complete(tmp_path: Path) -> None:
    """A size counts if it has all seeds of all networks; nothing is trained."""
    options = ["--out", str(tmp_path), "--network", "naive", "--size", "2", "--size", "3", "--seeds", "2", "--epochs", "1"]

    def run(*more: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, [*options, *more])
        return result.exit_code, result.output

    assert run("--finished")[0] == 2
    run("--shard", "1/4"), run("--shard", "2/4"), run("--shard", "3/4")
    assert len(list(tmp_path.glob("*.json"))) == 3
    code, table = run("--finished")
    assert code == 0 and "| mean error, degrees | 2 |\n" in table and len(list(tmp_path.glob("*.json"))) == 3
    assert (tmp_path / "toy.md").read_text() in table and "svg" in (tmp_path / "toy.svg").read_text()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "a.h5"], "--data does not go with --system toy, which draws its own images and trains on the CPU"),
        (["--stream"], "--stream does not go with"),
        (["--steps", "9"], "--steps does not go with"),
        (["--device", "cuda"], "--device does not go with"),
        (["--validate-every", "250"], "--validate-every does not go with"),
        (["--preset", "papr"], "--preset: papr is not one of paper, controls, tiny; did you mean 'paper'?"),
        (["--set", "toy.sizes=8"], "--set: toy.sizes = 8 must be a list of int"),
        (["--set", "toy.sizes=[8,8]"], "--set: toy.sizes = [8, 8] must have at least one entry, and each once"),
        (["--set", "toy.sizes=[1]"], "--set: toy.sizes = [1] is outside the range 2 to 1000000"),
        (["--set", 'toy.networks=["cnn"]'], "--set: toy.networks: 'cnn' is not one of naive, regression, pca, pca-axial, pca-svd"),
        (["--set", "train.steps=8"], "--set: there is no field train.steps; the nearest is"),
        (["--batch", "0"], "--set: train.batch = 0 is outside the range 1 to 65536"),
    ],
)
def test_options_of_the_train_command_that_are_refused(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "--system", "toy", "--out", str(tmp_path / "a"), *options])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and len(said.splitlines()) == 1 and words in said and not list(tmp_path.iterdir())
