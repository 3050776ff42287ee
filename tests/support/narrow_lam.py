"""Sizes of latent action models that tests can afford."""

from typing import Any

NARROW: dict[str, Any] = {
    "idm_channels": (4, 4),
    "idm_hidden": 8,
    "fdm_channels": 4,
    "fdm_stages": 2,
    "size": 4,
    "codes": 3,
    "latent_size": 6,
    "latent_hidden": 8,
}
