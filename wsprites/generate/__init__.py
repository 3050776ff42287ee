"""Generating data files: in one run, resumed, in shards that are merged, or on a cluster; and verifying them.

The clips of a file are made by many workers, and its bytes do not depend on how many there are.
"""

from wsprites.generate.order import Order, order_like, order_of
from wsprites.generate.output import (
    append_line,
    check_disk,
    check_ending,
    check_output,
    naming,
    partial_path,
    readable_size,
    replace_file,
    written_aside,
)
from wsprites.generate.writer import estimate, generate, is_complete

__all__ = [
    "Order",
    "append_line",
    "check_disk",
    "check_ending",
    "check_output",
    "estimate",
    "generate",
    "is_complete",
    "naming",
    "order_like",
    "order_of",
    "partial_path",
    "readable_size",
    "replace_file",
    "written_aside",
]
