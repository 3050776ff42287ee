"""Scores -> JSON, a table for the terminal, comparison with a baseline. The HTML page is in page.py."""

import json
import math
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wsprites.bench.data import Data, machine
from wsprites.bench.evaluate import Scores
from wsprites.bench.metrics.interval import DRAWS
from wsprites.errors import UserError

FORMAT, FORMAT_VERSION = "wsprites-scores", 1
_MOST_BYTES = 2**28
_COLUMNS = ("random", "majority", "shuffled", "state_only", "direction", "best_code", "copy", "other_clips", "classical", "oracle")
REFERENCE = Path(__file__).parent / "reference"

TABLE = (
    "codes.perplexity",
    *(f"{source}.{name}" for source in ("local", "global", "background") for name in ("matched_accuracy", "ami", "nmi", "conditional")),
    *("local.standing.ami", "local.walking.ami", "local.per_character.nmi"),
    *(f"vectors.{source}.{kind}" for source in ("local", "global", "background") for kind in ("linear", "mlp")),
    *("shift.mean", "shift.p95", "shift.angle", "shift.action_accuracy", "background_shift.mean", "background_shift.angle"),
    *("masks.soft_iou", "masks.hard_iou", "masks.boundary_f"),
    *(
        "null.codes",
        "null.vectors",
        "null.shift",
        "nuisance.background_motion.codes",
        "nuisance.background.codes",
        "nuisance.character.codes",
        "nuisance.background_motion.vectors",
        "nuisance.background.vectors",
        "nuisance.character.vectors",
    ),
    *("reader.position", "reader.local", "control.consistency", "control.faithful", "control.shift.mean", "control.delta_psnr"),
    *("drift.position.1", "drift.position.16", "drift.psnr.16", "drift.lpips.16", "images.fid", "images.fvd"),
)
"""The figures that the table shows; the score file has all of them."""


def to_json(scores: Scores, model: str, data: Data, seconds: float, weights: dict[str, str] | None = None) -> dict[str, Any]:
    """Everything that a score file says; `weights` are the hashes of the files that networks came from."""
    figures: dict[str, Any] = {}
    for name, one in sorted(scores.figures.items()):
        others = {who: of[name].to_json()["value"] for who, of in scores.controls.items() if name in of}
        figures[name] = {**one.to_json(), "controls": others}
    reference = _reference(data)
    for name in figures.keys() & reference:
        figures[name]["controls"]["classical"] = reference[name]
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": model,
        "data": data.describe(),
        "config": {
            "interval": "95 %, percentiles of the bootstrap over clips",
            "draws": DRAWS,
            "maps_fitted_on": data.fit.name,
            **({"weights": weights, "torch": version("torch")} if weights else {}),
        },
        **machine(),
        "seconds": round(seconds, 1),
        "figures": figures,
        "confusion": scores.confusion,
    }


def _reference(data: Data) -> dict[str, float]:
    """Figures of the classical baseline on a standard world, as they were measured with this very data."""
    path = REFERENCE / f"{data.name}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return dict(known["figures"]) if known.get("sha256") == data.sha256 else {}


