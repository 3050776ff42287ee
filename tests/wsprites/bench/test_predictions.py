"""Predictions files: right ones score like the model, wrong ones are named in one line."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from bench_models import predictions

from wsprites.bench import data, evaluate, load
from wsprites.bench.predictions import write_template
from wsprites.errors import UserError

pytestmark = pytest.mark.usefixtures("quick")


def test_a_predictions_file_scores_like_its_model(few: data.Data, seen: evaluate.Evaluation, tmp_path: Path):
    np.savez(tmp_path / "p.npz", **predictions(few))
    with h5py.File(tmp_path / "p.h5", "w") as h5:
        for name, array in predictions(few).items():
            if name != "data":
                h5[name] = array
        h5.attrs["codes"] = 20
        h5.attrs["data"] = np.bytes_(str(predictions(few)["data"]))  # as other languages write it
    for name in ("p.npz", "p.h5"):
        found = evaluate.evaluate(load.load(str(tmp_path / name), few), few, name)
        assert found.scores["local.ami"] == seen.scores["local.ami"] and found.scores["shift.mean"].value == 0
        assert "null.codes" not in found.scores
        assert found.scores["codes.usage"].value == (9 / 20 if name == "p.h5" else 1)
    with h5py.File(tmp_path / "p.h5", "a") as h5:
        h5.attrs["codes"] = 3
    with pytest.raises(UserError, match=r"p\.h5: .*codes has the code 8, but the model says that it has 3"):
        load.load(str(tmp_path / "p.h5"), few)


def test_a_template_that_was_not_filled_in_is_told(few: data.Data, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write_template(tmp_path / "t.npz", few)
    with np.load(tmp_path / "t.npz") as template:
        zero = dict(template)
    np.savez(tmp_path / "codes.npz", **{name: array for name, array in zero.items() if "codes" in name or name == "data"})
    line = "all values of all arrays are zero, as in a template that was not filled in"
    for name in ("t.npz", "codes.npz"):
        caplog.clear()
        load.load(str(tmp_path / name), few)
        assert caplog.messages == [f"{tmp_path / name}: {line}"]
    caplog.clear()
    zero["val/shift"][3, 5, 1] = 1
    np.savez(tmp_path / "filled.npz", **zero)
    load.load(str(tmp_path / "filled.npz"), few)
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
    ({"test/codes": np.full((6, 89), -1)}, "codes has values from -1 to -1; expected 0 to 1023"),
    ({"test/shift": np.full((6, 89, 2), np.nan)}, "shift has 1068 values that are not finite, the first at (0, 0, 0); expected none"),
    (
        {"test/masks": np.full((6, 90, 96, 128), 255.0, np.float16), "val/masks": np.zeros((12, 90, 96, 128), bool)},
        "masks has values from 255 to 255; expected 0 to 1",
    ),
    ({"test/vectors": np.zeros((6, 89, 4), np.float32)}, "val/vectors is missing"),
    ({"data": np.array("other@0")}, "the array data says 'other@0'; expected 'wsprites-paper-v1-first-6@"),
    ({"test/code": np.zeros(3)}, "unknown array 'test/code'; expected val, test / codes, vectors"),
    ({"codes": np.array(3)}, "codes has the code 8, but the model says that it has 3 codes; expected 0 to 2"),
    ({"codes": np.array(0)}, "codes is 0; expected the number of codes, 1 to 1024, or none"),
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
