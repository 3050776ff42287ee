"""Bad input of `train`, `animate`, `transfer` and `compact`: options, checkpoints of strangers, pictures and actions."""

import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from glass_model.glass.config import PRESETS
from glass_model.glass.model import GLASS
from glass_model.training.checkpoint import save
from wsprites.fields import to_json

pytestmark = pytest.mark.bad_input
CONFIG = PRESETS["tiny"].override(
    model={"mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2}
)


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch evil",)


@pytest.fixture(scope="session", autouse=True)
def checkpoints(shelf: Path) -> None:
    """A good checkpoint, and files that may be passed off as one."""
    torch.manual_seed(0)
    network = GLASS(CONFIG.model)
    save(shelf / "model.safetensors", CONFIG, network, 7, notes={}, optimizers=[torch.optim.Adam(network.parameters())])
    whole = (shelf / "model.safetensors").read_bytes()
    (shelf / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    (shelf / "text.safetensors").write_text("no weights", encoding="utf-8")
    (shelf / "empty.safetensors").touch()
    (shelf / "header.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    (shelf / "nested.safetensors").write_bytes(struct.pack("<Q", 10**5) + b"[" * 10**5)
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    head = {"format": "glass", "config": to_json(CONFIG), "step": "7"}
    heads = {
        "plain": None,
        "unknown": {**head, "format": "diffusion"},
        "unconfigured": {"format": "glass"},
        "misconfigured": {**head, "config": '{"train": {"steps": -1}}'},
        "huge": {**head, "config": json.dumps({"model": {"local_channels": 10**6}})},
        "stepless": {**head, "step": "many"},
        "recordless": {**head, "data": "[]"},
    }
    for name, metadata in heads.items():
        save_file(weights, shelf / f"{name}.safetensors", metadata)
    first = next(iter(weights))
    changes = {"missing": {}, "shape": {first: torch.zeros(1)}, "dtype": {first: weights[first].double()}}
    for name, change in changes.items():
        changed = {key: tensor for key, tensor in weights.items() if key != first} | change
        save_file(changed, shelf / f"{name}.safetensors", head)
    save_file({**weights, "more": torch.zeros(1)}, shelf / "more.safetensors", head)
    (shelf / "evil.pt").write_bytes(pickle.dumps(Evil()))
    torch.save(Evil(), shelf / "evil-zip.pt")
    torch.save([1, 2], shelf / "list.pt")
    torch.save({"format": "glass", "config": to_json(CONFIG), "model": {"a": 1}}, shelf / "numbers.pt")
    with zipfile.ZipFile(shelf / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    with zipfile.ZipFile(shelf / "other.pt", "w") as archive:
        archive.writestr("notes.txt", "no weights")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("no.pt", "no.pt: no such file"),
        ("@folder.h5", "folder.h5: a folder, not a checkpoint"),
        ("@pipe.h5", "pipe.h5: "),
        ("@loop.h5", "loop.h5: no such file"),
        ("@data.h5", "data.h5: not a checkpoint"),
        ("@picture.png", "picture.png: not a checkpoint"),
        ("@empty.safetensors", "empty.safetensors: not a checkpoint"),
        ("@text.safetensors", "text.safetensors: not a checkpoint"),
        ("@half.safetensors", "half.safetensors: damaged"),
        ("@header.safetensors", "header.safetensors: not a checkpoint"),
        ("@nested.safetensors", "nested.safetensors: not a checkpoint"),
        ("@plain.safetensors", "plain.safetensors: no checkpoint of a known system"),
        ("@unknown.safetensors", "unknown.safetensors: no checkpoint of a known system; its format is 'diffusion'"),
        ("@unconfigured.safetensors", "unconfigured.safetensors: damaged: it has no configuration"),
        ("@misconfigured.safetensors", "misconfigured.safetensors: damaged: train.steps = -1 is outside the range"),
        ("@huge.safetensors", "huge.safetensors: damaged: "),
        ("@stepless.safetensors", "stepless.safetensors: damaged: its step is not a number"),
        ("@recordless.safetensors", "recordless.safetensors: damaged: the record of its data"),
        ("@missing.safetensors", "missing.safetensors: damaged: '.*' is missing"),
        ("@more.safetensors", "more.safetensors: damaged: 'more' is not a part of the model"),
        ("@shape.safetensors", r"shape.safetensors: damaged: '.*' is torch.float32 \(1,\), not"),
        ("@dtype.safetensors", "dtype.safetensors: damaged: '.*' is torch.float64"),
        ("@evil.pt", "evil.pt: "),
        ("@evil-zip.pt", "evil-zip.pt: wants to run code"),
        ("@list.pt", "list.pt: no weights; it holds a list"),
        ("@numbers.pt", "numbers.pt: damaged"),
        ("@bomb.pt", "bomb.pt: damaged: it says to hold 10000000 bytes"),
        ("@other.pt", "other.pt: damaged"),
    ],
)
def test_checkpoints(answer, file: str, words: str):
    answer(f"animate --model {file} --image @picture.png --actions right --out a.gif", words)


MODEL = "--model @model.safetensors"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"animate {MODEL} --image @picture.png --out a.gif", "give either --actions or --grid"),
        (f"animate {MODEL} --image @picture.png --out a.gif --actions left --grid", "give either --actions or --grid"),
        (f"animate {MODEL} --actions left --out a.gif", "Missing option '--image'"),
        (f"animate {MODEL} --image @picture.png --image @picture.png --actions left --out a.gif", "--actions takes one --image"),
        (f"animate {MODEL} --image @picture.png --image @small.png --grid --out a.png", "must be of one size"),
        (f"animate {MODEL} --image @picture.png --actions hop --out a.gif", "--actions: 'hop' is none of left"),
        (f"animate {MODEL} --image @picture.png --actions ' ' --out a.gif", "--actions: there are none"),
        (f"animate {MODEL} --image @picture.png --actions left*0 --out a.gif", r"--actions: 'left\*0': after \* comes a number"),
        (f"animate {MODEL} --image @picture.png --actions left*1e9 --out a.gif", r"--actions: 'left\*1e9': after \*"),
        (f"animate {MODEL} --image @picture.png --actions 'left*10000 up' --out a.gif", "--actions: more than 10000 steps"),
        (f"animate {MODEL} --image @picture.png --actions code99 --out a.gif", "--actions: 'code99': this model has codes 0 to"),
        (f"animate {MODEL} --image @picture.png --actions left --out a.mp4", "--out: a.mp4: the name must end in .gif"),
        (f"animate {MODEL} --image @picture.png --actions left --out no/a.gif", "no: no such folder"),
        (f"animate {MODEL} --image @picture.png --actions left --out @picture.png", "picture.png: is read as well"),
        (f"animate {MODEL} --image no.png --actions left --out a.gif", "no.png: .*No such file"),
        (f"animate {MODEL} --image @text.png --actions left --out a.gif", "text.png: not an image"),
        (f"animate {MODEL} --image @empty.png --actions left --out a.gif", "empty.png: not an image"),
        (f"animate {MODEL} --image @half.png --actions left --out a.gif", "half.png: "),
        (f"animate {MODEL} --image @folder.h5 --actions left --out a.gif", "folder.h5: "),
        (f"animate {MODEL} --image @data.h5 --actions left --out a.gif", "data.h5: "),
        (f"animate {MODEL} --image @data.h5:24:0 --actions left --out a.gif", "there is no clip 24"),
        (f"animate {MODEL} --image @data.h5:0:40 --actions left --out a.gif", "data.h5:0:40: 40 is outside the range 0 to 3,"),
        (f"animate {MODEL} --image no.h5:0:0 --actions left --out a.gif", "no.h5: no such file"),
        (f"transfer {MODEL} --from no.h5 --to @picture.png --out a.gif", "no.h5: no such file"),
        (f"transfer {MODEL} --from @text.h5 --to @picture.png --out a.gif", "text.h5: not a complete HDF5 file"),
        (f"transfer {MODEL} --from @data.h5 --clip 24 --to @picture.png --out a.gif", "there is no clip 24"),
        (f"transfer {MODEL} --from @videos.h5 --clip -1 --to @picture.png --out a.gif", "there is no clip -1"),
        (f"transfer {MODEL} --from @data.h5 --to @text.png --out a.gif", "text.png: not an image"),
        (f"transfer {MODEL} --from @data.h5 --to @picture.png --out a.html", "--out: a.html: the name must end in"),
        (f"transfer {MODEL} --from @data.h5 --to @picture.png --out @picture.png", "picture.png: is read as well"),
    ],
)
def test_animate_and_transfer(answer, line: str, words: str):
    answer(line, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("@model.safetensors --out @plain.safetensors", "plain.safetensors: exists already; choose another name or pass --overwrite"),
        ("@model.safetensors --out @model.safetensors --overwrite", "is read as well, and would be lost; choose another name"),
        ("@model.safetensors --out a.pt", "--out: a.pt: the name must end in .safetensors"),
        ("@model.safetensors --out no/a.safetensors", "no: no such folder"),
        ("no.pt --out a.safetensors", "no.pt: no such file"),
        ("@half.safetensors --out a.safetensors", "half.safetensors: damaged"),
        ("@evil-zip.pt --out a.safetensors", "evil-zip.pt: wants to run code to be read"),
    ],
)
def test_compact(answer, arguments: str, words: str):
    answer(f"compact {arguments}", words)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "give either --data FILE or --stream"),
        ("--data @data.h5 --stream", "give either --data FILE or --stream"),
        ("--data no.h5", "no.h5: no such file"),
        ("--data @text.h5", "text.h5: not a complete HDF5 file"),
        ("--data @newer.h5", "newer.h5: format 99"),
        ("--data @picture.png", "picture.png: not a complete HDF5 file"),
        ("--data @data.h5 --set train.window=5", "window|frames"),
        ("--data @data.h5 --world paper", "--world goes with --stream"),
        ("--data @data.h5 --sheets own", "--sheets goes with --stream"),
        ("--data @data.h5 --backgrounds painted", "--backgrounds goes with --stream"),
        ("--stream --world papers", "--world: 'papers' is neither a preset"),
        ("--stream --sheets no", "no: no such folder"),
        ("--stream --system dreamer", "--system: dreamer is not one of|dreamer"),
        ("--stream --preset big", "--preset: big is not one of"),
        ("--stream --steps 0", "train.steps = 0 is outside the range"),
        ("--stream --steps -5", "train.steps = -5 is outside the range"),
        ("--stream --steps 1.5", "'1.5' is not a valid integer"),
        ("--stream --batch 1", "train.batch = 1 is outside the range 2 to"),
        ("--stream --set train.rate=nan", "train.rate = 'nan' must be of type float|outside the range"),
        ("--stream --set train.rate=NaN", "train.rate = nan is outside the range"),
        ("--stream --set train.rate=-1", "train.rate = -1 is outside the range"),
        ("--stream --set train.rat=1", "there is no field train.rat; the nearest is train.rate"),
        ("--stream --set trian.rate=1", "there is no field trian; the nearest is train"),
        ("--stream --set train.batch", "train.batch is not of the form group.field=value"),
        ("--stream --set batch=4", "batch=4 is not of the form group.field=value"),
        ("--stream --set train.window=true", "train.window = True must be of type int"),
        ("--stream --set train.window=[1]", "train.window = "),
        ("--stream --set train.steps=3", "train.steps is given twice"),
        ("--stream --set train.rate=1 --set train.rate=0.5", "train.rate is given twice"),
        ("--stream --set train=3", "train=3 is not of the form"),
        ("--stream --device gpu", "--device: gpu: "),
        ("--stream --device cuda:99", "--device: cuda:99: "),
        ("--stream --vgg no.pth", "no.pth: "),
        ("--stream --vgg @evil.pt", "evil.pt: "),
        ("--stream --out @data.h5", "data.h5 is no folder"),
    ],
)
def test_train(answer, more: str, words: str):
    steps = "" if "--steps" in more else "--steps 1"
    answer(f"train --preset tiny {steps} --device cpu --out r {more}", words)
