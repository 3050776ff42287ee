"""W-Sprites: a synthetic video world in which every action is known."""

__version__ = "0.1.0"
