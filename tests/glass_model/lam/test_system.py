"""In training: presets, what is learned from, windows, labels, resuming."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from narrow_lam import NARROW
from resumed import check_resumed

from glass_model.glass.config import PRESETS as GLASS
from glass_model.glass.system import network as glass_network
from glass_model.lam import system as module
from glass_model.lam.config import PRESETS, Config
from glass_model.lam.system import LamSystem
from glass_model.training.checkpoint import load, save
from glass_model.training.device import Process, Setup
from glass_model.training.loop import train
from glass_model.training.strips import Column
from wsprites.errors import UserError
from wsprites.fields import SpecError

CONFIG = PRESETS["base"].override(
    model={
        "height": 16,
        "width": 32,
        **NARROW,
    },
    train={"steps": 6, "batch": 3, "warm": 2, "reset": 2},
)
ALONE = Process(0, 1, torch.device("cpu"))
CPU = Setup(torch.device("cpu"))


@pytest.fixture(autouse=True)
def few_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find clusters from a few batches."""
    monkeypatch.setattr(module, "_CLUSTERED", 60)


def noise(first: int) -> Iterator[torch.Tensor]:
    """Batches of noise, each determined by its number."""
    while True:
        yield torch.randint(0, 256, (3, 2, 3, 16, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


def guided(config: Config) -> Callable[[int], Iterator[dict[str, torch.Tensor]]]:
    """Batches with the fields of a configuration."""

    def batches(first: int) -> Iterator[dict[str, torch.Tensor]]:
        while True:
            rng, window = np.random.default_rng(first), config.train.window
            made = {
                "masks": rng.random((3, window, 16, 32)) < 0.3,
                "twin": rng.integers(0, 256, (3, window, 3, 16, 32), dtype=np.uint8),
                "twin_masks": rng.random((3, window, 16, 32)) < 0.3,
                "centre": rng.uniform(4, 12, (3, window, 2)).astype(np.float32),
                "index": rng.integers(0, 10**6, 3),
                "local_action": rng.integers(0, 9, (3, window)).astype(np.uint8),
                "global_action": rng.integers(0, 5, (3, window)).astype(np.uint8),
            }
            frames = rng.integers(0, 256, (3, window, 3, 16, 32), dtype=np.uint8)
            yield {name: torch.from_numpy(array) for name, array in {"frames": frames, **{n: made[n] for n in config.fields}}.items()}
            first += 1

    return batches


def system_of(config: Config = CONFIG) -> LamSystem:
    torch.manual_seed(0)
    return module.system(config, CPU)


# Presets.


def test_presets_have_the_published_numbers() -> None:
    """Of LAPO, Genie's small form, AdaWorld and LAOM, as docs/lam.md lists them."""
    lapo, genie, ada, laom = (PRESETS[name] for name in ("lapo", "genie", "adaworld", "laom"))
    assert (lapo.model.context, lapo.model.seen, lapo.model.idm_channels, lapo.model.idm_hidden) == (2, (64, 64), (64, 128, 128), 256)
    assert (lapo.model.groups, lapo.model.books, lapo.model.codes, lapo.model.size, lapo.model.dimensions) == (8, 2, 64, 16, 128)
    assert (lapo.train.batch, lapo.train.steps, lapo.train.rate, lapo.train.clip, lapo.train.keep) == (128, 50_000, 3e-4, 2.0, 0.999)
    assert (lapo.loss.commit, lapo.loss.rec, lapo.model.fdm_channels, lapo.model.fdm_stages) == (0.05, 1.0, 24, 5)
    assert (genie.model.embedding, genie.model.layers, genie.model.heads, genie.model.patch) == (512, 8, 8, 16)
    assert (genie.model.codes, genie.model.size, genie.train.window, genie.train.batch, genie.train.steps) == (6, 32, 16, 36, 200_000)
    assert (ada.model.embedding, ada.model.layers, ada.model.heads, ada.model.patch, ada.model.seen) == (1024, 16, 16, 16, (256, 256))
    assert (ada.model.bottleneck, ada.model.size, ada.model.context, ada.loss.kl, ada.train.rate) == ("vae", 32, 1, 2e-4, 2.5e-5)
    assert (ada.train.batch, ada.train.weight_decay, ada.train.clip) == (60, 0.01, 0.3)
    assert (laom.model.context, laom.model.idm_channels, laom.model.size, laom.model.latent_hidden) == (3, (96, 192, 192), 8192, 1024)
    assert (laom.model.bottleneck, laom.model.latent, laom.train.ahead, laom.train.follow) == ("none", True, 10, 0.001)
    assert (laom.train.batch, laom.train.rate, laom.train.augment) == (512, 1e-4, "shared")
    assert [preset for preset, config in PRESETS.items() if config.fields] == []  # all of them are unsupervised


def test_learning_rates() -> None:
    rates = [PRESETS["lapo"].train.rate_at(step) for step in (0, 25, 50, 25_025, 50_000)]
    assert rates == pytest.approx([3e-5, 1.65e-4, 3e-4, 1.515e-4, 3e-6])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"height": 40}}, "height = 40 must be divisible by scale = 2 times 16"),
        ({"model": {"figure": 40}}, "figure = 40 must be divisible by scale = 2 times 16"),
        ({"model": {"figure": 256}}, "figure = 256 is larger than frames of 96 x 128: use at most 128"),
        ({"model": {"context": 2}}, "model.context . train.ahead . train.behind = 2 . 1 . 0 must not be above train.window = 2"),
        ({"train": {"ahead": 2}}, "model.context . train.ahead . train.behind = 1 . 2 . 0 must not be above train.window = 2"),
        (
            {"train": {"behind": 3, "window": 4}},
            "model.context . train.ahead . train.behind = 1 . 1 . 3 must not be above train.window = 4",
        ),
        ({"model": {"bottleneck": "fsq", "groups": 2}}, "groups, books = 2, 1 need bottleneck = 'vq'"),
        ({"model": {"groups": 3, "books": 2}}, "groups = 3 must be divisible by books = 2"),
        ({"model": {"backbone": "transformer", "heads": 7}}, "embedding = 512 must be divisible by heads = 7"),
        ({"model": {"backbone": "transformer", "latent": True}}, "latent = true needs backbone = 'conv'"),
        ({"model": {"figure": 64}, "train": {"augment": "shared"}}, "it needs model.figure = 0"),
        ({"model": {"figure": 64, "follow": "gma", "mask_scale": 5}}, "divisible by 8 times mask_scale = 5"),
        ({"loss": {"target": "found"}}, "loss.target = 'found' needs a window"),
        ({"model": {"figure_only": True}}, "figure_only = true needs a window, figure > 0, with follow = 'gma'"),
        ({"loss": {"entropy": 0.1}}, "loss.persist and loss.entropy need model.bottleneck = 'softmax'"),
        ({"train": {"near": 5}}, "train.near = 5 must not be above train.far = 4"),
        (
            {"loss": {"persist": 1.0}, "model": {"bottleneck": "softmax"}, "train": {"window": 5}},
            "loss.persist needs train.behind = 0 and more than train.far = 4 transitions, not 4",
        ),
        ({"train": {"labelled": 2}}, "train.labelled = 2 needs train.labels > 0, and to be less than train.batch"),
        ({"train": {"labelled": 64, "labels": 0.1}}, "train.labelled = 64 needs train.labels > 0, and to be less than train.batch"),
        ({"model": {"levels": (1, 3)}}, "levels = .1, 3. is outside the range"),
    ],
)
def test_configurations_that_are_impossible(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        PRESETS["tiny"].override(**changes)


# What is learned from.

TRACKS: dict[str, tuple[dict[str, dict[str, Any]], tuple[str, ...]]] = {
    "frames": ({}, ()),
    "foreground": ({"loss": {"target": "foreground"}}, ("masks",)),
    "window": ({"model": {"figure": 8, "scale": 1}}, ("centre",)),
    "tracker": ({"model": {"figure": 8, "scale": 1, "follow": "tracker"}}, ()),
    "twin": ({"train": {"augment": "twin"}, "loss": {"target": "foreground"}}, ("twin", "twin_masks")),
    "labels": ({"train": {"labels": 0.5, "label": "global"}}, ("index", "global_action")),
    "shared": ({"train": {"augment": "shared"}, "loss": {"target": "foreground"}}, ("masks",)),
    "ahead": ({"train": {"ahead": 3, "window": 6}, "model": {"context": 2}}, ()),
    "behind": ({"train": {"behind": 3, "window": 6}}, ()),
    "behind and ahead": ({"train": {"behind": 2, "ahead": 2, "window": 8}, "model": {"context": 2}}, ()),
    "behind, latent": ({"train": {"behind": 3, "window": 6}, "model": {"latent": True}}, ()),
    "behind, window": ({"train": {"behind": 3, "window": 6}, "model": {"figure": 8, "scale": 1}}, ("centre",)),
    "behind, tracker": ({"train": {"behind": 3, "window": 6}, "model": {"figure": 8, "scale": 1, "follow": "tracker"}}, ()),
    "latent": ({"model": {"latent": True, "bottleneck": "none"}, "train": {"augment": "shared"}}, ()),
    "vae": ({"model": {"bottleneck": "vae"}}, ()),
    "fsq": ({"model": {"bottleneck": "fsq"}}, ()),
    "many levels": ({"model": {"bottleneck": "fsq", "levels": (8, 8, 8, 8)}}, ()),
    "zero": ({"loss": {"zero": 0.1}}, ()),
    "softmax": ({"model": {"bottleneck": "softmax"}}, ()),
    "persist": ({"model": {"bottleneck": "softmax"}, "loss": {"persist": 1.0, "entropy": 0.3}, "train": {"window": 8}}, ()),
}


@pytest.mark.parametrize("track", TRACKS)
def test_terms_of_every_track(track: str) -> None:
    changes, fields = TRACKS[track]
    config = CONFIG.override(**changes)
    assert config.fields == fields
    system = system_of(config)
    sample = next(guided(config)(0))
    (turn,) = system.turns(sample if fields else sample["frames"], 0)
    bottleneck = {"vq": {"commit"}, "fsq": set(), "vae": {"kl"}, "none": set(), "softmax": set()}[config.model.bottleneck]
    more = {
        "persist": {"persist", "entropy"},
        "window": {"place"},
        "tracker": {"place"},
        "labels": {"label"},
        "latent": {"latent", "variance"},
        "zero": {"zero"},
    }
    assert set(turn.terms) - {"copy", "latent_std"} == {"rec"} | bottleneck | more.get(track.removeprefix("behind, "), set())
    train, k = config.train, config.model.context
    first = train.window - train.ahead if train.behind else k
    count = train.window - first - train.ahead + 1
    assert turn.usage is not None and turn.usage.sum() == 3 * count
    turn.loss.backward()
    untouched = {name for name, p in system.network.named_parameters() if p.requires_grad and p.grad is None}
    assert not untouched
    ((columns, rows),) = system.strip()
    assert columns == [Column(clip, first + t, first + t - 1) for clip in range(3) for t in range(count)][:8]
    given = ["frame given"] if train.behind else []
    assert [name for name, _ in rows] == ["frame before", *given, "true frame", "prediction"]
    assert all(images.shape == (len(columns), *config.model.seen, 3) for _, images in rows)


def test_what_the_forward_model_sees_of_a_twin() -> None:
    """The twin, as input and as target; the inverse model sees the clip itself."""
    config = CONFIG.override(train={"augment": "twin"})
    system, sample = system_of(config), next(guided(config)(0))
    [*system.turns(sample, 0)]
    network, last = system.network, system._last
    assert last is not None
    twin, own = (network.view(network.to_model(sample[name]), None) for name in ("twin", "frames"))
    assert torch.equal(last.target, twin[:, 1]) and torch.equal(last.before, twin[:, 0])
    vector, _ = network.bottleneck.read(network.inverse(torch.cat([own[:, 0], own[:, 1] - own[:, 0]], 1)))
    torch.testing.assert_close(last.through.vector, vector)


def test_labels_are_those_of_the_frame_that_a_transition_leads_to() -> None:
    config = CONFIG.override(train={"labels": 1.0, "window": 4}, model={"context": 2})
    system, sample = system_of(config), next(guided(config)(0))
    seen: list[torch.Tensor] = []
    label_loss, module.losses.label_loss = module.losses.label_loss, lambda *given: (seen.extend(given), label_loss(*given))[1]
    try:
        [*system.turns(sample, 0)]
    finally:
        module.losses.label_loss = label_loss
    logits, label, known = seen
    assert logits.shape == (6, 12) and label.tolist() == sample["local_action"][:, 2:].flatten().tolist() and known.all()


def test_a_forward_model_that_sees_earlier_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees x_t-i and predicts x_t+1; masks, labels and z are of the transition from x_t. Every i up to `behind` is drawn."""
    config = CONFIG.override(train={"behind": 3, "window": 6, "labels": 1.0}, loss={"target": "foreground"})
    system, sample, drawn = system_of(config), next(guided(config)(0)), set[int]()
    given: list[torch.Tensor] = []
    rec, label = module.losses.rec_loss, module.losses.label_loss
    monkeypatch.setattr(module.losses, "rec_loss", lambda *of: (given.append(of[2]), rec(*of))[1])
    monkeypatch.setattr(module.losses, "label_loss", lambda *of: (given.append(of[1]), label(*of))[1])
    frames, network = system.network.to_model(sample["frames"]) / 2, system.network
    for step in range(20):
        [*system.turns(sample, step)]
        last = system._last
        assert last is not None
        torch.testing.assert_close(last.target, network.view(2 * frames, None)[:, 5])
        torch.testing.assert_close(last.before, network.view(2 * frames, None)[:, 4])
        assert torch.equal(given[-2], system._shown(sample, 2 * frames, frames, None)[1][:, 5])
        assert torch.equal(given[-1], sample["local_action"][:, 5])
        drawn |= {int((network.view(2 * frames, None)[n] - last.given[n]).square().sum((1, 2, 3)).argmin()) for n in range(3)}
        pair = network.view(2 * frames[:, 4:], None)
        vector, _ = network.bottleneck.read(network.inverse(torch.cat([pair[:, 0], pair[:, 1] - pair[:, 0]], 1)))
        torch.testing.assert_close(last.through.vector, vector)
    assert drawn == {1, 2, 3, 4}


def test_windows_at_the_true_place() -> None:
    """Centred on it, in frames of half the size of those of the data; and the network that is to find the place is told it."""
    config = CONFIG.override(model={"figure": 8, "scale": 1})
    system, sample = system_of(config), next(guided(config)(0))
    sample["frames"] = sample["frames"].repeat_interleave(2, -1).repeat_interleave(2, -2)
    sample["centre"] = torch.tensor([16.0, 12.0]).expand(3, 2, 2)  # (8, 6) at the model's size: the corner is (4, 2)
    [*system.turns(sample, 0)]
    assert system._last is not None
    frames = system.network.to_model(sample["frames"])
    torch.testing.assert_close(system._last.target, frames[:, 1, :, 2:10, 4:12] / 2)
    _, place = system._windows(sample, frames)
    assert place is not None and torch.equal(place[1], torch.tensor([8.0, 6.0]).expand(6, 2)) and place[2].all()


def test_masks_are_those_of_the_next_frame_in_the_window() -> None:
    config = CONFIG.override(model={"figure": 8, "scale": 1}, loss={"target": "foreground"})
    system, sample = system_of(config), next(guided(config)(0))
    sample["centre"] = torch.tensor([8.0, 6.0]).expand(3, 2, 2)
    (turn,) = system.turns(sample, 0)
    last = system._last
    assert last is not None
    weight = 0.1 + 0.9 * sample["masks"][:, 1, None, 2:10, 4:12].float()
    torch.testing.assert_close(turn.terms["rec"], (weight * (last.frame - last.target).square()).mean())


def test_gradients_are_limited() -> None:
    for clip in (0.0, 1e-3):
        system = system_of(CONFIG.override(train={"clip": clip}))
        (turn,) = system.turns(next(noise(0)), 0)
        turn.loss.backward()
        turn.optimizer.step()
        norm = torch.stack([p.grad.norm() for p in system.network.parameters() if p.grad is not None]).norm().item()
        assert (norm <= 1.001e-3) == (clip > 0)


# Windows of a checkpoint of GLASS.


@pytest.fixture(scope="module")
def glass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = GLASS["tiny"].override(model={"height": 16, "width": 32, "mask_channels": 2})
    path = tmp_path_factory.mktemp("glass") / "checkpoint.safetensors"
    torch.manual_seed(1)
    save(path, config, glass_network(config), 1, notes={})
    return path


WITH_GMA = CONFIG.override(model={"figure": 8, "scale": 1, "follow": "gma", "mask_channels": 2, "mask_scale": 1})


def test_a_mask_net_is_taken_over_and_kept(glass: Path, tmp_path: Path) -> None:
    path = train(WITH_GMA, noise, tmp_path, ALONE, gma=glass)
    ours, theirs = load(path).weights, load(glass).weights
    names = [name for name in theirs if name.startswith("gma.mask.")]
    assert names and all(torch.equal(ours[name.replace("gma.", "follower.")], theirs[name]) for name in names)


def test_the_figure_that_is_found_weights_the_pixels(glass: Path) -> None:
    """As true masks do, with those of the mask net, cut out by the windows. Nothing else than frames is needed."""
    config = WITH_GMA.override(loss={"target": "found", "outside": 0.25})
    assert not config.fields
    frames, one = next(noise(0)), module.system(config, replace(CPU, gma=glass))
    (turn,) = one.turns(frames, 0)
    network, result = one.network, one._last
    assert network.follower is not None and network.follower.mask is not None and result is not None
    x = network.to_model(frames)
    corner = network.corners(x)
    assert corner is not None
    weights = []
    for after, (left, top) in zip(x[:, 1], corner[:, 1].round().long().tolist(), strict=True):
        whole = torch.nn.functional.pad(network.follower.mask(after[None])[0, 0].detach(), (16, 16, 16, 16))
        weights.append(0.25 + 0.75 * whole[16 + top : 24 + top, 16 + left : 24 + left])
    expected = (torch.stack(weights)[:, None] * (result.frame - result.target).square()).mean()
    assert torch.allclose(turn.terms["rec"], expected, rtol=1e-5)
    assert not torch.allclose(turn.terms["rec"], (result.frame - result.target).square().mean(), rtol=1e-3)


PERSIST = WITH_GMA.override(
    model={"bottleneck": "softmax", "figure_only": True},
    loss={"target": "found", "persist": 1.0, "entropy": 0.3},
    train={"window": 12, "every": 4},
)


def test_what_is_drawn_of_a_sequence(glass: Path) -> None:
    """Every fourth transition, with its masks; codes are learned from all."""
    one, firsts = module.system(PERSIST, replace(CPU, gma=glass)), set()
    frames = next(guided(PERSIST)(0))["frames"]
    for seed in range(20):
        torch.manual_seed(seed)
        (turn,) = one.turns(frames, 0)
        result = one._last
        assert result is not None and result.share is not None and result.share.shape == (3, 11, PERSIST.model.codes)
        ((columns, _),) = one.strip()
        first, here = columns[0].before, [column for column in columns if column.clip == 0]
        assert [column.before for column in here] == list(range(first, 11, 4))
        firsts.add(first)
        network = one.network
        x = network.to_model(frames)
        seen = network.view(x, network.corners(x))
        torch.testing.assert_close(result.before, seen[:, first:11:4].flatten(0, 1))
        torch.testing.assert_close(result.target, seen[:, first + 1 :: 4].flatten(0, 1))
        assert turn.usage is not None and turn.usage.sum() == 33
    assert firsts == set(range(4))


def test_pixels_do_not_teach_codes_that_persist(glass: Path) -> None:
    one = module.system(PERSIST, replace(CPU, gma=glass))
    (turn,) = one.turns(next(guided(PERSIST)(0))["frames"], 0)
    turn.terms["rec"].backward(retain_graph=True)
    assert not any(p.grad is not None for p in one.network.inverse.parameters())
    turn.terms["persist"].backward()
    assert all(p.grad is not None for p in one.network.inverse.parameters())


def test_the_small_glass_fits_as_it_is(tmp_path: Path) -> None:
    """It has the sizes that a model begins with."""
    save(tmp_path / "small", GLASS["small"], glass_network(GLASS["small"]), 1, notes={})
    config, theirs = PRESETS["tiny"].override(model={"figure": 64, "scale": 1, "follow": "gma"}), load(tmp_path / "small").weights
    network = module.system(config, replace(CPU, gma=tmp_path / "small")).network
    assert network.follower is not None and network.follower.mask is not None
    assert all(torch.equal(weight, theirs[f"gma.mask.{name}"]) for name, weight in network.follower.mask.state_dict().items())


@pytest.mark.bad_input
def test_checkpoints_that_do_not_fit(glass: Path, tmp_path: Path) -> None:
    cases: list[tuple[Config, Path | None, str]] = [
        (WITH_GMA.override(model={"mask_blocks": 3}), glass, "its mask net has other sizes; set .* to 16, 32, 2, 1, 1, -2.0"),
        (WITH_GMA, None, "model.follow = gma needs a checkpoint of glass"),
        (CONFIG, glass, "only model.follow = gma uses one; leave it out"),
        (WITH_GMA, tmp_path / "lam.safetensors", "is a checkpoint of lam, not of glass"),
    ]
    save(tmp_path / "lam.safetensors", CONFIG, module.network(CONFIG), 1, notes={})
    for config, path, message in cases:
        with pytest.raises(UserError, match=f"^gma: .*{message}"):
            module.system(config, replace(CPU, gma=path))
    with pytest.raises(UserError, match=r"^vgg: latent action models have no perceptual terms"):
        module.system(CONFIG, replace(CPU, vgg=tmp_path))


# Runs.


@pytest.mark.parametrize("track", ["frames", "window", "latent", "vae", "labels", "persist"])
def test_a_resumed_run_is_the_uninterrupted_one(track: str, tmp_path: Path) -> None:
    """Weights, codebooks, the count of their idle steps, the target encoder and the optimiser are equal, bit for bit."""
    config = CONFIG.override(**TRACKS[track][0])
    batches: Any = guided(config) if config.fields else lambda first: (sample["frames"] for sample in guided(config)(first))
    check_resumed(config, batches, 3, tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("behind", [0, 2])
def test_clusters_are_found_after_training(behind: int, tmp_path: Path) -> None:
    """Of a model without codes of its own: the vectors of further batches, in eval mode, are near to them."""
    config = CONFIG.override(model={"bottleneck": "vae"}, train={"behind": behind, "window": 2 + behind})

    def batches(first: int) -> Iterator[torch.Tensor]:
        return (torch.cat([frames.flip(3)] * behind + [frames], 1) for frames in noise(first))

    network = load(train(config, batches, tmp_path, ALONE)).network()
    vectors = torch.cat([network.infer(frames).vectors[:, -1] for frames, _ in zip(batches(6), range(20), strict=False)])
    distance = torch.cdist(vectors, network.bottleneck.codebooks.vectors[0])
    centres = torch.stack([vectors[distance.argmin(1) == code].mean(0) for code in range(3)])
    torch.testing.assert_close(centres, network.bottleneck.codebooks.vectors[0], rtol=1e-3, atol=1e-4)
