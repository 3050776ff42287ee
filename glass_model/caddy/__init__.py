"""CADDY (Menapace et al., Playable Video Generation, CVPR 2021): networks, losses and schedules."""
