"""LPIPS, FID and FVD: the networks layer by layer, files of weights that are right and wrong, and the scores of what is known."""

import json
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_models import CLIPS, Quiet
from scipy.linalg import sqrtm
from torch import nn

from wsprites.bench import compare, data, distances, networks, page, rollouts
from wsprites.bench import evaluation as evaluate
from wsprites.bench import scores as score_files
from wsprites.bench.metrics import images
from wsprites.bench.networks import Lpips, Networks, lpips
from wsprites.bench.run import score_file
from wsprites.errors import UserError
from wsprites.weights import load_weights, read_state

RNG = np.random.default_rng(0)


def random(net: nn.Module) -> nn.Module:
    """Weights that let all layers count, with statistics of the normalisation that are not 0 and 1."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            for values in (layer.running_var, layer.weight):
                nn.init.uniform_(values, 0.5, 1.5)
            for values in (layer.running_mean, layer.bias):
                nn.init.normal_(values, 0, 0.2)
    return net.eval().requires_grad_(False)


def size(net: nn.Module, begin: str = "") -> int:
    return sum(weight.numel() for name, weight in net.named_parameters() if name.startswith(begin))


def test_networks_are_as_large_as_the_published_ones():
    with torch.device("meta"):
        alex, inception, i3d = networks.Lpips(), networks.inception(), networks.i3d()
    assert (size(alex, "features."), size(alex, "lin")) == (2_469_696, 64 + 192 + 384 + 256 + 256)
    assert size(inception) == 23_834_568 - 1000 * 2049  # torchvision's without its auxiliary and its last layer
    assert size(i3d) == 12_697_264 and size(i3d, "logits") == 400 * 1025
    names = {*inception.state_dict(), *i3d.state_dict(), *alex.state_dict()}
    assert {
        *("Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch5x5_2.bn.running_var", "Mixed_6a.branch3x3.conv.weight"),
        *("Mixed_6e.branch7x7dbl_5.conv.weight", "Mixed_7a.branch7x7x3_4.bn.bias", "Mixed_7c.branch3x3dbl_3b.conv.weight"),
        *("Conv3d_1a_7x7.conv3d.weight", "Mixed_3b.b0.conv3d.weight", "Mixed_5c.b3b.bn.running_mean", "logits.conv3d.bias"),
        *("features.0.weight", "features.10.bias", "lin0.model.1.weight", "lin4.model.1.weight"),
    } <= names
    assert inception.state_dict()["Mixed_6c.branch7x7_2.conv.weight"].shape == (160, 160, 1, 7)
    assert inception.state_dict()["Mixed_7b.branch3x3_2b.conv.weight"].shape == (384, 384, 3, 1)
    assert {layer.eps for layer in inception.modules() if isinstance(layer, nn.BatchNorm2d)} == {0.001}
    assert {layer.eps for layer in i3d.modules() if isinstance(layer, nn.BatchNorm3d)} == {0.001}


def test_resizing_takes_no_half_pixels():
    x = RNG.random((2, 7, 11))
    for new in (5, 11, 23):
        wanted = np.empty((2, new, new))
        for i in range(new):
            for j in range(new):
                y, across = i * 7 / new, j * 11 / new
                (y0, dy), (x0, dx) = ((int(at), at - int(at)) for at in (y, across))
                y1, x1 = min(y0 + 1, 6), min(x0 + 1, 10)
                above, below = (x[:, row, x0] * (1 - dx) + x[:, row, x1] * dx for row in (y0, y1))
                wanted[:, i, j] = above * (1 - dy) + below * dy
        assert networks.resize(torch.from_numpy(x), new).numpy() == pytest.approx(wanted, abs=1e-12)


def windows(x: np.ndarray, size: tuple[int, ...], stride: tuple[int, ...], before: tuple[int, ...]) -> Iterator[tuple[Any, np.ndarray]]:
    """Where each window of the last axes goes, and what of x is in it."""
    counts = [-(-n // s) for n, s in zip(x.shape[1:], stride, strict=True)]
    for at in np.ndindex(*counts):
        low = [i * s - b for i, s, b in zip(at, stride, before, strict=True)]
        cut = tuple(slice(max(start, 0), start + k) for start, k in zip(low, size, strict=True))
        yield at, x[(slice(None), *cut)].reshape(len(x), -1)


def test_averages_do_not_count_the_padding_and_the_last_block_takes_maxima():
    x = RNG.normal(size=(3, 4, 5))
    for largest, combine in ((False, np.mean), (True, np.max)):
        block = networks._Mixed2d(3, {"branch_pool": [(3, 1)]}, largest=largest).eval()
        nn.init.dirac_(block.branch_pool.conv.weight)  # the identity, and normalisation with 0 and 1
        wanted = np.empty_like(x)
        for at, seen in windows(x, (3, 3), (1, 1), (1, 1)):
            wanted[(slice(None), *at)] = combine(seen, 1)
        got = block(torch.from_numpy(x)[None].float())[0].detach().numpy()
        assert got == pytest.approx(np.maximum(wanted, 0) / np.sqrt(1.001), abs=1e-5)


@pytest.mark.parametrize(
    ("shape", "size", "stride"), [((5, 8, 7), (3, 3, 3), (2, 2, 2)), ((4, 6, 5), (2, 2, 2), (2, 2, 2)), ((3, 6, 7), (1, 3, 3), (1, 2, 2))]
)
def test_padding_in_time_and_space_is_tensorflows(shape: tuple[int, ...], size: tuple[int, int, int], stride: tuple[int, int, int]):
    x = np.abs(RNG.normal(size=(2, *shape)))
    counts = [-(-n // s) for n, s in zip(shape, stride, strict=True)]
    before = tuple(max((c - 1) * s + k - n, 0) // 2 for c, s, k, n in zip(counts, stride, size, shape, strict=True))
    wanted = np.empty((2, *counts))
    for at, seen in windows(x, size, stride, before):
        wanted[(slice(None), *at)] = seen.max(1)
    got = networks._MaxPool3d(size, stride)(torch.from_numpy(x)[None])[0]
    assert got.numpy() == pytest.approx(wanted)
    if len(set(size)) == 1:  # a convolution that sums
        conv = networks._Conv3d(2, 1, size[0], stride[0]).eval()
        nn.init.ones_(conv.conv3d.weight)
        for at, seen in windows(x, size, stride, before):
            wanted[(0, *at)] = seen.sum()
        got = conv(torch.from_numpy(x)[None].float())[0, 0].detach().numpy()
        assert got == pytest.approx(wanted[0] / np.sqrt(1 + 1e-5), rel=1e-5)


def test_lpips_by_hand():
    """The first layer passes red on, the others nothing: what is left is how two unit vectors differ."""
    net = networks.Lpips().eval()
    for name, weight in net.named_parameters():
        nn.init.ones_(weight) if name.startswith("lin") else nn.init.zeros_(weight)
    nn.init.constant_(net.get_parameter("lin0.model.1.weight"), 2.0)
    with torch.no_grad():
        net.features[0].weight[0, 0] = net.features[0].weight[1, 1] = 1 / 121
    a, b = np.full((1, 64, 64, 3), 255, np.uint8), np.full((1, 64, 64, 3), 255, np.uint8)
    b[..., 1] = 0  # no green: (1, 1) against (1, 0) but for the scaling
    red, green = (1 + 0.030) / 0.458, (1 + 0.088) / 0.448
    unit = np.array([red, green]) / np.hypot(red, green)
    got = networks.lpips(net.requires_grad_(False), a, b)
    assert got == pytest.approx([2 * ((1 - unit[0]) ** 2 + unit[1] ** 2)], rel=1e-5)
    assert networks.lpips(net, a, a).tolist() == [0]


def test_features(monkeypatch: pytest.MonkeyPatch):
    """Of several parts as of one, float64, of any height and width; the same frame is at no distance."""
    frames = RNG.integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    net = random(networks.inception())
    together = networks.inception_features(net, frames)
    monkeypatch.setattr(networks, "_IMAGES", 2)
    assert together.shape == (3, 2048) and together.dtype == np.float64 and np.std(together, 0).mean() > 0
    assert networks.inception_features(net, frames[:, ::-1][:, ::-1]) == pytest.approx(together, abs=1e-4)
    videos = RNG.integers(0, 256, (1, 16, 24, 32, 3), dtype=np.uint8)
    logits = networks.i3d_features(random(networks.i3d()), videos)
    assert logits.shape == (1, 400) and logits.dtype == np.float64 and logits.std() > 0.1
    net = random(networks.Lpips())
    assert networks.lpips(net, frames, frames).tolist() == [0, 0, 0]
    assert networks.lpips(net, np.repeat(frames[:1], 2, 0).repeat(2, 1), frames[1:].repeat(2, 1)).shape == (2,)


def test_frechet_is_scipys_and_the_formula():
    for d, n, m in ((5, 40, 30), (12, 400, 500)):
        a, b = RNG.normal(size=(n, d)) @ RNG.normal(size=(d, d)), RNG.normal(1, 2, (m, d))
        s, t = np.cov(a.T), np.cov(b.T)
        wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)
        assert images.frechet(a, b) == pytest.approx(wanted, rel=1e-9) == pytest.approx(images.frechet(b, a), rel=1e-9)
    deviation, shift = RNG.uniform(1, 3, 4), RNG.normal(size=4)
    a = RNG.normal(size=(100_000, 4))
    assert images.frechet(a, a * deviation + shift) == pytest.approx(((deviation - 1) ** 2 + shift**2).sum(), rel=0.02)
    few = RNG.normal(size=(6, 50)).astype(np.float32)  # singular covariances
    assert images.frechet(few, few) < 1e-9 and images.frechet(few, few + 2) == pytest.approx(4 * 50, rel=1e-6)


def weights_of(net: nn.Module, begin: str = "") -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in net.state_dict().items() if name.startswith(begin) and "batches" not in name}


@pytest.fixture(scope="module")
def net() -> networks.Lpips:
    net = networks.Lpips()
    random(net)
    for n in range(5):
        net.get_parameter(f"lin{n}.model.1.weight").abs_()
    return net


@pytest.fixture
def folder(net: networks.Lpips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """LPIPS as it is published, in the new format and the old, and nothing else."""
    monkeypatch.setattr(networks, "SHA256", {})
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save(weights_of(net, "features.") | {"classifier.6.bias": torch.zeros(1000)}, folder / "alexnet-owt-7be5be79.pth")
    torch.save(weights_of(net, "lin"), folder / "alex.pth", _use_new_zipfile_serialization=False)
    return folder


def test_what_is_there_is_used(folder: Path, net: networks.Lpips):
    got = networks.load(folder)
    assert got.lpips and not got.fid and not got.fvd and set(got.sha256) == {"alexnet-owt-7be5be79.pth", "alex.pth"}
    assert got.missing == {
        "fid": "no pt_inception-2015-12-05-6726825d.pth or weights-inception-2015-12-05-6726825d.pth",
        "fvd": "no rgb_imagenet.pt or i3d_pretrained_400.pt",
    }
    frames = RNG.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    distance = got.lpips(frames, frames[::-1])
    assert (distance == networks.lpips(net, frames, frames[::-1])).all() and distance.min() > 0.01
    (folder / "alex.pth").unlink()
    with pytest.raises(UserError, match=r"weights: .*weights: no alex.pth; no pt_inception.* or weights-.*; no rgb_imagenet.pt or i3d"):
        networks.load(folder)
    with pytest.raises(UserError, match="no such folder"):
        networks.load(folder / "nowhere")


def test_the_files_of_i3d_have_their_epsilons():
    epsilons = {next(iter(files)): make()[0].bn.eps for name, _, make, files in networks._USUAL if name == "fvd"}
    assert epsilons == {"rgb_imagenet.pt": 0.001, "i3d_pretrained_400.pt": 1e-5}


def test_hashes_are_checked_before_a_file_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    assert {name.rpartition("-")[2].removesuffix(".pth"): begin for name, begin in networks.SHA256.items() if "-" in name} == {
        "7be5be79": "7be5be79",
        "6726825d": "6726825d",
    }
    with pytest.raises(UserError, match=r"alexnet-owt-7be5be79.pth: its SHA-256 begins with \w{8}, not with 7be5be79"):
        networks.load(folder)


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def wrong(changes: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        weights: dict[str, Any] = weights_of(networks.Lpips(), "lin")
        changes(weights)
        torch.save(weights, path)

    return write


def huge(path: Path) -> None:
    """An old file that says to hold four terabytes."""
    torch.save({"lin0.model.1.weight": torch.zeros(7)}, path, _use_new_zipfile_serialization=False)
    content, seven = path.read_bytes(), b"K\x07"
    assert content.count(seven) >= 2
    path.write_bytes(content.replace(seven, b"\x8a\x06" + (2**40).to_bytes(6, "little")))


LIN = "lin2.model.1.weight"


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (wrong(lambda w: w.pop(LIN)), f"'{LIN}' is missing, expected floats (1, 384, 1, 1); the usual alex.pth is wanted"),
        (wrong(lambda w: w.update({LIN: w[LIN][:, :1]})), f"'{LIN}' is torch.float32 (1, 1, 1, 1), expected"),
        (wrong(lambda w: w.update({LIN: w[LIN].int()})), "torch.int32"),
        (wrong(lambda w: w.update({LIN: 3})), f"'{LIN}' is no tensor"),
        (wrong(lambda w: w[LIN].fill_(float("nan"))), "not finite"),
        (lambda path: torch.save([1], path), "it holds a list"),
        (lambda path: torch.save({LIN: Evil(path.with_name("ran"))}, path), "wants to run code"),
        (lambda path: torch.save({LIN: Evil(path.with_name("ran"))}, path, _use_new_zipfile_serialization=False), "wants to run code"),
        (lambda path: path.write_bytes(pickle.dumps({LIN: Evil(path.with_name("ran"))})), "not a file of torch.save"),
        (lambda path: path.write_bytes(b""), "not a file of torch.save"),
        (lambda path: path.write_bytes(b"PK\3\4 and nothing"), "damaged"),
        (lambda path: path.write_bytes(bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + b"nothing"), "alex.pth"),
        (huge, "damaged"),
    ],
)
def test_wrong_files_are_named_in_one_line(folder: Path, write: Callable[[Path], None], line: str):
    write(folder / "alex.pth")
    with pytest.raises(UserError) as caught:
        networks.load(folder)
    assert line in str(caught.value) and "alex.pth: " in str(caught.value) and "\n" not in str(caught.value)
    assert not (folder / "ran").exists()


def test_old_files_without_counters_of_batches(tmp_path: Path):
    """Published weights are older than `num_batches_tracked`."""
    net = nn.Sequential(nn.Conv3d(3, 2, 1), nn.BatchNorm3d(2))
    torch.save(weights_of(random(net)), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    other = nn.Sequential(nn.Conv3d(3, 2, 1), nn.BatchNorm3d(2))
    assert len(load_weights(other, tmp_path / "old.pt", "x")) == 64
    assert all(torch.equal(a, b) for a, b in zip(weights_of(net).values(), weights_of(other).values(), strict=True))
    assert set(read_state(tmp_path / "old.pt")) == set(weights_of(net))


# The scores, with features that cost nothing: what is asked is which frames are looked at.


def means(frames_nhwc: np.ndarray) -> np.ndarray:
    return frames_nhwc.reshape(len(frames_nhwc), -1, 8).mean(1)[:, :3] / 255


FAKE = Networks(
    lpips=lambda a, b: np.abs(a.astype(float) - b).mean((1, 2, 3)) / 255,
    fid=means,
    fvd=lambda videos: np.stack([means(video).mean(0) for video in videos]),
    sha256={"alex.pth": "0" * 64},
)


@pytest.fixture(scope="module")
def few(quick: None) -> Iterator[data.Data]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollouts, "STARTS", 2)
        patch.setattr(distances, "FEATURES", {"fid": 3, "fvd": 3})
        yield data.standard("wsprites-paper-v1", clips=CLIPS)


class Deaf(Quiet):
    """Reads the truth, and does something else."""

    def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is not None
        return super().rollout(first, actions, shifts[:, ::-1])


def test_the_world_is_at_no_distance_from_itself(few: data.Data):
    told: list[int] = []
    got = distances.distances(Quiet(few), few, FAKE, progress=told.append)
    assert sum(told) == distances.clips(few, FAKE) == 2 * CLIPS
    assert set(got) == {"model", "oracle", "copy", "other_clips"}
    deaf = distances.distances(Deaf(few), few, FAKE)
    for name in ("images.fid", "images.fvd"):
        assert got["model"][name].value == pytest.approx(0, abs=1e-12) and got["oracle"][name].value == 0
        assert got["copy"][name].value > 1e-6 < deaf["model"][name].value and got["other_clips"][name].value > 1e-5
        assert got["model"][name].unit == "distance" and np.isnan(got["model"][name].low) and got["model"][name].clips == CLIPS
    # The videos are those of the clips: features of the true ones by hand.
    begin = [rollouts.start_of(few.scored, n) for n in range(CLIPS)]
    true, still = (
        np.concatenate([means(frames) for frames in every])
        for every in zip(*((s.after(16), s.frames_thwc[[s.t] * 16]) for s in begin), strict=True)
    )
    assert got["copy"]["images.fid"].value == pytest.approx(images.frechet(still, true), rel=1e-6)


def test_the_scores_and_their_page(few: data.Data, tmp_path: Path):
    told: list[int] = []
    seer = Quiet(few)
    found = evaluate.evaluate(seer, few, "seer", progress=told.append, networks=FAKE)
    assert sum(told) == evaluate.clips_to_do(seer, few, networks=FAKE) == evaluate.clips_to_do(seer, few) + 2 * CLIPS
    for t in rollouts.HORIZONS:
        name = f"drift.lpips.{t}"
        assert found.baselines["oracle"][name].value == found.scores[name].value == 0 < found.baselines["copy"][name].value
        assert found.scores[name].unit == "distance"
    written = score_file(found, "seer", few, 1.0, weights=FAKE.sha256)
    assert {"copy", "other_clips", "oracle"} == set(written.scores["images.fid"].baselines)
    page.write(tmp_path / "page.html", [(written, found.videos)])
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    text = (tmp_path / "page.html").read_text(encoding="utf-8").replace("<wbr>", "")
    for shown in ("images.fvd", "<dt>other_clips<dd>as many true videos", "lpips, distance", "depend on the number of clips"):
        assert shown in text


def test_lpips_needs_frames_of_the_size_that_is_asked_for():
    net, side = Lpips().eval(), distances._LEAST_LPIPS
    frames = np.zeros((1, side, side, 3), np.uint8)
    assert lpips(net, frames, frames).shape == (1,)
    with pytest.raises(RuntimeError, match="too small"):
        lpips(net, frames[:, 1:], frames[:, 1:])


def test_too_little_data_is_left_out(few: data.Data, monkeypatch: pytest.MonkeyPatch):
    assert distances.left_out(few, FAKE) == {}
    short = replace(few, scored=replace(few.scored, world=few.scored.world.replace(frames=16)))
    assert distances.left_out(short, FAKE) == {"fvd": "clips of 16 frames, 17 are needed"}
    monkeypatch.setattr(distances, "FEATURES", {"fid": 2048, "fvd": 400})
    assert distances.left_out(few, FAKE) == {"fid": "6 clips, 129 are needed", "fvd": "6 clips, 401 are needed"}
    assert distances.distances(Quiet(few), few, FAKE) == {} and distances.clips(few, FAKE) == 0
    assert distances.left_out(few, Networks(missing={"fvd": "no file"}))["fvd"] == "no file"


def test_other_clips_are_as_many(few: data.Data):
    many = replace(few, fit=replace(few.fit, script=few.fit.script.window(0, 90)))
    assert distances._others(many) == [(n, 0, 1) for n in range(CLIPS)]
    fewer = replace(few, fit=few.scored, scored=few.fit)  # 12 scored, 6 others: two of each clip, that lie apart
    pairs = distances._others(fewer)
    assert pairs == [(n, piece, 2) for piece in range(2) for n in range(CLIPS)]
    early, late = (rollouts.start_of(few.scored, 0, piece=piece, pieces=2).t for piece in range(2))
    assert early < 37 <= late < 74


def test_the_command(run: Callable[..., tuple[int, str, str]], few: data.Data, folder: Path, monkeypatch: pytest.MonkeyPatch):
    code, out, err = run("bench", "--clips", CLIPS, "--model", "bench_models:quiet", "--weights", folder, "--out", "s.json")
    assert code == 0, err
    assert out.startswith("weights  for LPIPS, not FID (no pt_inception") and "drift.lpips.16" in out
    scores = json.loads(Path("s.json").read_text(encoding="utf-8"))
    assert scores["figures"]["drift.lpips.16"]["value"] == 0 < scores["figures"]["drift.lpips.16"]["controls"]["copy"]
    assert {*scores["config"]["weights"]} == {"alexnet-owt-7be5be79.pth", "alex.pth"} and scores["config"]["torch"] == torch.__version__
    assert all(len(digest) == 64 for digest in scores["config"]["weights"].values())
    file = score_files.read(Path("s.json"))
    other = replace(file, settings=replace(file.settings, weights={}))
    with pytest.raises(UserError, match="the baseline is by other weights"):
        compare.regressions(file, other, [compare.Rule("drift.lpips.16", ">", 0.01)])
    assert compare.regressions(file, other, [compare.Rule("drift.psnr.16", "<", -1)]) == []
    code, _, err = run("bench", "--clips", CLIPS, "--model", "x:y", "--weights", folder, "--protocol", "released")
    assert code == 2 and "--weights does not go with" in err
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "wsprites.bench.networks")
    code, _, err = run("bench", "--clips", CLIPS, "--model", "bench_models:quiet", "--weights", folder)
    assert code == 2 and 'torch is not installed; run pip install ".[torch]" in a checkout' in err
