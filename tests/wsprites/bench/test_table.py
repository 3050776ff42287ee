"""The command that prints score files as a Markdown table."""

import json
from pathlib import Path

import pytest
from score_files import clips, file_of, free

from wsprites.bench.scores import write
from wsprites.bench.table import main


def test_score_files_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clusters, easy, _ = clips(0)
    write(tmp_path / "scores.json", file_of({"local.ami": free(easy, clusters)}))
    main([str(tmp_path / "scores.json")])
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"| `local.ami` | - | - | {easy.mean():.3f} [")
    main(["--reference", str(tmp_path / "scores.json")])
    assert json.loads(capsys.readouterr().out)["figures"] == {"local.ami": round(float(easy.mean()), 4)}


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "0 files are given, expected score files; wsprites bench --out writes one"),
        (["--reference"], "0 files are given, expected one score file; wsprites bench --out writes one"),
        (["--reference", "a.json", "b.json"], "2 files are given, expected one score file; wsprites bench --out writes one"),
        (["none.json"], "none.json: No such file or directory"),
    ],
)
def test_files_that_cannot_be_printed(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err) == (2, "", f"{line}\n")
