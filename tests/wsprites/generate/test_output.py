"""Names of output files."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "option", "endings"),
    [
        (["report", "FILE", "--out", "NAME"], "--out", ".html or .htm"),
        (["preview", "FILE", "--out", "NAME"], "--out", ".gif (animated) or .png (frames side by side)"),
        (["bench", "--model", "a:b", "--report", "NAME"], "--report", ".html or .htm"),
        (["bench", "--model", "a:b", "--out", "NAME"], "--out", ".json"),
        (["bench", "--template", "NAME"], "--template", ".npz"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("name", ["page.pdf", "page", "page.html.gz", "html"])
def test_an_ending_that_does_not_fit_the_format_is_refused(
    run: Callable[..., tuple[int, str, str]], data_file: Path, arguments: list[str], option: str, endings: str, name: str
):
    code, _, err = run(*({"FILE": data_file, "NAME": name}.get(argument, argument) for argument in arguments))
    assert (code, err) == (2, f"wsprites: {option}: {name}: the name must end in {endings}\n") and not Path(name).exists()


def test_the_case_of_an_ending_does_not_matter(run: Callable[..., tuple[int, str, str]], data_file: Path):
    assert run("preview", data_file, "--out", "A.PNG")[0] == 0
