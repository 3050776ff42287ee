"""Terms of a loss and their weights, which a configuration has under the same names."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from wsprites.errors import UserError


def weighted(terms: Mapping[str, Callable[[], Tensor]], config: Any) -> dict[str, Tensor]:
    """Compute the terms whose weight is not 0, unweighted. `config` has the weights as fields."""
    return {name: term() for name, term in terms.items() if getattr(config, name)}


def total(terms: Mapping[str, Tensor], config: Any) -> Tensor:
    """The weighted sum of the terms. Raises UserError if there are none."""
    if not terms:
        raise UserError("no term of the loss is left: all weights are 0; set one of them to more than 0")
    return torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
