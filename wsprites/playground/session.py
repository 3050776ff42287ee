"""One page: its episode and clock, its models, and what goes to and fro. Tasks of one event loop; nothing here blocks it."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.websockets import WebSocket, WebSocketDisconnect

from wsprites.errors import UserError
from wsprites.playground import messages
from wsprites.playground.episode import Choice, Episode, Held, Moment, chosen
from wsprites.playground.lane import Lane
from wsprites.playground.messages import Message, MessageError
from wsprites.playground.outbox import Outbox, OutboxFullError
from wsprites.playground.readings import Readings
from wsprites.playground.saving import MAX_FRAMES, Kind, SavedFile, Steps, save
from wsprites.playground.shared import Playground
from wsprites.playground.uploads import Upload, read_upload_picture, read_upload_video
from wsprites.playground.worker import problem_line

INFERRED = 128
"""The last steps of an episode that models read."""
BAD_MESSAGE, TOO_SLOW, IDLE_CLOSED, FULL = 4400, 4408, 4410, 4429
"""Codes that a connection is closed with."""
_FASTEST = 1 / 30
"""Seconds between two steps, when what is held down changes."""

_T = TypeVar("_T")


class Session:
    """A connected page."""

    def __init__(self, socket: WebSocket, shared: Playground) -> None:
        self._socket, self._shared = socket, shared
        self._outbox = Outbox()
        self._episode = shared.episode(0)
        self._moments: deque[Moment] = deque(maxlen=INFERRED + 1)
        self._before: tuple[Episode, list[Moment]] | None = None  # the last steps of the episode before
        self._held, self._owed, self._input, self._pace, self._autoplay = Held(), Held(), 0, 10, False
        self._picture_hwc: NDArray[np.uint8] | None = None
        self._changed = asyncio.Event()
        self._scripted = False
        self._file: asyncio.Future[Any] | None = None  # that is being read or written
        self._finished: list[Steps] = []  # those before the present one
        self._lanes = [
            Lane(player, partial(self._show_model, number), partial(self._report, number)) for number, player in enumerate(shared.players)
        ]
        self._readings = Readings(self._lanes, self._outbox, self._report)

    async def run(self) -> None:
        """Serve the page until it leaves, sends what is no message, or stays silent for too long."""
        await self._socket.accept()
        stop_listening = self._shared.listen(lambda number: self._with_problem(number, partial(self._tell_model, number)))
        tasks = [asyncio.create_task(task) for task in (self._receive(), self._send(), self._tick(), *(lane.run() for lane in self._lanes))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._close(next(iter(done)).exception())
        finally:
            stop_listening()
            self._readings.cancel()
            for task in (*tasks, *filter(None, [self._file])):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self, reason: BaseException | None) -> None:
        codes: dict[type[BaseException], int] = {MessageError: BAD_MESSAGE, OutboxFullError: TOO_SLOW, TimeoutError: IDLE_CLOSED}
        if reason is None or isinstance(reason, WebSocketDisconnect):
            return
        if type(reason) not in codes:
            raise reason
        line = str(reason).encode()[:120].decode(errors="ignore")  # a frame that closes has room for 123 bytes
        try:
            await asyncio.wait_for(self._socket.close(codes[type(reason)], line), 1)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):  # it takes nothing any more
            return

    # To the page.

    async def _send(self) -> NoReturn:
        while True:
            message = await self._outbox.take()
            await (self._socket.send_text(message) if isinstance(message, str) else self._socket.send_bytes(message))

    def _show_world(self) -> None:
        moment, frame_hwc = self._episode.now, self._episode.look().frames_thwc
        self._show(0, [moment.row()], frame_hwc, input=self._input)

    def _show_model(self, number: int, row: list[Any], frame_hwc: NDArray[np.uint8]) -> None:
        self._show(number + 1, [row], frame_hwc, behind=self._lanes[number].behind)

    def _show(self, source: int, rows: list[Any], frame_hwc: NDArray[np.uint8], **more: int) -> None:
        height, width = frame_hwc.shape[:2]
        header = {"type": "frame", "source": source, "height": height, "width": width, "rows": rows, **more}
        self._outbox.put_frame(source, header, np.ascontiguousarray(frame_hwc).tobytes())

    def _report(self, number: int | None, line: str) -> None:
        self._outbox.put({"type": "problem", "model": number, "line": line})

    def _tell_model(self, number: int) -> None:
        known = self._shared.known[number]
        meanings = known.meanings
        self._outbox.put(
            {
                "type": "model",
                "model": number,
                "loops": known.loops,
                "matches": meanings.matches() if meanings else [],
                "ranges": meanings.ranges() if meanings else [],
                "ready": meanings is not None or bool(known.problem),
                "problem": known.problem,
            }
        )

    def _greet(self) -> None:
        self._outbox.put({"type": "hello", "version": messages.VERSION, **self._shared.greeting()})
        for number in range(len(self._lanes)):
            self._tell_model(number)

    # From the page.

    async def _receive(self) -> None:
        greeted = False
        while True:
            message = await self._next()
            if not greeted and not isinstance(message, messages.Hello):
                raise MessageError("the first message is hello")
            greeted = True
            try:
                self._handle(message)
            except UserError as error:
                if isinstance(error, MessageError):
                    raise
                self._report(None, str(error))
            await asyncio.sleep(0)  # a page that sends without end does not keep the others waiting

    async def _next(self) -> Message:
        event = await asyncio.wait_for(self._socket.receive(), self._shared.idle)
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1000))
        text = event.get("text")
        return messages.read_text(text) if text is not None else messages.read_binary(event["bytes"])

    def _handle(self, message: Message) -> None:
        match message:
            case messages.Hello():
                if message.version != messages.VERSION:
                    raise MessageError(f"this server speaks version {messages.VERSION}; load the page again")
                self._greet()
                self._begin(message.clip)
            case messages.Input():
                self._held, self._input = message.held, message.id
                self._owed = message.held if message.held != Held() else self._owed  # what is tapped is done once
                self._changed.set()
            case messages.Act():
                self._step(message.choice)
            case messages.NewClip():
                self._begin(message.clip)
            case messages.Show():
                self._episode.show(message.view)
                self._restart(None)
            case messages.Pace():
                self._pace = message.pace
            case messages.Autoplay():
                self._autoplay = message.on
                self._changed.set()
            case messages.Code() | messages.Vary() | messages.Follow():
                self._lane(message.model).choose(message)
            case messages.Mask():
                self._draw(self._lane(message.model), message.content)
            case messages.ReadMask():
                self._lane(message.model).check_masks()
                self._readings.mask(message.model)
            case messages.Restart():
                self._restart(self._picture_hwc)
            case messages.Shown():
                self._outbox.drawn(message.frame)
            case messages.Infer():
                self._infer_episode(message.before)
            case messages.Picture():
                self._read_picture(message)
            case messages.Video():
                self._read_video(message)
            case messages.Save():
                self._save(message.format, message.driver)

    def _lane(self, number: int) -> Lane:
        if number >= len(self._lanes):
            raise MessageError(f"there are {len(self._lanes)} models")
        return self._lanes[number]

    def _draw(self, lane: Lane, content: bytes) -> None:
        height, width = self._shared.size
        lane.check_masks()
        if len(content) not in (0, -(-height * width // 8)):
            raise MessageError(f"mask: {len(content):,} bytes; expected one bit for each of {height} x {width} pixels, or none")
        bits = np.unpackbits(np.frombuffer(content, np.uint8), count=height * width) if content else None
        lane.draw(self._episode, None if bits is None else bits.reshape(height, width).astype(np.bool_))

    # The world.

    def _begin(self, clip: int | None) -> None:
        view = self._episode.view
        if self._episode.now.step:
            self._finished.append(Steps.of(self._episode))
            self._before = self._episode, list(self._moments)
        while sum(episode.frames for episode in self._finished) > MAX_FRAMES:
            self._report(None, f"clip {self._finished.pop(0).clip}, the oldest that you steered, is not kept for saving any longer")
        self._episode = self._shared.episode(clip)
        self._episode.show(view)
        self._moments.clear()
        self._moments.append(self._episode.now)
        self._outbox.clear_frames()
        self._outbox.put({"type": "clip", "clip": self._episode.clip, "view": view, "character": self._episode.character})
        self._restart(None)

    def _restart(self, picture_hwc: NDArray[np.uint8] | None) -> None:
        """Let the models begin again, and show the world as it is."""
        self._picture_hwc = picture_hwc
        self._show_world()
        for lane in self._lanes:
            lane.begin(self._episode, picture_hwc)

    def _step(self, choice: Choice) -> None:
        if self._episode.now.step >= MAX_FRAMES - 1:
            self._report(None, f"{MAX_FRAMES:,} frames, the most of a clip: it begins anew")
            self._begin(self._episode.clip)
        self._moments.append(self._episode.act(choice))
        self._show_world()
        for lane, known in zip(self._lanes, self._shared.known, strict=True):
            lane.follow(self._episode, known.meanings)

    async def _tick(self) -> NoReturn:
        """Steps at the chosen pace, as long as something is held down. A change of it is done at once, 30 times a second at most."""
        clock = asyncio.get_running_loop()
        due = clock.time()
        while True:
            choice, period = self._choice(), 1 / self._pace
            self._changed.clear()
            if choice is None:
                await self._changed.wait()
                due = clock.time()
                continue
            self._step(choice)
            done = clock.time()
            due = max(due + period, done - period)  # a step that was late is made up for, more are not
            try:
                await asyncio.wait_for(self._changed.wait(), max(due - done, 0.001))
            except TimeoutError:
                continue
            await asyncio.sleep(max(done + _FASTEST - clock.time(), 0))
            due = clock.time()

    def _choice(self) -> Choice | None:
        held = self._held if self._held != Held() else self._owed
        self._owed = Held()
        choice = chosen(self._shared.world.spec, self._episode.now, held)
        if choice is not None or not self._autoplay:
            return choice
        self._scripted = True
        return self._episode.scripted()

    # Files, and what models read.

    def _work(self, call: Callable[[], _T], use: Callable[[_T], None]) -> None:
        """Do slow work in the thread for files, then use its result. A page that has work there already is refused."""
        if self._file:
            raise UserError("another file is still being read or written; try again when it is done")

        def done(future: asyncio.Future[_T]) -> None:
            self._file = None
            if not future.cancelled():
                self._with_problem(None, lambda: use(future.result()))

        self._file = future = asyncio.wrap_future(self._shared.files.submit(call))
        future.add_done_callback(done)

    def _with_problem(self, number: int | None, use: Callable[[], None]) -> None:
        """Do something, and report what it raises."""
        with suppress(OutboxFullError):  # the next message finds it full as well, and closes the connection
            try:
                use()
            except OutboxFullError:
                raise
            except Exception as error:
                self._report(number, problem_line(error))

    def _read_picture(self, message: messages.Picture) -> None:
        def begin(upload: Upload) -> None:
            self._outbox.put({"type": "picture", "name": message.name, "note": upload.note})
            self._restart(upload.frames_thwc[0])

        self._work(partial(read_upload_picture, message.content, message.name, self._shared.size), begin)

    def _read_video(self, message: messages.Video) -> None:
        def infer(upload: Upload) -> None:
            self._readings.video(message.name, upload.note, upload.frames_thwc, None, self._present())

        self._readings.check()
        self._work(partial(read_upload_video, message.content, message.name, self._shared.size), infer)

    def _save(self, kind: Kind, driver: str) -> None:
        def put(file: SavedFile) -> None:
            self._outbox.put_file({"type": "file", "name": file.name, "notes": file.notes}, file.content)

        if self._outbox.files:
            raise UserError("the file before is still on its way; try again when it has come")
        shared, episodes = self._shared, (*self._finished, Steps.of(self._episode))
        saving = partial(save, shared.world, shared.seed, episodes, kind, pace=self._pace, scripted=self._scripted, driver=driver)
        self._work(saving, put)

    def _infer_episode(self, before: bool) -> None:
        """Let the models read the last steps, as they are shown, of this episode or of the one before."""
        self._readings.check()
        if before and self._before is None:
            raise UserError("there is no clip before this one in which you did something")
        episode, moments = self._before if before and self._before else (self._episode, list(self._moments))
        if len(moments) < 2:
            raise UserError("no steps yet; walk, cast or slash first")
        frames_thwc = np.stack([episode.look(moment).frames_thwc for moment in moments])
        note, labels = f"the last {len(moments) - 1} steps", [list(moment.choice) for moment in moments[1:]]
        self._readings.video(f"clip {episode.clip}", note, frames_thwc, labels, self._present())

    def _present(self) -> NDArray[np.uint8]:
        """What models begin with: the picture, or the world's present frame."""
        frame_hwc: NDArray[np.uint8] = self._episode.look().frames_thwc
        return frame_hwc if self._picture_hwc is None else self._picture_hwc
