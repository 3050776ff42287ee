"""Scripts and art to pixels."""

from wsprites.render.render import Background, Clip, empty, render

__all__ = ["Background", "Clip", "empty", "render"]
