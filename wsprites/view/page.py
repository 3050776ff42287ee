"""A data set as one HTML page: clips, statistics of the labels beside what theory says of them, who drew it, how it was made."""

import base64
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from xxhash import xxh3_64

from wsprites.errors import UserError
from wsprites.file import DataFile
from wsprites.generate import check_output, partial_path
from wsprites.generate import readable_size as size
from wsprites.view.info import cast_line, clips_line, world_line
from wsprites.view.preview import picture
from wsprites.view.theory import Runs, coupled_joint, joint_counts, local_runs, mutual_information, survival, survived, walk_runs
from wsprites.world.actions import GlobalAction, LocalAction, local_actions
from wsprites.world.script import LABELS, parts_of
from wsprites.world.spec import CELL, SPLITS, WorldSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIRS = (("global_action", "local_action"), ("global_action", "background_action"), ("local_action", "background_action"))
_CLIPS, _CLIP_FRAMES, _MILLISECONDS, _QUALITY = 6, 40, 100, 60  # animations of half a megabyte each
_FEWEST_RUNS = 5  # at risk, or else no dot is drawn: of fewer little can be told
_MOST_SHEETS, _MOST_NAME = 24, 60
_INK, _MUTED, _GRID, _COLOURS = "#1b2430", "#5d6878", "#dfe4ea", ("#2563a8", "#c2540a", "#2e7d4f")
_STYLE = {
    "svg.hashsalt": "wsprites", "font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": _MUTED, "axes.labelcolor": _INK,
    "text.color": _INK, "xtick.color": _MUTED, "ytick.color": _MUTED, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": _GRID, "grid.linewidth": 0.8, "axes.axisbelow": True, "legend.frameon": False,
}  # fmt: skip


def report(data: DataFile, out: Path, *, overwrite: bool = False, progress: Callable[[int], object] = lambda clips: None) -> None:
    """Write a page about a data file that needs nothing but itself. The same file gives the same bytes.

    Args:
        overwrite: replace the page if it exists.
        progress: called with the number of clips whose labels were read since the last call.

    Raises:
        UserError: matplotlib or Jinja are missing, `out` cannot be written or exists, or the file is damaged.
    """
    try:
        import jinja2
        import matplotlib
    except ImportError:
        raise UserError("a report needs matplotlib and Jinja: pip install 'wsprites[report]'") from None
    check_output(out, overwrite)
    stats = count(data, progress)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template("report.html")
    with matplotlib.rc_context(_STYLE):
        page = template.render(_facts(data, stats))
    target = Path(os.path.realpath(out)) if out.is_symlink() else out
    hidden = partial_path(target)
    try:
        hidden.write_text(page, encoding="utf-8", errors="replace")
        os.replace(hidden, target)
    finally:
        hidden.unlink(missing_ok=True)


# What is counted: one pass over the labels, some clips at a time.


class Kind(NamedTuple):
    """Runs of one label, with what the rule says of them."""

    title: str
    label: str
    kinds: list[Runs]


@dataclass
class Counts:
    """What `count` finds in a file. Axis suffixes: s splits, a and b labels, g kinds of runs, k ages."""

    spec: WorldSpec
    labels_sa: dict[str, NDArray[np.int64]]
    """Frames with each value of each label."""
    joint_ab: dict[tuple[str, str], NDArray[np.int64]]
    """Frames with each pair of labels, for each of PAIRS."""
    control_ab: dict[tuple[str, str], NDArray[np.int64]]
    """The same of the labels of one clip and those of the clip before it in the file, which know nothing of one another."""
    runs_g2k: list[NDArray[np.int64]]
    """For each of `kinds`: how many runs of each age were looked at and went on."""
    position_yx: NDArray[np.int64]
    offset_yx: NDArray[np.int64]
    """Frames with the sprite's cell, and with the crop, at each point."""
    characters_sc: NDArray[np.int64]
    backgrounds_sb: NDArray[np.int64]
    """Clips with each character and background."""
    labels_xxh3: str = ""
    """XXH3-64 of all labels in the order of the file."""

    @cached_property
    def kinds(self) -> list[Kind]:
        """The runs that are looked at."""
        sprite, background = self.spec.sprite, self.spec.background
        return [
            Kind("Global action", "global_action", walk_runs(sprite.p_inertia, self.spec.rule)),
            Kind("Local action", "local_action", local_runs(self.spec)),
            Kind("Background action", "background_action", walk_runs(background.p_inertia, self.spec.rule)),
        ]


