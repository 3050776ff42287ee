"""The command line: what it prints, and one clear line for whatever is wrong."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import h5py
import numpy as np
import pytest
from PIL import Image
from samples import ROOT
from tqdm import tqdm

from wsprites import cli
from wsprites.errors import ArgumentError, UserError
from wsprites.generate import writer


@pytest.fixture
def make(sheets: Path, backgrounds: Path) -> list[object]:
    return ["generate", "--n", 10, "--out", "data.h5", "--sheets", sheets, "--backgrounds", backgrounds]


def test_from_generate_to_preview(run, make, tmp_path: Path):
    code, out, _ = run(*make, "--seed", 3, "--workers", 2)
    assert code == 0 and "frames/s" in out
    assert "10 (8 train, 1 val, 1 test) of 90 frames, 96 x 128: 900 frames" in out
    assert "36 characters (3 body x 2 bottomwear x 3 topwear x 2 hair x 1 shoes), 3 backgrounds" in out
    assert "free" in out and "done     data.h5" in out
    code, out, _ = run("info", "data.h5")
    assert code == 0 and "seed 3" in out and "walk_front" in out and "frames and masks stored" in out
    with h5py.File("data.h5") as h5:
        stays = np.mean(np.concatenate([h5[split]["global_action"][()].ravel() for split in ("train", "val", "test")]) == 4)
    assert re.search(rf"global_action\n(  .*\n){{4}}  stay +{stays:.1%} #{{30}}\n", out)
    code, out, _ = run("verify", "data.h5", "--all")
    assert (code, out) == (0, "ok: compared labels of 10 clips, pixels of 10\n")
    code, out, _ = run("preview", "data.h5", "--clip", 3, "--out", "clip.png")
    assert code == 0 and Path("clip.png").stat().st_size > 10_000
    code, out, _ = run("credits", "data.h5")
    assert code == 0 and "Ada Pixel" in out and "Licence of the art: unknown" in out


def test_the_help_lists_every_command_once_under_a_heading(run):
    assert sorted(name for names in cli.GROUPS.values() for name in names) == sorted(cli.COMMANDS)
    code, out, _ = run("-h")
    assert code == 0 and "..." not in out.partition("\n")[2] and "_WSPRITES_COMPLETE=bash_source" in out
    assert all(f"\n{heading}:\n" in out for heading in cli.GROUPS)
    assert "Train a model, and print scores of the val split on the way. [torch]" in " ".join(out.split())
    assert 'pip install -c constraints.txt ".[bench]"' in " ".join(run("bench", "-h")[1].split())
    assert set(cli.EXTRAS) <= set(cli.COMMANDS)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("genrate", "No such command 'genrate'; did you mean 'generate'?"),
        ("qqq", r"No such command 'qqq' \(see"),
        ("generate --n 2 --out a.h5 --world papr", r"--world: 'papr' is neither a preset .*; did you mean 'paper'\?"),
        ("bench --model x:y --data paper", r"--data: 'paper' is neither .*; did you mean 'wsprites-paper-v1'\?"),
        ("train --stream --out runs --preset tinny", r"--preset: tinny is not one of .*; did you mean 'tiny'\?"),
        ("train --stream --out runs --system gloss", r"--system: 'gloss' is not one of .*; did you mean 'glass'\?"),
        ("export a.h5 --to parket --out a", r"'parket' is not one of .*; did you mean 'parquet'\? \(see"),
        ("bench --model smal", r"--model: smal: no such file, .* package.module:factory; did you mean 'small'\?$"),
        ("bench --model wsprites.bench.classical:clasical", r"has no attribute 'clasical'; .*; did you mean 'classical'\?$"),
    ],
)
def test_the_nearest_name_is_suggested(run, line: str, words: str):
    code, out, err = run(*line.split())
    assert (code, out, err.count("\n")) == (2, "", 1) and re.search(words, err), err


def test_labels_only(run, make):
    assert run(*make, "--no-frames")[0] == 0
    assert "not stored, rendered when read" in run("info", "data.h5")[1]
    assert "no pixels" in run("verify", "data.h5")[1]
    assert run("preview", "data.h5", "--out", "clip.png")[0] == 0


def test_a_dry_run_writes_nothing(run, make, tmp_path: Path):
    code, out, _ = run(*make, "--dry-run")
    assert code == 0 and "about" in out and "done" not in out
    assert list(tmp_path.iterdir()) == []


def test_resume_can_always_be_passed(run, make):
    assert "done     data.h5" in run(*make, "--resume")[1]
    code, out, _ = run(*make, "--resume")
    assert (code, out) == (0, "complete already: data.h5\n")
    code, _, err = run(*make, "--resume", "--seed", 4)
    assert code == 2 and "data.h5: exists already" in err and "seed is 0, not 4;" in err and err.count("\n") == 1


def test_an_interrupted_run_is_not_thrown_away(run, make, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:

        def mortal(*args):
            yield next(encode_in_order(*args))
            raise OSError("a worker died")

        encode_in_order = writer.encode_in_order
        patch.setattr(writer, "encode_in_order", mortal)
        code, _, err = run(*make, "--n", 200)
    assert code == 1
    kept = r"wsprites: data.h5: writing failed \(a worker died\); \d+ of 200 clips are kept; .* --resume .*"
    assert re.fullmatch(kept, err.splitlines()[-1])
    code, _, err = run(*make, "--n", 200)
    assert code == 2 and err.startswith("wsprites: data.h5: ") and " --resume " in err and " --overwrite " in err and "=True" not in err
    code, _, err = run(*make, "--n", 201, "--resume")
    assert code == 2 and "clips is 200, not 201;" in err and err.count("\n") == 1
    assert run(*make, "--n", 200, "--resume")[0] == 0
    assert run("verify", "data.h5")[0] == 0


def test_shards_are_merged(run, make):
    run(*make)
    for number in (1, 2, 3):
        code, out, _ = run(*make, "--shard", f"{number}/3", "--out", f"shard-{number}.h5")
        assert code == 0 and f"shard    {number} of 3: clips " in out
    shards = ["shard-1.h5", "shard-2.h5", "shard-3.h5"]
    code, out, _ = run("merge", *shards, "--out", "merged.h5")
    assert code == 0 and out == "done     merged.h5: 3 shards\n"
    assert Path("merged.h5").read_bytes() == Path("data.h5").read_bytes()
    assert run("merge", *shards, "--out", "virtual.h5", "--virtual")[0] == 0
    for name in ("virtual.h5", "shard-2.h5"):
        assert run("info", name)[0] == run("verify", name)[0] == 0
    assert run("preview", "virtual.h5", "--clip", 9, "--out", "clip.png")[0] == 0
    code, _, err = run("preview", "shard-2.h5", "--clip", 9, "--out", "clip.png")
    assert code == 2 and "there is no clip 9; the file has clips 3 to 5" in err
    code, _, err = run("merge", *shards[:2], "--out", "less.h5")
    assert code == 2 and "missing" in err and err.count("\n") == 1
    Path("shard-1.h5").unlink()
    code, _, err = run("info", "virtual.h5")
    assert code == 2 and "virtual.h5: its shard shard-1.h5: no such file" in err and err.count("\n") == 1


def test_worlds_from_toml_and_presets(run, make):
    Path("my.toml").write_text('preset = "factorial"\nframes = 7\nfacings = 4\n[split]\nholdout = "body"\n', encoding="utf-8")
    assert run(*make, "--world", "my.toml")[0] == 0
    with h5py.File("data.h5") as h5:
        world = json.loads(h5.attrs["world"])
        assert (world["name"], world["frames"], world["local"]["coupled"]) == ("my", 7, False)
        assert "slash_back" in h5py.check_enum_dtype(h5["train/local_action"].dtype)
        assert not set(h5["train/parts"][:, 0]) & set(h5["test/parts"][:, 0])
    assert run(*make, "--world", "released", "--overwrite")[0] == 0


def test_a_changed_file_fails_verification_with_exit_code_1(run, make):
    run(*make)
    with h5py.File("data.h5", "r+") as h5:
        h5["train/position"][0, 0] += 1
    code, out, _ = run("verify", "data.h5")
    assert code == 1 and "wrong    train/position: row 0, frame 0" in out and "FAILED" in out


def bad_toml(text: str):
    def prepare() -> list[object]:
        Path("my.toml").write_text(text, encoding="utf-8")
        return ["--world", "my.toml"]

    return prepare


def small_background() -> list[object]:
    Path("images").mkdir()
    Image.new("RGB", (20, 20)).save("images/a.png")
    return ["--backgrounds", "images"]


def pipe() -> list[object]:
    os.mkfifo("pipe")
    return ["--out", "pipe", "--overwrite"]


def occupied() -> list[object]:
    Path("there.h5").write_text("precious", encoding="utf-8")
    return ["--out", "there.h5"]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--n", -3], r"--n\b.* -3\b.* 1 to 1,000,000,000"),
        (["--n", "many"], "'many' is not a valid integer"),
        (["--seed", -1], r"--seed:? -1 is outside the range"),
        (["--sheets", "nowhere"], "nowhere: no such folder"),
        (["--sheets", "lpc"], "wsprites assets fetch"),
        (["--backgrounds", "nowhere"], "nowhere: no such folder"),
        (["--world", "papper"], r"neither a preset \(paper, released, factorial, small-world, shadow-world, axes-still, .*\) nor"),
        (["--out", "no/data.h5"], "no: no such folder"),
        (["--compression", "zip"], "'zip' is not one of"),
        (["--workers", 0], "0 is not in the range"),
        (["--colour"], "No such option"),
        (["--shard", "3"], "'3' is not of the form k/K, such as 3/10"),
        (["--shard", "0/3"], r"--shard:? 0/3: shards are numbered from 1"),
        (["--shard", "4/3"], r"--shard:? 4/3: k = 4 is larger than K = 3"),
        (["--shard", "1/11"], r"more shards than clips \(10\)"),
        (["--shard", ""], "'' is not of the form k/K, such as 3/10"),  # of a job array's variable that is not set
        (["--dask", ""], "--dask is empty; expected the address of a scheduler, or local"),
        (["--shard", "1/2", "--dask", "local"], "--dask and --shard cannot be combined"),
        (["--n", 10**9], "needed and"),
        (["--n", 10**20], r"--n\b.* 1 to 1,000,000,000"),
        (["--sheets", ""], r"--sheets\b.* empty"),
        (pipe, "a device or a pipe"),
        (["--out", "a" * 250], "the name is too long"),
        (small_background, "images/a.png: 20 x 20 pixels; a background of this world needs 153 x 121"),
        (occupied, r"there.h5: exists already.* --overwrite\b"),
        (bad_toml("frame = 3"), "there is no field frame; the nearest is frames"),
        (bad_toml("[sprite]\np_inertia = 1.5"), "my.toml: sprite.p_inertia = 1.5 is outside the range 0.0 to 1.0"),
        (bad_toml("[["), "my.toml: not TOML"),
        (bad_toml('[cast]\nlayers = ["body/"]'), "'body/'"),
        (bad_toml("[cast]\nbackgrounds = 3"), "cast.backgrounds"),
        (bad_toml('name = "a\\nb"'), r"name = 'a\\nb' must be"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more, words: str):
    monkeypatch.setenv("WSPRITES_CACHE", str(tmp_path / "cache"))
    more = more() if callable(more) else more
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, out, err = run(*make, *more)
    assert code == 2
    assert re.search(words, err) and err.startswith("wsprites: ") and err.count("\n") == 1
    assert "done" not in out
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_preview_needs_a_folder(run, data_file: Path):
    code, _, err = run("preview", data_file, "--out", "absent/clip.gif")
    assert code == 2 and "absent: no such folder" in err and err.count("\n") == 1


@pytest.mark.parametrize("command", [["info"], ["verify"], ["credits"], ["preview", "--out", "a.gif"]])
def test_files_that_are_none_are_one_line(run, command: list[str], tmp_path: Path):
    (tmp_path / "text.h5").write_text("hello", encoding="utf-8")
    for name, words in (("absent.h5", "no such file"), ("text.h5", "not a complete HDF5 file")):
        code, _, err = run(*command, name)
        assert code == 2 and words in err and err.count("\n") == 1


def test_missing_arguments_name_the_help(run):
    code, _, err = run("generate")
    assert code == 2 and "wsprites generate --help" in err and err.count("\n") == 1
    assert run("--help")[0] == 0
    assert run()[0] == run("assets")[0] == 0
    assert "generate" in run()[1] and "fetch" in run("assets")[1]


def test_a_full_disk_is_one_line_and_exit_code_1(run, make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "write_labels", full)
    code, _, err = run(*make)
    assert code == 1
    assert err.splitlines()[-1] == "wsprites: data.h5: writing failed ([Errno 28] No space left on device); nothing was kept"
    assert list(tmp_path.iterdir()) == []


def test_help_imports_nothing_heavy():
    """Importing numpy alone takes as long as all of the help."""
    heavy = ("numpy", "h5py", "cv2", "PIL", "torch", "skimage", "numba", "scipy", "sklearn", "matplotlib", "tqdm", "importlib.metadata")
    program = f"import sys, wsprites.cli\nwsprites.cli.main(['--help'])\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: wsprites ") and done.stdout.endswith("\n[]\n")
    assert all(f"\n  {name} " in done.stdout for name in cli.COMMANDS)


def test_files_of_strangers_do_not_speak_to_the_terminal(run, data_file: Path):
    """Control characters in what a file says of itself are shown, not obeyed: here a title of the window, and a bell."""
    shutil.copy(data_file, "data.h5")
    with h5py.File("data.h5", "r+") as h5:
        h5.attrs["versions"] = json.dumps({"wsprites": "\x1b]0;title\x07"})
        h5.attrs["attribution"] = "by \x1b]0;title\x07\nand others"
    for command in ("info", "credits"):
        code, out, _ = run(command, "data.h5")
        assert code == 0 and "\\x1b]0;title\\x07" in out and "\x1b" not in out and "\x07" not in out
    assert "\nand others\n" in out
    code, _, err = run("info", "\x1b]0;title\x07.h5")
    assert (code, err) == (2, "wsprites: \\x1b]0;title\\x07.h5: no such file\n")


@pytest.mark.parametrize("arguments", [["--help"], ["assets"]])
def test_output_that_nobody_reads_ends_quietly(arguments: list[str]):
    """As of `wsprites info FILE | head -1`, where `head` has what it wants."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run([sys.executable, "-m", "wsprites.cli", *arguments], stdout=output, stderr=subprocess.PIPE, cwd=ROOT)
    assert (done.returncode, done.stderr) == (1, b"")


