"""Layered Controllable Video Generation (Huang et al., ECCV 2022): networks, control masks, losses and schedules."""
