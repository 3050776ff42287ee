"""Predictions files: right ones score like the model, wrong ones are named in one line."""

import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from bench_models import predictions

from wsprites.bench import data, load
from wsprites.bench import evaluation as evaluate
from wsprites.bench.predictions import write_template
from wsprites.errors import UserError

pytestmark = pytest.mark.usefixtures("quick")


def test_a_predictions_file_scores_like_its_model(few: data.Data, seen: evaluate.Evaluation, tmp_path: Path):
    np.savez(tmp_path / "p.npz", **predictions(few))
    with h5py.File(tmp_path / "p.h5", "w") as h5:
        for name, array in predictions(few).items():
            if name != "data":
                h5[name] = array
        h5.attrs["codes_k"] = 20
        h5.attrs["data"] = np.bytes_(str(predictions(few)["data"]))  # as other languages write it
    for name in ("p.npz", "p.h5"):
        found = evaluate.evaluate(load.load(str(tmp_path / name), few), few, name)
        assert found.scores["local.ami"] == seen.scores["local.ami"] and found.scores["shift.mean"].value == 0
        assert "null.codes" not in found.scores
        assert found.scores["codes.usage"].value == (9 / 20 if name == "p.h5" else 1)
    with h5py.File(tmp_path / "p.h5", "a") as h5:
        h5.attrs["codes"] = h5.attrs.pop("codes_k")  # the name in older files
    assert load.load(str(tmp_path / "p.h5"), few).codes == 20
    with h5py.File(tmp_path / "p.h5", "a") as h5:
        h5.attrs["codes"] = 3
    with pytest.raises(UserError, match=r"p\.h5: .*codes has the code 8, but the model says that it has 3"):
        load.load(str(tmp_path / "p.h5"), few)


def test_shifts_that_have_diverged_are_scored(few: data.Data, tmp_path: Path):
    """A model that has not found the character gets the scores of one: its other arrays are scored as well."""
    far = {f"{part.name}/shift": np.tile([1e9, -1e9], (len(part), 89, 1)) for part in (few.fit, few.scored)}
    np.savez(tmp_path / "p.npz", **predictions(few, **far))
    scores = evaluate.evaluate(load.load(str(tmp_path / "p.npz"), few), few, "far").scores
    assert scores["shift.mean"].value == pytest.approx(2**0.5 * 1e9, rel=1e-6)
    assert scores["local.ami"].value == 1 and scores["shift.action_accuracy"].value < 0.5
    assert all(np.isfinite(score.value) for name, score in scores.items() if name.startswith("shift."))


def test_a_template_that_was_not_filled_in_is_refused(few: data.Data, tmp_path: Path):
    path = tmp_path / "t.npz"
    write_template(path, few)
    with np.load(path) as loaded:
        template = dict(loaded)
    about = {name: template.pop(name) for name in ("data", "README")}
    assert "codes_k () one integer, 1 to 1024" in str(about["README"]) and "at most 4096" in str(about["README"])
    filled = {"codes": 1, "vectors": 0.5, "shift": -1, "background_shift": 0.25}
    assert {name.partition("/")[2] for name in template} == set(filled)
    full = {key: np.full_like(array, filled[key.partition("/")[2]]) for key, array in template.items()}

    def refused(arrays: dict[str, np.ndarray]) -> str:
        np.savez(path, **about, **arrays)
        with pytest.raises(UserError) as caught:
            load.load(str(path), few)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
        return str(caught.value)

    # Each array in turn is left as it was; then some of one; then what earlier versions wrote, zeros everywhere.
    for name in filled:
        arrays = {
            key: array if key.endswith(f"/{name}") else np.full_like(array, filled[key.partition("/")[2]])
            for key, array in template.items()
        }
        left = "-1" if name == "codes" else "NaN"
        assert f"val: {name} is {left} everywhere, as in a template that was not filled in; fill it in, or" in refused(arrays)
    arrays = {**full, "test/shift": full["test/shift"].copy()}
    arrays["test/shift"][2:] = np.nan
    assert "test: shift has 712 values that are not finite, the first at (2, 0, 0)" in refused(arrays)
    zero = {key: np.zeros_like(array) for key, array in template.items()}
    assert "all arrays are zero, as in a template that was not filled in" in refused(zero)


