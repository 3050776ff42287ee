"""Reference models that learn actions from video alone: GLASS, and the systems that it is compared with."""