def label_names(spec: WorldSpec) -> dict[str, list[str]]:
    """The names of the values of each label of actions."""
    directions = [action.name for action in GlobalAction]
    local = [LocalAction(action).name for action in local_actions(spec.facings)]
    return {"global_action": directions, "local_action": local, "background_action": directions}


def count(data: DataFile, progress: Callable[[int], object] = lambda clips: None) -> Counts:
    """Count what the page shows. Memory does not grow with the number of clips. Raises UserError if labels are impossible."""
    spec, sizes = data.spec, {key: len(names) for key, names in label_names(data.spec).items()}
    limit = spec.background.limit + 1
    found = Counts(
        spec,
        {key: np.zeros((len(SPLITS), values), np.int64) for key, values in sizes.items()},
        {(a, b): np.zeros((sizes[a], sizes[b]), np.int64) for a, b in PAIRS},
        {(a, b): np.zeros((sizes[a], sizes[b]), np.int64) for a, b in PAIRS},
        [],
        np.zeros((spec.height - CELL + 1, spec.width - CELL + 1), np.int64),
        np.zeros((limit, limit), np.int64),
        np.zeros((len(SPLITS), spec.cast.characters), np.int64),
        np.zeros((len(SPLITS), spec.cast.backgrounds), np.int64),
    )
    found.runs_g2k = [np.zeros((len(kind.kinds), 2, spec.frames - 1), np.int64) for kind in found.kinds]
    group_of = {kind.label: _groups(kind.kinds, sizes[kind.label]) for kind in found.kinds}
    labels_hash = xxh3_64()
    for number, split in enumerate(data.splits.values()):
        before: dict[str, NDArray[Any]] = {}
        for script in split.blocks():
            for name in LABELS:
                labels_hash.update(np.ascontiguousarray(getattr(script, name)).data)
            value = {key: getattr(script, key) for key in sizes}
            for key in sizes:
                found.labels_sa[key][number] += np.bincount(value[key].ravel(), minlength=sizes[key])
            for a, b in PAIRS:
                shape = sizes[a], sizes[b]
                found.joint_ab[a, b] += joint_counts(value[a], value[b], shape)
                other = np.concatenate([before[b], value[b][:-1]]) if before else value[b][:-1]
                found.control_ab[a, b] += joint_counts(value[a][-len(other) :] if len(other) else other, other, shape)
            before = {key: value[key][-1:] for key in sizes}
            free = {
                "global_action": _inside(script.position, spec.sprite_box),
                "background_action": _inside(script.background_offset, spec.background_box),
            }
            free["local_action"] = free["global_action"] if spec.local.coupled else np.ones_like(free["global_action"])
            for kind, counts in zip(found.kinds, found.runs_g2k, strict=True):
                counts += survived(value[kind.label], free[kind.label], group_of[kind.label], len(kind.kinds))
            for point, places in ((script.position, found.position_yx), (script.background_offset, found.offset_yx)):
                places += joint_counts(point[..., 1], point[..., 0], (places.shape[0], places.shape[1]))
            np.add.at(found.characters_sc[number], script.character, 1)
            np.add.at(found.backgrounds_sb[number], script.background, 1)
            progress(len(script.index))
    found.labels_xxh3 = labels_hash.hexdigest()
    return found


def _groups(kinds: list[Runs], values: int) -> NDArray[np.int64]:
    group_of = np.full(values, -1)
    for number, kind in enumerate(kinds):
        group_of[list(kind.labels)] = number
    return group_of


