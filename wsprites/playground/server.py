"""The server: files of the page, the connection of each page, and who may connect. It reads no file that a request names."""

import asyncio
import re
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from wsprites.errors import ArgumentError
from wsprites.playground.messages import MAX_UPLOAD
from wsprites.playground.session import FULL, Session
from wsprites.playground.shared import Playground

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts that only this machine reaches."""
COOKIE = "wsprites-token"
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d+)?|\[[0-9A-Fa-f:]+\](:\d+)?")

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]


class Guard:
    """Lets nobody in but pages of this server, and on a network nobody without the token.

    A request has to name this server in Host, so that a name of a stranger that leads here is refused (DNS rebinding). A connection has to
    come from a page of the same origin. With a token, all of them have to bring it: once in the address, then in a cookie.

    Args:
        app: what is guarded.
        port: the port, which Host has to name on a loopback address.
        token: the token; empty on a loopback address.
    """

    def __init__(self, app: _App, *, port: int, token: str = "") -> None:
        self._app, self._token = app, token
        names = ("127.0.0.1", "localhost", "[::1]")
        self._hosts = {f"{name}:{port}" for name in names} | ({*names} if port == 80 else set())  # browsers leave out :80
        self._cookie = f"{COOKIE}-{port}"  # browsers do not keep cookies of ports apart

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._problem(scope, headers)
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        answer: _App
        if problem and not (scope["type"] == "http" and self._is_token(given) and _HOST.fullmatch(headers.get("host", ""))):
            answer = PlainTextResponse(problem, 403) if scope["type"] == "http" else _refuse
            await answer(scope, receive, send)
            return
        if problem:  # only the cookie is missing: the address is not shown any longer
            redirect = RedirectResponse(scope["path"] if scope["path"].startswith("/page/") else "/", 303)
            # Not strict: a browser would not send it after a click on the address in a page of another site.
            redirect.set_cookie(self._cookie, self._token, httponly=True, samesite="lax")
            await redirect(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _problem(self, scope: _Scope, headers: Headers) -> str:
        """Why a request is refused; empty if it is not."""
        host = headers.get("host", "")
        if not _HOST.fullmatch(host) or (not self._token and host.lower() not in self._hosts):
            return "This server has another name: use the address that wsprites play prints."
        if scope["type"] == "websocket" and headers.get("origin", "") not in (f"http://{host}", f"https://{host}"):
            return "Only the page of this server may connect."
        if self._token and not self._is_token(_cookie(headers, self._cookie)):
            return "The token is missing: use the address that wsprites play prints."
        return ""

    def _is_token(self, given: str) -> bool:
        return bool(self._token) and secrets.compare_digest(given.encode(), self._token.encode())


async def _refuse(_scope: _Scope, receive: _Receive, send: _Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403


def _cookie(headers: Headers, name: str) -> str:
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    return next((value for key, _, value in pairs if key == name), "")


def page_files() -> dict[str, tuple[bytes, str]]:
    """The files of the page, which are all that can be asked for: name -> content and media type."""
    found = {}
    for entry in files("wsprites.playground").joinpath("page").iterdir():
        kind = _TYPES.get(entry.name.rpartition(".")[2])
        if kind:
            found[entry.name] = entry.read_bytes(), kind
    return found


def make_app(shared: Playground, *, port: int, token: str = "") -> _App:
    """The application: `/` and `/page/NAME`, the page, and `/ws`, the connection."""
    contents = page_files()

    def respond(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in contents:
            return PlainTextResponse("There is no such file.", 404)
        content, kind = contents[name]
        return Response(content, media_type=kind, headers=_headers(request.headers["host"]))

    async def connect(websocket: WebSocket) -> None:
        if shared.sessions >= shared.most_sessions:
            await websocket.accept()
            await websocket.close(FULL, f"no more pages can connect than {shared.most_sessions}")
            return
        shared.sessions += 1
        try:
            await Session(websocket, shared).run()
        finally:
            shared.sessions -= 1

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        learning = asyncio.create_task(shared.learn())
        yield
        learning.cancel()
        with suppress(asyncio.CancelledError):
            await learning

    routes = [Route("/", respond), Route("/page/{name}", respond), WebSocketRoute("/ws", connect)]
    return Guard(Starlette(routes=routes, lifespan=lifespan), port=port, token=token)


def _headers(host: str) -> dict[str, str]:
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' ws://{host} wss://{host}"
    )
    return {
        "Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address; port 0 is any free one. Raises ArgumentError if the address cannot be used."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ArgumentError("host", f"{host!r:.80} is not an address of this machine ({error})") from None
    try:
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ArgumentError(
            "port", f"{host}:{port} cannot be used ({error.strerror}); choose another port, or 0 for any free one"
        ) from None


def make_server(
    shared: Playground, listening: socket.socket, *, token: str = "", started: Callable[[], object] = lambda: None
) -> uvicorn.Server:
    """The server, whose `run([listening])` serves pages until Ctrl-C or SIGTERM.

    Args:
        shared: the world and the models.
        listening: of `listen`.
        token: what everybody has to bring; empty on a loopback address.
        started: called once pages can connect.
    """
    app = make_app(shared, port=listening.getsockname()[1], token=token)
    largest = MAX_UPLOAD + 2**12  # of a message, with its JSON
    return _Server(uvicorn.Config(app, log_level="warning", ws_max_size=largest, timeout_graceful_shutdown=1, lifespan="on"), started)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_started()
