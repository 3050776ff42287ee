"""Compiled functions: kept on disk where that is possible, compiled again where it is not, and what the command line says of it.

Commands run in processes of their own, without pixels, so that only scripts are compiled.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from samples import ROOT

from wsprites import jit

COMMAND = ["generate", "--n", "3", "--no-frames"]


def run(*args: str, env: dict[str, str], package: Path = ROOT) -> str:
    """Run the command line of a checkout; gives what it wrote to standard error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_") and name != "XDG_CACHE_HOME"}
    command = [sys.executable, "-c", "from wsprites.cli import main; main()", *args]
    done = subprocess.run(command, env={**kept, "PYTHONPATH": str(package), **env}, cwd=package, capture_output=True, text=True, check=True)
    assert "compiling" not in done.stdout
    return done.stderr


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the data file a.h5 and compiled functions in kept/, as the first run of a command leaves them, and what it said."""
    folder = tmp_path_factory.mktemp("first")
    return folder, run(*COMMAND, "--out", str(folder / "a.h5"), env={"NUMBA_CACHE_DIR": str(folder / "kept")})


def test_the_first_run_says_that_it_compiles_and_later_ones_do_not(first: tuple[Path, str], tmp_path: Path):
    folder, said = first
    assert said.startswith("wsprites: compiling (once; kept in ") and said.count("compiling") == 1
    assert str(folder / "kept") in said and list((folder / "kept").rglob("*.nbc"))
    assert run(*COMMAND, "--out", str(tmp_path / "b.h5"), env={"NUMBA_CACHE_DIR": str(folder / "kept")}) == ""
    assert (folder / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_commands_that_compile_nothing_import_no_numba(labels_file: Path):
    lines = (["--help"], ["generate", "--help"], ["info", str(labels_file)])
    code = f"import sys; from wsprites.cli import main\nfor line in {lines}: main(line); assert 'numba' not in sys.modules, line"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.fixture
def compiled_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    """A function in a module of its own, which is kept in `tmp_path`."""
    import importlib.util

    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    caplog.set_level(logging.INFO, "wsprites")
    (tmp_path / "source.py").write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("wsprites.made_by_a_test", tmp_path / "source.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.double


def test_a_full_disk_is_no_error(compiled_here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from numba.core.caching import IndexDataCacheFile

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "_save_data", full)
    double = jit.jit(compiled_here)
    assert double(np.int64(21)) == 42 and not list((tmp_path / "kept").rglob("*.nbc"))


def test_nothing_is_printed_unless_logging_is_told_to(compiled_here, capfd: pytest.CaptureFixture[str]):
    assert jit.jit(compiled_here)(np.float64(21)) == 42
    assert capfd.readouterr() == ("", "")


def compilations(call: Callable[[], object]) -> int:
    """How often a call makes numba compile."""
    from numba.core.event import install_recorder

    with install_recorder("numba:compile") as recorder:
        call()
    return sum(event.is_start for _, event in recorder.buffer)


@pytest.mark.parametrize("kind", ["nbc", "nbi"])
def test_damaged_files_are_compiled_again(compiled_here, kind: str, tmp_path: Path):
    """As a crash or a power failure leaves them."""

    def call() -> None:
        """As a new process would, which knows nothing but the files."""
        assert jit.jit(compiled_here)(np.int64(21)) == 42

    assert compilations(call) > 0
    assert compilations(call) == 0
    damaged = list((tmp_path / "kept").rglob(f"*.{kind}"))
    assert len(damaged) == 1
    damaged[0].write_bytes(b"")
    assert compilations(call) > 0
    assert compilations(call) == 0


def test_without_a_folder_to_write_to_it_compiles_every_time(
    compiled_here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Folders for compiled code are files, as is the home: nobody, not even root, can write there."""
    import numba
    from numba.core.event import install_listener

    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    for name in ("__pycache__", "file"):
        (tmp_path / name).touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))

    def call() -> None:
        assert jit.jit(compiled_here)(np.int64(21)) == 42

    with install_listener("numba:compile", jit._Notice()):
        assert compilations(call) == compilations(call) > 0
    assert set(caplog.messages) == {"compiling (in every run: no folder to keep it in; NUMBA_CACHE_DIR can name one)"}


@pytest.mark.slow
def test_a_command_without_a_folder_to_write_to_compiles_every_time(first: tuple[Path, str], tmp_path: Path):
    """As the test in this process, with the whole package."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "assets").symlink_to(ROOT / "assets")
    for source in (ROOT / "wsprites").rglob("*.py"):
        copy = package / source.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
        (copy.parent / "__pycache__").touch()
    (tmp_path / "file").touch()
    env = {"HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": str(tmp_path / "file" / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    said = run(*COMMAND, "--out", str(tmp_path / "a.h5"), env=env, package=package)
    assert said.count("compiling") == 1 and "in every run" in said and "NUMBA_CACHE_DIR" in said
    assert (tmp_path / "a.h5").read_bytes() == (first[0] / "a.h5").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nbc", "nbi"])
def test_commands_compile_again_what_is_damaged(kind: str, tmp_path: Path):
    env = {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    run(*COMMAND, "--out", str(tmp_path / "a.h5"), env=env)
    for path in (tmp_path / "kept").rglob(f"*.{kind}"):
        path.write_bytes(b"")
    assert run(*COMMAND, "--out", str(tmp_path / "b.h5"), env=env).count("compiling") == 1
    assert run(*COMMAND, "--out", str(tmp_path / "c.h5"), env=env) == ""
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes() == (tmp_path / "c.h5").read_bytes()


def test_a_constant_of_another_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Modules are imported anew each time, as by new processes; what was compiled for a constant is found again."""
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # of two files that differ in a digit and were written in one second
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stepping.py").write_text(
        "from constant import STEP\nfrom wsprites.jit import jit\n\n@jit\ndef step(x):\n    return x + STEP\n"
    )

    def call() -> None:
        for name in ("stepping", "constant"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        assert import_module("stepping").step(10) == 10 + constant

    compiled = []
    for constant in (1, 2, 1):
        (tmp_path / "constant.py").write_text(f"STEP = {constant}\n")
        compiled.append(compilations(call) > 0)
    assert compiled == [True, True, False]
