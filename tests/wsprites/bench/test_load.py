"""What the name of a model can stand for: checkpoints by their format, through entry points, and factories in the current folder."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import pytest

from wsprites import weights
from wsprites.bench import data, load, protocol
from wsprites.bench.provenance import hashes
from wsprites.bench.runs import check_runs
from wsprites.errors import UserError
from wsprites.generate import Order, generate
from wsprites.weights import checkpoint_format, checkpoint_path, find_checkpoint, safetensors_metadata, trained_models

pytestmark = pytest.mark.usefixtures("quick", "without_probes")

Run = Callable[..., tuple[int, str, str]]

KNOWN = f"known formats are {', '.join(sorted(entry_points(group='wsprites.models').names))}."
"""What the message of an unknown format says about the installed ones."""

PACKAGE = """
import numpy as np
from wsprites.weights import safetensors_metadata


class Constant:
    def __init__(self, code):
        self.code = code

    def infer(self, frames):
        return {"codes": np.full((len(frames), frames.shape[1] - 1), self.code)}


def load(path):
    return Constant(int(safetensors_metadata(path)["code"]))
"""


def install(site: Path, name: str, format_name: str) -> None:
    """A package with a checkpoint format of its own, as an installer lays it out."""
    (site / name).mkdir(parents=True)
    (site / name / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[wsprites.models]\n{format_name} = {name}:load\n", encoding="utf-8")


def put_model(site: Path, package: str, name: str, code: int) -> Path:
    """A trained model in a package."""
    (site / package / "checkpoints").mkdir(exist_ok=True)
    return safetensors(site / package / "checkpoints" / f"{name}.safetensors", {"format": "constant-code", "code": str(code)})


def safetensors(path: Path, metadata: object) -> Path:
    """A safetensors file without tensors."""
    header = json.dumps({"__metadata__": metadata}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_a_package_registers_its_checkpoint_format(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path / "site", "stranger_of_scores", "constant-code")
    safetensors(tmp_path / "its.ckpt", {"format": "constant-code", "code": "7"})
    code, _, err = run("bench", "--clips", 2, "--model", "its.ckpt")
    assert code == 2 and f"has the format 'constant-code'; {KNOWN}" in err and "'wsprites.models'" in err, err
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    code, out, err = run("bench", "--clips", 2, "--model", "its.ckpt", "--out", "scores.json")
    assert code == 0 and "codes.perplexity" in out, err
    counts = json.loads(Path("scores.json").read_text())["confusion"]["local"]["counts"]
    assert len(counts) == 8 and sum(counts[7]) == 2 * 89
    install(tmp_path / "other", "another_stranger", "constant-code")
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    code, _, err = run("bench", "--clips", 2, "--model", "its.ckpt")
    assert code == 2 and "both load the format 'constant-code'" in err


def test_a_registered_function_that_is_missing_is_named(few: data.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path / "site", "broken_stranger", "broken")
    (tmp_path / "site" / "broken_stranger" / "__init__.py").write_text("import a_module_that_is_missing\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(UserError, match=r"broken_stranger:load loads the .*, but failed: ModuleNotFoundError: No module named 'a_module"):
        load.load(str(safetensors(tmp_path / "its.ckpt", {"format": "broken"})), few)


def test_a_package_contains_trained_models(run: Run, few: data.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They are found by name without importing the package; a file of that name comes first, and nothing else does."""
    monkeypatch.chdir(tmp_path)
    install(tmp_path / "site", "stranger_with_models", "constant-code")
    seven, eight = (put_model(tmp_path / "site", "stranger_with_models", name, code) for name, code in (("seven", 7), ("eight", 8)))
    assert not {"seven", "eight"} & trained_models().keys()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert (find_checkpoint("seven"), find_checkpoint("eight"), find_checkpoint("nine")) == (seven, eight, None)
    assert "stranger_with_models" not in sys.modules
    (tmp_path / "seven").mkdir()
    assert load.load("seven", few).code == 7 and hashes("seven").model == hashes(str(seven)).model
    with pytest.raises(UserError, match=r"seven and .*seven.safetensors are the same file, as runs of s"):
        check_runs(["seven", str(seven)], "s")
    code, _, err = run("bench", "--clips", 2, "--model", "nine")
    names = r"not the name of a trained model \((.*, )?eight, (.*, )?seven\b.*\)"
    assert code == 2 and re.search(rf"nine: no such file, and {names}, and not of the form package", err), err
    with pytest.raises(UserError, match=rf"site: a folder, not a checkpoint, and {names}$"):
        checkpoint_path("site")
    safetensors(tmp_path / "eight", {"format": "constant-code", "code": "3"})
    assert load.load("eight", few).code == 3 and hashes("eight").model_file == "eight"


