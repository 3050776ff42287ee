"""GLASS (Davtyan & Favaro, ECCV 2022): networks, losses and schedules."""
