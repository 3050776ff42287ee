"""The benchmark: scores of what a model has learned about actions, with floors and ceilings."""
