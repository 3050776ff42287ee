"""Messages between server and page, version 1: JSON texts, and binary ones that carry JSON and bytes. docs/playground.md lists them.

A binary message is the length of its JSON as 4 bytes, little-endian, the JSON in UTF-8, and the bytes: RGB pixels, row by row, or a file.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from wsprites.errors import UserError
from wsprites.fields import show
from wsprites.playground.episode import VIEWS, Choice, Held, View
from wsprites.world.actions import GlobalAction

VERSION = 1
"""Version of the messages, which the page names first."""
PACES = (5, 10, 20, 30)
"""Steps a second that can be chosen."""
MAX_TEXT, MAX_UPLOAD = 2**12, 2**24
"""Bytes of the longest text, and of the largest file that is accepted."""
_HEADER = 2**10
_WHOLE = 2**53
"""Integers below it are exact in JavaScript."""


class MessageError(UserError):
    """A message that the protocol does not have; the connection is closed."""


@dataclass(frozen=True)
class Hello:
    """The first message of a page."""

    version: int
    clip: int | None = None
    """The clip to begin with; None for any."""


@dataclass(frozen=True)
class Input:
    """What is held down from now on."""

    id: int
    """Counts the inputs of a page; a frame names the last one that it follows from."""
    walk: str | None = None
    animation: str | None = None
    facing: str | None = None
    scene: str | None = None

    @property
    def held(self) -> Held:
        """The same with directions in place of their names."""
        walk, facing, scene = (None if name is None else GlobalAction[name] for name in (self.walk, self.facing, self.scene))
        return Held(walk, self.animation, facing, scene)


@dataclass(frozen=True)
class Act:
    """One step with these labels, at once."""

    global_action: int
    local_action: int
    background_action: int

    @property
    def choice(self) -> Choice:
        """The action."""
        return Choice(self.global_action, self.local_action, self.background_action)


@dataclass(frozen=True)
class NewClip:
    """Another clip."""

    clip: int | None = None


@dataclass(frozen=True)
class Show:
    """The world, or one of its twins."""

    view: View


@dataclass(frozen=True)
class Pace:
    """Steps a second."""

    pace: int


@dataclass(frozen=True)
class Autoplay:
    """The clip's own actions, step by step, as long as nothing is held down."""

    on: bool


@dataclass(frozen=True)
class Code:
    """A code that a model gets in every step from now on; None: the one that matches the true action."""

    model: int
    code: int | None = None


@dataclass(frozen=True)
class Vary:
    """A vector that a model gets in every step from now on; None: none, or the one that matches the true action."""

    model: int
    vector: tuple[float, ...] | None = None
    """Its first numbers; the others are 0."""


@dataclass(frozen=True)
class Follow:
    """How a model follows the videos that it reads, by the name of its mode; None: not at all."""

    model: int
    mode: str | None = None


@dataclass(frozen=True)
class ReadMask:
    """The mask of a model's last frame is sent."""

    model: int


@dataclass(frozen=True)
class Restart:
    """Models begin again at the frame that is shown, or with the picture that they began with."""


@dataclass(frozen=True)
class Infer:
    """Models read the last steps of this episode."""

    before: bool = False
    """True for those of the episode before this one."""


@dataclass(frozen=True)
class Shown:
    """The page has drawn a frame: the number that its message had."""

    frame: int


@dataclass(frozen=True)
class Save:
    """What was done as a file."""

    format: Literal["gif", "mp4", "h5"]
    driver: str = ""
    """Who steered, kept in a data file; empty if that is not to be said."""


@dataclass(frozen=True)
class Picture:
    """A picture that models begin with; the bytes of the file follow."""

    name: str = "picture"
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Video:
    """A video that models read; the bytes of the file follow."""

    name: str = "video"
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Mask:
    """A mask that a model gets in every step from now on, and does a step to; no bytes: the masks of the world again."""

    model: int
    content: bytes = field(default=b"", repr=False)
    """One bit for each pixel of the world's frames, row by row, the first one the highest of its byte."""


