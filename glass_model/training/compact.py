"""Compact checkpoints: large weights as float16, for models that are used and not trained any further."""

import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from glass_model.training.checkpoint import load, write_weights
from wsprites.generate import check_ending, check_output
from wsprites.weights import checkpoint_path

_FEWEST = 1024  # numbers of a tensor that is worth rounding: biases, the statistics of BatchNorm and small codebooks are exact
_PRECISION = 2.0**-11  # relative error of rounding to float16, of numbers from 2**-14 to 65504


def compact(source: str | os.PathLike[str], out: Path, *, overwrite: bool = False) -> Path:
    """Write a checkpoint with its large weights as float16: half the size, and read by `load` as any other. No training resumes from it.

    A tensor of float32 stays as it is if it has fewer than 1,024 numbers, or if float16 would change one of its rows (the weights of one
    output) by more than ordinary rounding, 2**-11 of the row's norm: because of numbers above 65504, or of a row below about 2**-14.

    Args:
        source: a checkpoint, or the name of a trained model.
        out: the safetensors file. Its notes are those of `source`, and `weights`: "float16".
        overwrite: whether `out` may exist.

    Returns:
        `out`.

    Raises:
        UserError: `source` is no checkpoint, or `out` cannot be written or has another ending than .safetensors.
        OSError: writing failed. The message names the file.
    """
    check_ending("out", out, ".safetensors")
    check_output(out, overwrite, inputs=[checkpoint_path(source)])
    saved = load(source)
    weights = {name: _halved(tensor).contiguous() for name, tensor in saved.weights.items()}
    write_weights(out, replace(saved, weights=weights, notes={**saved.notes, "weights": "float16"}))
    return out


def _halved(tensor: Tensor) -> Tensor:
    """A tensor as float16, or as it is if that would not be worth it or would lose more than ordinary rounding."""
    if tensor.dtype != torch.float32 or tensor.numel() < _FEWEST:
        return tensor
    half, rows = tensor.half(), tensor.flatten(1) if tensor.ndim > 1 else tensor[None]
    error = (rows - half.view_as(rows).float()).norm(dim=1)
    return half if bool((error <= _PRECISION * rows.norm(dim=1)).all()) else tensor
