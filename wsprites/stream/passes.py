"""Which numbers each pass over a stream gives, and to which process: each exactly once, in order.

An iterator is a pass. With `length`, pass p has the numbers p * length to (p + 1) * length - 1, however many the pass before gave; without
it there is one pass, without end. A DataLoader with workers gives each of them a copy of the stream at the begin of a pass: worker w of W
gives every W-th number from the w-th on, and the DataLoader puts them in order. Workers make batches ahead and do not learn which of them
were used, so nobody knows where a pass was left.

All copies count passes in shared memory, so that those of one pass agree on its number: a log has an entry for each pass, with a tag that
the workers of one DataLoader iterator have in common. No lock is needed, since the workers of a pass write the same values.
"""

import copy
import multiprocessing
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from wsprites.errors import ArgumentError, UserError
from wsprites.fields import show, whole

State = dict[str, int | str | None]
"""What a stream is, by the names of its arguments; `batches`, the number that comes next; and `pass`, in the state of an iterator."""

_MOST = 2**48  # no number reaches it
_MOST_WORKERS, _MOST_PASSES = 1024, 2**14
_RECENT = 8  # passes that each worker remembers to have begun
_FIRST, _PASS, _MOVES, _BEGUN, _LOG = 0, 1, 2, 3, 3 + _MOST_WORKERS * _RECENT  # see Passes._cells
_HERE, _ENDED = -1, -2  # tags of a pass without workers, and of one that cannot be continued
_MOVED = "load_state_dict moved the stream, or another DataLoader began to read it, during a pass: begin another pass"

_SAME = "a DataLoader with the same seed of torch began before all workers of the last one had: begin another pass"


def check_state(state: Any, facts: State, counts: tuple[str, ...]) -> dict[str, int]:
    """The counts of a state: "batches" and others. Raises ArgumentError if it is none, or has other facts than these."""
    first = counts[0]
    if not isinstance(state, Mapping) or first not in state or not state.keys() <= {*facts, *counts}:
        raise ArgumentError("state", f'{show(state)} is not a state of this stream; {{"{first}": n}} continues after n {first}')
    of_state = {name: whole(f'state: "{name}"', state[name], 0, _MOST) for name in counts if name in state}
    texts = {name: (show(state[name]), show(facts[name])) for name in facts if name in state}
    different = [f"{name} is {theirs}, not {ours}" for name, (theirs, ours) in texts.items() if theirs != ours]
    if different:
        only = f'{{"{first}": {of_state[first]}}}'
        raise ArgumentError("state", f"belongs to another stream: {', '.join(different)}; {only} has the number of {first} alone")
    return of_state


def _share(tensor: Any) -> Tensor:
    """A tensor, moved to memory that forked and spawned processes share."""
    shared: Tensor = tensor.share_memory_()
    return shared