_Text = Hello | Input | Act | NewClip | Show | Pace | Autoplay | Code | Vary | Follow | ReadMask | Restart | Infer | Shown | Save
Message = _Text | Picture | Video | Mask
_TEXTS: dict[str, Callable[..., Message]] = {
    "hello": Hello,
    "input": Input,
    "act": Act,
    "clip": NewClip,
    "view": Show,
    "pace": Pace,
    "autoplay": Autoplay,
    "code": Code,
    "vary": Vary,
    "follow": Follow,
    "read_mask": ReadMask,
    "restart": Restart,
    "infer": Infer,
    "shown": Shown,
    "save": Save,
}
_UPLOADS: dict[str, Callable[..., Message]] = {"picture": Picture, "video": Video, "mask": Mask}
_DIRECTIONS = tuple(direction.name for direction in GlobalAction if direction != GlobalAction.stay)
_CHOICES: dict[str, tuple[object, ...]] = {
    "walk": (None, *_DIRECTIONS),
    "facing": (None, *_DIRECTIONS),
    "scene": (None, *_DIRECTIONS),
    "animation": (None, "spellcast", "slash"),
    "view": VIEWS,
    "pace": PACES,
    "format": ("gif", "mp4", "h5"),
}


def read_text(text: str) -> Message:
    """The message of a JSON text. Raises MessageError for anything else."""
    if len(text) > MAX_TEXT:
        raise MessageError(f"a message of {len(text):,} characters; at most {MAX_TEXT:,} are read")
    return _message(text, _TEXTS)


def read_binary(content: bytes) -> Message:
    """The message of JSON and bytes. Raises MessageError for anything else."""
    length = int.from_bytes(content[:4], "little")
    if len(content) < 4 or length > min(_HEADER, len(content) - 4):
        raise MessageError("a binary message without its JSON")
    if len(content) - 4 - length > MAX_UPLOAD:
        raise MessageError(f"a file of more than {MAX_UPLOAD // 2**20} MiB; choose a smaller one")
    try:
        text = content[4 : 4 + length].decode()
    except UnicodeDecodeError:
        raise MessageError("JSON that is not UTF-8") from None
    return _message(text, _UPLOADS, content=content[4 + length :])


def write_binary(header: Mapping[str, Any], content: bytes) -> bytes:
    """A binary message.

    Example:
        >>> write_binary({"a": 1}, b"x")
        b'\\x07\\x00\\x00\\x00{"a":1}x'
    """
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "little") + text + content


def _message(text: str, kinds: Mapping[str, Callable[..., Message]], **bytes_: bytes) -> Message:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise MessageError("a message that is not JSON") from None
    if not isinstance(values, dict) or not isinstance(values.get("type"), str) or values["type"] not in kinds:
        named = values.get("type") if isinstance(values, dict) else values
        raise MessageError(f"there is no message {show(named)}; expected one of {', '.join(kinds)}")
    kind = kinds[name := values.pop("type")]
    types = get_type_hints(kind)
    for key, value in values.items():
        if key not in types or key == "content":
            raise MessageError(f"{name} has no field {show(key)}")
        values[key] = tuple(value) if isinstance(value, list) else value
        if not _fits(key, values[key], types[key]):
            raise MessageError(f"{name}: {key} = {show(value)} is not possible")
    try:
        return kind(**values, **bytes_)
    except TypeError:
        missing = [key for key in types if key not in values and key not in bytes_]
        raise MessageError(f"{name} lacks one of {', '.join(missing)}") from None


def _fits(key: str, value: object, wanted: Any) -> bool:
    """Whether a field may have a value."""
    if key in _CHOICES:
        return value in _CHOICES[key] and not isinstance(value, bool | float)
    if value is None:
        return type(None) in get_args(wanted)
    if key == "vector":
        return isinstance(value, tuple) and len(value) <= 256 and all(_is_number(each) for each in value)
    if key in ("on", "before"):
        return isinstance(value, bool)
    if key in ("name", "mode", "driver"):
        return isinstance(value, str) and len(value) <= 200 and value.isprintable()
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _WHOLE


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e6
