"""Scripts and art to pixels."""

from wsprites.render.layers import layer_masks
from wsprites.render.render import Background, Clip, empty, render

__all__ = ["Background", "Clip", "empty", "layer_masks", "render"]