def test_the_launcher_of_a_checkout_is_the_command_line(tmp_path: Path):
    done = subprocess.run([sys.executable, ROOT / "cli.py", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("wsprites, version ")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_has_a_help_text(name: str):
    command = cli.wsprites.get_command(click.Context(cli.wsprites), name)
    assert command and command.help
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert [option.name for option in options if not (option.help or "").strip()] == []


@click.command()
@click.argument("file", metavar="VIDEO")
@click.option("--model", "checkpoint")
@click.option("-o", "--out", "--output", "out")
@click.option("--overwrite", is_flag=True)
def command() -> None:
    """Not run: its parameters are what errors are translated to."""


def noted(error: BaseException, *notes: str) -> BaseException:
    for note in notes:
        error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ArgumentError("checkpoint", "a.pt: no such file"), "--model: a.pt: no such file"),
        (ArgumentError("out", "checkpoint: exists; pass overwrite=True"), "--out: checkpoint: exists; pass --overwrite"),
        (ArgumentError("file", "is empty"), "VIDEO: is empty"),
        (ArgumentError("depth", "0 is too small"), "depth: 0 is too small"),
        (
            UserError("out: the name of a file; pass overwrite=True or resume=True"),
            "out: the name of a file; pass --overwrite or resume=True",
        ),
        (noted(UserError("no"), "pass overwrite=True", "or not"), "no; pass --overwrite; or not"),
        (noted(KeyboardInterrupt(), "3 clips are kept; pass overwrite=True"), "interrupted; 3 clips are kept; pass --overwrite"),
        (KeyboardInterrupt(), "interrupted; nothing was written"),
        (noted(OSError(28, "No space"), "nothing was kept"), "[Errno 28] No space; nothing was kept"),
    ],
)
def test_errors_name_options_in_place_of_arguments(error: BaseException, words: str):
    assert cli.message(error, command.params) == words


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("bad"), 2, "bad"),
        (OSError("bad"), 1, "OSError: bad"),
        (FileNotFoundError("weights.pt"), 1, "FileNotFoundError: weights.pt"),
        (MemoryError("Unable to allocate 8 TiB"), 1, "not enough memory (Unable to allocate 8 TiB); use smaller sizes, or another machine"),
        (
            RuntimeError(
                "[enforce fail at a.cpp:1] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes. Error code 12"
            ),
            1,
            "not enough memory (can't allocate memory: you tried to allocate 4 bytes. Error code 12); "
            "use smaller sizes, or another machine",
        ),
        (
            type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has.\nIf reserved"),
            1,
            "not enough memory (CUDA out of memory. Tried to allocate 20.00 GiB); use smaller sizes, or another machine",
        ),
        (KeyboardInterrupt(), 1, "interrupted; nothing was written"),
    ],
)
def test_exit_codes_and_the_class_of_errors_raised_elsewhere(
    run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("wsprites.open", fail)
    assert run("info", "data.h5") == (code, "", f"wsprites: {line}\n")


def test_reports_of_the_libraries_are_printed(run, monkeypatch: pytest.MonkeyPatch):
    def report(*_: object, **__: object) -> None:
        logging.getLogger("wsprites.view").info("compiling (%s)", "once")
        raise UserError("bad")

    monkeypatch.setattr("wsprites.open", report)
    for _ in range(2):
        assert run("info", "data.h5") == (2, "", "wsprites: compiling (once)\nwsprites: bad\n")


def test_reports_have_a_line_of_their_own_beside_a_progress_bar(run, monkeypatch: pytest.MonkeyPatch):
    def report(*_: object, **__: object) -> None:
        with tqdm(total=2, mininterval=0) as bar:
            bar.update(1)
            logging.getLogger("wsprites.view").info("compiling (%s)", "once")
        raise UserError("bad")

    monkeypatch.setattr("wsprites.open", report)
    assert "\rwsprites: compiling (once)\n" in run("info", "data.h5")[2]
