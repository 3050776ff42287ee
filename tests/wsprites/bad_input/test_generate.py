"""Bad input of `generate` and `merge`: options, worlds in TOML, sheets and backgrounds."""

from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.bad_input
MAKE = "generate --n 4 --out d.h5 --world @one.toml --sheets @one --backgrounds @backgrounds"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--n 0", "--n: 0 is outside the range 1 to"),
        ("--n -7", "--n: -7 is outside"),
        ("--n 1e3", "'1e3' is not a valid integer"),
        ("--n 2.5", "'2.5' is not a valid integer"),
        ("--n ''", "'' is not a valid integer"),
        ("--n nan", "'nan' is not a valid integer"),
        ("--n 99999999999999999999999", "--n: 9+ is outside the range"),
        ("--seed -1", "--seed: -1 is outside the range 0 to"),
        ("--seed 9223372036854775808", "--seed: 9223372036854775808 is outside"),
        ("--seed 0x10", "'0x10' is not a valid integer"),
        ("--workers -1", "-1 is not in the range"),
        ("--workers 5000", "5000 is not in the range"),
        ("--workers two", "'two' is not a valid integer"),
        ("--compression ZIP", "'ZIP' is not one of"),
        ("--out no/such/d.h5", "no/such: no such folder"),
        ("--out @data.h5", "data.h5: exists already"),
        ("--out @folder.h5", "folder.h5: a folder, not a file"),
        ("--out @pipe.h5 --overwrite", "pipe.h5: a device or a pipe"),
        ("--out /dev/null --overwrite", "/dev/null: a device or a pipe"),
        ("--out .", r"\.: a folder"),
        ("--out ''", ": a folder"),
        ("--out d.h5/e.h5", "d.h5: no such folder"),
        ("--out " + "x" * 252, "the name is too long"),
        ("--out @text.h5 --resume", "text.h5: not a complete HDF5 file"),
        ("--out @videos.h5 --resume", "videos.h5: holds videos without a world"),
        ("--out @data.h5 --resume", "data.h5: exists already and is another data set: "),
        ("--world ''", "--world"),
        ("--world no.toml", "no.toml"),
        ("--world @folder.h5", "folder.h5"),
        ("--world @data.h5", "data.h5: not a text file; a world is a TOML file"),
        ("--world @picture.png", "picture.png"),
        ("--world @empty.h5/x.toml", "x.toml"),
        ("--sheets no", "no: no such folder"),
        ("--sheets @data.h5", "data.h5"),
        ("--sheets @folder.h5", "folder.h5"),
        ("--sheets @videos", "videos"),
        ("--sheets ''", "--sheets: empty"),
        ("--backgrounds @data.h5", "data.h5: no such folder"),
        ("--backgrounds @folder.h5", "folder.h5: there is no image in it"),
        ("--backgrounds ''", "--backgrounds: empty"),
        ("--shard 0/4", "--shard: 0/4: shards are numbered from 1"),
        ("--shard 5/4", "--shard: 5/4"),
        ("--shard 1/5", "--shard: 1/5"),
        ("--shard -1/4", "'-1/4' is not of the form k/K"),
        ("--shard 1/4/2", "'1/4/2' is not of the form k/K"),
        ("--shard a/b", "'a/b' is not of the form k/K"),
        ("--shard 1", "'1' is not of the form k/K"),
        ("--dask local --shard 1/4", "--dask and --shard cannot be combined"),
        ("--dask local --workers 2", "--dask and --workers cannot be combined"),
        ("--frames", "No such option|--frames"),
        ("extra.h5", "unexpected extra argument"),
    ],
)
def test_generate(answer, more: str, words: str):
    answer(f"{MAKE} {more}", words)


def test_a_number_of_thousands_of_digits(answer):
    """More than Python reads."""
    answer(f"{MAKE} --shard 1/{'7' * 5000}", "'1/7{58}' is not of the form k/K")
    answer(f"import @videos --frames 4 --out o.h5 --size 10x{'7' * 5000}", "'10x7{57}' is not of the form HxW")