def test_arrays_that_are_zero_everywhere_are_named(few: data.Data, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    right = predictions(few)
    np.savez(tmp_path / "p.npz", **{name: array if name == "data" else np.zeros_like(array) for name, array in right.items()})
    load.load(str(tmp_path / "p.npz"), few)  # a model may say nothing, in fewer arrays than a template has
    assert caplog.messages == [f"{tmp_path / 'p.npz'}: zero everywhere: codes, shift; if that is left from a template, leave it out"]
    caplog.clear()
    for changes in ({"val/shift": np.zeros_like(right["val/shift"])}, {}):  # the other split has motion
        np.savez(tmp_path / "p.npz", **predictions(few, **changes))
        load.load(str(tmp_path / "p.npz"), few)
        assert not caplog.messages


BAD = [
    (
        {"test/codes": np.zeros((6, 90), int)},
        "codes has the shape (6, 90); expected (6, 89): clips, transitions; 90 frames have 89 transitions",
    ),
    ({"test/codes": np.zeros((6, 89))}, "codes is of type float64; expected integers"),
    (
        {"test/vectors": np.zeros((6, 89, 5000), np.float32), "val/vectors": np.zeros((12, 89, 8))},
        "vectors has 5000 features; at most 4096",
    ),
    ({"test/codes": np.full((6, 89), -2)}, "codes has values from -2 to -2; expected 0 to 1023"),
    (
        {"test/shift": np.full((6, 89, 2), [np.inf, 0])},
        "values that are not finite, the first at (0, 0, 0); expected",
    ),
    (
        {"test/masks": np.full((6, 90, 96, 128), 255.0, np.float16), "val/masks": np.zeros((12, 90, 96, 128), bool)},
        "masks has values from 255 to 255; expected 0 to 1",
    ),
    ({"test/vectors": np.zeros((6, 89, 4), np.float32)}, "val/vectors is missing"),
    ({"data": np.array("other@0")}, "the array data says 'other@0'; expected 'wsprites-paper-v1-first-6@"),
    ({"test/code": np.zeros(3)}, "unknown array 'test/code'; expected val, test / codes, vectors"),
    ({"codes_k": np.array(3)}, "codes has the code 8, but the model says that it has 3 codes; expected 0 to 2"),
    ({"codes_k": np.array(0)}, "codes_k is 0; expected the number of codes, 1 to 1024, or none"),
    ({"codes_k": np.array(9), "codes": np.array(9)}, "codes_k and codes are both there; codes_k alone says the number of codes"),
    ({"codes": np.array(9.0)}, "codes is a float64; expected the number of codes"),
    ({"codes": np.zeros((6, 89), int)}, "codes has the shape (6, 89); expected the number of codes; the codes themselves are SPLIT/codes"),
    ({"test/codes": np.array([object()])}, "codes is of type object; expected integers"),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("changes", "line"), BAD, ids=[line[:30] for _, line in BAD])
def test_a_wrong_predictions_file_is_named_in_one_line(few: data.Data, tmp_path: Path, changes: dict[str, np.ndarray], line: str):
    np.savez_compressed(tmp_path / "p.npz", **predictions(few, **changes))
    with pytest.raises(UserError) as caught:
        load.load(str(tmp_path / "p.npz"), few)
    assert line.split("|")[-1] in str(caught.value) and "\n" not in str(caught.value)


_HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (), }"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("header", "flags", "method", "reason"),
    [
        ("{'descr': '<f4', ('''", 0, 0, "EOF in multi-line"),
        ("(" * 5000, 0, 0, ""),
        ("{" + " " * 20_000 + "}", 0, 0, "Header info length"),
        (_HEADER, 1, 0, "encrypted"),
        (_HEADER, 0, 9, "compression"),
        (_HEADER, 0, 14, ""),
    ],
    ids=["token", "nested", "long", "encrypted", "deflate64", "lzma"],
)
def test_npz_files_that_are_damaged_or_packed_otherwise_are_refused(
    few: data.Data, tmp_path: Path, header: str, flags: int, method: int, reason: str
):
    """An archive of one array with this header, whose flags and method of compression are then changed in both of its directories."""
    path = tmp_path / "p.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    raw = bytearray(path.read_bytes())
    for flags_at in (6, raw.find(b"PK\x01\x02") + 8):
        raw[flags_at] |= flags
        raw[flags_at + 2] = method
    path.write_bytes(raw)
    with pytest.raises(UserError) as caught:
        load.load(str(path), few)
    line = str(caught.value)
    assert line.startswith(f"{path}: not a predictions file, or a damaged one: ") and reason in line and "\n" not in line
