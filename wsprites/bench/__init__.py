"""The benchmark: scores of how well a model has discovered actions, with intervals and baselines."""
