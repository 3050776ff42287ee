"""Bad input of `bench`: models, predictions, data, score files and options that contradict one another."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from wsprites.bench.data import from_file

pytestmark = pytest.mark.bad_input
BENCH = "bench --data @data.h5"


@pytest.fixture(scope="session")
def right(shelf: Path) -> dict[str, np.ndarray]:
    """Predictions for the file of `shelf` that are right in form."""
    data = from_file(shelf / "data.h5")
    arrays = {"data": np.array(f"{data.name}@{data.sha256[:16]}")}
    for part in (data.fit, data.scored):
        arrays[f"{part.name}/codes"] = np.zeros((len(part), 3), np.int32)
        arrays[f"{part.name}/shift"] = np.zeros((len(part), 3, 2), np.float32)
    return arrays


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": np.array("other@0123")}, "the array data says 'other@0123'; expected"),
        ({"data": None}, "the array data says 'nothing'; expected"),
        ({"data": np.zeros(3)}, "the array data says"),
        ({"test/codes": None}, "test/codes is missing; codes is there for the other split"),
        ({"test/actions": np.zeros((2, 3), int)}, "unknown array 'test/actions'"),
        ({"train/codes": np.zeros((2, 3), int)}, "unknown array 'train/codes'"),
        ({"test/codes": np.zeros((2, 3))}, "test: codes"),
        ({"test/codes": np.zeros((2, 4), int)}, "test: codes"),
        ({"test/codes": np.zeros((3, 2), int)}, "test: codes"),
        ({"test/codes": np.zeros(6, int)}, "test: codes"),
        ({"test/codes": np.full((2, 3), -1)}, "test: codes"),
        ({"test/codes": np.full((2, 3), 10**6)}, "test: codes"),
        ({"test/shift": np.full((2, 3, 2), np.nan)}, "test: shift"),
        ({"test/shift": np.full((2, 3, 2), np.inf)}, "test: shift"),
        ({"test/shift": np.zeros((2, 3, 3))}, "test: shift"),
        ({"test/shift": np.array([[["a", "b"]] * 3] * 2)}, "test: shift"),
        ({"test/shift": np.zeros((2, 3, 2), complex)}, "test: shift"),
        ({"test/codes": np.array([[None] * 3] * 2, object)}, "p.npz: "),
    ],
)
def test_predictions(answer, right, tmp_path: Path, changes: dict[str, np.ndarray | None], words: str):
    arrays = {name: array for name, array in {**right, **changes}.items() if array is not None}
    np.savez(tmp_path / "p.npz", **arrays)
    answer(f"{BENCH} --model p.npz", words)


def cut(arrays: dict[str, np.ndarray]) -> None:
    np.savez("p.npz", **arrays)
    Path("p.npz").write_bytes(Path("p.npz").read_bytes()[:700])


def linked(arrays: dict[str, np.ndarray]) -> None:
    np.save("a.npy", np.zeros(3))
    with h5py.File("p.h5", "w") as h5:
        h5.attrs["data"] = str(arrays["data"])
        h5.create_dataset("test/codes", (2, 3), "i4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def large(arrays: dict[str, np.ndarray]) -> None:
    with h5py.File("p.h5", "w") as h5:
        h5.attrs["data"] = str(arrays["data"])
        h5.create_dataset("test/codes", (10**6, 10**6), "i4", chunks=(100, 100))


@pytest.mark.parametrize(("make", "name"), [(cut, "p.npz"), (linked, "p.h5"), (large, "p.h5")])
def test_predictions_files(answer, right, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make, name: str):
    monkeypatch.chdir(tmp_path)
    make(right)
    answer(f"{BENCH} --model {name}", f"{name}: ")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "--model is missing"),
        ("--model ''", "--model"),
        ("--model no.npz --model also.npz", "no.npz: no such file"),
        ("--model no.npz --models no.npz", "--models names no.npz twice"),
        ("--model nothing", "--model: nothing: no such file,.* and not of the form package.module:factory"),
        ("--model no.npz", "no.npz: no such file"),
        ("--model @text.h5", "text.h5: "),
        ("--model @picture.png", "picture.png"),
        ("--model @folder.h5", "folder.h5"),
        ("--model no.module:make", "no.module:make"),
        ("--model json:no", "json:no"),
        ("--model json:loads", "json:loads"),
        ("--model builtins:dict", "builtins:dict gives a dict; expected an object with a method infer"),
        ("--model :make", ":make"),
        ("--model ..a:b", r"\.\.a:b"),
        ("--model a.b.c", "a.b.c: no such file"),
        ("--model x:y --clips 1", "1 is not in the range"),
        ("--model x:y --clips two", "'two' is not a valid integer"),
        ("--model x:y --split all", "--split: 'all' is not one of"),
        ("--model x:y --fail-on 'a<1'", "--fail-on needs a baseline"),
        ("--model x:y --out no/a.json", "no: no such folder"),
        ("--model x:y --out @folder.h5", "folder.h5"),
        ("--model x:y --report no/a.html", "no: no such folder"),
        ("--model x:y --compare no.json", "no.json: "),
        ("--model x:y --compare @text.h5", "text.h5: not a score file"),
        ("--model x:y --compare @folder.h5", "folder.h5: "),
        ("--model x:y --protocol cady", "'cady' is not one of"),
        ("--model x:y --protocol caddy --report a.html", "--report does not go with --protocol caddy"),
        ("--model x:y --protocol caddy --detections a.csv", "--detections: 'a.csv' is only for imported videos; where"),
        ("--model x:y --detections a.csv", "--detections does not go with the protocol wsprites; add --protocol caddy"),
        ("--model x:y --protocol released --out a.json", "--out does not go with --protocol released"),
        ("--model x:y --protocol released --report a.html", "--report does not go with --protocol released"),
        ("--model x:y --weights no", "no: "),
        ("--model x:y --weights @folder.h5", "folder.h5: "),
        ("--template a.txt", "--template: a.txt: the name .*npz"),
        ("--template no/a.npz", "no: no such folder"),
        ("--model x:y --data no.h5", "--data: 'no.h5' is neither a file nor a standard world"),
        ("--model x:y --data @text.h5", "text.h5: not a complete HDF5 file"),
        ("--model x:y --data @folder.h5", "folder.h5: a folder"),
        ("--model x:y --data @newer.h5", "newer.h5: format 99"),
        ("--model x:y --data wsprites-paper-v2", "'wsprites-paper-v2' is neither a file nor a standard world"),
        ("--model x:y --data wsprites-paper-v1 --split val", "--split: 'val' is only for data files"),
    ],
)
def test_options(answer, more: str, words: str):
    answer(f"{BENCH} {more}", words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not a score file"),
        ("{}", "not a score file"),
        ("[1, 2]", "not a score file"),
        ("null", "not a score file"),
        ('{"format": 99}', "not a score file"),
        ("[" * 10**5, "not a score file"),
        (json.dumps({"model": "x" * 10**4}), "not a score file"),
        ('{"a": NaN}', "not a score file"),
    ],
)
def test_baselines(answer, tmp_path: Path, content: str, words: str):
    (tmp_path / "b.json").write_text(content, encoding="utf-8")
    answer(f"{BENCH} --model x:y --compare b.json", f"b.json: {words}")
