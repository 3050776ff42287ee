"""Torch data sets: windows of a file, and windows that are rendered on the fly, without a file and without end.

Both give dicts of tensors by the names of the file, and `start`, the number of a window's first frame in its clip. Frames are uint8
(T, 3, H, W); in memory colour is the last axis (torch.channels_last), as it was rendered. Axis suffixes: b windows, n clips, t frames.

Batches are made by as many threads as torch uses (`torch.set_num_threads`), which is one in the workers of a DataLoader. The memory of
their frames and masks is used for later batches, once nothing refers to it: neither the tensors nor anything that shares memory with them.

Each window or batch is given exactly once, in an order that depends on the seed alone, for any number of workers, persistent or not, of
passes and of ranks. What cannot be given so is an error.

- A loop over `RenderedClips(length=n)` is one pass of n batches, a loop over a loader with `WindowSampler(passes=1)` one pass over the
  clips. The next loop is the next pass. A pass that is left early is over: its other batches are not given. Where two DataLoaders with
  workers begin to read one stream at the same time, either gets the first pass: give each a stream of its own.
- Without `length` or `passes` there is one pass, without end. Read ahead by workers, it cannot be left and continued later, because nobody
  knows which of their batches were used: a second loop is an error. Without workers, a second loop over the stream continues it.
- To resume, count the batches that were used: `stream.load_state_dict({"batches": n})` before the loop, or
  `WindowSampler(start=n * batch)`; or use torchdata's `StatefulDataLoader`, which keeps count. It needs `sampler` and `batch_size`, not
  `batch_sampler`.
- Batches are made by `RenderedClips(batch=8)`, and the DataLoader gets `batch_size=None`: one that makes batches of batches, or batches of
  the windows of several workers, is an error. (A `collate_fn` of your own is not checked.)

Raises:
    ModuleNotFoundError: torch is not installed.
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError("wsprites.stream needs torch: install wsprites with its extra `torch`", name="torch") from None

from wsprites.stream.file import FileClips, WindowSampler
from wsprites.stream.rendered import RenderedClips
from wsprites.stream.samples import Sample, collate

__all__ = ["FileClips", "RenderedClips", "Sample", "WindowSampler", "collate"]
