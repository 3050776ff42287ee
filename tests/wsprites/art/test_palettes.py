"""Sheets with a palette, as most painters save them, are read as Pillow converts them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsprites.art.sheets import CELL_PLACES, read_sheet

COLOURS = bytes(np.random.default_rng(0).integers(0, 256, 3 * 256, dtype=np.uint8))
KINDS = {
    "an alpha for each colour": {"colours": 256, "transparency": bytes(range(256))},
    "an alpha for some colours": {"colours": 256, "transparency": b"\0\x80"},
    "one clear colour": {"colours": 256, "transparency": 7},
    "few colours": {"colours": 5, "transparency": b"\0"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_palettes(kind: str, tmp_path: Path) -> None:
    colours, transparency = KINDS[kind].values()
    image = Image.fromarray(np.random.default_rng(1).integers(0, colours, (1344, 832), dtype=np.uint8))
    image.putpalette(COLOURS[: 3 * colours])
    image.save(tmp_path / "sheet.png", transparency=transparency, compress_level=1)
    with Image.open(tmp_path / "sheet.png") as saved:
        assert saved.mode == "P"
        rgba = np.asarray(saved.convert("RGBA"))
    assert 0 in rgba[..., 3] and (rgba[..., 3] > 0).any()
    expected = [rgba[64 * row : 64 * row + 64, 64 * column : 64 * column + 64] for row, column in CELL_PLACES]
    assert np.array_equal(read_sheet(tmp_path / "sheet.png"), expected)
