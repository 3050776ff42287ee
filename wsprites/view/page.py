"""A file as one HTML page: clips, statistics of the labels next to theory, credits, and how it was made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64

from wsprites.file import DataFile, VideoFile
from wsprites.generate import check_ending, check_output, readable_size, replace_file
from wsprites.terminal import extra
from wsprites.view.counts import PAIRS, Counts, LabelRuns, count, label_names, label_values
from wsprites.view.info import cast_line, clips_line, left_out_lines, rate_line, source_line, world_line
from wsprites.view.picture import data_uri, encode_webp
from wsprites.view.plots import STYLE, draw_places, draw_runs
from wsprites.view.preview import draw, frame_labels, video_name
from wsprites.view.theory import coupled_joint, mutual_information
from wsprites.world.actions import LocalAction
from wsprites.world.script import parts_of
from wsprites.world.spec import SPLITS, WorldSpec

_CHOSEN = " Its actions were chosen, not drawn by the rules of the world: there is no theory of them."
_CLIPS, _CLIP_FRAMES = 6, 40  # animations of half a megabyte each
_MAX_VIDEOS = 50  # whose clips are counted in the page
_MAX_SHEETS, _MAX_NAME = 24, 60  # of a layer; characters of a sheet's name


def report(
    data: DataFile | VideoFile, out: Path, *, overwrite: bool = False, progress: Callable[[int], object] = lambda clips: None
) -> None:
    """Write a self-contained HTML page about a file. The same file gives the same bytes.

    Args:
        data: the open file, generated or imported.
        out: the page; its name ends in .html.
        overwrite: replace the page if it exists.
        progress: called with the number of clips whose labels were read since the last call.

    Raises:
        UserError: matplotlib or Jinja are missing, `out` cannot be written, exists or has another ending, or the file is damaged.
        OSError: writing failed; a page that existed is unchanged.
    """
    with extra("report"):
        import jinja2
        import matplotlib
    check_ending("out", out, ".html", ".htm")
    check_output(out, overwrite, inputs=[data.path])
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    if isinstance(data, VideoFile):
        page = environment.get_template("videos.html").render(_videos_contents(data, progress))
    else:
        with matplotlib.rc_context(STYLE):
            page = environment.get_template("page.html").render(_contents(data, count(data, progress=progress)))
    replace_file(out, page.encode("utf-8", errors="replace"))


def _contents(data: DataFile, counts: Counts) -> dict[str, Any]:
    """Collect the values of the template, which escapes all strings of the file."""
    spec, sizes = data.spec, {name: len(split) for name, split in data.splits.items()}
    frames = len(data.indices) * spec.frames
    bytes_ = sum(path.stat().st_size for path in (data.path, *data.shards))
    return {
        "name": data.path.name,
        "spec": spec,
        "about": f"W-Sprites data set of the world {world_line(spec)}." + ("" if data.driver is None else _CHOSEN),
        "clips": clips_line(spec, sizes),
        "cast": cast_line(spec),
        "tiles": [
            (f"{len(data.indices):,}", "clips"),
            (f"{frames:,}", f"frames of {spec.width} x {spec.height}"),
            (f"{spec.cast.characters:,}", "characters in the world"),
            (f"{spec.cast.backgrounds:,}", "backgrounds"),
            (readable_size(bytes_), f"{bytes_ / frames:,.0f} bytes a frame"),
        ],
        "samples": _samples(data),
        "balance": [_balance(key, names, counts) for key, names in label_names(spec).items()],
        "joints": [_joint(a, b, counts, drawn=data.driver is None) for a, b in PAIRS],
        "runs": [_runs(runs, counts_g2k, spec) for runs, counts_g2k in zip(counts.runs, counts.runs_g2k, strict=True) if not data.driver],
        "coverage": _coverage(counts),
        "splits": _splits(sizes, counts),
        "layers": _layers(data, counts),
        "licence": data.credits.licence,
        "attribution": data.credits.attribution,
        "made": [
            ("world", world_line(spec)),
            *([("seed", f"{data.seed}")] if data.driver is None else [("actions", source_line(data))]),
            ("clips", f"{data.clips:,}"),
            ("shard", "{} of {}".format(*data.shard)),
            ("pixels", f"{' and '.join(data['train'].stored) or 'not'} stored, {data.compression}"),
            ("art, SHA-256", data.art_sha256),
            ("labels, XXH3-64", counts.labels_xxh3),
            ("pixels, XXH3-64", _pixels_hash(data)),
            ("versions", ", ".join(f"{name} {version}" for name, version in data.versions.items())),
        ],
        "world_json": json.dumps(json.loads(spec.to_json()), indent=2),
    }  # fmt: skip


def _pixels_hash(data: DataFile) -> str:
    """Compute the hash of the checksums of all clips, in the order of the file."""
    if not data["train"].stored:
        return "not stored"
    pixels_hash = xxh3_64()
    for name in SPLITS:
        pixels_hash.update(np.ascontiguousarray(data.h5[name]["checksum"][()]).data)
    return f"{pixels_hash.hexdigest()} (of the clips' checksums)"


def _videos_contents(data: VideoFile, progress: Callable[[int], object]) -> dict[str, Any]:
    """Collect the values of the template for imported videos."""
    frames, height, width, _ = data.clip_shape
    sizes, bytes_ = {name: len(split) for name, split in data.splits.items()}, data.path.stat().st_size
    clips_of = np.zeros(len(data.names), np.int64)
    videos_of = {}
    for name, split in data.splits.items():
        names = [video_name(data, name, row) for row in range(len(split))]
        videos_of[name] = len(set(names))
        np.add.at(clips_of, split["video"][...], 1)
        progress(len(split))
    labels = []
    for key in frame_labels(data["train"]):
        values = np.concatenate([split[key][...].ravel() for split in data.splits.values()]).astype(np.float64)
        labels.append((key, len(np.unique(values)), values.min(), values.mean(), values.max()))
    return {
        "name": data.path.name,
        "about": "Imported videos, without a world.",
        "tiles": [
            (f"{sum(sizes.values()):,}", "clips"),
            (f"{sum(sizes.values()) * frames:,}", f"frames of {width} x {height}"),
            (f"{len(data.names):,}", "videos"),
            (readable_size(bytes_), f"{bytes_ / (sum(sizes.values()) * frames):,.0f} bytes a frame"),
        ],
        "samples": _samples(data),
        "how_split": data.how_split,
        "splits": [(name, clips, videos_of[name]) for name, clips in sizes.items()],
        "videos": list(zip(data.names, clips_of.tolist(), strict=True))[:_MAX_VIDEOS],
        "more": max(len(data.names) - _MAX_VIDEOS, 0),
        "labels": labels,
        "made": [
            ("source", "imported videos"),
            ("frames skipped after each", f"{data.skip}"),
            ("rate", rate_line(data)),
            ("left out", "\n".join(line.removeprefix("left out ") for line in left_out_lines(data)) or "nothing"),
            ("pixels", f"frames stored, {data.facts.compression}"),
            ("versions", ", ".join(f"{name} {version}" for name, version in data.facts.versions.items())),
        ],
    }


def _samples(data: DataFile | VideoFile) -> list[dict[str, Any]]:
    """Draw some clips of every split as animations, and their first frames for readers who prefer reduced motion."""
    used = [name for name, split in data.splits.items() if len(split)]
    samples = []
    for name in used:
        split = data[name]
        for row in np.unique(np.linspace(0, len(split) - 1, max(_CLIPS // len(used), 1)).astype(int)).tolist():
            stop = min(_CLIP_FRAMES, split["frames"].shape[1])
            pictures = draw(data, name, row, range(stop))
            shows = f"of the video {video_name(data, name, row)}" if isinstance(data, VideoFile) else _acts(data, name, row, stop)
            samples.append(
                {
                    "moving": data_uri("image/webp", encode_webp(pictures)),
                    "still": data_uri("image/webp", encode_webp(pictures[:1])),
                    "size": pictures[0].shape[1::-1],
                    "alt": f"Clip {int(split['index'][row])} of {name}, the first {stop} frames: {shows}.",
                }
            )
    return samples


def _acts(data: DataFile, name: str, row: int, stop: int) -> str:
    """What the character of a clip shows in its first frames, in words."""
    acts = dict.fromkeys(data[name].script(row).local_action[:stop].tolist())
    return f"a character shows {', '.join(LocalAction(action).name.replace('_', ' ') for action in acts)}"


def _title(key: str) -> str:
    return key.replace("_", " ")


def _balance(key: str, names: list[str], counts: Counts) -> dict[str, Any]:
    """Compute the share of each value of a label in each split, and the widest bar."""
    values = list(label_values(counts.spec)[key])
    counts_sa = counts.labels_sa[key][:, values]
    shares_sa = counts_sa / np.maximum(counts_sa.sum(1, keepdims=True), 1)
    rows = [(_title(names[value]), shares_sa[:, a].tolist()) for a, value in enumerate(values)]
    return {"title": _title(key), "rows": rows, "most": max(float(shares_sa.max()), 1e-9), "used": counts_sa.any(1).tolist()}


def _joint(a: str, b: str, counts: Counts, *, drawn: bool) -> dict[str, Any]:
    """Compute the table of a pair of labels, and its mutual information next to that of a control, and of theory if the world drew them."""
    names, spec, values = label_names(counts.spec), counts.spec, label_values(counts.spec)
    joint = counts.joint_ab[a, b]
    row_shares = joint / np.maximum(joint.sum(1, keepdims=True), 1)
    bits, nmi = mutual_information(joint)
    control = mutual_information(counts.control_ab[a, b]) if counts.control_ab[a, b].any() else None
    theory: tuple[float, float] | None
    if not drawn:
        theory, meaning = None, "None: the actions were chosen, not drawn by the rules of the world."
    elif spec.local.coupled and (a, b) == PAIRS[0]:
        theory = mutual_information(coupled_joint(joint.sum(1) / joint.sum(), spec.facings, animations=spec.animations))
        meaning = (
            "What the rule implies for these shares of directions, because the direction determines the action of a walking character. It "
            "is the maximum for a model that sees the direction and nothing of the pose: only an NMI well above it shows knowledge of "
            "local actions."
        )
    elif spec.local.policy and not spec.local.coupled and (a, b) == PAIRS[0]:
        theory, meaning = None, "Not known: the local action follows the position, to which the steps of the walk lead."
    else:
        theory = (0.0, 0.0)
        meaning = "0 by construction: the two are independent in this world."
    return {
        "title": f"{_title(a)} and {_title(b)}",
        "row": _title(a),
        "columns": [_title(names[b][value]) for value in values[b]],
        "rows": [(_title(names[a][value]), row_shares[value, list(values[b])].tolist()) for value in values[a]],
        "bits": bits,
        "nmi": nmi,
        "theory": theory,
        "meaning": meaning,
        "control": control,
    }


def _runs(runs: LabelRuns, counts_g2k: NDArray[np.int64], spec: WorldSpec) -> dict[str, Any]:
    """Draw the runs of one label, and compare how often they continue with the rule."""
    rows = []
    for kind, counts_2k in zip(runs.kinds, counts_g2k, strict=True):
        if kind.bout is not None:
            counts_2k = counts_2k[:, : kind.bout[0] - 1]  # where no bout ends, the walk alone decides
        observed, continued = counts_2k.sum(1).tolist()
        error = (kind.p_keep * (1 - kind.p_keep) / max(observed, 1)) ** 0.5
        rows.append(
            {
                "name": kind.name + (f", frames 1 to {kind.bout[0]} of a bout" if kind.bout else ""),
                "steps": observed,
                "share": continued / observed if observed else None,
                "theory": kind.p_keep,
                "away": (continued / observed - kind.p_keep) / error if observed and error else None,
            }
        )
    numbers = "; ".join(f"{row['name']}: {row['share']:.4f} kept, {row['theory']:.4f} expected" for row in rows if row["steps"])
    return {
        "title": runs.title,
        "figure": draw_runs(runs, counts_g2k, spec.frames),
        "rows": rows,
        "alt": f"Survival of runs of the {runs.title.lower()}. {numbers}.",
    }


def _coverage(counts: Counts) -> list[dict[str, Any]]:
    """Draw heat maps of the positions of the sprite and of the crop."""
    maps = []
    for title, counts_yx, box in (
        ("Position of the sprite's cell", counts.position_yx, counts.spec.sprite_box),
        ("Offset of the background's crop", counts.offset_yx, counts.spec.background_box),
    ):
        counts_yx = counts_yx[: box[1] + 1, : box[0] + 1]
        visited = np.count_nonzero(counts_yx) / counts_yx.size
        edge = (counts_yx.sum() - counts_yx[1:-1, 1:-1].sum()) / max(counts_yx.sum(), 1)
        maps.append(
            {
                "title": title,
                "figure": draw_places(counts_yx, box),
                "visited": visited,
                "edge": edge,
                "alt": f"Heat map: {title.lower()}; {visited:.0%} of the points visited, {edge:.0%} of the frames at an edge.",
            }
        )
    return maps


def _splits(sizes: dict[str, int], counts: Counts) -> dict[str, Any]:
    """Count the clips, characters and backgrounds of each split, and the characters that splits share."""
    seen_sc = counts.characters_sc > 0
    rows = [
        (name, clips, int(seen.sum()), int((backgrounds > 0).sum()))
        for (name, clips), seen, backgrounds in zip(sizes.items(), seen_sc, counts.backgrounds_sb, strict=True)
    ]
    return {"rows": rows, "shared": int((seen_sc.sum(0) > 1).sum()), "unseen": int((~seen_sc.any(0)).sum())}


def _layers(data: DataFile, counts: Counts) -> list[dict[str, Any]]:
    """Count the clips of each split in which every sheet is seen, by layer."""
    spec = data.spec
    parts_cp = parts_of(spec, np.arange(spec.cast.characters))
    layers = []
    for layer, names in zip(data.art.characters.layers, data.art.characters.names, strict=True):
        if layer in spec.cast.parts:
            part_c = parts_cp[:, spec.cast.parts.index(layer)]
            clips_s = np.array([np.bincount(part_c, weights=clips_c, minlength=len(names)) for clips_c in counts.characters_sc]).astype(int)
            rows = [(name[:_MAX_NAME], clips_s[:, number].tolist()) for number, name in enumerate(names[:_MAX_SHEETS])]
            layers.append({"name": layer, "rows": rows, "more": max(len(names) - _MAX_SHEETS, 0)})
    return layers
