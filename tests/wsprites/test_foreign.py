"""Code of users that raises: one line with the model, the exception, its message and the line of that code; the traceback on demand."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsprites.cli import message
from wsprites.errors import UserError
from wsprites.foreign import ForeignError, foreign_code

Run = Callable[..., tuple[int, str, str]]

HELPER = """
import json


def read(path):
    with open(path) as file:
        return file.read()


def parse(text):
    return json.loads(text)
"""
MODEL = """
import helper
import numpy as np
from wsprites.file import DataFile


class Model:
    {codes}

    def infer(self, frames):
        {infer}


def make({parameters}):
    {make}
    return Model()


made = Model()
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Write a model to the current folder; its name on the command line is returned."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written: list[str] = []

    def write(*, make: str = "pass", infer: str = "pass", parameters: str = "", codes: str = "pass", text: str | None = None) -> str:
        (tmp_path / "helper.py").write_text(HELPER, encoding="utf-8")
        name = f"model_{len(written)}_of_a_user"
        source = MODEL.format(make=make, infer=infer, parameters=parameters, codes=codes) if text is None else text
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        written.append(name)
        return f"{name}:make"

    yield write
    for name in (*written, "helper"):
        sys.modules.pop(name, None)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"make": "helper.read('weights.pt')"}, "No such file or directory: 'weights.pt' (helper.py, line 6, in read)"),
        ({"make": "raise FileNotFoundError('weights.pt')"}, "FileNotFoundError: weights.pt (model_0_of_a_user.py, line 15, in make)"),
        ({"make": "raise KeyError('w')"}, "KeyError: 'w' (model_0_of_a_user.py, line 15, in make)"),
        ({"make": "raise RuntimeError"}, "RuntimeError (model_0_of_a_user.py, line 15, in make)"),
        ({"make": "raise RuntimeError('a\\nb')"}, "RuntimeError: a b (model_0"),
        ({"make": "raise RuntimeError('x' * 9000)"}, "xxx... (9014 characters) (model_0_of_a_user.py, line 15"),
        ({"make": "raise SystemExit(3)"}, "SystemExit: 3 (model_0"),
        ({"make": "return make()"}, "RecursionError: maximum recursion depth exceeded"),
        ({"make": "helper.parse('{')"}, "(helper.py, line 11, in parse)"),  # not the line of the json module
        ({"make": "np.zeros(-1)"}, "ValueError: negative dimensions are not allowed (model_0_of_a_user.py, line 15, in make)"),
        ({"make": "DataFile('absent.h5')"}, "absent.h5: no such file (model_0_of_a_user.py, line 15, in make)"),
        ({"codes": "codes = property(lambda self: 1 / 0)"}, "division by zero (model_0_of_a_user.py, line 8, in <lambda>)"),
        ({"parameters": "path, *, k"}, "needs arguments: path, k (model_0_of_a_user.py, line 14)"),
        ({"infer": "raise ValueError('frames')"}, "infer: ValueError: frames (model_0_of_a_user.py, line 11, in infer)"),
        ({"infer": "return helper.read('x')"}, "infer: FileNotFoundError: [Errno 2] No such file or directory: 'x' ("),
        ({"infer": "return {'codes': np.full((len(frames), 89), 7)}", "codes": "codes = 3"}, "has the code 7, but the model"),
        ({"text": "def make(:"}, "SyntaxError: invalid syntax (model_0_of_a_user.py, line 1)"),
        ({"text": "import a_module_that_is_missing"}, "a_module_that_is_missing' (model_0_of_a_user.py, line 1, in <module>)"),
        ({"text": "make = 3"}, "is a int; expected a function or a class"),
        ({"text": "x = 3"}, "has no attribute 'make'"),
    ],
)  # fmt: skip
def test_the_line_names_model_exception_and_place(run: Run, model: Callable[..., str], change: dict[str, str], line: str):
    name = model(**change)
    code, _, err = run("bench", "--clips", 2, "--model", name)
    assert code == 2 and err.count("\n") == 1 and name in err and line in err, err
    assert ("pass --verbose for the traceback" in err) == ("(model" in err or "(helper" in err) or "needs arguments" in err


def test_verbose_shows_the_traceback(run: Run, model: Callable[..., str]):
    code, _, err = run("bench", "--clips", 2, "--model", model(make="helper.read('weights.pt')"), "--verbose")
    lines = err.splitlines()
    assert code == 2 and lines[0] == "Traceback (most recent call last):" and "model_0_of_a_user:make: FileNotFoundError" in lines[-1]
    assert "    helper.read('weights.pt')" in lines and "--verbose" not in lines[-1]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError("weights.pt"), "FileNotFoundError: weights.pt"),
        (PermissionError("a"), "PermissionError: a"),
        (OSError("a"), "OSError: a"),
    ],
)
def test_an_error_of_files_of_foreign_code_is_never_a_name_alone(error: OSError, line: str):
    """This module is foreign code, too."""
    with pytest.raises(OSError) as raised:
        raise error
    assert message(raised.value, []) == line


def test_any_exception_is_one_line():
    class NoException(BaseException):
        pass

    class NoMessageError(Exception):
        def __str__(self) -> str:
            raise ValueError

    with pytest.raises(ForeignError, match=r"^a: NoException: odd"), foreign_code("a"):
        raise NoException("odd")
    with pytest.raises(ForeignError, match=r"^a: NoMessageError: its message cannot be made \(ValueError\)"), foreign_code("a"):
        raise NoMessageError


def test_what_passes_unchanged():
    with pytest.raises(KeyboardInterrupt), foreign_code("a"):
        raise KeyboardInterrupt
    with pytest.raises(UserError, match=r"^a\.h5: damaged$") as caught, foreign_code("a.h5"):
        raise UserError("a.h5: damaged")
    assert not isinstance(caught.value, ForeignError)
    with foreign_code("a"):
        pass


def test_the_place_in_an_installed_package_is_that_of_the_package_that_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Not that of a library which it calls."""
    site = tmp_path / "site-packages"
    texts = {
        "its_library": "def fail():\n    raise OSError('x')\n",
        "its_model": "import its_library\n\n\ndef make():\n    its_library.fail()\n",
    }
    for package, text in texts.items():
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(ForeignError) as caught, foreign_code("its_model:make"):
        __import__("its_model").make()
    assert str(caught.value).startswith("its_model:make: OSError: x (") and "test_foreign.py" in str(caught.value)
    script = "from wsprites.foreign import foreign_code\nfrom its_model import make\nwith foreign_code('m'):\n    make()\n"
    with pytest.raises(ForeignError, match=r"its_model/__init__\.py, line 5, in make\)$"):
        exec(compile(script, "<frozen script>", "exec"), {})
