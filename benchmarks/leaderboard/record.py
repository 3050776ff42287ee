"""The folder of a run on the leaderboard: its files, what run.json says, and the hashes of both. See RULES.md, 7."""

import hashlib
import json
import os
import platform
import re
import subprocess
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.leaderboard.entries import BUDGETS, TRACKS
from wsprites.bench.scores import ScoreFile, read
from wsprites.errors import UserError
from wsprites.fields import Checked, SpecError, choice, from_json, number, to_json
from wsprites.generate import replace_file
from wsprites.terminal import cores

SUMS, _MAX_BYTES = "SHA256SUMS", 2**24
FILES = ("run.json", "config.json", "log.txt", "scores.json", "task.json", "lock.txt")
"""The files that are hashed, of which config.json is of trained systems alone."""
_MADE = ("run.json", "scores.json")
"""The files of which a folder of a run has one, at least."""
CHECKPOINT = "train/checkpoint.safetensors"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,59}")
_ADDRESS = re.compile(r"https://[a-z0-9][a-z0-9.-]*(:\d{1,5})?/[!-~]+")
_BOARD = re.compile(r"[a-z0-9][a-z0-9.-]{0,79}/bench-\d{1,3}")
_GPU = re.compile(r"\b(nvidia|geforce|tesla|quadro|titan|[rg]tx\w*|radeon|instinct|(?<!no )gpu|[abhpv]\d00)\b", re.IGNORECASE)
"""What the name of a machine with a GPU has. Older ones, such as Tesla T4, do not name their maker."""
_BESIDE_CORES = re.compile(r"\bw(ith|/) radeon( vega)?( mobile)? (graphics|gfx|\d{3,4}[ms]\b)", re.IGNORECASE)
"""Graphics in the name of a processor, which computes nothing here."""
_CORES = re.compile(r"(?<!of )(?<!\d)(\d+)(?: of \d+)? cores?\b", re.IGNORECASE)
"""The number of cores that were used, as `machine` says it, or how many there are."""


def _check_lines(record: object, *names: str) -> None:
    for name in names:
        text = getattr(record, name)
        if not text.isprintable() or len(text) > 2000:
            raise SpecError(f"{name} is not a line of text")


@dataclass(frozen=True)
class Training(Checked):
    """What training took."""

    steps: int = number(0, 0, 10**9)
    """Steps done."""
    planned: int = number(0, 0, 10**9)
    """Steps of the schedule; more than were done where the time was over."""
    frames: int = number(0, 0, 2**50)
    """Frames of its batches: steps x batch x window. Those of a GLASS that is trained first are not counted."""
    parameters: int = number(0, 0, 2**50)
    """Numbers in the checkpoint."""
    seconds: float = number(0.0, 0.0, 1e9)
    """From the start to the last checkpoint, interruptions left out."""
    machine: str = ""
    """Processor, cores used, and GPU."""
    versions: str = ""
    """Of wsprites and torch, as the checkpoint says."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_lines(self, "machine", "versions")


@dataclass(frozen=True)
class Record(Checked):
    """What run.json says."""

    system: str = ""
    """Name of the row."""
    track: str = choice("unsupervised", *TRACKS)
    budget: str = choice("open", *BUDGETS)
    board: str = ""
    """Data and protocol, such as wsprites-factorial-v1/bench-2; of the first clips alone, wsprites-factorial-v1-first-24/bench-2."""
    seed: int = number(0, 0, 2**62)
    words: str = ""
    """What the system is, in a line."""
    model: str = CHECKPOINT
    """The checkpoint, from the folder of the run, or package.module:factory."""
    command: str = ""
    """What trains it."""
    commit: str = ""
    """Of the source that trained and scored it; ends in "+" if files had been changed."""
    evaluations: int = number(0, 0, 10**6)
    """How often this run was scored on the published clips."""
    training: Training = Training()
    checkpoint: str = field(default="", metadata={"added": True})
    """Where the checkpoint can be fetched: an https address. Empty, and not in the file, where that is not said."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_lines(self, "system", "words", "board", "model", "command", "commit", "checkpoint")
        if self.checkpoint and not _ADDRESS.fullmatch(self.checkpoint):
            raise SpecError(f"checkpoint = {self.checkpoint!r:.80} is not an address of the form https://HOST/PATH")
        if not _NAME.fullmatch(self.system):
            raise SpecError(f"system = {self.system!r:.80} is not a name of a-z, 0-9, - and .")
        if self.board and not _BOARD.fullmatch(self.board):
            raise SpecError(f"board = {self.board!r:.80} is not of the form DATA/bench-N, such as wsprites-factorial-v1/bench-2")

    @property
    def path(self) -> Path:
        """The folder of the run, from the folder of all."""
        return Path(self.board) / self.budget / self.system / f"seed-{self.seed}"


@dataclass(frozen=True)
class RunFolder:
    """A run whose files were read."""

    folder: Path
    record: Record
    scores: ScoreFile
    success: dict[str, float]
    """Results of the downstream task by name; empty without."""


