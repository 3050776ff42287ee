"""The skeleton and its key poses: where every joint of the figure is, animation by animation, frame by frame.

Body space is (left, forward, up) in pixels, from the figure's own point of view; the ground between the feet is (0, 0, 0).
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from assets.painter.solid import Point

_UPPER_ARM, _FOREARM, _THIGH, _SHIN = 6.6, 6.4, 6.3, 6.2
_SHOULDER, _HIP = (9.0, 24.6), (4.2, 12.6)  # out, up
_NECK = 27.5
_REST = (1.8, 0.6, -12.4)
FRAMES = {"spellcast": 7, "walk": 9, "slash": 6}
"""Columns of each animation in an LPC sheet."""


@dataclass(frozen=True)
class Pose:
    """A pose, described as an animator does."""

    left_hand: Point = _REST
    right_hand: Point = _REST
    """(outward, forward, up) from the shoulder."""
    left_foot: Point = (4.4, 1.4, 0.0)
    right_foot: Point = (4.4, -1.4, 0.0)
    """(outward, forward, up) of the ankle from the ground between the feet."""
    left_toes: float = 0.0
    right_toes: float = 0.0
    """Degrees that the toes point upward."""
    rise: float = 0.0
    """Upward motion of the hips in pixels."""
    sway: float = 0.0
    """Motion of the hips to the left in pixels."""
    lean: float = 0.0
    """Forward motion of the shoulders in pixels."""
    twist: float = 0.0
    """Degrees that the shoulders turn to the left."""
    nod: int = 0
    """Downward motion of the head in pixels."""
    eyes_closed: bool = False

    def mirrored(self) -> "Pose":
        """Return the pose with left and right exchanged."""
        return replace(
            self,
            left_hand=self.right_hand,
            right_hand=self.left_hand,
            left_foot=self.right_foot,
            right_foot=self.left_foot,
            left_toes=self.right_toes,
            right_toes=self.left_toes,
            sway=-self.sway,
            twist=-self.twist,
        )


class Joints(NamedTuple):
    """Positions of the parts of a figure in a pose; pairs are in the order left, right."""

    hips: Point
    chest: Point
    head: Point
    across: Point
    """Direction from the right to the left shoulder, of length 1."""
    shoulders: tuple[Point, Point]
    elbows: tuple[Point, Point]
    hands: tuple[Point, Point]
    thighs: tuple[Point, Point]
    knees: tuple[Point, Point]
    ankles: tuple[Point, Point]
    toes: tuple[Point, Point]
    """Direction of the toes from the ankles, of length 1."""


def joints(pose: Pose, towards: float = 0.0) -> Joints:
    """The joints of a pose; elbows and knees by inverse kinematics. `towards` is added to the twist, degrees."""
    cos, sin = (_round(f(math.radians(pose.twist + towards))) for f in (math.cos, math.sin))
    left = _limbs(pose, 1, pose.left_hand, pose.left_foot, pose.left_toes, cos, sin)
    right = _limbs(pose, -1, pose.right_hand, pose.right_foot, pose.right_toes, cos, sin)
    chest = (pose.sway, pose.lean * 0.8, 21.0 + pose.rise)
    head = (pose.sway, pose.lean, _NECK + pose.rise - pose.nod)
    return Joints((pose.sway, 0.0, 13.2 + pose.rise), chest, head, (cos, -sin, 0.0), *zip(left, right, strict=True))


def _limbs(pose: Pose, side: int, hand: Point, foot: Point, pitch: float, cos: float, sin: float) -> tuple[Point, ...]:
    """Shoulder, elbow, hand, hip, knee, ankle and direction of the toes; `side` is 1 on the left and -1 on the right."""
    shoulder = (side * _SHOULDER[0] * cos + pose.sway, side * -_SHOULDER[0] * sin + pose.lean, _SHOULDER[1] + pose.rise)
    out, forward = side * hand[0] * cos + hand[1] * sin, hand[1] * cos - side * hand[0] * sin
    outward = (side * 0.9 * cos - 0.6 * sin, -0.6 * cos - side * 0.9 * sin, -0.5)
    elbow, wrist = _bend(shoulder, (shoulder[0] + out, shoulder[1] + forward, shoulder[2] + hand[2]), _UPPER_ARM, _FOREARM, outward)
    hip = (side * _HIP[0] + pose.sway, 0.0, _HIP[1] + pose.rise)
    knee, ankle = _bend(hip, (side * foot[0], foot[1], foot[2] + 2.2), _THIGH, _SHIN, (side * 0.25, 1.0, 0.0))
    toes = (side * 0.18, _round(math.cos(math.radians(pitch))), _round(math.sin(math.radians(pitch))))
    return shoulder, elbow, wrist, hip, knee, ankle, toes


def _bend(start: Point, target: Point, upper: float, lower: float, pole: Point) -> tuple[Point, Point]:
    """Middle and end of two bones from `start` towards `target`, bent to the side of `pole`."""
    d = tuple(t - s for s, t in zip(start, target, strict=True))
    length = math.sqrt(sum(c * c for c in d))
    reach = min(max(length, abs(upper - lower) + 0.1), upper + lower - 0.05)
    u = tuple(c / length for c in d)
    along = (upper * upper - lower * lower + reach * reach) / (2 * reach)
    aside = math.sqrt(max(upper * upper - along * along, 0.0))
    dot = sum(p * c for p, c in zip(pole, u, strict=True))
    w = tuple(p - dot * c for p, c in zip(pole, u, strict=True))
    norm = math.sqrt(sum(c * c for c in w)) or 1.0
    middle = tuple(s + along * c + aside * q / norm for s, c, q in zip(start, u, w, strict=True))
    end = tuple(s + reach * c for s, c in zip(start, u, strict=True))
    return (middle[0], middle[1], middle[2]), (end[0], end[1], end[2])


def _round(value: float) -> float:
    """Sines differ in the last digit from one machine to another; pixels must not."""
    return round(value, 6)


def _stride(frame: int) -> Pose:
    """Frame 1 to 8 of the walk. The left foot is foremost at frame 1, the right one at frame 5."""
    phase = math.tau * (frame - 1) / 8
    c, s = _round(math.cos(phase)), _round(math.sin(phase))

    def foot(c: float, s: float) -> tuple[Point, float]:
        lift = max(0.0, -s)  # it swings forward while the other one carries
        return (3.9, 6.0 * c, 3.4 * lift), (
            18.0 * max(0.0, c) - 38.0 * max(0.0, -c) if lift else 14.0 * max(0.0, c) ** 3 - 30.0 * max(0.0, -c) ** 3
        )

    def hand(c: float) -> Point:
        return 1.6, 0.8 + 6.6 * c, -12.0 + 2.2 * max(0.0, c) + 0.8 * max(0.0, -c)

    (left_foot, left_toes), (right_foot, right_toes) = foot(c, s), foot(-c, -s)
    low = abs(c) > 0.9
    return Pose(
        hand(-c),
        hand(c),
        left_foot,
        right_foot,
        left_toes,
        right_toes,
        rise=-1.0 if low else 0.2 * abs(s),
        sway=0.5 * s,
        lean=0.6,
        twist=-9.0 * c,
    )


_WIDE = Pose(left_foot=(4.8, 2.4, 0.0), right_foot=(5.2, -2.6, 0.0))


TOWARDS = {"spellcast": 52.0, "walk": 10.0, "slash": 18.0}
"""Degrees that the shoulders turn towards the viewer when the figure is seen from the side, so that both arms show."""

POSES: dict[str, tuple[Pose, ...]] = {
    "spellcast": (
        Pose(),
        Pose((1.4, 3.6, -10.4), (1.4, 3.6, -10.4)),
        Pose((-7.4, 5.4, -5.0), (-7.4, 5.4, -5.0), nod=1, lean=0.6, eyes_closed=True),
        Pose((2.6, 5.6, -7.0), (2.6, 5.6, -7.0), eyes_closed=True),
        Pose((12.0, 1.0, 0.6), (12.0, 1.0, 0.6)),
        Pose((8.6, 1.6, 9.6), (8.6, 1.6, 9.6), rise=0.6),
        Pose((5.2, 2.2, -10.2), (5.2, 2.2, -10.2)),
    ),
    "walk": (Pose(), *(_stride(frame) for frame in range(1, 9))),
    "slash": (
        Pose((2.0, 1.0, -12.0), (2.8, 3.2, -11.2), (4.8, 1.6, 0.0), (4.8, -1.6, 0.0)),
        replace(_WIDE, left_hand=(2.6, 2.0, -11.6), right_hand=(8.0, -6.0, 7.0), rise=0.3, lean=-0.8, twist=-30),
        replace(_WIDE, left_hand=(3.2, 1.0, -11.4), right_hand=(6.0, 3.0, 10.0), rise=-0.2, lean=0.4, twist=-15),
        replace(_WIDE, left_hand=(3.6, -1.0, -11.2), right_hand=(2.0, 10.5, 4.0), rise=-1.2, lean=1.6, twist=5),
        replace(_WIDE, left_hand=(3.8, -2.4, -10.8), right_hand=(-3.5, 10.8, -5.0), rise=-1.8, lean=2.2, twist=22),
        replace(_WIDE, left_hand=(4.0, -3.4, -10.4), right_hand=(-7.5, 7.0, -9.0), rise=-2.2, lean=2.2, twist=32),
    ),
}
"""The key poses of each animation, column by column of the sheet."""
