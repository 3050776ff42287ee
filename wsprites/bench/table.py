"""Tables of scores as text and as Markdown. `python -m wsprites.bench.table scores.json ...` prints a Markdown table of score files.

Score files of several runs of one system (`wsprites bench --system NAME`) become one column.
"""

import json
import math
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from wsprites.bench.direction import rule_of
from wsprites.bench.floors import Baseline, ceiling, less_is_better, strongest_floor
from wsprites.bench.headline import headlines, sentence
from wsprites.bench.runs import joined
from wsprites.bench.scores import PROTOCOL, Entry, ScoreFile, read
from wsprites.errors import UserError

TABLE = (
    "codes.perplexity",
    "codes.switch_rate",
    *(f"{source}.{name}" for source in ("local", "global", "background") for name in ("matched_accuracy", "ami", "nmi", "conditional")),
    *("local.facing.conditional", "local.animation.conditional"),
    *("local.onset.matched_accuracy", "local.onset.ami", "local.standing.ami", "local.walking.ami", "local.per_character.nmi"),
    *(f"vectors.{source}.{kind}" for source in ("local", "global", "background") for kind in ("linear", "mlp")),
    *("leakage.background.codes", "leakage.background.vectors"),
    *("shift.mean", "shift.p95", "shift.angle", "shift.action_accuracy", "background_shift.mean", "background_shift.angle"),
    *("masks.soft_iou", "masks.hard_iou", "masks.boundary_f"),
    *(
        "null.codes",
        "null.vectors",
        "null.shift",
        "nuisance.repeat.codes",
        "nuisance.background_motion.codes",
        "nuisance.background.codes",
        "nuisance.character.codes",
        "nuisance.repeat.vectors",
        "nuisance.background_motion.vectors",
        "nuisance.background.vectors",
        "nuisance.character.vectors",
    ),
    *("control.unreadable", "control.ghost", "control.consistency", "control.faithful"),
    *("control.shift.mean", "control.shift.action_accuracy", "control.delta_psnr"),
    *(
        "drift.local.4",
        "transfer.local.4",
        "drift.position.1",
        "drift.position.16",
        "transfer.position.16",
        "drift.psnr.16",
        "drift.lpips.16",
    ),
    *("images.fid", "images.fvd"),
)
"""The scores that the table shows; a score file has all of them."""
WIDTH = 100
"""Columns of the text that is printed."""
_MODEL_WIDTH = 22  # of a model's name
_REFERENCE = Path(__file__).parent / "reference"


def names_in_table(files: Sequence[ScoreFile]) -> list[str]:
    """The scores that a table of score files of the same data shows: those of TABLE, and all of videos, which have few."""
    scored = {name for file in files for name in file.scores}
    if any(file.data.videos for file in files):
        return sorted(scored, key=lambda name: [(int(part), "") if part.isdigit() else (0, part) for part in name.split(".")])
    return [name for name in TABLE if name in scored]


def not_scored(file: ScoreFile) -> list[tuple[str, str]]:
    """The scores that are missing from data without labels, as names separated by commas, and the reason."""
    reasons = dict.fromkeys(file.not_scored.values())
    return [(", ".join(name for name, why in file.not_scored.items() if why == reason), reason) for reason in reasons]


def missing_table(files: Sequence[ScoreFile]) -> str:
    """`not_scored` of score files as text; the empty string if nothing is missing."""
    lines = []
    for file in files:
        rows = not_scored(file)
        width = max((len(names) for names, _ in rows), default=0)
        lines += [f"not scored of {file.model}"] * bool(rows) + [f"  {names.ljust(width)}  {reason}" for names, reason in rows]
    return "\n".join(lines)


