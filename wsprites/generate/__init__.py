"""Generating data files: in one run, resumed, in shards that are merged, or on a cluster; and verifying them.

The clips of a file are made by many workers, and its bytes do not depend on how many there are.
"""

from wsprites.generate.order import Order, order_like, order_of
from wsprites.generate.output import check_disk, check_output, partial_path, readable_size
from wsprites.generate.writer import estimate, generate, is_complete

__all__ = [
    "Order",
    "check_disk",
    "check_output",
    "estimate",
    "generate",
    "is_complete",
    "order_like",
    "order_of",
    "partial_path",
    "readable_size",
]
