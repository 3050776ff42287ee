"""Videos of a drawn person before drawn scenes, on which OpenCV's HOG detector of people fires."""

import cv2
import numpy as np


def scene(height: int, width: int, brightness: int) -> np.ndarray:
    """(H, W, 3) uint8: a plain wall above a plain floor."""
    frame = np.full((height, width, 3), brightness, np.uint8)
    frame[height * 7 // 8 :] = brightness - 20
    return frame


def with_person(frame: np.ndarray, x: int, top: int, height: int) -> np.ndarray:
    """A copy of a frame (H, W, 3) uint8 with a dark standing person.

    Args:
        x: of the person's middle.
        top: upper edge of the head.
        height: from the head to the feet, pixels.
    """
    drawn, unit = frame.copy(), height / 96
    dark = (40, 40, 50)

    def at(across: float, down: float) -> tuple[int, int]:
        return round(x + across * unit), round(top + down * unit)

    cv2.ellipse(drawn, at(0, 8), (round(6 * unit), round(8 * unit)), 0, 0, 360, dark, -1, cv2.LINE_AA)
    body = [at(-11, 18), at(-4, 15), at(4, 15), at(11, 18), at(9, 50), at(-9, 50)]
    cv2.fillPoly(drawn, [np.array(body)], dark, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.line(drawn, at(side * 11, 20), at(side * 14, 50), dark, max(1, round(5 * unit)), cv2.LINE_AA)
        cv2.line(drawn, at(side * 5, 48), at(side * 7, 92), dark, max(1, round(8 * unit)), cv2.LINE_AA)
    return drawn