def _inside(point_nt2: NDArray[np.integer], box: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(((point_nt2 > 0) & (point_nt2 < box)).all(-1))


# What the page is told.


def _facts(data: DataFile, stats: Counts) -> dict[str, Any]:
    """Everything in the template. Strings of the file go through its escaping."""
    spec, sizes = data.spec, {name: len(split) for name, split in data.splits.items()}
    frames = len(data.indices) * spec.frames
    bytes_ = sum(path.stat().st_size for path in (data.path, *data.shards))
    return {
        "name": data.path.name,
        "spec": spec,
        "world": world_line(spec),
        "clips": clips_line(spec, sizes),
        "cast": cast_line(spec),
        "tiles": [
            (f"{len(data.indices):,}", "clips"),
            (f"{frames:,}", f"frames of {spec.width} x {spec.height}"),
            (f"{spec.cast.characters:,}", "characters in the world"),
            (f"{spec.cast.backgrounds:,}", "backgrounds"),
            (size(bytes_), f"{bytes_ / frames:,.0f} bytes a frame"),
        ],
        "samples": _samples(data),
        "balance": [_balance(key, names, stats) for key, names in label_names(spec).items()],
        "joints": [_joint(a, b, stats) for a, b in PAIRS],
        "runs": [_runs(kind, counts, spec) for kind, counts in zip(stats.kinds, stats.runs_g2k, strict=True)],
        "coverage": _coverage(stats),
        "splits": _splits(sizes, stats),
        "layers": _layers(data, stats),
        "licence": data.credits.licence,
        "attribution": data.credits.attribution,
        "made": [
            ("world", world_line(spec)),
            ("seed", f"{data.seed}"),
            ("clips", f"{data.clips:,}"),
            ("shard", "{} of {}".format(*data.shard)),
            ("pixels", f"{' and '.join(data['train'].stored) or 'not'} stored, {data.compression}"),
            ("art, SHA-256", data.art_sha256),
            ("labels, XXH3-64", stats.labels_xxh3),
            ("pixels, XXH3-64", _pixels_hash(data)),
            ("versions", ", ".join(f"{name} {version}" for name, version in data.versions.items())),
        ],
        "world_json": json.dumps(json.loads(spec.to_json()), indent=2),
    }  # fmt: skip


def _pixels_hash(data: DataFile) -> str:
    """Of the checksums of all clips, in the order of the file."""
    if not data["train"].stored:
        return "not stored"
    found = xxh3_64()
    for name in SPLITS:
        found.update(np.ascontiguousarray(data.h5[name]["checksum"][()]).data)
    return f"{found.hexdigest()} (of the clips' checksums)"


def _samples(data: DataFile) -> list[dict[str, Any]]:
    """Some clips of every split as animations, the first frame apart for those who want nothing to move."""
    used = [name for name, split in data.splits.items() if len(split)]
    samples = []
    for name in used:
        split = data[name]
        for row in np.unique(np.linspace(0, len(split) - 1, max(_CLIPS // len(used), 1)).astype(int)).tolist():
            script, stop = split.script(row), min(_CLIP_FRAMES, data.spec.frames)
            frames, masks = split["frames"][row, :stop], split["masks"][row, :stop]
            images = [Image.fromarray(picture(frames[t], masks[t], script, t, name, data.spec)) for t in range(stop)]
            acts = [LocalAction(action).name.replace("_", " ") for action in dict.fromkeys(script.local_action[:stop].tolist())]
            samples.append(
                {
                    "moving": _webp(images),
                    "still": _webp(images[:1]),
                    "size": images[0].size,
                    "alt": f"Clip {int(script.index)} of {name}, the first {stop} frames: a character shows {', '.join(acts)}.",
                }
            )
    return samples


def _webp(images: list[Image.Image]) -> str:
    file = io.BytesIO()
    images[0].save(file, "WebP", save_all=True, append_images=images[1:], duration=_MILLISECONDS, loop=0, quality=_QUALITY, method=2)
    return _uri("image/webp", file.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _title(key: str) -> str:
    return key.replace("_", " ")


def _balance(key: str, names: list[str], stats: Counts) -> dict[str, Any]:
    """The share of each value of a label in each split, and the widest bar."""
    counts_sa = stats.labels_sa[key]
    shares_sa = counts_sa / np.maximum(counts_sa.sum(1, keepdims=True), 1)
    rows = [(_title(name), shares_sa[:, a].tolist()) for a, name in enumerate(names)]
    return {"title": _title(key), "rows": rows, "most": max(float(shares_sa.max()), 1e-9), "used": counts_sa.any(1).tolist()}


def _joint(a: str, b: str, stats: Counts) -> dict[str, Any]:
    """The table of a pair of labels, its mutual information, and what theory and a control say of that."""
    names, spec = label_names(stats.spec), stats.spec
    joint = stats.joint_ab[a, b]
    row_shares = joint / np.maximum(joint.sum(1, keepdims=True), 1)
    bits, nmi = mutual_information(joint)
    control = mutual_information(stats.control_ab[a, b]) if stats.control_ab[a, b].any() else None
    if spec.local.coupled and (a, b) == PAIRS[0]:
        theory = mutual_information(coupled_joint(joint.sum(1) / joint.sum(), spec.facings))
        meaning = (
            "What the rule gives for these shares of directions, since the direction decides what a walking body does. This is the ceiling "
            "of a model that sees the direction and nothing of the pose: only an NMI well above it shows knowledge of local actions."
        )
    else:
        theory = (0.0, 0.0)
        meaning = "0 by construction: the two are independent in this world."
    return {
        "title": f"{_title(a)} and {_title(b)}",
        "row": _title(a),
        "columns": [_title(name) for name in names[b]],
        "rows": [(_title(name), shares.tolist()) for name, shares in zip(names[a], row_shares, strict=True)],
        "bits": bits,
        "nmi": nmi,
        "theory": theory,
        "meaning": meaning,
        "control": control,
    }


def _runs(kind: Kind, counts_g2k: NDArray[np.int64], spec: WorldSpec) -> dict[str, Any]:
    """The figure of one label's runs, and its numbers."""
    rows = []
    for runs, counts_2k in zip(kind.kinds, counts_g2k, strict=True):
        if runs.bout is not None:
            counts_2k = counts_2k[:, : runs.bout[0] - 1]  # where no bout ends, the walk alone decides
        looked_at, went_on = counts_2k.sum(1).tolist()
        error = (runs.p_keep * (1 - runs.p_keep) / max(looked_at, 1)) ** 0.5
        away = (went_on / looked_at - runs.p_keep) / error if looked_at and error else None
        rows.append(
            {
                "name": runs.name + (f", frames 1 to {runs.bout[0]} of a bout" if runs.bout else ""),
                "steps": looked_at,
                "share": went_on / looked_at if looked_at else None,
                "theory": runs.p_keep,
                "away": away,
            }
        )
    figure = _draw_runs(kind, counts_g2k, spec.frames)
    numbers = "; ".join(f"{row['name']}: {row['share']:.4f} kept, {row['theory']:.4f} expected" for row in rows if row["steps"])
    return {"title": kind.title, "figure": figure, "rows": rows, "alt": f"Survival of runs of the {kind.title.lower()}. {numbers}."}


def _draw_runs(kind: Kind, counts_g2k: NDArray[np.int64], frames: int) -> str:
    figure, axes = _axes(3.7, 2.8)
    ages, longest = np.arange(1, frames + 1), 8
    for runs, counts_2k, colour in zip(kind.kinds, counts_g2k, _COLOURS, strict=False):
        expected, observed = runs.survival(frames), survival(counts_2k)
        shown = (np.append(np.inf, counts_2k[0]) >= _FEWEST_RUNS) & (np.nan_to_num(observed) > 0)
        longest = max(longest, int(ages[shown][-1]))
        axes.plot(ages, np.where(expected > 0, expected, np.nan), color=colour, lw=1.3)
        axes.plot(ages[shown], observed[shown], "o", color=colour, ms=3, mew=0)
        axes.plot([], [], "o-", color=colour, lw=1.3, ms=3, mew=0, label=runs.name)
    axes.set(yscale="log", xlabel="run of at least so many frames", ylabel="share of runs", ylim=(1e-3, 1.3), xlim=(0, longest + 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8, loc="best", handlelength=1.6)
    return _svg(figure)


def _coverage(stats: Counts) -> list[dict[str, Any]]:
    """Where the sprite and the crop have been."""
    from matplotlib.colors import LogNorm

    drawn = []
    places = (
        ("Position of the sprite's cell", stats.position_yx, stats.spec.sprite_box),
        ("Offset of the background's crop", stats.offset_yx, stats.spec.background_box),
    )
    for title, counts_yx, box in places:
        counts_yx = counts_yx[: box[1] + 1, : box[0] + 1]
        visited = np.count_nonzero(counts_yx) / counts_yx.size
        figure, axes = _axes(3.7, 2.8)
        share = np.where(counts_yx > 0, counts_yx / max(counts_yx.sum(), 1) * counts_yx.size, np.nan)
        extent = (-0.5, box[0] + 0.5, box[1] + 0.5, -0.5)
        norm = LogNorm(0.1, max(10.0, float(np.nanmax(share, initial=10.0))), clip=True)
        image = axes.imshow(share, cmap="viridis_r", extent=extent, interpolation="nearest", norm=norm)
        axes.grid(False)
        axes.set(xlabel="x in pixels", ylabel="y in pixels")
        figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.8, label="visits, an even spread = 1")
        edge = counts_yx.sum() - counts_yx[1:-1, 1:-1].sum()
        edge_share = edge / max(counts_yx.sum(), 1)
        drawn.append(
            {
                "title": title,
                "figure": _svg(figure),
                "visited": visited,
                "edge": edge_share,
                "alt": f"Heat map: {title.lower()}; {visited:.0%} of the points visited, {edge_share:.0%} of the frames at an edge.",
            }
        )
    return drawn


def _axes(width: float, height: float) -> tuple["Figure", Any]:
    """A figure of that many inches; no window, no state of pyplot's."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    return figure, figure.subplots()


def _svg(figure: "Figure") -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _uri("image/svg+xml", file.getvalue())


def _splits(sizes: dict[str, int], stats: Counts) -> dict[str, Any]:
    """How many clips, characters and backgrounds each split has, and whether splits share characters."""
    seen_sc = stats.characters_sc > 0
    rows = [
        (name, clips, int(seen.sum()), int((backgrounds > 0).sum()))
        for (name, clips), seen, backgrounds in zip(sizes.items(), seen_sc, stats.backgrounds_sb, strict=True)
    ]
    return {"rows": rows, "shared": int((seen_sc.sum(0) > 1).sum()), "unseen": int((~seen_sc.any(0)).sum())}


def _layers(data: DataFile, stats: Counts) -> list[dict[str, Any]]:
    """In how many clips of each split every sheet is seen, by layer."""
    spec = data.spec
    parts_cp = parts_of(spec, np.arange(spec.cast.characters))
    layers = []
    for layer, names in zip(data.art.characters.layers, data.art.characters.names, strict=True):
        if layer in spec.cast.parts:
            part_c = parts_cp[:, spec.cast.parts.index(layer)]
            clips_s = np.array([np.bincount(part_c, weights=clips_c, minlength=len(names)) for clips_c in stats.characters_sc]).astype(int)
            rows = [(name[:_MOST_NAME], clips_s[:, number].tolist()) for number, name in enumerate(names[:_MOST_SHEETS])]
            layers.append({"name": layer, "rows": rows, "more": max(len(names) - _MOST_SHEETS, 0)})
    return layers