def headline_lines(file: ScoreFile) -> str:
    """The headline scores of a model as text of WIDTH columns: one or two sentences, then what each score says, and the score below it."""
    text = textwrap.fill(f"{file.model}: {sentence(file)}", WIDTH, break_long_words=False, break_on_hyphens=False)
    answers = headlines(file)
    scored = [one for one in answers if one.entry]
    rows = [
        [f"  {one.name}", " ".join(_cells(one.entry)), _of(one.floor), number(one.ceiling.value) if one.ceiling else "-"] for one in scored
    ]
    head, *lines = _aligned([["  score", "value, 95 %", "strongest floor", "ceiling"], *rows], str.ljust, "  ")
    line_of = {one.question: line for one, line in zip(scored, lines, strict=True)}
    shown = [text, *([head] if scored else [])]
    for one in answers:
        shown.append(f"{one.question.group}, {one.question.title}: {one.says if one.entry else one.reason}")
        shown += [line_of[one.question]] if one.entry else []
    return "\n".join(shown)


def _of(baseline: Baseline | None) -> str:
    return f"{number(baseline.value)} {baseline.name}" if baseline else "-"


def _strongest(name: str, files: Sequence[ScoreFile]) -> Baseline | None:
    """The strongest floor of all models of the same data: some floors, such as random codes, depend on the model."""
    floors = [floor for file in files if name in file.scores and (floor := strongest_floor(name, file.scores[name]))]
    return (min if less_is_better(name) else max)(floors, key=lambda floor: floor.value, default=None)


def table(files: Sequence[ScoreFile]) -> str:
    """The main scores of models of the same data as text, beside the strongest floor and the ceiling.

    The best model comes first, by the first score that all have. Of several models, two stand side by side where WIDTH columns are enough,
    and the names of floors are left out. An arrow at the end says whether more or less of a score is better.
    """
    names = names_in_table(files)
    by = next((name for name in names if _arrow(name) and all(name in file.scores for file in files)), "")
    files = sorted(files, key=lambda file: _worst_first(by, file), reverse=True) if by else files
    pairs = [_side_by_side(files[at : at + 2], files, names) for at in range(0, len(files), 2)]
    driven = [f"{_short(file.model)}: video driven by the true actions, a ceiling" for file in files if file.settings.rollout_actions]
    return "\n\n".join([*pairs, "\n".join(["↑ more is better, ↓ less is better; where neither stands, the score is a property", *driven])])


def _side_by_side(shown: Sequence[ScoreFile], files: Sequence[ScoreFile], names: Sequence[str]) -> str:
    """The columns of some models in at most WIDTH columns: nearer to each other, or below each other, where they are too wide."""
    for gap in ("  ", " "):
        text = _table(shown, files, names, gap)
        if max(map(len, text.splitlines())) <= WIDTH:
            return text
    return "\n\n".join(_table([file], files, names, "  ") for file in shown)


def _table(shown: Sequence[ScoreFile], files: Sequence[ScoreFile], names: Sequence[str], gap: str) -> str:
    """The columns of some models beside the strongest floors of all."""
    rows = [["", *(_short(file.model) for file in shown), "strongest floor" if len(files) == 1 else "floor", "ceiling", ""]]
    for name in names:
        first, entries = next(file.scores[name] for file in files if name in file.scores), [file.scores.get(name) for file in shown]
        best, floor = ceiling(name, first), _strongest(name, files)
        cells = (" ".join(_cells(entry)[:2]).strip() for entry in entries)
        floor_cell = _of(floor) if len(files) == 1 or not floor else number(floor.value)
        rows.append([_with_unit(name, first), *cells, floor_cell, number(best.value if best else math.nan), _arrow(name)])
    return "\n".join(_aligned(rows, str.rjust, gap))


def _worst_first(name: str, file: ScoreFile) -> float:
    """A score as a key to sort by: larger is better, and NaN is worst."""
    value = file.value(name)
    return -math.inf if math.isnan(value) else -value if less_is_better(name) else value


def _short(model: str) -> str:
    """The end of a model's name that fits a column."""
    return model if len(model) <= _MODEL_WIDTH else f"...{model[3 - _MODEL_WIDTH :]}"


def _arrow(name: str) -> str:
    """↑ where more of a score is better, ↓ where less is; empty where neither."""
    try:
        return {"more": "↑", "less": "↓", "neither": ""}[rule_of(name).better]
    except KeyError:  # of a file by another version
        return ""


def _with_unit(name: str, entry: Entry) -> str:
    return f"{name}, {entry.unit}" if entry.unit else name


