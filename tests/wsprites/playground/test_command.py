"""`wsprites play`: what it prints, and what it refuses, with one line each."""

import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from wsprites.cli import main
from wsprites.playground import server as module
from wsprites.playground.server import listen


@pytest.fixture
def command(sheets: Path, backgrounds: Path) -> list[str]:
    return ["play", "--no-browser", "--port", "0", "--sheets", str(sheets), "--backgrounds", str(backgrounds)]


def refused(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as exit_:
        main(command)
    error = capsys.readouterr().err.splitlines()
    assert exit_.value.code == 2
    return error[-1]


@pytest.mark.parametrize(("host", "token"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_it_prints_where_the_page_is(
    command: list[str], host: str, token: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The server stops as soon as it has started."""
    started = module._Server.startup

    async def startup(self: module._Server, sockets: list[socket.socket] | None = None) -> None:
        await started(self, sockets)
        self.should_exit = True

    monkeypatch.setattr(module._Server, "startup", startup)
    main([*command, "--host", host, "--model", "play_models:Brighter"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "model    play_models:Brighter" and lines[1].startswith(f"page     http://{host}:") and "Ctrl-C" in lines[2]
    assert ("?token=" in lines[1]) == token and (not token or len(lines[1].partition("?token=")[2]) >= 32)


def test_the_browser_is_served_while_it_is_opened(command: list[str], monkeypatch: pytest.MonkeyPatch):
    """`webbrowser.open` of a browser in the terminal returns when it is closed."""
    shown: list[bytes] = []

    def browse(address: str) -> None:
        try:
            with urllib.request.urlopen(address, timeout=600) as page:  # a server that is blocked fails, and does not hang
                shown.append(page.read())
        finally:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("webbrowser.open", browse)
    main([argument for argument in command if argument != "--no-browser"])
    assert len(shown) == 1 and b"W-Sprites" in shown[0]


def test_ctrl_c_is_how_it_is_stopped(command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """No error, and no line that says that nothing was written: files may have been saved."""
    started = module._Server.startup

    async def startup(self: module._Server, sockets: list[socket.socket] | None = None) -> None:
        await started(self, sockets)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(module._Server, "startup", startup)
    main(command)
    assert "interrupted" not in capsys.readouterr().err


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--host", "no.such.host.invalid"], "--host: 'no.such.host.invalid' is not an address of this machine"),
        (["--model", "none.safetensors"], "--model: none.safetensors: no such file"),
        (["--model", "play_models:Nothing"], "--model: play_models:Nothing: module 'play_models' has no attribute 'Nothing'"),
        (["--model", "play_models:Reads", "--model", "play_models:Reads"], "--model: play_models:Reads is given twice"),
        (["--world", "nowhere"], "nowhere"),
    ],
)
def test_bad_input(command: list[str], arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]):
    assert line in refused([*command, *arguments], capsys)


@pytest.mark.bad_input
def test_a_port_that_is_in_use(command: list[str], capsys: pytest.CaptureFixture[str]):
    with listen("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        line = refused([*command, "--port", str(port)], capsys)
    assert line.startswith(f"wsprites: --port: 127.0.0.1:{port} cannot be used (") and line.endswith("or 0 for any free one")


@pytest.mark.bad_input
def test_the_extra_is_missing(command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "websockets", None)
    assert 'run pip install -c constraints.txt ".[play]" in a checkout of wsprites' in refused(command, capsys)
