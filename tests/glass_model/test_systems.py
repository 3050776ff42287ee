"""Every system in the list offers what the contract says, and so do models of several kinds that the tests define."""

import inspect
import tomllib
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brightener import DOUBLES, Brightener
from samples import ROOT
from torch import nn

from glass_model import play
from glass_model.bench import ContextualModel, ControllableModel, PlayableModel
from glass_model.systems import SYSTEMS, Action, Controls, Observing, Playable, Reading, check_frames, find
from glass_model.training.checkpoint import load, save
from glass_model.training.config import Config, TrainConfig
from glass_model.training.device import Setup
from wsprites.bench.protocol import ARRAYS
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import from_json, to_json


def test_an_unknown_system() -> None:
    with pytest.raises(ArgumentError, match="system: 'glas' is not one of glass"):
        find("glas")


def test_the_benchmark_loads_checkpoints_of_every_system() -> None:
    """By the entry points of the package, one for each system."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["wsprites.models"] == dict.fromkeys(SYSTEMS, "glass_model.bench:load")


def test_readings_have_the_benchmarks_arrays() -> None:
    assert Reading._fields == tuple(ARRAYS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_configurations(name: str) -> None:
    """Frozen dataclasses that name their system, and survive JSON."""
    for preset, config in find(name).PRESETS.items():
        assert is_dataclass(config) and (config.system, config.name) == (name, preset)
        assert isinstance(config.train, TrainConfig) and {"name", "train"} <= {f.name for f in fields(config)}
        assert from_json(next(iter(find(name).PRESETS.values())), to_json(config)) == config
        with pytest.raises(AttributeError):
            config.name = "other"


@pytest.mark.parametrize("name", SYSTEMS)
def test_networks(name: str) -> None:
    """Built on a device without memory, as checkpoints are compared, and playable."""
    module = find(name)
    config = next(iter(module.PRESETS.values()))
    with torch.device("meta"):
        network = module.network(config)
    assert isinstance(network, Playable)
    assert all(tensor.device.type == "meta" for tensor in network.state_dict().values())


def shortest(name: str) -> Any:
    """The preset of a system with the fewest steps, of those that need no checkpoint of another system."""
    presets = find(name).PRESETS.values()
    models = ((one, getattr(one, "model", None)) for one in presets)
    alone = (one for one, model in models if getattr(model, "follow", "") != "gma" and not getattr(model, "reader", False))
    return min(alone, key=lambda config: config.train.steps)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_reader_is_refused_by_all_others(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"^reader: .*; leave it out"):
        find(name).system(shortest(name), Setup(torch.device("cpu"), reader=Path("lam.safetensors")))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_step_and_playing(name: str) -> None:
    """On the preset with the fewest steps, which is made for a CPU."""
    module, config = find(name), shortest(name)
    torch.manual_seed(0)
    system = module.system(config, Setup(torch.device("cpu")))
    frames = torch.randint(0, 256, (2, config.train.window, 3, 96, 128), dtype=torch.uint8)
    turns = system.turns(frames, 0)
    assert inspect.isgenerator(turns)  # the loop updates between two turns
    owned = {id(parameter) for parameter in system.network.parameters()}
    for turn in turns:
        assert turn.loss.ndim == 0 and turn.loss.requires_grad and turn.loss.dtype == torch.float32
        assert all(term.ndim == 0 for term in turn.terms.values()) and turn.optimizer in system.optimizers
        assert {id(p) for group in turn.optimizer.param_groups for p in group["params"]} <= owned
    for columns, rows in system.strip():
        assert columns and len({label for label, _ in rows}) == len(rows) > 1
        assert all(images.shape == (len(columns), *images.shape[1:3], 3) and images.dtype == np.uint8 for _, images in rows)
        assert all(0 <= column.clip < 2 and 0 <= column.frame < config.train.window for column in columns)


# Playing.

PLAYERS = [*SYSTEMS, "two", *DOUBLES]


@cache
def smallest(name: str) -> tuple[Config, nn.Module]:
    """The preset of a system with the fewest steps, which is made for a CPU, and its network."""
    module, config = find(name), shortest(name)
    torch.manual_seed(0)
    return config, module.network(config).eval()


@pytest.fixture
def player(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(SYSTEMS, "two", "two_optimizers")
    return Brightener(DOUBLES[request.param]) if request.param in DOUBLES else smallest(request.param)[1]


def clip(frames: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, 48, 64, 3), dtype=np.uint8)


def as_tensor(clip_thwc: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(clip_thwc).permute(0, 3, 1, 2)[None]


def taken(model: Any, reading: Reading) -> dict[str, torch.Tensor]:
    """The first transition of what a model reads and takes."""
    parts = {name: part for name, part in reading._asdict().items() if part is not None and getattr(model.controls, name)}
    return {name: part[:, 1 if name == "masks" else 0] for name, part in parts.items()}


@pytest.mark.parametrize("player", PLAYERS, indirect=True)
def test_playing(player: Any) -> None:
    """A model plays what it reads; a step changes nothing that it is given."""
    assert isinstance(player, Playable)
    frames = as_tensor(clip())
    reading = player.infer(frames)
    assert any(array is not None for array in reading)
    if reading.codes is not None:
        assert reading.codes.min() >= 0 and reading.codes.max() < player.controls.codes
    state = player.start(frames[:, 0])
    frame, after = player.step(state, Action(**taken(player, reading)))
    again, _ = player.step(state, Action(**taken(player, reading)))
    assert frame.shape == (1, 3, 48, 64) and torch.equal(frame, again)
    assert type(after) is type(state)
    # uint8 and floats in [-1, 1] are the same.
    for part, other in zip(reading, player.infer(frames.float() / 127.5 - 1), strict=True):
        if part is not None and part.is_floating_point():
            torch.testing.assert_close(other, part, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("player", PLAYERS, indirect=True)
def test_words_grids_and_animations(player: Any) -> None:
    """Of the parts that have words; a model without any is refused in one line that says what works."""
    controls, pictures = player.controls, list(clip(2))
    if not (controls.codes or controls.shift or controls.background_shift):
        for call in (lambda: play.every_action(controls), lambda: play.parse_actions("right", controls)):
            with pytest.raises(UserError, match=r"this model takes (vectors of size 1|masks), .* by transfer$"):
                call()
        return
    columns = [play.parse_actions(text, controls) for text in play.every_action(controls, times=2)]
    assert len(columns) == 4 * (controls.shift or controls.background_shift) + controls.codes
    for steps in columns:
        for part, value in (("codes", "code"), ("shift", "shift"), ("background_shift", "background_shift")):
            assert all((getattr(step, value) is not None) == bool(getattr(controls, part)) for step in steps)
    if controls.vectors and not controls.codes:
        assert controls.shift or controls.background_shift  # and a vector is no must
    rows = play.grid(player, pictures, columns)
    assert [len(row) for row in rows] == [1 + len(columns)] * 2
    assert np.array_equal(rows[0][0], pictures[0])
    assert np.array_equal(play.animate(player, pictures, columns[-1])[:, -1][1], rows[1][-1])


@pytest.mark.parametrize("player", PLAYERS, indirect=True)
def test_transfer_is_infer_start_and_step(player: Any) -> None:
    """To a picture of another size, in whose pixels shifts and masks are."""
    frames, picture = clip(3), clip(1)[0, :24, :16].copy()
    shown = play.transfer(player, frames, picture)
    assert shown.shape == (3, 24, 16, 3) and np.array_equal(shown[0], picture)
    parts = taken(player, player.infer(as_tensor(frames)))
    for name in parts.keys() & {"shift", "background_shift"}:
        parts[name] = parts[name] * torch.tensor([16 / 64, 24 / 48])
    if "masks" in parts:
        parts["masks"] = nn.functional.avg_pool2d(parts["masks"], (2, 4))
    frame, _ = player.step(player.start(as_tensor(picture[None])[:, 0]), Action(**parts))
    difference = np.rint((frame[0].permute(1, 2, 0).clamp(-1, 1).numpy() + 1) * 127.5) - shown[1]
    assert np.abs(difference).max() <= 1  # rounding


@pytest.mark.parametrize("player", PLAYERS, indirect=True)
def test_the_benchmarks_adapter(player: Any) -> None:
    """A rollout is offered by models that take what the benchmark asks for, and is the model's own steps."""
    frames, controls = clip(3).transpose(0, 3, 1, 2)[None], player.controls
    kind = ControllableModel if controls.codes or controls.vectors else PlayableModel
    model = kind(player, "cpu")
    assert model.codes == (controls.codes or None) and hasattr(model, "rollout") == (kind is ControllableModel)
    arrays, reading = model.infer(frames), player.infer(torch.from_numpy(frames.copy()))
    assert {name: array.shape for name, array in arrays.items()} == {
        name: tuple(part.shape) for name, part in reading._asdict().items() if part is not None
    }
    if isinstance(model, ControllableModel):
        actions = arrays.get("codes", arrays.get("vectors"))
        assert actions is not None
        shifts = np.ones((1, 2, 2))
        shown = model.rollout(frames[:, 0], actions.astype(np.int32) if controls.codes else actions, shifts)
        name = "codes" if controls.codes else "vectors"
        action = Action(shift=torch.ones(1, 2) if controls.shift else None)._replace(**{name: torch.from_numpy(actions[:, 0])})
        frame, _ = player.step(player.start(torch.from_numpy(frames[:, 0].copy())), action)
        assert shown.dtype == np.uint8 and shown.shape == (1, 2, 3, 48, 64)
        assert np.array_equal(shown[:, 0], np.rint((frame.clamp(-1, 1).numpy() + 1) * 127.5).astype(np.uint8))


