"""The style of the public API, read from the source: docstrings, documented errors and arrays, keyword-only defaults."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from samples import ROOT, parsed

from wsprites.file import DESCRIPTIONS

Function = ast.FunctionDef | ast.AsyncFunctionDef

FILES = [path for package in ("wsprites", "glass_model") for path in sorted((ROOT / package).rglob("*.py"))]
IDIOMS = re.compile(
    r"\b(mend(s|ed|ing)?|whoever|for ever|at hand|films?|makes of|what there is|number of the character|nobody waits|goes? on with)\b", re.I
)
"""Phrases that read as riddles; the plain words are fix, available, videos, predicts, character id, always, continue."""
ERRORS = re.compile(r"(User|Argument|Spec)Error")
OPTION = re.compile(r"(?<!wsprites bench )(?<![\w-])--[a-z]")  # a whole command may be suggested
ARRAY = re.compile(r"\b(NDArray|ndarray|Tensor)\b")
DTYPE = re.compile(r"\b(u?int(eger)?\d*|float(ing)?\d*|number|bool_?|RGB|dtype|probabilit(y|ies)|counts?|labels?)\b")
DOCUMENTED = re.compile(
    r"wsprites/((__init__|errors|fields|env)\.py|(art|render|file|stream|generate|world|view|export|bench/metrics)/|bench/(protocol|predictions)\.py)"
    r"|glass_model/play\.py"
)
"""The modules that users call. Internal ones describe arrays by axis suffixes, and have the arguments that their callers need."""
INTERFACES = ("reset", "step", "seek", "truncate", "forward")
"""Methods whose arguments are given by Gymnasium, io or torch."""
POSITIONAL = {
    "wsprites/art/__init__.py load_art",  # load_art(spec, "own", "painted")
    "wsprites/art/__init__.py load_world",  # load_world("paper", "own", "painted")
    "wsprites/stream/rendered.py RenderedClips.__init__",  # RenderedClips("factorial", "train")
}
"""Functions whose defaults may be given by position, because the documentation does so."""


class Definition(NamedTuple):
    """A public function, method or class."""

    path: Path
    name: str
    node: Function | ast.ClassDef
    decorators: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT).as_posix()} {self.name}"

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""


def definitions(path: Path) -> Iterator[Definition]:
    """Public classes, functions and methods, and the __init__ of public classes."""
    for node in parsed(path).body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield Definition(path, node.name, node, " ".join(map(ast.unparse, node.decorator_list)))
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(member, Function) and (not member.name.startswith("_") or member.name == "__init__"):
                    yield Definition(path, f"{node.name}.{member.name}", member, " ".join(map(ast.unparse, member.decorator_list)))


@cache
def api() -> list[Definition]:
    return [definition for path in FILES for definition in definitions(path)]


@cache
def functions() -> list[Definition]:
    return [definition for definition in api() if isinstance(definition.node, Function)]


@cache
def used() -> list[Definition]:
    return [function for function in functions() if DOCUMENTED.match(str(function)) and "kernel.py" not in str(function)]


def words(path: Path) -> Iterator[tuple[int, str]]:
    """All strings and comments, with their lines."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings of modules, classes and functions, public or not, and those that follow attributes."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def none_of(offenders: list[Definition]) -> None:
    assert not offenders, "\n".join(map(str, offenders))


def test_the_api_is_read():
    names = {str(definition) for definition in api()}
    assert {"wsprites/errors.py UserError", "wsprites/view/picture.py enlarge", "glass_model/play.py animate"} <= names
    assert len(functions()) > 200


def test_the_first_line_of_a_docstring_is_a_sentence():
    summaries = {definition: definition.docstring.splitlines()[:1] for definition in api() if not definition.name.endswith("__init__")}
    none_of([definition for definition, line in summaries.items() if not line or not re.match(r"\W*\w.*\.$", line[0])])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_strings_and_comments_have_no_private_idiom(path: Path):
    stored = DESCRIPTIONS.values() if path.name == "layout.py" else ()  # files must keep their bytes
    found = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r}"
        for line, text in words(path)
        if text not in stored
        for match in IDIOMS.finditer(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_do_not_begin_in_the_middle_of_a_sentence(path: Path):
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text[:40]!r}"
        for line, text in docstrings(path)
        if re.match(r"(Of|The same of|And|But)\b", text)
    ]
    assert not found, "\n".join(found)


def test_errors_are_documented():
    """By a section Raises, or by a sentence that names the error."""

    def raises(node: ast.AST) -> bool:
        return any(isinstance(n, ast.Raise) and n.exc and ERRORS.search(ast.unparse(n.exc)) for n in ast.walk(node))

    silent = [function for function in functions() if raises(function.node) and "Error" not in function.docstring]
    none_of([function for function in silent if not function.name.endswith(("__init__", "__post_init__")) and not command(function)])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_library_errors_name_arguments_and_not_options(path: Path):
    if "commands" in str(path) or path.name in ("cli.py", "plugin.py", "test_scores.py"):
        return  # the command line, and pytest's
    errors = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Raise)]
    found = [f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:90]}" for node in errors if OPTION.search(ast.unparse(node))]
    assert not found, "\n".join(found)


def command(function: Definition) -> bool:
    """Commands are documented by their help, and are called by click."""
    return "click." in function.decorators or ".command" in function.decorators or "/commands" in str(function)


def test_arguments_with_defaults_are_keyword_only():
    by_position = [function for function in used() if isinstance(function.node, Function) and function.node.args.defaults]
    assert set(map(str, by_position)) >= POSITIONAL, "an exception that is no longer needed"
    others = [function for function in by_position if str(function) not in POSITIONAL]
    none_of([function for function in others if function.name.rsplit(".", 1)[-1] not in INTERFACES])


def test_arrays_have_shapes_and_dtypes():
    """The docstring of a function or of its module gives shapes, in parentheses or by axis suffixes; there or in the types is the dtype."""
    arrays = [function for function in used() if ARRAY.search(signature(function))]
    modules = {path: ast.get_docstring(parsed(path)) or "" for path in {function.path for function in arrays}}
    for function in arrays:
        text = function.docstring + modules[function.path]
        assert re.search(r"\(|\b[Aa]x[ie]s\b", text), f"{function}: no shape"
        assert DTYPE.search(text + signature(function)), f"{function}: no dtype"


def signature(function: Definition) -> str:
    node = function.node
    assert isinstance(node, Function)
    return f"{ast.unparse(node.args)} -> {ast.unparse(node.returns) if node.returns else ''}"
