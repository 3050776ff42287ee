"""Finding videos: files that FFmpeg recognises by their content, and folders of numbered pictures, in folders of any depth."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wsprites.errors import UserError
from wsprites.file.videos import LeftOut
from wsprites.videos.frames import FRAME_SUFFIXES, numbered
from wsprites.videos.video import name_of

VIDEO_SUFFIXES = (".mp4", ".avi", ".webm", ".mov", ".mkv", ".m4v", ".gif", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv", ".ogv", ".3gp")
"""Usual endings of videos: a file that has one and cannot be read is a damaged video. Others are tried as well."""
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""The split that a folder's name stands for, in lower case."""
_INNER = "folders named like a split that divide nothing, because they lie in other folders"
_SYSTEM = ("__macosx", "@eadir", "thumbs.db", "desktop.ini", "$recycle.bin", "lost+found")


@dataclass(frozen=True)
class Found:
    """What a folder holds."""

    paths: dict[str, list[Path]]
    """Files and folders that may be videos, of each split by its name; all under "" if there are no folders of splits."""
    split_folders: tuple[str, ...]
    """Names of the folders of splits."""
    left_out: list[LeftOut] = field(default_factory=list)
    """What is not a video."""


def find(folder: Path) -> Found:
    """Find what may be videos in a folder, in the order of their names.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: {'a file; name the folder that contains it' if folder.exists() else 'no such folder'}")
    left_out: list[LeftOut] = []
    named = [path for path in _listed(folder, folder, left_out) if path.is_dir() and path.name.lower() in SPLIT_NAMES]
    if not named:
        left_out.clear()  # the same folder is listed again
        found = list(_walk(folder, folder, left_out, ()))
        parents = {parent for path in found for parent in path.relative_to(folder).parents}
        inner = sorted(folder / parent for parent in parents if parent.name.lower() in SPLIT_NAMES)
        left_out += [LeftOut(name_of(path, folder), _INNER) for path in inner]
        return Found({"": found}, (), left_out)
    paths: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
    for path in named:
        paths[SPLIT_NAMES[path.name.lower()]] += _walk(path, folder, left_out, ())
    beside = f"files and folders beside the folders {', '.join(path.name for path in named)}"
    left_out += [LeftOut(name_of(path, folder), beside) for path in _listed(folder, folder, []) if path not in named]
    return Found(paths, tuple(path.name for path in named), left_out)


def _listed(folder: Path, root: Path, left_out: list[LeftOut]) -> list[Path]:
    """The entries of a folder in the order of their names, without those that operating systems make."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        left_out.append(LeftOut(name_of(folder, root), "folders that cannot be opened", detail=str(error.strerror)))
        return []
    system = [path for path in paths if path.name.startswith(".") or path.name.lower() in _SYSTEM]
    left_out += [LeftOut(name_of(path, root), "hidden files, or files of an operating system") for path in system]
    return [path for path in paths if path not in system]


def _walk(folder: Path, root: Path, left_out: list[LeftOut], above: tuple[Path, ...]) -> Iterator[Path]:
    """The files and folders below a folder that may be videos."""
    real = Path(os.path.realpath(folder))
    if real in above or (folder != root and real == Path(os.path.realpath(root))):
        left_out.append(LeftOut(name_of(folder, root), "links to a folder that contains them"))
        return
    entries = _listed(folder, root, left_out)
    folders = [path for path in entries if path.is_dir()]
    videos = any(path.suffix.lower() in VIDEO_SUFFIXES for path in entries)
    # A folder of frames is a video, unless it holds videos: then its pictures, of a cover perhaps, are none.
    if any(map(numbered, entries)) and not videos and (above or not folders):
        yield folder
        return
    for path in entries:
        if path.is_dir():
            yield from _walk(path, root, left_out, (*above, real))
        elif not path.is_file():
            left_out.append(LeftOut(name_of(path, root), "entries that are neither files nor folders"))
        elif path.suffix.lower() in FRAME_SUFFIXES:
            left_out.append(LeftOut(name_of(path, root), "pictures outside of a folder of numbered pictures"))
        else:
            yield path
    if not entries:
        left_out.append(LeftOut(name_of(folder, root), "empty folders"))