class Counter:
    """Has the memory of how many steps it did: the next frame is the last one, brighter by their number and by its code."""

    controls = Controls(codes=3)

    def start(self, frame: torch.Tensor) -> tuple[torch.Tensor, int]:
        return frame, 0

    def observe(self, state: tuple[torch.Tensor, int], frame: torch.Tensor) -> tuple[torch.Tensor, int]:
        return frame, state[1]

    def step(self, state: tuple[torch.Tensor, int], action: Action) -> tuple[torch.Tensor, tuple[torch.Tensor, int]]:
        assert action.codes is not None
        frame = state[0] + (action.codes.reshape(-1, 1, 1, 1) + state[1] + 1)
        return frame / 127.5 - 1, (frame, state[1] + 1)


def test_a_model_with_a_memory_is_shown_several_frames() -> None:
    """Steps begin with the true frames as long as there are some, and the memory goes on."""
    true = np.stack([np.full((3, 2, 2), value, np.uint8) for value in (10, 50, 90)])[None]
    video = ContextualModel(Counter(), "cpu").rollout_with_context(true, np.array([[0, 1, 2, 0, 1]]), None)
    assert video[0, :, 0, 0, 0].tolist() == [10 + 1, 50 + 1 + 2, 90 + 2 + 3, 95 + 4, 99 + 1 + 5]
    assert isinstance(Counter(), Observing) and not isinstance(Brightener(DOUBLES["codes"]), Observing)


