"""The README's commands, run as a stranger would run them."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str, page: str = "README.md") -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def marked(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)\n```", README, re.DOTALL)
    assert found, f"README.md has no block marked {name}"
    return found[1]


def test_ci_runs_the_test_command_of_the_readme():
    extract = "sed -n '/<!-- test -->/,/^```$/p' README.md | sed '/^<!--/d;/^```/d'"
    assert extract in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    extracted = subprocess.run(["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert extracted.strip() == marked("test")
    assert "\n" not in marked("test")


def commands() -> str:
    """The block of the README with the commands that make and read data."""
    others = [block for block in blocks("sh") if block.strip() not in (marked("install"), marked("test"))]
    (block,) = (block for block in others if "wsprites bench" not in block)
    assert block.count("wsprites ") >= 8
    return block


def programs() -> list[str]:
    """Those of the README, of which the second needs torch, and that of the docs with an environment; each checks what it has got."""
    (program, torch_program), (*_, environment_program) = blocks("python"), blocks("python", "docs/loading.md")
    program += "\nassert frames.shape == (12, 96, 128, 3) and masks.shape == (12, 96, 128) and actions.shape == (11,)"
    program += "\nassert twin.frames_thwc.shape == (90, 96, 128, 3) and script.position.shape == (90, 2)"
    environment_program += "\nassert frame.shape == one.shape and (one != other).any() and many.reset()[0].shape == (64, 96, 128, 3)"
    return [program, *[torch_program] * bool(find_spec("torch")), environment_program]


def check_pictures(folder: Path) -> None:
    with Image.open(folder / "frame.png") as picture, Image.open(folder / "clip.gif") as clip:
        assert picture.size == (128, 96) and clip.n_frames == 90


@pytest.mark.filterwarnings("default")  # as a stranger has them
def test_the_commands_and_the_programs_work(run, tmp_path: Path):
    """In this process and with fewer clips; the slow test below starts those that the README names."""
    lines = [shlex.split(line, comments=True) for line in commands().splitlines()]
    for program, *arguments in filter(None, lines):
        assert program == "wsprites"
        fewer = {"100": "12", "12960": "1296"}
        code, _, err = run(*(fewer.get(word, word) for word in arguments))
        assert code == 0, err
    check_pictures(tmp_path)
    assert run("generate", "--n", "2592", "--no-frames", "--out", "twice.h5")[0] == 0
    one, two = ((tmp_path / name).stat().st_size for name in ("labels.h5", "twice.h5"))
    assert 5e4 < one < two and one + 9 * (two - one) < 5e6  # "the paper's size in 4 MB"
    for program in programs():
        exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})


@pytest.mark.slow
def test_the_commands_and_the_programs_work_in_a_shell(tmp_path: Path):
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    script = "set -e\n" + re.sub(r"--n 100\b", "--n 12", commands())  # no fewer commands, but fewer clips
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=600)
    assert (tmp_path / "labels.h5").stat().st_size < 5e6  # "in 4 MB"
    check_pictures(tmp_path)
    for program in programs():
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, timeout=600)


def test_the_toml_of_the_docs_is_a_world(tmp_path: Path):
    from wsprites.world.spec import load_spec

    world = blocks("toml", "docs/worlds.md")[0]
    (tmp_path / "my.toml").write_text(world, encoding="utf-8")
    spec = load_spec(str(tmp_path / "my.toml"))
    assert (spec.frames, spec.facings, spec.height, spec.sprite.p_inertia) == (60, 4, 128, 0.8)
    assert spec.background.limit == 0 and spec.split.holdout == "body" and not spec.local.coupled


@pytest.mark.slow
def test_the_install_command_works_in_an_empty_environment(tmp_path: Path):
    """The wheel holds everything: it is built, installed and used outside the checkout."""
    checkout, away = tmp_path / "checkout", tmp_path / "away"
    away.mkdir()
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, tracked):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run(["bash", "-c", marked("install")], cwd=checkout, env=environment, check=True, capture_output=True, timeout=600)
    command = [checkout / ".venv" / "bin" / "wsprites", "generate", "--n", "5", "--out", "far.h5"]
    subprocess.run(list(map(str, command)), cwd=away, env=environment, check=True, capture_output=True, timeout=600)
    assert (away / "far.h5").is_file()


def test_every_page_that_a_page_names_exists():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        targets = re.findall(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
        assert [name for name in targets if "://" not in name and not (page.parent / name).exists()] == [], page


def test_the_pictures_are_there_and_small():
    for page, count in (("README.md", 1), ("docs/index.md", 4), ("docs/data.md", 1)):
        text = (ROOT / page).read_text(encoding="utf-8")
        pictures = re.findall(r'<img src="([^"]+)"[^>]* alt="[^"]+">', text) + re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
        assert len(pictures) == count and all((ROOT / page).parent.joinpath(name).is_file() for name in pictures)
    assert (ROOT / "docs" / "playground.gif").stat().st_size < 1_200_000
    assert sum(path.stat().st_size for path in (ROOT / "docs" / "gallery").iterdir()) < 1_000_000


def test_the_gallery_is_made_by_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["gallery", str(tmp_path)])
    runpy.run_module("assets.gallery", run_name="__main__")
    for committed in (ROOT / "docs" / "gallery").iterdir():
        with Image.open(committed) as a, Image.open(tmp_path / committed.name) as b:
            assert a.size == b.size and getattr(a, "n_frames", 1) == getattr(b, "n_frames", 1)
            assert (
                np.abs(np.asarray(a.convert("RGB"), int) - np.asarray(b.convert("RGB"), int)).mean() < 2
            )  # palettes differ between versions