def test_missing_options(answer):
    answer("generate --n 4", "Missing option '--out'")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("frames =", "w.toml: not TOML"),
        ("frames = 3\nframes = 4", "w.toml: not TOML"),
        ("[[sprite]]", "w.toml: sprite = .* must be a table"),
        ("sprite = 3", "w.toml: sprite = 3 must be a table"),
        ("frame = 3", "there is no field frame; the nearest is frames"),
        ("[sprit]\nstep = 3", "there is no field sprit; the nearest is sprite"),
        ("[sprite]\nsteps = 3", "there is no field sprite.steps; the nearest is sprite.step"),
        ("frames = 0", "frames = 0 is outside the range"),
        ("frames = -5", "frames = -5 is outside the range"),
        ("frames = 10_000_000", "frames = 10000000 is outside the range"),
        ("frames = 3.0", "frames = 3.0 must be of type int"),
        ("frames = true", "frames = True must be of type int"),
        ("frames = '3'", "frames = '3' must be of type int"),
        ("frames = [3]", "frames = "),
        ("frames = 1979-05-27", "frames = datetime.date"),
        ("height = 63", "height = 63 is outside the range|height"),
        ("width = 1_000_000", "width = 1000000 is outside the range"),
        ("name = 3", "name = 3 must be of type str"),
        ('name = ""', "name"),
        ('name = "a\\u0000b"', "name"),
        ('rule = "papers"', "rule = 'papers' is not one of 'paper'"),
        ('preset = "papers"', "preset"),
        ("preset = 3", "preset"),
        ("facings = 5", "facings = 5"),
        ("[sprite]\np_inertia = nan", "sprite.p_inertia = nan is outside the range"),
        ("[sprite]\np_inertia = inf", "sprite.p_inertia = inf is outside the range"),
        ("[sprite]\np_inertia = -0.1", "sprite.p_inertia = -0.1 is outside the range"),
        ('[sprite]\np_inertia = "high"', "sprite.p_inertia = 'high' must be of type float"),
        ("[sprite]\nstep = 0", "sprite.step = 0 is outside the range"),
        ("[background]\nlimit = -1", "background.limit = -1 is outside the range"),
        ("[local]\ncoupled = 1", "local.coupled = 1 must be of type bool"),
        ("[local]\nbout_min = 9", "local.bout_min = 9 is above bout_max = 8"),
        ("[split]\ntrain = 0.9", "split.train \\+ val \\+ test = 1.1"),
        ("[split]\nseed = -1", "split.seed = -1 is outside the range"),
        ('[split]\nholdout = "hat"', "holdout"),
        ("[cast]\nlayers = []", "cast.layers|layers"),
        ('[cast]\nlayers = ["body", "body"]', "none twice"),
        ('[cast]\nlayers = ["../../etc"]', "cannot be the name of a folder"),
        ('[cast]\nlayers = "body"', "cast.layers = 'body' must be a list of str"),
        ("[cast]\ncounts = [1, 1, 1, 1, 1]", "cast.counts"),
    ],
)
def test_worlds(answer, tmp_path: Path, toml: str, words: str):
    (tmp_path / "w.toml").write_text(toml, encoding="utf-8")
    answer(f"{MAKE} --world w.toml", words)


def test_a_world_that_is_not_utf8(answer, tmp_path: Path):
    (tmp_path / "w.toml").write_bytes(b'name = "caf\xe9"')
    answer(f"{MAKE} --world w.toml", "w.toml: not a text file; a world is a TOML file")


SMALL, ODD = Image.new("RGBA", (64, 64)), Image.new("RGBA", (831, 1344))


@pytest.mark.parametrize("content", [None, b"", b"no picture", SMALL, ODD, "half"], ids=["none", "empty", "text", "small", "odd", "half"])
def test_sheets(answer, shelf: Path, tmp_path: Path, content: object):
    sheet = tmp_path / "s" / "body" / "a.png"
    sheet.parent.mkdir(parents=True)
    if isinstance(content, Image.Image):
        content.save(sheet)
    elif content == "half":
        whole = (shelf / "one" / "body" / "0.png").read_bytes()
        sheet.write_bytes(whole[: len(whole) // 2])
    elif content is not None:
        sheet.write_bytes(content)
    answer(f"{MAKE} --sheets s", "body" if content is None else "body/a.png")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "b/a.png"),
        (b"no picture", "b/a.png"),
        (Image.new("RGB", (152, 121)), "b/a.png: 152 x 121 pixels; a background of this world needs 153 x 121"),
        (Image.new("RGB", (1, 1)), "b/a.png: 1 x 1 pixels"),
    ],
)
def test_backgrounds(answer, tmp_path: Path, content: object, words: str):
    (tmp_path / "b").mkdir()
    if isinstance(content, Image.Image):
        content.save(tmp_path / "b" / "a.png")
    else:
        (tmp_path / "b" / "a.png").write_bytes(content)
    answer(f"{MAKE} --backgrounds b", words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("merge --out m.h5", "Missing argument 'SHARDS"),
        ("merge @shard-1.h5 --out m.h5", "of 2 shards, these are missing: 2"),
        ("merge @shard-1.h5 @shard-1.h5 @shard-2.h5 --out m.h5", "shard 1/2 occurs twice"),
        ("merge @shard-1.h5 @alien-2.h5 --out m.h5", "alien-2.h5: comes from another run.* seed is 6, not 5"),
        ("merge @shard-1.h5 @third-3.h5 --out m.h5", "third-3.h5: is shard 3/3, but .*shard-1.h5 is shard 1/2"),
        ("merge @shard-1.h5 @half.h5 --out m.h5", "half.h5: truncated"),
        ("merge @shard-1.h5 @text.h5 --out m.h5", "text.h5: not a complete HDF5 file"),
        ("merge @shard-1.h5 no.h5 --out m.h5", "no.h5: no such file"),
        ("merge @shard-1.h5 @folder.h5 --out m.h5", "folder.h5: a folder"),
        ("merge @shard-1.h5 @videos.h5 --out m.h5", "videos.h5: holds videos"),
        ("merge @shard-1.h5 @shard-2.h5 --out no/m.h5", "no: no such folder"),
        ("merge @shard-1.h5 @shard-2.h5 --out @shard-2.h5 --overwrite", "shard-2.h5: is read as well"),
        ("merge @shard-1.h5 @shard-2.h5 --out @text.h5", "text.h5: exists already"),
        ("merge @newer.h5 --out m.h5", "newer.h5: format 99, newer than"),
    ],
)
def test_merge(answer, line: str, words: str):
    answer(line, words)
