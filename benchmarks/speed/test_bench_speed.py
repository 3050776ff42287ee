"""How fast the instrument is: frames/s of the reader, and seconds for all scores of a million transitions with their controls."""

from typing import Any

import numpy as np

from wsprites.bench import data
from wsprites.bench.evaluation import score
from wsprites.bench.protocol import Arrays
from wsprites.bench.reader import Reader
from wsprites.world.script import scripts, split_indices


def test_reader(benchmark: Any) -> None:
    part = data.standard("wsprites-paper-v1", clips=2).scored
    reader, frames = Reader(part.art, int(part.script.character[0]), part.spec.facings), part.clip(0).frames_thwc
    benchmark.pedantic(lambda: reader.read(frames), rounds=5, warmup_rounds=1)
    benchmark.extra_info["frames_per_s"] = round(len(frames) / benchmark.stats.stats.median)


def test_million_transitions(benchmark: Any) -> None:
    few = data.standard("wsprites-paper-v1", clips=2).scored
    indices = split_indices(few.spec, 0, 130_000)
    fit, scored = (
        data.Part(name, few.world, scripts(few.spec, 0, indices[name][:clips])) for name, clips in (("val", 200), ("test", 11_236))
    )
    rng, arrays = np.random.default_rng(0), list[Arrays]()
    for part in (fit, scored):
        local, shape = part.sources().labels[1], (len(part), part.spec.frames - 1)
        code = np.where(rng.random(shape) < 0.3, rng.integers(0, 6, shape), local % 6)
        vectors = np.eye(16, dtype=np.float32)[code] + rng.normal(size=(*shape, 16)).astype(np.float32)
        arrays.append({"codes": code, "vectors": vectors, "shift": part.script.shift[:, 1:] + rng.normal(size=(*shape, 2))})
    million = data.Data("a million", fit, scored, "")
    benchmark.pedantic(lambda: score(million, arrays[0], arrays[1], 6), rounds=1)
    benchmark.extra_info["transitions"] = arrays[1]["codes"].size
