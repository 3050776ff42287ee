"""Scores as pure functions of arrays; files, models and progress bars are elsewhere."""
