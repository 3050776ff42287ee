"""Bad input of the commands that read a file: `info`, `verify`, `preview`, `frame`, `report`, `export` and `credits`."""

import pytest

pytestmark = pytest.mark.bad_input
COMMANDS = (
    "info",
    "verify",
    "credits",
    "preview --out a.gif",
    "frame --out a.png",
    "report --out a.html",
    "export --to parquet --out a",
)
FILES = {
    "no.h5": "no.h5: no such file",
    "''": ": a folder",
    "@empty.h5": "empty.h5: not a complete HDF5 file",
    "@text.h5": "text.h5: not a complete HDF5 file",
    "@half.h5": "half.h5: truncated: not a complete HDF5 file",
    "@folder.h5": "folder.h5: a folder, not a file",
    "@loop.h5": "loop.h5: a link that leads nowhere",
    "@dangling.h5": "dangling.h5: a link that leads nowhere",
    "@pipe.h5": "pipe.h5: a device or a pipe",
    "/dev/zero": "/dev/zero: a device or a pipe",
    "@data.h5/x": "x: no such file",
    "@picture.png": "picture.png: not a complete HDF5 file",
    "@strange.h5": "strange.h5: an HDF5 file, but not one of wsprites",
    "@newer.h5": "newer.h5: format 99, newer than this wsprites reads",
    "@unversioned.h5": "unversioned.h5: damaged: the attribute 'format_version'",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("file", FILES)
def test_files(answer, command: str, file: str):
    answer(f"{command} {file}", FILES[file])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("info", "Missing argument 'FILE'"),
        ("info @data.h5 @labels.h5", "unexpected extra argument"),
        ("verify @videos.h5", "videos.h5: holds videos without a world"),
        ("credits @videos.h5", "videos.h5: holds videos without a world"),
        ("verify @data.h5 --al", "No such option"),
        ("preview @data.h5", "Missing option '--out'"),
        ("preview @data.h5 --out a.mp4", "--out: a.mp4: the name must end in .gif"),
        ("preview @data.h5 --out a", "--out: a: the name must end in .gif"),
        ("preview @data.h5 --out no/a.gif", "no: no such folder"),
        ("preview @data.h5 --out a.gif --clip -1", "there is no clip -1; the file has clips 0 to 23"),
        ("preview @data.h5 --out a.gif --clip 24", "there is no clip 24; the file has clips 0 to 23"),
        ("preview @videos.h5 --out a.gif --clip 3", "there is no clip 3; the file has clips 0 to 2"),
        ("preview @data.h5 --out a.gif --clip 99999999999999999999", "there is no clip 9+; the file"),
        ("preview @data.h5 --out a.gif --clip first", "'first' is not a valid integer"),
        ("frame @data.h5 --out a.png --t 40", "--t: 40 is outside the range 0 to 3, the frames of a clip"),
        ("frame @data.h5 --out a.png --clip 24", "there is no clip 24; the file has clips 0 to 23"),
        ("frame @data.h5 --out a.gif", "--out: a.gif: the name must end in .png"),
        ("report @data.h5 --out @picture.png", "picture.png: "),
        ("report @data.h5 --out no/a.html", "no: no such folder"),
        ("report @data.h5 --out @folder.h5 --overwrite", "folder.h5: "),
        ("export @data.h5 --out a", "Missing option '--to'"),
        ("export @data.h5 --to avi --out a", "'avi' is not one of"),
        ("export @data.h5 --to mp4 --out @folder.h5", "folder.h5: exists already"),
        ("export @data.h5 --to mp4 --out no/a", "no: no such folder"),
        ("export @data.h5 --to mp4 --out a --clips 0", "0 is not in the range"),
        ("export @data.h5 --to mp4 --out .", "possible name of a folder|exists already"),
    ],
)
def test_options(answer, line: str, words: str):
    answer(line, words)
