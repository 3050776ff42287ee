"""Fetching the real sheets, from servers that work and from servers that do not."""

import hashlib
import shutil
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from samples import serve

from wsprites.art import ASSETS, load_art, sheets_folder
from wsprites.art.fetch import FetchError, fetch, lpc, lpc_folder
from wsprites.errors import UserError
from wsprites.world.spec import PRESETS


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSPRITES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lpc"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_all_sheets_arrive_and_are_credited(mirror: str, cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WSPRITES_LPC_URL", mirror)
    with pytest.raises(UserError, match="wsprites assets fetch"):
        sheets_folder("lpc")
    counted: list[int] = []
    assert fetch(ASSETS, progress=counted.append) == cache == lpc_folder() == sheets_folder("lpc")
    assert len(counted) == 25 and files(cache) == sorted(lpc(ASSETS)["sha256"])
    art = load_art(PRESETS["paper"], "lpc")
    assert art.credits.licence == "CC-BY-SA 3.0 or GPL 3.0"
    assert "Johannes Sjölund" in art.credits.attribution


def test_what_is_there_is_not_fetched_again(real_sheets: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(real_sheets, cache)
    monkeypatch.setenv("WSPRITES_LPC_URL", "http://127.0.0.1:1")
    assert fetch(ASSETS) == cache


def test_a_wrong_file_is_refused_and_not_kept(real_sheets: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(real_sheets, tmp_path / "served")
    (tmp_path / "served" / "body" / "2.png").write_bytes(b"something else")
    for address in serve(tmp_path / "served"):
        monkeypatch.setenv("WSPRITES_LPC_URL", address)
        with pytest.raises(FetchError, match=r"body/2.png: the wrong file"):
            fetch(ASSETS)
    assert files(cache) == ["body/0.png", "body/1.png"]


def test_a_missing_file_is_named(real_sheets: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(real_sheets, tmp_path / "served")
    (tmp_path / "served" / "body" / "1.png").unlink()
    for address in serve(tmp_path / "served"):
        monkeypatch.setenv("WSPRITES_LPC_URL", address)
        with pytest.raises(FetchError, match=r"body/1.png: the server answered 404"):
            fetch(ASSETS)
    assert files(cache) == ["body/0.png"]


class _Breaking(SimpleHTTPRequestHandler):
    """Promises a file and hangs up in the middle of it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "20000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    def log_message(self, *_: object) -> None:
        pass


def test_a_broken_connection_leaves_nothing(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    for address in serve(tmp_path, _Breaking):
        monkeypatch.setenv("WSPRITES_LPC_URL", address)
        with pytest.raises(FetchError, match="broken one"):
            fetch(ASSETS)
    assert files(cache) == []


def test_no_network_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WSPRITES_LPC_URL", "http://127.0.0.1:1")
    with pytest.raises(FetchError, match="check the network"):
        fetch(ASSETS)
    assert not cache.exists() or files(cache) == []


def test_the_list_is_that_of_the_sheets(real_sheets: Path):
    for name, expected in lpc(ASSETS)["sha256"].items():
        assert hashlib.sha256((real_sheets / name).read_bytes()).hexdigest() == expected