def _aligned(rows: Sequence[Sequence[str]], justify: Callable[[str, int], str], gap: str) -> list[str]:
    """Rows as lines with columns of equal width, the first to the left; the last cell of a shorter row may be wider than its column.

    `gap` is what stands between columns.
    """
    columns = len(rows[0])
    widths = [max(len(row[at]) for row in rows if at < len(row) - (len(row) < columns)) for at in range(columns)]
    return [gap.join([row[0].ljust(widths[0]), *map(justify, row[1:], widths[1:])]).rstrip() for row in rows]


_MARKDOWN = (
    *("local.matched_accuracy", "local.onset.matched_accuracy", "local.ami", "local.standing.ami", "local.conditional", "global.ami"),
    *("vectors.local.linear", "leakage.background.vectors"),
    *("shift.mean", "shift.action_accuracy", "background_shift.mean", "masks.soft_iou", "nuisance.background_motion.codes"),
    *("control.faithful", "control.shift.action_accuracy", "control.delta_psnr", "drift.position.16"),
)


def markdown(files: Sequence[ScoreFile]) -> str:
    """A short Markdown table of several models: each score beside its strongest floor on the data of each model, and the ceiling."""
    data = {file.data.sha256: file.data for file in files}
    floors = [f"strongest floor, `{one.world}`" for one in data.values()]
    names = [f"{Path(file.model.rsplit(':')[-1]).stem}, `{file.data.world}`" for file in files]
    names = [f"{name}, true actions given" if file.settings.rollout_actions else name for name, file in zip(names, files, strict=True)]
    lines = [f"| score | {' | '.join([*floors, 'ceiling', *names])} |", "| --- |" + " ---: |" * (len(floors) + 1 + len(files))]
    for name in _MARKDOWN:
        entries = [file.scores.get(name) for file in files]
        if first := next(filter(None, entries), None):
            strongest = (_strongest(name, [file for file in files if file.data.sha256 == sha256]) for sha256 in data)
            best, unit = ceiling(name, first), f", {first.unit}" if first.unit else ""
            cells = [*map(_of, strongest), number(best.value if best else math.nan)]
            cells += [" ".join(_cells(entry)[:2]).strip() for entry in entries]
            lines.append(f"| `{name}`{unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(entry: Entry | None) -> list[str]:
    """Value, interval with the range of several runs, and unit."""
    if entry is None:
        return [number(math.nan), "", ""]
    interval = "" if math.isnan(entry.low) else f"[{number(entry.low)}, {number(entry.high)}]"
    if entry.runs:
        interval = f"{interval} ({number(min(entry.runs))} to {number(max(entry.runs))})".strip()
    return [number(entry.value), interval, entry.unit]


def number(value: float) -> str:
    """A value with as many digits as a table needs; "-" for NaN."""
    return "-" if math.isnan(value) else f"{value:z.3f}" if abs(value) < 100 else f"{value:.0f}"


def reference_values(name: str, sha256: str) -> dict[str, float]:
    """Scores of the classical model on a standard world, if they are of this protocol and of the data with this hash; empty otherwise."""
    path = _REFERENCE / f"{name}.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return dict(stored["figures"]) if (stored.get("sha256"), stored.get("protocol")) == (sha256, PROTOCOL) else {}


def reference(file: ScoreFile) -> str:
    """The JSON that is kept of the classical model's scores on a standard world, which stand beside those of other models."""
    kept = {name: round(file.value(name), 4) for name in sorted(file.scores) if "reader" not in name and not math.isnan(file.value(name))}
    about = {"model": file.model, "sha256": file.data.sha256, "protocol": file.settings.protocol, "versions": file.versions}
    return json.dumps({**about, "figures": kept}, indent=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the Markdown table of score files, or with --reference `reference` of one; of a UserError its line, and exit with code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    names = [name for name in given if name != "--reference"]
    try:
        if not names or ("--reference" in given and len(names) > 1):
            wanted = "one score file" if "--reference" in given else "score files"
            raise UserError(f"{len(names)} files are given, expected {wanted}; wsprites bench --out writes one")
        files = [read(Path(name)) for name in names]
        text = reference(*files) if "--reference" in given else markdown(joined(files))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(text)


if __name__ == "__main__":
    main()
