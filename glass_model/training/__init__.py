"""Training, for every system: the loop, its run folder, checkpoints and weights."""
