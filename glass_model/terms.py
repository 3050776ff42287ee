"""Terms of a loss and their weights, which a configuration has under the same names."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def weighted(terms: Mapping[str, Callable[[], Tensor]], config: Any) -> dict[str, Tensor]:
    """Compute the terms whose weight is not 0, unweighted. `config` has the weights as fields."""
    return {name: term() for name, term in terms.items() if getattr(config, name)}


def total(terms: Mapping[str, Tensor], config: Any) -> Tensor:
    """The weighted sum of the terms."""
    return torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