def write(path: Path, scores: dict[str, Any]) -> None:
    """Write a score file. Raises UserError where that is not possible."""
    try:
        path.write_text(json.dumps(scores, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def read(path: Path) -> dict[str, Any]:
    """A score file. Raises UserError if it is none, or of a newer version."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: too large for a score file")
        scores = json.loads(path.read_text(encoding="utf-8"))
        if scores["format"] != FORMAT or scores["format_version"] > FORMAT_VERSION:
            raise UserError(
                f"{path}: a score file of format {scores['format']!r:.40} {scores['format_version']!r:.20}, not {FORMAT} {FORMAT_VERSION}"
            )
        for name, one in scores["figures"].items():
            if not isinstance(name, str) or not isinstance(one["value"], float | int | None):
                raise TypeError(f"figure {name!r:.60}")
        if not {"sha256", "name"} <= scores["data"].keys():
            raise KeyError("data")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not a score file ({type(error).__name__}: {str(error)[:80]}); wsprites bench --out writes one") from None
    return dict(scores)


def table(every: Sequence[dict[str, Any]]) -> str:
    """The main figures as text: of one system with its floors and ceilings, of several side by side."""
    names = [name for name in TABLE if any(name in scores["figures"] for scores in every)]
    if len(every) == 1:
        figures = every[0]["figures"]
        columns = [who for who in _COLUMNS if any(who in figures[name]["controls"] for name in names)]
        head = ["", every[0]["model"], "95 %", "", *columns]
        rows = [[name, *_cells(figures[name]), *(_number(figures[name]["controls"].get(who)) for who in columns)] for name in names]
    else:
        head = ["", *(scores["model"] for scores in every)]
        rows = [[name, *(" ".join(_cells(scores["figures"].get(name, {}))[:2]) for scores in every)] for name in names]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) if not n else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in (head, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


_MARKDOWN = (
    *("local.matched_accuracy", "local.ami", "local.standing.ami", "local.conditional", "global.ami", "vectors.local.linear"),
    *("shift.mean", "shift.action_accuracy", "background_shift.mean", "masks.soft_iou", "nuisance.background_motion.codes"),
    *("control.faithful", "control.delta_psnr", "drift.position.16"),
)


def markdown(every: Sequence[dict[str, Any]]) -> str:
    """A short table of systems, with floors and ceilings on the data of the first, for a README."""
    known = ("random", "direction", "best_code", "oracle")
    names = [f"{Path(scores['model'].rsplit(':')[-1]).stem}, `{scores['data']['world']}`" for scores in every]
    lines = ["| score | " + " | ".join([*known, *names]) + " |"]
    lines.append("| --- |" + " ---: |" * (len(known) + len(every)))
    for name in _MARKDOWN:
        ones = [scores["figures"].get(name, {}) for scores in every]
        if any(ones):
            unit = next(one["unit"] for one in ones if one)
            controls = next(one["controls"] for one in ones if one)
            cells = [*(_number(controls.get(who)) for who in known), *(" ".join(_cells(one)[:2]).strip() for one in ones)]
            lines.append(f"| `{name}`{', ' + unit if unit else ''} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(one: dict[str, Any]) -> list[str]:
    interval = f"[{_number(one['low'])}, {_number(one['high'])}]" if one.get("low") is not None else ""
    return [_number(one.get("value")), interval, one.get("unit", "")]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:z.3f}" if abs(value) < 100 else f"{value:.0f}"


_BY_NETWORKS = ("drift.lpips.", "images.")
_RULE = re.compile(r"([\w.]+)\s*([<>])\s*([+-]?(?:\d+\.?\d*|\.\d+))")


def check_rules(data: dict[str, Any], baseline: dict[str, Any], rules: Sequence[str]) -> list[tuple[str, str, float]]:
    """Name, sign and limit of each rule, checked as far as that is possible before anything is scored.

    Raises:
        UserError: a rule of another form, a figure that the baseline lacks, or a baseline of other data than `data` (`Data.describe`).
    """
    if data["sha256"] != baseline["data"]["sha256"]:
        raise UserError(f"the baseline is of other data ({baseline['data']['name']}, not {data['name']}); compare on the same")
    parsed = []
    for rule in rules:
        match = _RULE.fullmatch(rule.strip())
        if not match:
            raise UserError(f"--fail-on {rule!r}: expected NAME<NUMBER or NAME>NUMBER, such as 'local.matched_accuracy<-0.02'")
        if baseline["figures"].get(match[1], {}).get("value") is None:
            raise UserError(f"--fail-on {rule!r}: the baseline has no figure {match[1]!r}")
        parsed.append((match[1], match[2], float(match[3])))
    return parsed


def regressions(new: dict[str, Any], baseline: dict[str, Any], rules: Sequence[str]) -> list[str]:
    """A line for each rule that is broken. `local.matched_accuracy<-0.02` is broken if new minus baseline is below -0.02; `>` likewise.

    Raises:
        UserError: a rule of another form, a figure that one of both lacks, or scores of different data or by different networks.
    """
    broken = []
    for rule, (name, sign, limit) in zip(rules, check_rules(new["data"], baseline, rules), strict=True):
        if new["figures"].get(name, {}).get("value") is None:
            raise UserError(f"--fail-on {rule!r}: the new scores have no figure {name!r}")
        if name.startswith(_BY_NETWORKS) and new.get("config", {}).get("weights") != baseline.get("config", {}).get("weights"):
            raise UserError(f"--fail-on {rule!r}: the baseline is by other weights; compare with the same files in --weights")
        change = new["figures"][name]["value"] - baseline["figures"][name]["value"]
        if (change < limit) if sign == "<" else (change > limit):
            broken.append(
                f"{name}: {baseline['figures'][name]['value']:.4f} -> {new['figures'][name]['value']:.4f}, {change:+.4f} {sign} {limit:g}"
            )
    return broken


def changes(new: dict[str, Any], baseline: dict[str, Any]) -> str:
    """The main figures that differ, new beside baseline."""
    lines = []
    for name in TABLE:
        a, b = (scores["figures"].get(name, {}).get("value") for scores in (baseline, new))
        if a is not None and b is not None and not math.isclose(a, b, abs_tol=5e-4):
            lines.append(f"{name:<36} {a:8.3f} -> {b:8.3f}  {b - a:+.3f}")
    return "\n".join(lines) or "no figure of the table differs"


def reference(scores: dict[str, Any]) -> dict[str, Any]:
    """What is kept of the classical baseline's scores of a standard world, to stand beside those of others."""
    kept = {name: round(one["value"], 4) for name, one in scores["figures"].items() if one["value"] is not None and "reader" not in name}
    return {"model": scores["model"], "sha256": scores["data"]["sha256"], "versions": scores["versions"], "figures": kept}


if __name__ == "__main__":  # [--reference] scores.json ...
    given = [read(Path(name)) for name in sys.argv[1:] if name != "--reference"]
    print(json.dumps(reference(*given), indent=1) if "--reference" in sys.argv else markdown(given))
