"""The wheel, installed beside a project that has its own `benchmarks/` package and `cli.py`."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from samples import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, which is all that an installer of a pure wheel copies."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with names that this one used to install."""
    files = {
        "benchmarks/__init__.py": "",
        "benchmarks/mine.py": (
            "import numpy as np\n\n\nclass Mine:\n    def infer(self, frames):\n"
            "        return {'codes': np.zeros((len(frames), frames.shape[1] - 1), int)}\n\n\ndef f():\n    return Mine()\n"
        ),
        "cli.py": "def main():\n    return 'the tool of the project'\n",
        "tests/__init__.py": "",
        "tests/test_a.py": (
            "from benchmarks.mine import f\nfrom cli import main\n\n\ndef test_a():\n"
            "    assert f() and main() == 'the tool of the project'\n"
        ),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def run(project: Path, site: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Python with the installed wheel before everything else, so that a checkout in the environment does not count."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "PYTHON"))}
    path = os.pathsep.join(filter(None, [str(site), environment.pop("PYTHONPATH", "")]))
    variables = {**inherited, **environment, "PYTHONPATH": path}
    return subprocess.run([sys.executable, *command], cwd=project, env=variables, capture_output=True, text=True, timeout=600)


def script(module: str, call: str) -> tuple[str, str]:
    """The arguments of Python that do what a console script does: the current folder is not on sys.path."""
    return "-c", f"import sys; sys.path = [path for path in sys.path if path]; import {module}; sys.exit({module}.{call}())"


def test_what_is_installed(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    assert {re.sub(r"-[\d.]+\.dist-info$", ".dist-info", name.partition("/")[0]) for name in names} == {
        "wsprites",
        "glass_model",
        "wsprites.dist-info",
    }
    assert "wsprites/bench/page.html" in names and "wsprites/bench/reference/wsprites-paper-v1.json" in names
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "glass_model" / "checkpoints").glob("*.*")} <= {*names}
    assert not [name for name in names if name.startswith("wsprites/assets/") and name.endswith(".py")]
    systems = ("articulated", "caddy", "glass", "lam", "layered")
    assert "[wsprites.models]\n" + "".join(f"{name} = glass_model.bench:load\n" for name in systems) in f"{entry_points}\n"
    assert "wsprites = wsprites.bench.plugin" in entry_points


def test_a_project_with_names_of_its_own(project: Path, site: Path):
    for command in (script("pytest", "console_main"), ("-m", "pytest")):
        done = run(project, site, *command, "-q", "-p", "no:cacheprovider")
        assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
        assert "--wsprites-model" in run(project, site, *command, "--help").stdout
    wsprites = script("wsprites.cli", "main")
    where = run(project, site, "-c", "import wsprites; print(wsprites.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(site)
    version = run(project, site, *wsprites, "--version", PYTHONPATH=".")
    assert version.returncode == 0 and "wsprites, version" in version.stdout, version.stdout + version.stderr
    for path in ("", "."):
        done = run(project, site, *wsprites, "bench", "--clips", "2", "--model", "benchmarks.mine:f", PYTHONPATH=path, OMP_NUM_THREADS="1")
        assert done.returncode == 0 and "codes.perplexity" in done.stdout, done.stdout + done.stderr
