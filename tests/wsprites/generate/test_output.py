"""Files that are written aside: complete or as they were, whatever fails, and named by the error; and their names."""

from collections.abc import Callable
from pathlib import Path

import pytest
from samples import full_disk

from wsprites.generate import append_line, replace_file, written_aside


def test_a_failure_leaves_the_old_file(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("a")
    with full_disk(1000), pytest.raises(OSError, match=r"/link: writing failed \(File too large\)$"):
        replace_file(tmp_path / "link", bytes(2000))
    assert (tmp_path / "a").read_bytes() == b"old"
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "a").read_bytes() == b"new" and (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "link"]


def test_an_error_of_the_writer_leaves_nothing(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), written_aside(tmp_path / "a") as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_by_the_file(tmp_path: Path):
    with pytest.raises(OSError, match=r"/no/a: writing failed \(No such file or directory\)$"):
        replace_file(tmp_path / "no" / "a", b"new")


def test_an_unfinished_data_set_of_the_same_name_is_not_touched(tmp_path: Path):
    (tmp_path / ".a.wsprites-partial").write_bytes(b"clips")
    replace_file(tmp_path / "a", b"new")
    assert (tmp_path / ".a.wsprites-partial").read_bytes() == b"clips"


def test_a_line_is_appended_wholly_or_not_at_all(tmp_path: Path):
    log = tmp_path / "log"
    append_line(log, "one")
    with full_disk(6), pytest.raises(OSError, match=r"/log: writing failed"):
        append_line(log, "twelve letters")
    assert log.read_text() == "one\n"
    append_line(log, "two")
    assert log.read_text() == "one\ntwo\n"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "option", "endings"),
    [
        (["report", "FILE", "--out", "NAME"], "--out", ".html or .htm"),
        (["preview", "FILE", "--out", "NAME"], "--out", ".gif (animated) or .png (every frame)"),
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


def test_a_folder_with_the_name_of_a_preset_is_no_input(run: Callable[..., tuple[int, str, str]]):
    Path("paper").mkdir()
    for _ in range(2):
        assert run("generate", "--n", 1, "--no-frames", "--out", "paper/a.h5", "--overwrite")[0] == 0
    assert "would be lost" in run("generate", "--like", "paper/a.h5", "--out", "paper/a.h5", "--overwrite")[2]
