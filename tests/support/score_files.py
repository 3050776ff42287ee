"""Score files of models that are as good as the values of their clips say."""

import numpy as np

from wsprites.bench import scores
from wsprites.bench.metrics import interval
from wsprites.bench.scores import DataDescription, Entry, ScoreFile, Settings, stored_replicates

CHARACTERS, SCENES = 20, 12


def clips(seed: int) -> tuple[interval.Clusters, np.ndarray, np.random.Generator]:
    """Groups of 300 clips, and how easy each clip is, which depends on its character and scene."""
    rng = np.random.default_rng(seed)
    character, scene = rng.integers(0, CHARACTERS, 300), rng.integers(0, SCENES, 300)
    easy = rng.normal(0, 0.1, CHARACTERS)[character] + rng.normal(0, 0.1, SCENES)[scene] + rng.normal(0, 0.05, 300)
    return interval.Clusters(character, scene), 0.5 + easy, rng


def file_of(values: dict[str, interval.Score]) -> ScoreFile:
    """A score file, as it is read after it was written."""
    entries = {name: Entry(one.value, one.low, one.high, one.unit, one.clips, {}, stored_replicates(one)) for name, one in values.items()}
    data = DataDescription("d", "0" * 64, "paper", 90, {"val": 12, "test": 6}, {"val": 12, "test": 6})
    file = ScoreFile("a:b", data, Settings(scores.INTERVAL, "val", protocol=scores.PROTOCOL), {}, "", 1.0, entries, {})
    return ScoreFile.from_json(file.to_json())


def free(value_n: np.ndarray, clusters: interval.Clusters) -> interval.Score:
    """The mean of a value that has no limits."""
    return interval.mean(value_n, clusters, least=-np.inf, most=np.inf)
