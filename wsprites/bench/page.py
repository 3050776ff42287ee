"""Scores -> one HTML page that needs nothing else: figures, confusion and leakage matrices, drift, films. It has no script."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.baselines import WHAT
from wsprites.bench.metrics import probes
from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.scores import TABLE
from wsprites.errors import UserError
from wsprites.view.picture import data_uri, encode_gif
from wsprites.world.actions import GlobalAction, LocalAction

_STYLE = """
:root { --ink: #1d2433; --muted: #66708a; --line: #e1e5ee; --blue: #2f6df6; --paper: #fff; --back: #f5f7fb }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 80px }
h1 { font-size: 26px; margin: 0 } h2 { font-size: 19px; margin: 0 0 4px }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px; margin-top: 20px }
section { overflow-x: auto }
p, .muted { color: var(--muted); margin: 2px 0 12px } code { font-size: 13px } table { border-collapse: collapse; font-size: 13px }
th { text-align: left; font-weight: 600; color: var(--muted) } td, th { padding: 3px 8px; white-space: nowrap }
td.n { text-align: right; font-variant-numeric: tabular-nums } tr + tr td { border-top: 1px solid var(--line) }
.m td { text-align: center; min-width: 38px; font-variant-numeric: tabular-nums; border: 2px solid var(--paper) }
.m th.c { text-align: center }
.row { display: flex; flex-wrap: wrap; gap: 28px } figure { margin: 0 } figcaption { font-size: 12px; color: var(--muted) }
img { image-rendering: pixelated; border-radius: 4px; display: block } svg text { font: 11px system-ui, sans-serif; fill: var(--muted) }
"""
_CONTROLS = {
    "random": "#b8c0d0",
    "majority": "#d9a24a",
    "state_only": "#b45cc4",
    "direction": "#4aa3a0",
    "classical": "#7a5c3e",
    "oracle": "#2a9d4e",
}
_LINES = {
    "model": "#2f6df6",
    "vectors": "#2f6df6",
    "copy": "#b8c0d0",
    "shuffled": "#b8c0d0",
    "state_only": _CONTROLS["state_only"],
    "oracle": _CONTROLS["oracle"],
}


def write(path: Path, every: Sequence[dict[str, Any]], films: Sequence[list[dict[str, Any]]]) -> None:
    """Write the page of one or several score files (`report.to_json`), with the films of `Scores`. Raises UserError where it cannot."""
    body = [_head(every[0])]
    for scores, shown in zip(every, films, strict=True):
        body += [_figures(scores), _confusion(scores), _leakage(scores), _capacity(scores), _drift(scores), _films(shown)]
    title = escape(", ".join(scores["model"] for scores in every))
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
    page = f"{head}<main>{''.join(body)}</main></html>\n"
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def _head(scores: dict[str, Any]) -> str:
    data = scores["data"]
    clips = ", ".join(f"{count} clips of {data['characters'][name]} characters of {name}" for name, count in data["clips"].items())
    versions = ", ".join(f"{name} {version}" for name, version in scores["versions"].items())
    return (
        f"<h1>What a model has found out about actions</h1><p>{escape(data['name'])}: {clips} of {data['frames']} frames; "
        f"maps and probes are fitted on other characters, of {scores['config']['maps_fitted_on']}; intervals are 95 %, drawn by clips, "
        "with maps and probes as they are: of other characters figures differ more."
        f"<br><span class=muted>sha256 {data['sha256'][:16]} · {escape(versions)} · {escape(scores['hardware'])}</span></p>"
    )


def _section(title: str, text: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{text}</p>{body}</section>" if body else ""


def _figures(scores: dict[str, Any]) -> str:
    rows = []
    for name in TABLE:
        if name in scores["figures"]:
            one = scores["figures"][name]
            shown = [
                f"{who} {_short(one['controls'][who])}"
                for who in ("random", "copy", "other_clips", "best_code", "oracle")
                if one["controls"].get(who) is not None
            ]
            interval = f"{_number(one['low'])} to {_number(one['high'])}" if one["low"] is not None else ""
            rows.append(
                f"<tr><td><code>{name}</code><td class=n><b>{_number(one['value'])}</b> {one['unit']}<td class=n>{interval}"
                f"<td>{_strip(one)}<td class=muted>{', '.join(shown)}"
            )
    keys = " ".join(f"<span style='color:{colour}'>&#9679;</span> {who}" for who, colour in _CONTROLS.items())
    compared = {who for one in scores["figures"].values() for who in one["controls"]}
    known = "; ".join(f"<b>{who}</b> {escape(what)}" for who, what in WHAT.items() if who in compared)
    known += "<br>FID and FVD depend on the number of clips." if any(name.startswith("images.") for name in scores["figures"]) else ""
    head = "<tr><th>score<th>value<th>95 %<th>between 0 and 1<th>floors and ceilings"
    return _section(scores["model"], f"{keys}<br>{known}", f"<table>{head}{''.join(rows)}</table>")


def _strip(one: dict[str, Any]) -> str:
    """A share as a mark on a line from 0 to 1, with its interval and the controls."""
    values = [one["value"], *one["controls"].values()]
    if one["unit"] or any(value is not None and not -0.2 <= value <= 1.05 for value in values) or one["value"] is None:
        return ""
    marks = "".join(
        f"<circle cx='{_x(one['controls'][who]):.1f}' cy=9 r=3.5 fill='{colour}'><title>{who}</title></circle>"
        for who, colour in _CONTROLS.items()
        if one["controls"].get(who) is not None
    )
    low, high = (_x(one[end] if one[end] is not None else one["value"]) for end in ("low", "high"))
    return (
        f"<svg width=240 height=18><line x1=10 x2=230 y1=9 y2=9 stroke='#e1e5ee' stroke-width=2 />{marks}"
        f"<rect x='{low:.1f}' y=5 width='{max(high - low, 1):.1f}' height=8 rx=2 fill='#2f6df6' fill-opacity=.35 />"
        f"<rect x='{_x(one['value']) - 1.5:.1f}' y=2 width=3 height=14 rx=1 fill='#2f6df6' /></svg>"
    )


def _x(share: float) -> float:
    return 10 + 220 * min(max(share, 0), 1)


def _confusion(scores: dict[str, Any]) -> str:
    tables = []
    for source in SOURCES:
        if source in scores["confusion"]:
            counts, matched = np.array(scores["confusion"][source]["counts"]), scores["confusion"][source]["matched"]
            names = _names(source, counts.shape[1])
            order = sorted(np.flatnonzero(counts.sum(1)).tolist(), key=lambda code: (matched[code] < 0, matched[code]))[:24]
            share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
            head = "".join(f"<th class=c>{name.replace('_', '<br>')}" for name in names)
            rows = "".join(
                f"<tr><th>code {code}"
                + "".join(_cell(share[code, label], share[code, label], label == matched[code]) for label in range(len(names)))
                for code in order
            )
            tables.append(f"<figure><table class=m><tr><th>{source}{head}{rows}</table></figure>")
    text = "Share of each code's transitions that have each true action. Framed: the one-to-one map of the matched accuracy."
    return _section("Codes against actions", text, f"<div class=row>{''.join(tables)}</div>" if tables else "")


def _names(source: str, size: int) -> list[str]:
    return [action.name for action in (LocalAction if source == "local" else GlobalAction)][:size]


def _cell(value: float, shade: float, framed: bool = False) -> str:
    shade = min(max(shade, 0), 1)
    frame = ";outline:2px solid #1d2433;outline-offset:-2px" if framed else ""
    return f"<td style='background:rgba(47,109,246,{0.9 * shade:.2f});color:{'#fff' if shade > 0.55 else 'inherit'}{frame}'>{_short(value)}"


def _leakage(scores: dict[str, Any]) -> str:
    named = {name: one for name, one in scores["figures"].items() if name.startswith("leakage.")}
    latents = [latent for latent in ("codes", "vectors", "shift", "background_shift") if f"leakage.local.{latent}" in named]
    rows = ""
    for what in (*SOURCES, "shift", "background_shift"):
        label = f"{what} (R2)" if "shift" in what else f"{what} action (accuracy)"
        values = [named[f"leakage.{what}.{latent}"]["value"] for latent in latents]
        cells = ("<td>" if value is None else _cell(value, value if "shift" in what else 4 * value) for value in values)
        rows += f"<tr><th>{label}" + "".join(cells)
    head = "".join(f"<th class=c>{latent}" for latent in latents)
    text = (
        "Which latent tells what. Actions: what a held-out linear probe gains over one that knows only the state before the transition; "
        "0 is nothing. Shifts: share of their variance that the latent explains."
    )
    return _section("Leakage", text, f"<table class=m><tr><th>{head}{rows}</table>" if latents else "")


def _capacity(scores: dict[str, Any]) -> str:
    plots, names = "", [{"linear": "linear", "mlp": "64"}.get(kind, kind.removeprefix("mlp_")) for kind in probes.CAPACITY]
    for source in SOURCES:
        found = [scores["figures"].get(f"vectors.{source}.{kind}") for kind in probes.CAPACITY]
        if all(found):
            lines = {"vectors": [one["value"] for one in found]}
            lines |= {who: [one["controls"].get(who) for one in found] for who in ("state_only", "shuffled")}
            plots += f"<figure><figcaption>{source} action, accuracy by probe</figcaption>{_plot(lines, names)}</figure>"
    text = (
        "What probes read from the vectors, from a linear one to 256 hidden units. State and shuffled labels stand beside, by the "
        "same probes: what a strong probe gains over these alone is in the vectors, but not laid out as an action would be."
    )
    return _section("Capacity of the probes", text, f"<div class=row>{plots}</div>" if plots else "")


def _drift(scores: dict[str, Any]) -> str:
    plots = ""
    for what, unit in (("position", "px"), ("local", "share right"), ("psnr", "dB"), ("ssim", "SSIM"), ("lpips", "distance")):
        found = {name.rsplit(".", 1)[1]: one for name, one in scores["figures"].items() if name.startswith(f"drift.{what}.")}
        if found:
            steps = sorted(found, key=int)
            lines = {"model": [found[t]["value"] for t in steps]}
            lines |= {who: [found[t]["controls"].get(who) for t in steps] for who in ("copy", "oracle")}
            plots += f"<figure><figcaption>{what}, {unit}, by steps after the start</figcaption>{_plot(lines, steps)}</figure>"
    text = "A clip's own inferred actions, played from one of its frames on, against the clip. 'copy' shows the first frame for ever."
    return _section("Drift", text, f"<div class=row>{plots}</div>" if plots else "")


def _plot(lines: dict[str, list[float | None]], names: Sequence[str]) -> str:
    """Lines over places that lie side by side, from 0 up; those that are not defined everywhere are left out."""
    known = {who: [value for value in line if value is not None] for who, line in lines.items() if None not in line}
    most = max((value for line in known.values() for value in line), default=1) or 1
    xs = np.linspace(40, 220, len(names))
    parts = [f"<text x=2 y=14>{most:.3g}</text><text x=2 y=128>0</text>"]
    ends: list[float] = []
    order = sorted(known, key=lambda who: known[who][-1])
    for who in order:
        ys = [126 - 116 * max(value, 0) / most for value in known[who]]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        parts.append(f"<polyline points='{points}' fill=none stroke='{_LINES[who]}' stroke-width=2.5 />")
        ends.append(ys[-1] + 4)
    for n in range(len(ends) - 2, -1, -1):  # from the highest line down; names do not lie on one another
        ends[n] = max(ends[n], ends[n + 1] + 12)
    for n in range(len(ends)):  # nor on the names below the plot
        ends[n] = min(ends[n], ends[n - 1] - 12 if n else 130)
    for y, who in zip(ends, order, strict=True):
        parts.append(f"<text x=226 y={y:.0f} style='fill:{_LINES[who]}'>{who}</text>")
    parts += [f"<text x={x:.0f} y=144 text-anchor=middle>{name}</text>" for x, name in zip(xs, names, strict=True)]
    return f"<svg width=300 height=150><line x1=36 x2=226 y1=126 y2=126 stroke='#e1e5ee' />{''.join(parts)}</svg>"


def _films(films: list[dict[str, Any]]) -> str:
    clips = [film for film in films if film["kind"] == "replay"]
    codes = [film for film in films if film["kind"] == "code"]
    body = "".join(_film(film["frames"], f"{film['title']}: truth, model") for film in clips)
    shown = _section(
        "Rollouts beside the truth",
        "The left half is the world, the right half the model, from the same first frame.",
        f"<div class=row>{body}</div>" if body else "",
    )
    grid = "".join(_film(film["frames"], film["title"]) for film in codes)
    text = "The first 16 codes, held from the same start frames. A code that is an action does one thing, the same to everybody."
    return shown + _section("What each code does", text, f"<div class=row>{grid}</div>" if grid else "")


def _film(clips: Sequence[NDArray[np.uint8]], caption: str) -> str:
    """Clips side by side as an animation inside the page."""
    together = np.concatenate(list(clips), axis=2)
    source = data_uri("image/gif", encode_gif(together, milliseconds=140, colours=160, shared=True))
    width = together.shape[2] * (2 if len(clips) < 3 else 1)
    image = f"<img width={width} alt='{escape(caption)}' src='{source}'>"
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _short(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
