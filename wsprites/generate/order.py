"""What a data file is to hold."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.errors import ArgumentError, UserError
from wsprites.file import CODECS, DataFile, Facts, differences
from wsprites.world.script import shard_clips
from wsprites.world.spec import WorldSpec

_MOST_CLIPS = 10**9


@dataclass(frozen=True)
class Order:
    """What a data file is to hold.

    Raises:
        ArgumentError: a value is outside its range.
    """

    world: World
    """The world with its art."""
    seed: int
    """Seed for all random draws, 0 to 2**63 - 1."""
    n: int
    """Number of clips over all splits, 1 to 1,000,000,000."""
    compression: str = "zstd"
    """Name of a codec: zstd, gzip, lz4 or none."""
    frames: bool = True
    """Whether to store frames."""
    masks: bool = True
    """Whether to store masks; without frames they are not stored either."""
    shard: tuple[int, int] = (1, 1)
    """(k, K): the k-th of K files that together hold the data set."""

    def __post_init__(self) -> None:
        if not isinstance(self.world, World):
            raise ArgumentError("world", f"a {type(self.world).__name__}, not a World; wsprites.art.load_world makes one")
        size = self.world.art.backgrounds.images.shape[1:3]
        if size != self.spec.background_size:
            raise ArgumentError(
                "world",
                f"its backgrounds have (height, width) {size}, not {self.spec.background_size}; load_world(spec) loads them in this size",
            )
        for name in ("n", "seed"):
            if not isinstance(getattr(self, name), int | np.integer):
                raise ArgumentError(name, f"{getattr(self, name)!r} is not a whole number")
        if not 1 <= self.n <= _MOST_CLIPS:
            raise ArgumentError("n", f"{self.n} is outside the range 1 to {_MOST_CLIPS:,}")
        if not 0 <= self.seed < 2**63:
            raise ArgumentError("seed", f"{self.seed} is outside the range 0 to {2**63 - 1}")
        if self.compression not in CODECS:
            raise ArgumentError("compression", f"{self.compression!r} is not one of {', '.join(CODECS)}")
        number, shards = self.shard
        if number < 1:
            raise ArgumentError("shard", f"{number}/{shards}: shards are numbered from 1 to {shards}, so k is at least 1")
        if number > shards:
            larger = f"k = {number} is larger than K = {shards}, the number of all shards"
            raise ArgumentError("shard", f"{number}/{shards}: {larger}, which is the same for every k")
        if shards > self.n:
            raise ArgumentError("shard", f"{number}/{shards}: more shards than clips ({self.n})")

    @property
    def spec(self) -> WorldSpec:
        """The specification of the world."""
        return self.world.spec

    @property
    def clips(self) -> range:
        """Indices of the clips in the file."""
        return shard_clips(self.n, self.shard)

    @property
    def visit_n(self) -> NDArray[np.int64]:
        """(N,) int64: indices of the clips in the order in which they are made, those of one character together, to draw it once."""
        index_n = np.arange(self.clips.start, self.clips.stop)
        return index_n[np.argsort(index_n % self.spec.cast.characters, kind="stable")]

    @property
    def pixels(self) -> tuple[str, ...]:
        """Which of "frames" and "masks" the file is to hold."""
        return tuple(name for name, wanted in (("frames", self.frames), ("masks", self.frames and self.masks)) if wanted)

    @property
    def facts(self) -> Facts:
        """Everything that determines the bytes of the file."""
        art = self.world.art
        return Facts(self.spec, self.seed, self.n, self.shard, self.pixels, self.compression, art.credits, art.sha256)


def order_like(path: Path, *, shard: tuple[int, int] = (1, 1)) -> Order:
    """What a data file was made from, with its world, art, seed and number of clips, for any part of that data set.

    Args:
        path: a data file, any shard of the data set or all of it.
        shard: (k, K), the part that is wanted.

    Raises:
        UserError: the file cannot be read, was made with other versions, or has no such part.
    """
    with DataFile(path) as data:
        order = order_of(data)
        if different := differences(data.facts, order.facts):
            raise UserError(f"{path}: cannot be continued here: {different}; use the versions that made it")
    return replace(order, shard=shard)


def order_of(data: DataFile) -> Order:
    """The order that a file was made from. Loads the art in the file. Raises UserError for recorded episodes, which none made."""
    if data.driver is not None:
        raise UserError(f"{data.path}: holds recorded episodes, which no seed makes again; use a file of generated clips")
    stored = data["train"].stored
    return Order(data.world, data.seed, data.clips, data.compression, "frames" in stored, "masks" in stored, data.shard)