def test_nobody_replaces_a_trained_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of two packages with a model of the same name: that of wsprites, or else the first in alphabetical order."""
    packages = ("a_stranger", "our_models", "z_stranger")
    for package in packages:
        (tmp_path / package).mkdir()
        put_model(tmp_path, package, "seven", 7)
    monkeypatch.syspath_prepend(str(tmp_path))
    entries = [SimpleNamespace(value=f"{package}.bench:load", dist=SimpleNamespace(name=package)) for package in packages[::-1]]
    monkeypatch.setattr(weights, "entry_points", lambda group: entries if group == "wsprites.models" else [])
    assert trained_models() == {"seven": tmp_path / "a_stranger" / "checkpoints" / "seven.safetensors"}
    entries[1].dist.name = "wsprites"
    assert trained_models() == {"seven": tmp_path / "our_models" / "checkpoints" / "seven.safetensors"}


def test_glass_is_found_by_what_is_in_the_file(run: Run, order: Order, tmp_path: Path):
    """GLASS with random weights, as safetensors and by torch.save, under any name. Clips are short, since it generates many videos."""
    import torch

    from glass_model.glass.config import PRESETS as MODELS
    from glass_model.glass.model import GLASS
    from glass_model.training.checkpoint import save, state_path

    torch.manual_seed(0)
    config = MODELS["tiny"].override(model={"mask_channels": 2, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2})
    save(tmp_path / "a", config, GLASS(config.model), 1, notes={}, optimizers=[])
    state_path(tmp_path / "a").rename(tmp_path / "ckpt.pt")
    generate(replace(order, world=order.world.replace(frames=10)), tmp_path / "data.h5")
    parts = data.from_file(tmp_path / "data.h5", clips=2)
    frames = parts.scored.clip(0).frames_thwc[None].transpose(0, 1, 4, 2, 3)
    ours, theirs = (protocol.infer(load.load(name, parts), frames, parts.scored) for name in ("a", "ckpt.pt"))
    assert all((ours[name] == theirs[name]).all() for name in protocol.ARRAYS)
    code, _, err = run("bench", "--data", "data.h5", "--clips", 2, "--model", "ckpt.pt", "--out", "scores.json")
    assert code == 0, err
    scores = json.loads(Path("scores.json").read_text())["figures"]
    assert {"local.ami", "shift.mean", "masks.soft_iou", "control.faithful", "null.codes"} <= set(scores)
    torch.save({"format": "glasses"}, tmp_path / "b.pt")
    code, _, err = run("bench", "--clips", 2, "--model", "b.pt")
    assert code == 2 and f"b.pt has the format 'glasses'; {KNOWN}" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nothing",
        (2**60).to_bytes(8, "little") + b"{}",
        (40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (22).to_bytes(8, "little") + b'{"__metadata__": [1]}  ',
        (100_000).to_bytes(8, "little") + b'{"a":' * 20_000,
        (0).to_bytes(8, "little") + b"{" + b" " * 100,
    ],
)
def test_other_files_have_no_format(content: bytes, few: data.Data, tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert checkpoint_format(path) is None
    with pytest.raises(UserError, match=f"names no format; {KNOWN}"):
        load.load(str(path), few)


def test_damaged_files_of_torch_say_so(few: data.Data, tmp_path: Path):
    import torch

    (tmp_path / "zip").write_bytes(b"PK\3\4 and nothing")
    torch.save({"format": "glass"}, tmp_path / "whole", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "whole").read_bytes()
    for length in range(20, len(whole), 3):  # wherever the copying of an old file stopped
        (tmp_path / "old").write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"damaged|wants to run code"):
            checkpoint_format(tmp_path / "old")
    with pytest.raises(UserError, match="zip: damaged"):
        load.load(str(tmp_path / "zip"), few)


def test_metadata_is_what_safetensors_writes(tmp_path: Path):
    from safetensors.numpy import save_file

    save_file({}, tmp_path / "a", {"format": "x", "step": "3"})
    assert safetensors_metadata(tmp_path / "a") == {"format": "x", "step": "3"}
    save_file({}, tmp_path / "b")
    assert not safetensors_metadata(tmp_path / "b")


def test_modules_of_the_current_folder_come_first(run: Run, few: data.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Names that the project itself has used for its own modules are free for a user's."""
    package = tmp_path / "benchmarks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "mine.py").write_text(PACKAGE + "\n\ndef make():\n    return Constant(3)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:  # imported by other tests
        monkeypatch.delitem(sys.modules, name)
    assert load.load("benchmarks.mine:make", few).code == 3
    for name in ("benchmarks", "benchmarks.mine"):
        del sys.modules[name]
