"""Summaries of data files, and of the files that are to be generated, as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wsprites.file import DataFile, Split
from wsprites.generate import Order, readable_size
from wsprites.world.actions import ANIMATIONS, GlobalAction
from wsprites.world.script import split_sizes
from wsprites.world.spec import WorldSpec

if TYPE_CHECKING:
    from wsprites.file.videos import LeftOut, VideoFile

_BATCH = 4096
_BAR = 30
_NAMES = 5


def world_line(spec: WorldSpec) -> str:
    """Describe a world in one line."""
    local = "coupled to the walk" if spec.local.coupled else "that follow the position" if spec.local.policy else "independent of the walk"
    holdout = f", {spec.split.holdout} held out" if spec.split.holdout else ""
    scale = f", characters scaled by {spec.scale:g}" if spec.scale != 1 else ""
    shadow = ", a shadow under the character" if spec.shadow else ""
    some = "" if set(spec.animations) == set(ANIMATIONS) else f", animations {' and '.join(spec.animations)} only"
    walk = {"paper": "walk as in the paper", "released": "walk as in the released generator"}[spec.rule]
    return f"{spec.name} ({walk}, {spec.facings} facings, local actions {local}{some}{scale}{shadow}{holdout})"


def cast_line(spec: WorldSpec) -> str:
    """Describe the numbers of characters and backgrounds of a world in one line."""
    layers = " x ".join(f"{count} {name}" for name, count in zip(spec.cast.layers, spec.cast.counts, strict=True))
    return f"{_count(spec.cast.characters, 'character')} ({layers}), {_count(spec.cast.backgrounds, 'background')}"


def clips_line(spec: WorldSpec, clips: dict[str, int]) -> str:
    """Describe the number of clips by split, and their size, in one line."""
    total = sum(clips.values())
    each = ", ".join(f"{count:,} {name}" for name, count in clips.items())
    return f"{total:,} ({each}) of {spec.frames} frames, {spec.height} x {spec.width}: {total * spec.frames:,} frames"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def order_summary(order: Order) -> str:
    """Describe the data set that an order generates, in several lines."""
    spec, (number, shards) = order.spec, order.shard
    lines = [
        f"world    {world_line(spec)}, seed {order.seed}",
        f"clips    {clips_line(spec, split_sizes(spec, order.seed, order.n))}",
        *([f"shard    {number} of {shards}: clips {order.clips[0]:,} to {order.clips[-1]:,}"] if shards > 1 else []),
        f"cast     {cast_line(spec)}",
        f"licence  {order.world.art.credits.licence}",
    ]
    return "\n".join(lines)


def _videos_summary(data: "VideoFile") -> str:
    frames, height, width, _ = data.clip_shape
    clips = {name: len(split) for name, split in data.splits.items()}
    each = ", ".join(f"{count:,} {name}" for name, count in clips.items())
    total, bytes_ = sum(clips.values()), data.path.stat().st_size
    resampled = "" if data.facts.fps is None else f", resampled to {data.facts.fps:g} frames/s"
    return "\n".join(
        [
            f"{data.path}: {readable_size(bytes_)}, {bytes_ / max(total * frames, 1):,.0f} bytes a frame",
            f"videos       {len(data.names):,} imported, without a world, split {data.how_split}",
            f"clips        {total:,} ({each}) of {frames} frames, {height} x {width}: {total * frames:,} frames",
            f"skipped      {data.skip} frames after each",
            f"rate         {rate_line(data)}{resampled}",
            *chunk_lines(data, margin=13),
            f"arrays       {', '.join(data['train'].keys())}",
            *left_out_lines(data),
        ]
    )


def rate_line(data: "VideoFile") -> str:
    """Describe how many frames per second the clips of imported videos have, and how even their times are, in one line."""
    if any("time" not in split.keys() for split in data.splits.values()):  # noqa: SIM118
        return "not recorded by the version that imported the videos"
    steps = np.concatenate([np.diff(split["time"][...], axis=1).ravel() for split in data.splits.values()])
    known = steps[np.isfinite(steps)]
    if not known.any():
        return "unknown: pictures have no times" if len(steps) else "unknown: clips of one frame"
    # Some containers store times in whole milliseconds: a millisecond more or less is no unevenness.
    usual = float(np.median(known[known > 0]))
    even = np.abs(known - usual) <= 0.0011
    ends = [f"{end * 1e3:.4g}" for end in (known[~even].min(), known[~even].max())] if not even.all() else []
    others = f", the others {' to '.join(dict.fromkeys(ends))} ms" if ends else ""
    unknown = "" if len(known) == len(steps) else f"; not known for {1 - len(known) / len(steps):.1%}, which are pictures"
    return f"{1 / known.mean():.4g} frames/s: {even.mean():.1%} of the steps in time are {usual * 1e3:.4g} ms{others}{unknown}"


def _range(numbers: list[int]) -> str:
    """The smallest and the largest of some numbers, or the one that all are."""
    return f"{min(numbers):,}" + (f" to {max(numbers):,}" if max(numbers) > min(numbers) else "")


def chunk_lines(data: "VideoFile", *, margin: int = 9) -> list[str]:
    """Describe the chunks of people that clips were cut from, and the rules, in two lines; of other files there are none."""
    rules = data.facts.chunks
    if rules is None:
        return []
    frames = [chunk.last_frame - chunk.first_frame + 1 for chunk in data.chunks]
    sides = [chunk.crop_side for chunk in data.chunks]
    found = f"{_count(len(frames), 'chunk')} of {_range(frames)} frames, squares of {_range(sides)} px"
    every = f", people looked for every {rules.detect_every} frames" if rules.boxes.startswith("hog") else ""
    how = f"at least {rules.min_frames} frames, {rules.min_height} px and an IoU of {rules.min_overlap:g}; margin {rules.margin:g}, "
    how += f"gaps up to {rules.max_gap} frames, cuts from {rules.cut_threshold:g}{every}"
    return [f"{'chunks':{margin}}{found}; boxes of {rules.boxes}", f"{'rules':{margin}}{how}"]


def left_out_lines(data: "VideoFile") -> list[str]:
    """Describe what was given and not imported, one line a reason, with their number and the first few names."""
    reasons: dict[str, list[LeftOut]] = {}
    for entry in data.left_out:
        reasons.setdefault(entry.reason, []).append(entry)
    lines = []
    for reason, entries in reasons.items():
        details = [", ".join(filter(None, [f"{entry.frames:,}" if entry.frames else "", entry.detail])) for entry in entries[:_NAMES]]
        names = [entry.name + (f" ({detail})" if detail else "") for entry, detail in zip(entries, details, strict=False)]
        count = sum(entry.frames for entry in entries) or len(entries)
        lines.append(f"left out {reason} ({count:,}): {', '.join(names)}{', ...' if len(entries) > _NAMES else ''}")
    return lines


def source_line(data: DataFile) -> str:
    """Describe in one line what the clips were made from: a seed, or actions that somebody chose."""
    if data.driver is None:
        return f"seed {data.seed}"
    frames = [episode.frames for episode in data.episodes]
    total = f"{_count(len(frames), 'episode')} with {_count(sum(frames), 'frame')} in all"
    seeds = sorted({episode.start.seed for episode in data.episodes})
    begun = " and ".join(f"clips of seed {seed}" if seed >= 0 else "no clip of any seed" for seed in seeds)
    return f"actions of {data.driver.words}: {total}, begun like {begun}"


def remainder_lines(frames_e: Sequence[int], length: int) -> list[str]:
    """Describe in at most one line what of recorded episodes is in no clip of a data file.

    Args:
        frames_e: number of frames of each episode.
        length: frames per clip.

    Example:
        >>> remainder_lines([25, 20, 7], 10)
        ['left out 12 of 52 frames, which fill no clip of 10: 5 of episode 0, 7 of episode 2; their actions are in the file']
    """
    rest = {number: frames % length for number, frames in enumerate(frames_e) if frames % length}
    if not rest:
        return []
    named = ", ".join(f"{count:,} of episode {number}" for number, count in list(rest.items())[:_NAMES])
    more = ", ..." if len(rest) > _NAMES else ""
    total = f"{sum(rest.values()):,} of {sum(frames_e):,} frames"
    return [f"left out {total}, which fill no clip of {length}: {named}{more}; their actions are in the file"]


def summary(data: "DataFile | VideoFile") -> str:
    """Describe the contents of a file, how it was generated, and the balance of its labels, in several lines."""
    if not isinstance(data, DataFile):
        return _videos_summary(data)
    spec = data.spec
    stored = data["train"].stored
    bytes_ = sum(path.stat().st_size for path in (data.path, *data.shards))
    frames = len(data.indices) * spec.frames
    lines = [
        f"{data.path}: {readable_size(bytes_)}, {bytes_ / frames:,.0f} bytes a frame",
        f"world        {world_line(spec)}",
        f"clips        {clips_line(spec, {name: len(split) for name, split in data.splits.items()})}",
        *([f"shard        {data.shard[0]} of {data.shard[1]}"] if data.shard != (1, 1) else []),
        *([f"virtual      reads from {_count(len(data.shards), 'file')} next to it"] if data.shards else []),
        f"cast         {cast_line(spec)}",
        f"pixels       {' and '.join(stored) + ' stored' if stored else 'not stored, rendered when read'}",
        f"versions     {', '.join(f'{name} {version}' for name, version in data.versions.items())}",
        f"source       {source_line(data)}, art {data.art_sha256[:16]}",
        *([] if data.driver is None else remainder_lines([episode.frames for episode in data.episodes], spec.frames)),
        f"art          {data.credits.licence} (names: wsprites credits {data.path})",
    ]
    choices = {"global_action": tuple(GlobalAction), "local_action": spec.local_actions, "background_action": tuple(GlobalAction)}
    for key, actions in choices.items():
        counts = np.sum([_counts(split, key, max(actions) + 1) for split in data.splits.values()], axis=0)[list(actions)]
        shares = counts / counts.sum()
        lines += ["", key]
        lines += [
            f"  {action.name:<16} {share:6.1%} {'#' * round(_BAR * share / shares.max())}"
            for action, share in zip(actions, shares, strict=True)
        ]
    return "\n".join(lines)


def _counts(split: Split, key: str, values: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    labels = split[key]
    counts = np.zeros(values, np.int64)
    for first in range(0, len(split), _BATCH):
        counts += np.bincount(labels[first : first + _BATCH].ravel(), minlength=values)[:values]
    return counts