@pytest.mark.parametrize("name", [*SYSTEMS, "two"])
def test_a_checkpoint_holds_all_of_a_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built without memory and filled from the file, it computes the same: nothing is kept outside of the state_dict."""
    monkeypatch.setitem(SYSTEMS, "two", "two_optimizers")
    config, network = smallest(name)
    save(tmp_path / "checkpoint", config, network, 1, notes={})
    loaded = load(tmp_path / "checkpoint").model()
    network.to(memory_format=torch.channels_last)  # as it is loaded: other layouts round differently
    assert isinstance(loaded, nn.Module) and isinstance(network, Playable)
    kept = dict((*loaded.named_parameters(), *loaded.named_buffers()))
    assert kept.keys() == network.state_dict().keys() and all(tensor.device.type == "cpu" for tensor in kept.values())
    frames = as_tensor(clip())
    for ours, theirs in zip(loaded.infer(frames), network.infer(frames), strict=True):
        assert ours is theirs is None or torch.equal(ours, theirs)
    action = Action(**taken(network, network.infer(frames)))
    assert torch.equal(*(model.step(model.start(frames[:, 0]), action)[0] for model in (loaded, network)))


# What cannot be played is refused, by every model in the same words.

BYTES = torch.zeros(1, 3, 3, 8, 8, dtype=torch.uint8)
NAN = torch.full((1, 3, 3, 8, 8), float("nan"))
FRAMES: dict[str, tuple[Any, str]] = {
    "numbers of bytes as floats": (torch.full((1, 3, 3, 8, 8), 255.0), r"there are floats from 255 to 255; expected uint8, or floats in"),
    "one value too many": (torch.zeros(1, 3, 3, 8, 8).index_fill_(4, torch.tensor([2]), -1.01), r"floats from -1.01 to 0; expected"),
    "half precision": (torch.full((1, 3, 3, 8, 8), 2.0).half(), r"floats from 2 to 2; expected"),
    "NaN": (NAN, r"there are NaN; expected"),
    "one NaN": (torch.where(torch.arange(8) == 3, NAN, torch.zeros(8)), r"there are NaN; expected"),
    "infinity": (-NAN.nan_to_num(nan=float("inf")), r"floats from -inf to -inf; expected"),
    "integers": (BYTES.long(), r"the type is torch.int64; expected uint8, or floats in \[-1, 1\]"),
    "truth values": (BYTES.bool(), r"the type is torch.bool; expected uint8"),
    "no colours": (BYTES[:, :, :1], r"the shape is \(1, 3, 1, 8, 8\); expected \(B, T, 3, H, W\)"),
    "colours last": (BYTES.permute(0, 1, 3, 4, 2), r"the shape is \(1, 3, 8, 8, 3\); expected \(B, T, 3, H, W\)"),
    "no batch": (BYTES[0], r"the shape is \(3, 3, 8, 8\); expected \(B, T, 3, H, W\)"),
    "an empty batch": (BYTES[:0], r"the shape is \(0, 3, 3, 8, 8\); expected"),
    "no height": (BYTES[..., :0, :], r"the shape is \(1, 3, 3, 0, 8\); expected"),
    "one frame": (BYTES[:, :1], r"a video \(B, T, 3, H, W\) has at least two frames"),
    "numpy": (BYTES.numpy(), r"this is a ndarray; pass torch.from_numpy\(frames\), of shape \(B, T, 3, H, W\)"),
    "a list": ([BYTES], r"this is a list; expected a tensor, of shape"),
}


@pytest.mark.parametrize("bad", FRAMES)
@pytest.mark.parametrize("player", PLAYERS, indirect=True)
def test_frames_that_cannot_be_read(player: Any, bad: str) -> None:
    frames, message = FRAMES[bad]
    with pytest.raises(ArgumentError, match=f"^frames: .*{message}"):
        player.infer(frames)
    if bad in ("a list", "one frame"):
        return
    with pytest.raises(ArgumentError, match=r"^frame: "):
        player.start(frames[:, 0] if bad != "no batch" else frames[0])


def test_frames_that_can_be_read() -> None:
    """Rounding beyond [-1, 1] is accepted, as are other floats than float32 and tensors that are not contiguous."""
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        check_frames((torch.linspace(0, 255, 192).reshape(1, 3, 8, 8) / 127.5 - 1).to(dtype), video=False)
    check_frames(torch.full((1, 2, 3, 8, 8), 1.0005), video=True)
    check_frames(BYTES.transpose(3, 4), video=True)


ALL = Controls(codes=3, vectors=2, shift=True, background_shift=True, masks=True)
ACTIONS: dict[str, tuple[Controls, dict[str, Any], str]] = {
    "nothing": (ALL, {}, r"takes codes 0 to 2, vectors of size 2, shift, background_shift, masks; given: nothing$"),
    "no code": (Controls(codes=3, shift=True), {"shift": torch.zeros(1, 2)}, r"takes codes 0 to 2, shift; given: shift$"),
    "no vector": (Controls(vectors=2), {}, r"takes vectors of size 2; given: nothing$"),
    "a vector too many": (
        Controls(codes=3),
        {"codes": torch.tensor([1]), "vectors": torch.zeros(1, 2)},
        r"takes codes 0 to 2, and no vectors$",
    ),
    "motion and masks": (
        Controls(codes=3),
        {"codes": torch.tensor([1]), "shift": torch.zeros(1, 2), "masks": torch.zeros(1, 8, 8)},
        "takes codes 0 to 2, and no shift or masks$",
    ),
    "a large code": (ALL, {"codes": torch.tensor([3])}, r"codes has values from 3 to 3; expected 0 to 2$"),
    "a negative code": (ALL, {"codes": torch.tensor([-1])}, r"codes has values from -1 to -1; expected 0 to 2$"),
    "code as bytes": (ALL, {"codes": torch.tensor([1], dtype=torch.uint8)}, r"codes is of type torch.uint8; expected int64$"),
    "code as float": (ALL, {"codes": torch.tensor([1.0])}, r"codes is of type torch.float32; expected int64$"),
    "a code": (ALL, {"codes": 1}, r"codes is a int; expected a tensor of shape \(1,\)$"),
    "two codes": (ALL, {"codes": torch.tensor([1, 2])}, r"codes has the shape \(2,\); expected \(1,\)$"),
    "a long vector": (ALL, {"vectors": torch.zeros(1, 3)}, r"vectors has the shape \(1, 3\); expected \(1, 2\)$"),
    "integers": (ALL, {"vectors": torch.zeros(1, 2, dtype=torch.int64)}, r"vectors is of type torch.int64; expected floats$"),
    "no place": (ALL, {"codes": torch.tensor([1]), "shift": torch.tensor([[0.0, float("nan")]])}, r"shift has NaN$"),
    "far away": (ALL, {"vectors": torch.tensor([[0.0, float("inf")]])}, r"vectors has values from 0 to inf; expected -1e\+06 to 1e\+06$"),
    "a mask of bytes": (ALL, {"vectors": torch.zeros(1, 2), "masks": torch.full((1, 8, 8), 255.0)}, r"masks has .*; expected 0 to 1$"),
    "a small mask": (ALL, {"vectors": torch.zeros(1, 2), "masks": torch.zeros(1, 4, 8)}, r"masks has the shape .* \(1, 8, 8\)$"),
}


@pytest.mark.parametrize("bad", ACTIONS)
def test_actions_that_cannot_be_played(bad: str) -> None:
    controls, parts, message = ACTIONS[bad]
    model = Brightener(controls)
    with pytest.raises(ArgumentError, match=f"^action: (this model )?{message}"):
        model.step(model.start(BYTES[:, 0]), Action(**parts))


@pytest.mark.parametrize("player", PLAYERS, indirect=True)
def test_every_model_checks_its_actions(player: Any) -> None:
    state = player.start(BYTES[:, 0])
    call: Callable[..., Any] = player.step
    for action in (Action(), Action(codes=torch.tensor([-1])), Action(vectors=torch.full((1, 1), float("nan")))):
        with pytest.raises(ArgumentError, match=r"^action: "):
            call(state, action)


def test_whole_pixels_may_be_integers() -> None:
    model = Brightener(DOUBLES["shifts"])
    frame, _ = model.step(model.start(BYTES[:, 0]), Action(shift=torch.tensor([[7, 0]])))
    assert ((frame + 1) * 127.5).round().unique().tolist() == [7]


@pytest.mark.parametrize(
    ("parts", "message"),
    [({}, "controls: a model takes at least one of codes, vectors"), ({"codes": -1, "shift": True}, "codes: -1 is negative")],
)
def test_controls_that_are_impossible(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Controls(**parts)