class Passes:
    """The passes over a stream, in the process that made it and in the workers of its DataLoaders.

    Args:
        length: numbers per pass; None is without end.
        facts: what the stream is, kept in its states: that of another stream is refused.
    """

    def __init__(self, length: int | None, facts: State) -> None:
        self.length, self.facts = length, facts
        self._own(0)

    def _own(self, first: int) -> None:
        """Count in memory that only this process and its workers share, from a number on."""
        self._owner = self._process = os.getpid()
        self._moves = 0
        with torch.inference_mode(False):
            self._shared = _share(torch.zeros(_LOG + _MOST_PASSES, dtype=torch.int64, device="cpu"))
        self.move(first)

    @property
    def _cells(self) -> NDArray[np.int64]:
        """The first entry's number and pass; moves; of each worker, the places after the last entries that it begun; the log: tags, then
        zeros. All int64."""
        cells: NDArray[np.int64] = self._shared.numpy()
        return cells

    def move(self, number: int) -> None:
        """Begin the next pass at a number, in the midst of its pass where need be."""
        self._next, self._moves, cells = number, self._moves + 1, self._cells
        cells[_MOVES], cells[_BEGUN:] = self._moves, 0
        cells[_FIRST], cells[_PASS] = number, number // self.length if self.length else 0

    def given(self, number: int) -> None:
        """Count a number that was given without workers."""
        self._next = self._cells[_FIRST] = number + 1

    def state_dict(self) -> State:
        """The state of the stream: that of a worker is empty, since its iterator has one. Raises UserError if workers read the stream."""
        if get_worker_info():
            return {}
        self._keep_apart()
        if self._read_ahead():
            raise UserError(
                "the workers of a DataLoader read this stream ahead, and which batches were used is not known here: "
                'count them, and resume by load_state_dict({"batches": n}), or use the state_dict of a StatefulDataLoader'
            )
        return {**self.facts, "batches": self._next}

    def load_state_dict(self, state: Mapping[str, int | str | None]) -> None:
        """Continue after a number of batches. Raises UserError for another state, and in a worker."""
        if get_worker_info():
            if state:
                raise UserError("load_state_dict of a stream in a worker: call it where the DataLoader is, before the loop over it")
            return
        self._keep_apart()
        self.move(check_state(state, self.facts, ("batches",))["batches"])

    def begin(self) -> "Numbers":
        """The next pass."""
        if not get_worker_info():
            self._keep_apart()
        return Numbers(self)

    def _keep_apart(self) -> None:
        """Give memory of its own to a copy that was sent to a process, but not to a worker of a DataLoader."""
        if os.getpid() != self._owner:
            if self._read_ahead():
                self._owner, self._shared = os.getpid(), _share(self._shared.clone())
            else:
                self._own(self._next)

    def _read_ahead(self) -> bool:
        """Whether the workers of a DataLoader read the stream."""
        return bool((self._cells[_LOG:] > 0).any())

    def enter(self) -> tuple[int, int]:
        """Find or make the entry of this pass in the log: its place, and its tag. Raises UserError if there is none."""
        worker, tag = get_worker_info(), _HERE
        log = self._cells[_LOG:].copy()  # as it is now: what other workers write meanwhile must not be seen in part
        joined = np.zeros(len(log), bool)
        if worker:
            parent = multiprocessing.parent_process()
            if parent is None or parent.pid != self._owner:
                raise UserError("the stream was made in another process than its DataLoader: use copy.deepcopy(stream) there")
            if self._process != os.getpid() and self._moves != self._cells[_MOVES]:  # it was started before a move
                raise UserError(_MOVED)
            if worker.id >= _MOST_WORKERS:
                raise UserError(f"a stream is read by at most {_MOST_WORKERS:,} workers")
            tag = ((worker.seed - worker.id) * _MOST_WORKERS + worker.num_workers) % 2**63 or 1
            begun = self._begun(worker.id)
            joined[:] = log == tag
            joined[: max(0, begun.max() - _RECENT)] = False
            joined[begun[begun > 0] - 1] = False
        places = np.flatnonzero((log == 0) | joined)
        if not len(places):
            raise UserError(f"a stream has at most {_MOST_PASSES:,} passes; load_state_dict begins to count anew")
        place = int(places[0])
        if worker:
            if not log[place] and self._process != os.getpid():
                self._close(np.flatnonzero(log == tag), worker.num_workers)
            self._process = os.getpid()
            begun[place % _RECENT] = place + 1
        self._cells[_LOG + place] = tag
        return place, tag

    def _begun(self, worker: int) -> NDArray[np.int64]:
        """The places after the last entries that a worker has begun, entry n at n % _RECENT."""
        return self._cells[_BEGUN + worker * _RECENT :][:_RECENT]

    def _close(self, places: NDArray[np.int64], workers: int) -> None:
        """End the last pass of these if not all of its workers have begun it: nobody knows which pass the others belong to."""
        for place in places[-1:]:
            if any(self._begun(worker)[place % _RECENT] <= place for worker in range(workers)):
                self._cells[_LOG + place] = _ENDED
                raise UserError(_SAME)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        memory: Any = self._shared
        if not memory.is_shared():  # pickled or copied, not sent to a process that was started
            self._owner = os.getpid()
            self._shared = _share(self._shared)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Passes":
        twin = copy.copy(self)
        twin._owner, twin._shared = os.getpid(), _share(self._shared.clone())
        return twin


class Numbers:
    """A pass: its numbers, of a worker those that are its share. It has the state that torchdata's StatefulDataLoader wants."""

    def __init__(self, passes: Passes) -> None:
        worker = get_worker_info()
        self._passes, self._step, self._problem = passes, worker.num_workers if worker else 1, ""
        self._place, self._tag, self._pass, self._moves = 0, 0, 0, passes._cells[_MOVES]
        # Problems are raised with the first number: a state may still be loaded.
        try:
            if worker or passes.length or passes._cells[_LOG]:
                self._place, self._tag = passes.enter()
        except UserError as error:
            self._problem = str(error)
        cells, length = passes._cells, passes.length
        self._pass = int(cells[_PASS]) + self._place if length else 0
        first = int(cells[_FIRST]) if not self._place else self._pass * (length or 0)
        if not length and self._place:
            self._problem = (
                "a stream without end was read ahead by the workers of a DataLoader, and which batches were used is not known: "
                'pass length=n for passes of n batches, or call load_state_dict({"batches": n}) of the stream before each loop'
            )
        if not worker and not self._problem:
            passes.given(first - 1)
        self._number = first + (worker.id if worker else 0)

    def current(self) -> int:
        """The number that comes next. Raises StopIteration at the end of the pass, and UserError if it cannot be known."""
        passes = self._passes
        if self._problem:
            raise UserError(self._problem)
        if passes._cells[_LOG + self._place] != self._tag or (self._tag and passes._cells[_MOVES] != self._moves):
            raise UserError(_MOVED)
        if not self._tag:  # without end and workers: all iterators are the same pass
            self._number = passes._next
        if passes.length and self._number >= (self._pass + 1) * passes.length:
            raise StopIteration
        return self._number

    def advance(self, number: int) -> None:
        """Count the current number as given. Raises UserError if it was given in the meantime."""
        if number != (self._number if self._tag else self._passes._next):
            raise UserError("a stream is read by two threads: give each an iterator of a stream of its own, of copy.deepcopy(stream)")
        if self._tag <= 0:
            self._passes.given(self._number)
        self._number += self._step

    def state_dict(self) -> State:
        """The facts of the stream, the pass, and the number that comes next here."""
        number = self._number if self._tag else self._passes._next
        return {**self._passes.facts, "batches": number, "pass": self._pass}

    def load_state_dict(self, state: Mapping[str, int | str | None]) -> None:
        """Continue where an iterator was, of the same worker among as many."""
        counts, passes = check_state(state, self._passes.facts, ("batches", "pass")), self._passes
        self._number, self._pass, self._problem = counts["batches"], counts.get("pass", 0), ""
        passes._cells[_PASS] = self._pass - self._place
        if self._tag <= 0:
            passes.given(self._number - 1)
