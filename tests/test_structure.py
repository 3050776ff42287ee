"""The structure of the code, read from its source: direction of imports, no cycles, size of files and functions."""

import ast
import re
from pathlib import Path

import pytest
from samples import ROOT, parsed

PACKAGES = ("wsprites", "glass_model")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 350, 45
ROOMS = ("world", "art", "render", "file", "generate")
"""Packages of wsprites in the order in which data flows: each may import those before it."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sources(*PACKAGES)}


def imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The modules of this project that a statement names."""
    if isinstance(node, ast.Import):
        names = {alias.name for alias in node.names}
    else:
        assert not node.level and node.module, "imports are absolute"
        members = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        names = {member if member in MODULES else node.module for member in members.values()}
    return names & MODULES.keys()


def packages_of(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def imports(path: Path, *, functions: bool) -> set[str]:
    """The modules that a file names in imports, those under TYPE_CHECKING as well, and with `functions` those inside functions."""
    found = set[str]()
    nodes: list[ast.AST] = [parsed(path)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= imported(node)
        if functions or not isinstance(node, Function | ast.Lambda):
            nodes.extend(ast.iter_child_nodes(node))
    return found


def graph() -> dict[str, set[str]]:
    """The modules that must be imported before each module: those it names outside of functions, and the packages that contain these."""
    edges = {}
    for module, path in MODULES.items():
        named = imports(path, functions=False)
        containing = set().union(*(packages_of(name) for name in named))
        edges[module] = (named | (containing - packages_of(module))) - {module}
    return edges


def cycle_in(edges: dict[str, set[str]]) -> list[str]:
    """A path that comes back to its first module, or nothing."""
    done = set[str]()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            for name in sorted(edges[module]):
                if cycle := visit(name, [*path, module]):
                    return cycle
            done.add(module)
        return []

    return next(filter(None, (visit(module, []) for module in sorted(edges))), [])


def test_a_cycle_is_found():
    assert cycle_in({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_graph_is_that_of_the_code():
    edges = graph()
    assert "wsprites.errors" in edges["wsprites.fields"] and "wsprites.world.spec" in edges["wsprites.art"]
    assert not any(edges[name] for name in ("wsprites.errors", "wsprites.world.actions"))
    assert "wsprites.file" in edges["wsprites"]  # under TYPE_CHECKING
    assert "wsprites.generate" not in edges["wsprites.commands.generate"]  # in a function
    assert "wsprites.generate" in imports(MODULES["wsprites.commands.generate"], functions=True)


def test_no_import_cycle():
    assert " -> ".join(cycle_in(graph())) == ""


def test_wsprites_never_imports_glass_model():
    names = {module: imports(path, functions=True) for module, path in MODULES.items() if module.startswith("wsprites")}
    assert [module for module, found in names.items() if any(name.startswith("glass_model") for name in found)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_before_it(room: str):
    others = ("errors", "fields", "jit", "pictures", "terminal", "version")
    allowed = {"wsprites", *(f"wsprites.{name}" for name in (*ROOMS[: ROOMS.index(room) + 1], *others))}
    for path in sources(f"wsprites/{room}"):
        outside = {name for name in imports(path, functions=True) if ".".join(name.split(".")[:2]) not in allowed}
        assert not outside, f"{path.relative_to(ROOT)} imports {', '.join(sorted(outside))}"


@pytest.mark.parametrize("path", sources(*PACKAGES, "benchmarks"), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{path.relative_to(ROOT)}: {lines} lines, more than {MAX_FILE_LINES}"
    long = [f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {body_lines(function)}" for function in functions_of(path)]
    assert [text for text in long if int(text.rsplit(" ", 1)[1]) > MAX_FUNCTION_LINES] == []


def functions_of(path: Path) -> list[Function]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, Function)]


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = function.body[ast.get_docstring(function) is not None :]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_lines_of_a_function_are_counted_without_signature_and_docstring():
    (function,) = ast.parse('def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    a += 1\n\n    return a\n').body
    assert isinstance(function, Function) and body_lines(function) == 3


def test_the_paths_in_the_contributing_guide_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:wsprites|glass_model|assets|benchmarks|tests)/[\w/.]*)`", text)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []
    packages = {f"wsprites/{path.name}/" for path in (ROOT / "wsprites").iterdir() if (path / "__init__.py").exists()}
    assert packages <= {*paths}


def test_one_module_writes_pictures():
    writers = [
        path.relative_to(ROOT).as_posix()
        for path in sources(*PACKAGES, "benchmarks", "assets")
        if "painter" not in path.parts
        and re.search(r"\b(imencode|imwrite|save_all)\b|Image\.fromarray\(.*\)\.save\(", path.read_text("utf-8"))
    ]
    assert writers == ["wsprites/view/picture.py"]
