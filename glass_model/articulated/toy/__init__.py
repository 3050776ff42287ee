"""The toy experiment of the paper's supplement: the angle of a rectangle, by three networks and with training sets of several sizes."""