def read_record(folder: Path) -> Record:
    """run.json of a folder. Raises UserError if it is missing or damaged."""
    path = folder / "run.json"
    try:
        return from_json(Record("x"), read_text(path))
    except SpecError as error:
        raise UserError(f"{path}: {error}") from None


def read_run(folder: Path) -> RunFolder:
    """All of a folder. Raises UserError if a file is missing or damaged."""
    record, task = read_record(folder), folder / "task.json"
    return RunFolder(folder, record, read(folder / "scores.json"), _success(task) if task.is_file() else {})


def _success(path: Path) -> dict[str, float]:
    try:
        values = json.loads(read_text(path))["success"]
        success = {str(name): float(value) for name, value in values.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UserError(f"{path}: not the results of the task; `python -m benchmarks.leaderboard.run` writes them") from None
    if len(success) > 100 or not all(0 <= value <= 1 and name.isprintable() for name, value in success.items()):
        raise UserError(f"{path}: a rate of success is outside the range 0 to 1")
    return success


def read_text(path: Path) -> str:
    """The text of a file. Raises UserError if it is missing, larger than 16 MiB or not UTF-8."""
    try:
        if path.exists() and not path.is_file():  # a device has no end
            raise UserError(f"{path}: not a file")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise UserError(f"{path}: more than {_MAX_BYTES // 2**20} MiB")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None


def folders(root: Path) -> list[Path]:
    """The folders of runs in a folder of all, of a board, a budget or a system, or the run itself, in the order of their names.

    One with a record alone is among them, although it cannot be read: a run that was begun is never left out.
    """
    below = ("/".join([*["*"] * depth, "seed-*", name]) for depth in range(5) for name in _MADE)
    found = {path.parent for pattern in below for path in root.glob(pattern)}
    return sorted(found | ({root} if any((root / name).is_file() for name in _MADE) else set()))


def write_record(folder: Path, record: Record, *, lock: bool = True) -> None:
    """Write run.json, lock.txt and the hashes of all files.

    Args:
        folder: of the run.
        record: what run.json says.
        lock: False leaves a lock.txt as it is that is there: the packages of scores that were made earlier.
    """
    replace_file(folder / "run.json", (json.dumps(json.loads(to_json(record)), indent=1) + "\n").encode())
    if lock or not (folder / "lock.txt").is_file():
        replace_file(folder / "lock.txt", "".join(f"{line}\n" for line in installed()).encode())
    replace_file(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in hashed(folder).items()).encode())


def hashed(folder: Path) -> dict[str, str]:
    """SHA-256 by name of those of FILES that a folder has."""
    return {name: sha256(folder / name) for name in FILES if (folder / name).is_file()}


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 by name, as the folder says them. Raises UserError if there are none, or one of another kind of file."""
    lines = read_text(folder / SUMS).splitlines()
    found = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if not found or not found.keys() <= set(FILES) or len(found) < len(lines):
        raise UserError(f"{folder / SUMS}: expected lines of a hash, two spaces and one of {', '.join(FILES)}")
    return found


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def escaped(text: str) -> str:
    """Text as a cell of a Markdown table in which nothing is markup.

    Example:
        >>> escaped("a | b <i>"), escaped("[a](b)")
        ('a / b &#60;i&#62;', '&#91;a&#93;(b)')
    """
    return re.sub(r"[&<>\"'`*\[\]\\]", lambda found: f"&#{ord(found[0])};", text.replace("|", "/"))


@cache
def installed() -> list[str]:
    """Names and versions of all installed packages, as pip freeze prints them."""
    return sorted({f"{one.metadata['Name']}=={one.version}" for one in distributions() if one.metadata["Name"]}, key=str.lower)


def machine(*, gpu: bool) -> str:
    """The processor, the cores that this process may use, and the GPU if it is used."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor() or "unknown")
    text = f"{name}, {cores()} of {os.cpu_count()} cores"
    if gpu:
        import torch

        text += f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return text


def has_gpu(machine: str) -> bool:
    """Whether the name of a machine has that of a GPU.

    Example:
        >>> has_gpu("Intel Xeon, 2 of 2 cores, Tesla T4"), has_gpu("AMD Ryzen 7 5800H with Radeon Graphics, 2 of 16 cores")
        (True, False)
    """
    return bool(_GPU.search(_BESIDE_CORES.sub("", machine)))


def cores_used(machine: str) -> int:
    """The number of cores that the name of a machine says were used; 0 if it does not say it in digits.

    Example:
        >>> cores_used("AMD EPYC, 2 of 64 cores"), cores_used("128 cores"), cores_used("AMD EPYC, one thread of 8 cores")
        (2, 128, 0)
    """
    found = _CORES.search(machine)
    return int(found[1][:9]) if found else 0


@cache
def commit() -> str:
    """The commit of the source, with "+" if tracked files were changed; empty outside of a checkout."""
    root = Path(__file__).parents[2]
    try:
        head, changed = (
            subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, check=True).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + "+" * bool(changed)
