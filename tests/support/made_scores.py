"""Score files made by hand."""

from importlib.metadata import version

from wsprites.bench.scores import INTERVAL, PROTOCOL, DataDescription, Entry, ScoreFile, Settings

DATA = DataDescription("d", "0" * 64, "paper", 90, {"val": 12, "test": 6}, {"val": 12, "test": 6})
FLOORS = {"oracle": 1.0, "best_code": 0.9, "random": 0.1, "classical": 0.95}
VERSIONS = {"numpy": version("numpy"), "h5py": version("h5py"), "pillow": version("pillow"), "sklearn": version("scikit-learn")}
"""The installed ones, which lock.txt has as well."""


def entry(value: float, half: float, unit: str = "", **floors: float) -> Entry:
    return Entry(value, value - half, value + half, unit, 6, {**FLOORS, **floors})


def made(**scores: Entry) -> ScoreFile:
    """A score file; __ in a name stands for a point."""
    entries = {name.replace("__", "."): one for name, one in scores.items()}
    return ScoreFile("a:b", DATA, Settings(INTERVAL, "val", protocol=PROTOCOL), VERSIONS, "", 1.0, entries, {})


LOCAL = entry(0.62, 0.05, state_only=0.5, direction=0.51)
SHIFT = entry(0.97, 0.01, direction=1.0)
LEAK, NUISANCE = entry(0.2, 0.1, random=0.0), entry(0.05, 0.02, random=1.0, oracle=0.0)
WHOLE = {
    "vectors__local__linear": LOCAL,
    "shift__action_accuracy": SHIFT,
    "leakage__background__vectors": LEAK,
    "nuisance__background_motion__vectors": NUISANCE,
    "control__faithful": entry(0.21, 0.1, random_codes=0.2),
    "control__shift__action_accuracy": entry(0.15, 0.01, copy=0.2),
    "drift__position__16": entry(30.0, 2, "px", copy=20.0, random=40.0, oracle=0.0),
}
