"""Each batch exactly once, in an order that depends on the seed alone: over workers, passes, ranks and resumed runs."""

import copy
import itertools
import multiprocessing
import os
import pickle
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsprites.art import Art, World
from wsprites.errors import UserError
from wsprites.world.spec import WorldSpec

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402 the module is skipped without torch

from wsprites.stream import FileClips, RenderedClips, WindowSampler, collate, passes  # noqa: E402

# Loaders use forked workers; Python warns that another thread could hold a lock. torchdata calls a deprecated function of torch.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),
]

Seen = list[list[tuple[int, int]]]
WORKERS = [(0, False), (2, False), (2, True)]
"""Numbers of workers, and whether they persist."""


@pytest.fixture(scope="module")
def world(spec: WorldSpec, art: Art) -> World:
    return World(spec, art)


def rendered(world: World, **options: object) -> RenderedClips:
    return RenderedClips(world, "train", window=2, batch=2, seed=3, **options)


def loader_of(source: object, workers: int = 0, persistent: bool = False, **options: object) -> DataLoader:
    """A loader of a stream, or of a sampler over a file."""
    options |= {"num_workers": workers, "persistent_workers": persistent}
    if isinstance(source, WindowSampler):
        return DataLoader(source.data, 3, sampler=source, collate_fn=collate, **options)
    return DataLoader(source, batch_size=None, **options)


def seen(batches: Iterable[dict], count: int | None = None) -> Seen:
    """Which windows some batches have: clip and first frame."""
    return [list(zip(b["index"].tolist(), b["start"].tolist(), strict=True)) for b in itertools.islice(batches, count)]


def refused(source: Iterable[dict], words: str) -> None:
    """Reading raises a UserError. Its workers end now, and not when Python looks for circles of references, perhaps in another worker."""
    with pytest.raises(UserError, match=words) as raised:
        next(iter(source))
    traceback.clear_frames(raised.tb)


def flat(batches: Seen) -> list[tuple[int, int]]:
    return list(itertools.chain.from_iterable(batches))


@pytest.fixture(scope="module")
def truth(world: World) -> Seen:
    """The first batches of the stream."""
    batches = seen(rendered(world), 40)
    assert len(set(flat(batches))) == 80
    return batches


@pytest.fixture(scope="module")
def clips(labels_file: Path) -> FileClips:
    return FileClips(labels_file, "train", window=4, keys=["index"])


@pytest.fixture(scope="module")
def windows(clips: FileClips) -> list[tuple[int, int]]:
    """The first windows of a file, of all passes."""
    samples = [clips[item] for item in itertools.islice(WindowSampler(clips, seed=3), 6 * clips.clips)]
    return [(int(sample["index"]), int(sample["start"])) for sample in samples]


# A rendered stream.


@pytest.mark.parametrize(("workers", "persistent"), WORKERS)
def test_each_batch_once_in_passes(world: World, truth: Seen, workers: int, persistent: bool):
    loader = loader_of(rendered(world, length=5), workers, persistent)
    assert len(loader) == 5
    assert [seen(loader) for _ in range(3)] == [truth[0:5], truth[5:10], truth[10:15]]


@pytest.mark.parametrize(("workers", "persistent"), WORKERS)
def test_a_pass_left_early_is_over(world: World, truth: Seen, workers: int, persistent: bool):
    """Also if the same seed of torch makes the loops indistinguishable by it."""
    loader, taken = loader_of(rendered(world, length=7), workers, persistent), []
    for count in (1, 7, 3):
        torch.manual_seed(0)
        taken.append(seen(loader, count))
    assert taken == [truth[:1], truth[7:14], truth[14:17]]


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, True), pytest.param(3, False, marks=pytest.mark.slow)])
def test_a_pass_without_end(world: World, truth: Seen, workers: int, persistent: bool):
    """Without workers it is continued; with them, that is an error until the place is given."""
    stream = rendered(world)
    loader = loader_of(stream, workers, persistent)
    assert seen(loader, 5) == truth[:5]
    if workers:
        refused(loader, "without end was read ahead by the workers")
        refused(stream, "without end was read ahead by the workers")
        with pytest.raises(UserError, match="which batches were used is not known"):
            stream.state_dict()
        stream.load_state_dict({"batches": 5})
    assert stream.state_dict()["batches"] == 5
    assert seen(loader, 5) == truth[5:10]


@pytest.mark.parametrize(("workers", "persistent"), WORKERS)
def test_a_place_can_be_given_before_each_loop(world: World, truth: Seen, workers: int, persistent: bool):
    stream = rendered(world)
    loader = loader_of(stream, workers, persistent)
    for place in (4, 9, 0):
        stream.load_state_dict({"batches": place})
        assert seen(loader, 3) == truth[place : place + 3]


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
def test_a_resumed_pass_is_completed_and_the_next_follows(world: World, truth: Seen, workers: int, persistent: bool):
    stream = rendered(world, length=5)
    stream.load_state_dict({"batches": 8})
    loader = loader_of(stream, workers, persistent)
    assert [seen(loader) for _ in range(2)] == [truth[8:10], truth[10:15]]


def test_loops_with_and_without_workers_mix(world: World, truth: Seen):
    stream = rendered(world, length=4)
    loops = [seen(loader_of(stream, 1)), seen(stream), seen(loader_of(stream, 3)), seen(loader_of(stream, 2, True)), seen(stream, 2)]
    assert loops == [truth[0:4], truth[4:8], truth[8:12], truth[12:16], truth[16:18]]
    endless = rendered(world)
    assert seen(endless, 2) + seen(loader_of(endless, 2), 3) == truth[:5]


def test_iterators_share_a_pass_without_end_and_have_passes_of_their_own(world: World, truth: Seen):
    stream = rendered(world)
    both = iter(stream), iter(stream)
    assert seen(itertools.chain.from_iterable(zip(*both, strict=True)), 6) == truth[:6]
    stream = rendered(world, length=3)
    both = iter(stream), iter(stream)
    assert [seen(part) for part in both] == [truth[0:3], truth[3:6]]


@pytest.mark.parametrize("length", [None, 9])
def test_threads_do_not_get_the_same_batch(world: World, truth: Seen, length: int | None, monkeypatch: pytest.MonkeyPatch):
    """The second of two that make the same batch gets an error."""
    stream = rendered(world, length=length)
    batches, render = iter(stream), stream._render
    other = batches if length else iter(stream)

    def meanwhile(*args: object) -> object:
        monkeypatch.setattr(stream, "_render", render)
        assert seen(other, 1) == truth[:1]
        return render(*args)

    monkeypatch.setattr(stream, "_render", meanwhile)
    with pytest.raises(UserError, match="by two threads: give each"):
        next(batches)
    assert seen(batches, 2) == truth[1:3]


@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_share_the_batches(world: World, truth: Seen, workers: int):
    ranks = [loader_of(rendered(world, length=3, rank=rank, ranks=3), workers) for rank in range(3)]
    loops = [[seen(loader) for loader in ranks] for _ in range(2)]
    assert loops == [[truth[rank : rank + 9 : 3] for rank in range(first, first + 3)] for first in (0, 9)]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))])
def test_a_copy_counts_for_itself(world: World, truth: Seen, copied):
    stream = rendered(world, length=4)
    assert seen(stream, 2) == truth[:2]
    twin = copied(stream)
    assert twin.state_dict() == stream.state_dict()
    assert [seen(twin), seen(loader_of(twin, 2))] == [truth[4:8], truth[8:12]]
    assert seen(stream) == truth[4:8]


def read_in_a_process(stream: RenderedClips, out: multiprocessing.SimpleQueue) -> None:
    try:
        out.put(seen(loader_of(stream, 1), 1))
    except UserError as error:
        out.put(str(error))
    out.put(seen(stream, 3))
    out.put(seen(loader_of(copy.deepcopy(stream), 1), 1))


def test_a_process_of_the_user_has_a_stream_of_its_own(world: World, truth: Seen):
    stream, context = rendered(world), multiprocessing.get_context("fork")
    assert seen(stream, 2) == truth[:2]
    out = context.SimpleQueue()
    process = context.Process(target=read_in_a_process, args=(stream, out))
    process.start()
    refused, own, of_copy = out.get(), out.get(), out.get()
    process.join()
    assert "made in another process" in refused and (own, of_copy) == (truth[2:5], truth[5:6])
    assert seen(stream, 2) == truth[2:4]


def test_a_process_of_the_user_goes_on_after_the_passes_of_workers(world: World, truth: Seen):
    stream, context = rendered(world, length=3), multiprocessing.get_context("fork")
    assert seen(loader_of(stream, 1)) == truth[:3]
    out = context.SimpleQueue()
    process = context.Process(target=lambda: out.put(seen(stream)))
    process.start()
    assert out.get() == truth[3:6]
    process.join()
    assert seen(stream) == truth[3:6]


@pytest.mark.slow
def test_started_processes_count_as_forked_ones_do(world: World, truth: Seen):
    loader = loader_of(rendered(world, length=2), 1, multiprocessing_context="spawn")
    assert [seen(loader) for _ in range(2)] == [truth[0:2], truth[2:4]]


# Simulated DataLoaders, in one process: any number of loops, in any order of their workers.


class Loader:
    """What torch's DataLoader does with the copies of a stream, for numbers instead of batches."""

    def __init__(self, of: passes.Passes, patch: pytest.MonkeyPatch, workers: int, seed: int) -> None:
        self.passes, self.patch, self.workers, self.seed = of, patch, workers, seed

    def loop(self, count: int, begin: list[int], ahead: int) -> list[int]:
        """Numbers that come out, when `count` are taken, the workers begin in an order, and make some more."""
        numbers: dict[int, passes.Numbers] = {}
        for worker in begin:
            info = SimpleNamespace(id=worker, num_workers=self.workers, seed=self.seed + worker)
            self.patch.setattr(passes, "get_worker_info", lambda info=info: info)
            numbers[worker] = passes.Numbers(self.passes)
        given: list[int] = []
        ended: set[int] = set()
        for turn in itertools.count():
            worker = turn % self.workers
            if len(given) == count + ahead or len(ended) == self.workers:
                break
            try:
                given.append(numbers[worker].current())
                numbers[worker].advance(given[-1])
            except StopIteration:
                ended.add(worker)
        self.patch.setattr(passes, "get_worker_info", lambda: None)
        return given[:count]


@settings(max_examples=60)
@given(
    length=st.integers(1, 9),
    first=st.integers(0, 20),
    loops=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 10), st.integers(0, 4), st.integers(0, 1), st.randoms()), max_size=6),
)
def test_any_loops_over_any_workers(length: int, first: int, loops: list):
    """Against the definition: after `first` batches, loop k gives the begin of what is left of pass first // length + k."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=os.getpid()))
        of = passes.Passes(length, {"seed": 0})
        of.load_state_dict({"batches": first})
        for k, (workers, count, ahead, seed, random) in enumerate(loops):
            expected = [n for n in range(first, 20 + 10 * length) if n // length == first // length + k][:count]
            if workers:
                order = list(range(workers))
                random.shuffle(order)
                assert Loader(of, patch, workers, seed).loop(count, order, ahead) == expected
                continue
            numbers, given = of.begin(), []
            while len(given) < count:
                try:
                    given.append(numbers.current())
                except StopIteration:
                    break
                numbers.advance(given[-1])
            assert given == expected


def begin_as(patch: pytest.MonkeyPatch, of: passes.Passes, seed: int, worker: int, process: int | None = None) -> passes.Numbers:
    """A pass that one of two workers begins, in a process of its own, or one that has begun passes before."""
    patch.setattr(passes, "get_worker_info", lambda: SimpleNamespace(id=worker, num_workers=2, seed=seed + worker))
    patch.setattr(of, "_process", process)
    return passes.Numbers(of)


@pytest.mark.parametrize("order", list(itertools.permutations([(5, 0), (5, 1), (900, 0), (900, 1)])))
def test_loaders_whose_workers_begin_in_any_order(monkeypatch: pytest.MonkeyPatch, order: tuple):
    """Those of each loader, which have a seed in common, begin the same pass."""
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=os.getpid()))
    of, first = passes.Passes(4, {"seed": 0}), order[0][0]
    given = {(seed, worker): begin_as(monkeypatch, of, seed, worker).current() for seed, worker in order}
    assert given == {(seed, worker): worker + 4 * (seed != first) for seed, worker in order}


class Changing(np.ndarray):
    """Cells that another worker writes to as soon as this one has compared some of them."""

    write = staticmethod(lambda: None)

    def __eq__(self, other: object):
        equal = np.asarray(self) == other
        Changing.write()
        return equal


@pytest.mark.parametrize(("begun", "persistent"), [(0, False), (0, True), (1, True), (2, True)])
def test_a_worker_that_begins_while_another_does_joins_its_pass(monkeypatch: pytest.MonkeyPatch, begun: int, persistent: bool):
    """New workers, and persistent ones after some passes: the other one writes the entry of the pass while this one looks for it."""
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=os.getpid()))
    of, process = passes.Passes(4, {"seed": 0}), os.getpid() if persistent else None
    for _ in range(begun):
        assert [begin_as(monkeypatch, of, 5, worker, process=process).current() % 4 for worker in (0, 1)] == [0, 1]
    cells, others = of._cells, []

    def write() -> None:
        if not others:
            others.append(None)
            with monkeypatch.context() as patch:
                patch.setattr(passes.Passes, "_cells", cells)
                others.append(begin_as(patch, of, 5, 0, process=process))

    monkeypatch.setattr(Changing, "write", write)
    monkeypatch.setattr(passes.Passes, "_cells", cells.view(Changing))
    assert begin_as(monkeypatch, of, 5, 1, process=process)._place == begun == others[1]._place


def test_a_loader_with_the_seed_of_one_that_did_not_begin(monkeypatch: pytest.MonkeyPatch):
    """A worker of the first was ended before it began a pass: that of the second must not take its place."""
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=os.getpid()))
    of = passes.Passes(4, {"seed": 0})
    first, second = begin_as(monkeypatch, of, 5, 0), begin_as(monkeypatch, of, 5, 0)
    for numbers in (first, second):
        with pytest.raises(UserError, match="begin another pass"):
            numbers.current()
    assert [begin_as(monkeypatch, of, 5, worker).current() for worker in (1, 0)] == [4, 5][::-1]


# A file.


@pytest.mark.parametrize(("workers", "persistent", "of_loop"), [(0, False, 1), (0, False, 2), (2, False, 1), (2, True, 2)])
def test_each_window_of_a_file_once_in_passes(clips: FileClips, windows: list, workers: int, persistent: bool, of_loop: int):
    loader = loader_of(WindowSampler(clips, seed=3, passes=of_loop), workers, persistent)
    size = of_loop * clips.clips
    assert [flat(seen(loader)) for _ in range(3)] == [windows[k * size : (k + 1) * size] for k in range(3)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pass_over_a_file_left_early_is_over(clips: FileClips, windows: list, workers: int):
    loader, size = loader_of(WindowSampler(clips, seed=3, passes=1), workers), clips.clips
    loops = [flat(seen(loader, count)) for count in (1, 2, None)]
    assert loops == [windows[:3], windows[size : size + 6], windows[2 * size : 3 * size]]


@pytest.mark.parametrize("ranks", [1, 2, 5])
@pytest.mark.parametrize("start", [0, 1, 7, 18, 30])
def test_a_sampler_resumes_in_any_pass(clips: FileClips, ranks: int, start: int):
    """By the numbers of the samples of all ranks: sample n of rank r is number n * ranks + r, in pass number // clips."""
    whole, size = list(itertools.islice(WindowSampler(clips, seed=1), 200)), clips.clips
    for rank in range(ranks):
        sampler = WindowSampler(clips, seed=1, passes=1, start=start, rank=rank, ranks=ranks)
        begin = (start * ranks + rank) // size
        for number in range(begin, begin + 3):
            mine = [n for n in range(start * ranks, 200) if n % ranks == rank and n // size == number]
            if number < 200 // size:
                assert len(sampler) == len(mine)
                assert list(sampler) == [whole[n] for n in mine]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_sampler_without_end_is_looped_over_once(clips: FileClips, windows: list, workers: int):
    loader = loader_of(WindowSampler(clips, seed=3), workers)
    assert flat(seen(loader, 8)) == windows[:24]
    refused(loader, "pass passes=1 for a loop per pass, or make another with start=n")
    assert flat(seen(loader_of(WindowSampler(clips, seed=3, start=24), workers), 2)) == windows[24:30]


# torchdata's loader.


def stateful(source: object, workers: int, **options: object):
    module = pytest.importorskip("torchdata.stateful_dataloader")
    options |= {"num_workers": workers}
    if isinstance(source, WindowSampler):
        return module.StatefulDataLoader(source.data, 3, sampler=source, collate_fn=collate, **options)
    return module.StatefulDataLoader(source, batch_size=None, **options)


def check_resume(make, length: int | None, truth: Seen, workers: int, cuts: tuple[int, ...], **options: object) -> None:
    """Loops are read to an end, or left by a new process after some batches, whose loader goes on; all that is used is the truth."""
    loader, used = stateful(make(), workers, **options), Seen()
    for cut in cuts:
        used += seen(loader, cut)
        state = pickle.loads(pickle.dumps(loader.state_dict()))
        loader = stateful(make(), workers, **options)
        loader.load_state_dict(state)
        if length and len(used) % length == 0:
            used += seen(loader)  # the next pass, from its begin
    used += seen(loader, 3)
    assert used == truth[: len(used)] and len(used) >= sum(cuts)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("length", "cuts"), [(None, (7,)), (5, (3, 2)), (5, (5, 1))])
def test_a_stateful_loader_resumes_a_stream(world: World, truth: Seen, workers: int, length: int | None, cuts: tuple[int, ...]):
    check_resume(lambda: rendered(world, length=length), length, truth, workers, cuts)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_resumes_in_the_same_process(world: World, truth: Seen, workers: int):
    """The stream was read on; the state takes it back, and later passes follow those of the state."""
    for length, later in ((None, truth[3:7]), (5, truth[3:5])):
        loader = stateful(rendered(world, length=length), workers)
        batches = iter(loader)
        assert seen(batches, 3) == truth[:3]
        state = loader.state_dict()
        assert seen(batches, 2) == truth[3:5]
        loader.load_state_dict(state)
        assert seen(loader, 4) == later
    assert [seen(loader) for _ in range(2)] == [truth[5:10], truth[10:15]]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cuts", [(2, 3), (6, 1)])
def test_a_stateful_loader_resumes_a_file(clips: FileClips, windows: list, workers: int, cuts: tuple[int, ...]):
    of_passes = batches_of(windows, clips.clips)
    check_resume(lambda: WindowSampler(clips, seed=3, passes=1), 7, of_passes, workers, (cuts[0], 7 - cuts[0]))
    check_resume(lambda: WindowSampler(clips, seed=3), None, batches_of(windows, len(windows)), workers, cuts)


def batches_of(windows: list[tuple[int, int]], size: int) -> Seen:
    """Batches of three windows, of passes of so many; the last of a pass may be smaller."""
    passes = [windows[first : first + size] for first in range(0, len(windows), size)]
    return [each[n : n + 3] for each in passes for n in range(0, size, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("length", [None, 1, 3, 7])
@pytest.mark.parametrize("every", [1, 3])
def test_all_resume_points(
    world: World, clips: FileClips, truth: Seen, windows: list, workers: int, persistent: bool, length: int | None, every: int
):
    options = {"persistent_workers": persistent and workers > 0, "snapshot_every_n_steps": every}
    for first in range(1, length or 9):
        rest = (length or 9) - first
        check_resume(lambda: rendered(world, length=length), length, truth, workers, (first, rest) if rest else (first,), **options)
    of_passes = batches_of(windows, clips.clips)
    for first in range(1, 7):
        check_resume(lambda: WindowSampler(clips, seed=3, passes=1), 7, of_passes, workers, (first, 7 - first), **options)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "persistent"), [*WORKERS, (1, False), (3, False)])
@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_all_passes(world: World, truth: Seen, workers: int, persistent: bool, ranks: int, length: int):
    for place, rank in itertools.product(range(2 * length), range(ranks)):
        stream = rendered(world, length=length, rank=rank, ranks=ranks)
        stream.load_state_dict({"batches": place})
        loader, mine = loader_of(stream, workers, persistent), truth[rank::ranks]
        stop = (place // length + 1) * length
        if stop + length <= len(mine):
            assert [seen(loader), seen(loader)] == [mine[place:stop], mine[stop : stop + length]]


# What is refused.


def test_batches_of_batches_are_refused(world: World):
    for options in ({}, {"batch_size": 4}, {"num_workers": 1}, {"batch_size": 2, "collate_fn": collate}):
        refused(DataLoader(rendered(world), **options), "batches of batches: pass batch_size=None")


@pytest.mark.parametrize("collate_fn", [None, collate])
def test_single_windows_are_collated_by_at_most_one_worker(world: World, truth: Seen, collate_fn):
    for workers, size in ((0, 2), (1, 2)):
        stream = RenderedClips(world, "train", window=2, seed=3)
        assert seen(DataLoader(stream, batch_size=size, num_workers=workers, collate_fn=collate_fn), 3) == truth[:3]
    refused(
        DataLoader(RenderedClips(world, "train", window=2, seed=3), batch_size=4, num_workers=2, collate_fn=collate_fn),
        "pass batch=4 to RenderedClips and batch_size=None",
    )
    alone = DataLoader(RenderedClips(world, "train", window=2, seed=3), batch_size=None, num_workers=2)
    taken = [(int(sample["index"]), int(sample["start"])) for sample in itertools.islice(alone, 5)]
    assert taken == flat(truth)[:5]


STATES = {
    "no state": (None, "None is not a state of this stream"),
    "a list": ([4], "is not a state"),
    "a state of a model": ({"weight": 1}, "is not a state"),
    "more": ({"batches": 4, "epoch": 1}, "is not a state"),
    "a fraction": ({"batches": 4.0}, '"batches": 4.0 is not a whole number'),
    "text": ({"batches": "4"}, "\"batches\": '4' is not a whole number"),
    "a truth value": ({"batches": True}, '"batches": True is not a whole number'),
    "below 0": ({"batches": -1}, '"batches": -1 is outside the range 0 to'),
    "endless": ({"batches": 10**30}, "is outside the range"),
    "another seed": ({"batches": 4, "seed": 4}, 'another stream: seed is 4, not 3; {"batches": 4} has'),
    "another batch": (
        {"batches": 4, "batch": 3, "window": 9},
        "another stream: batch is 3, not 2, window is 9|window is 9, not 2, batch is 3",
    ),
    "other ranks": ({"batches": 4, "ranks": 2}, "ranks is 2, not 1"),
}


@pytest.mark.parametrize("name", STATES)
def test_other_states_are_refused(world: World, name: str):
    state, words = STATES[name]
    stream = rendered(world)
    with pytest.raises(UserError, match=words):
        stream.load_state_dict(state)
    assert stream.state_dict()["batches"] == 0


def test_states_of_other_worlds_and_samplers_are_refused(world: World, clips: FileClips):
    stream, other = rendered(world), rendered(World(replace(world.spec, height=64), world.art))
    with pytest.raises(UserError, match="another stream: world is"):
        stream.load_state_dict(other.state_dict())
    state = iter(WindowSampler(clips, seed=1)).state_dict()
    with pytest.raises(UserError, match=r'seed is 1, not 2; \{"samples": 0\}'):
        iter(WindowSampler(clips, seed=2)).load_state_dict(state)
    with pytest.raises(UserError, match="is not a state"):
        stream.load_state_dict(state)


def test_a_stream_that_is_moved_ends_the_passes_that_read_it(world: World, truth: Seen):
    stream = rendered(world, length=5)
    batches = iter(stream)
    next(batches)
    stream.load_state_dict({"batches": 7})
    with pytest.raises(UserError, match="load_state_dict moved the stream"):
        next(batches)
    assert seen(stream) == truth[7:10]


ARGUMENTS = {
    "window: 41 is outside the range 1 to 40": lambda world, clips: FileClips(clips.path, "train", window=41),
    "window: 2.0 is not a whole number": lambda world, clips: RenderedClips(world, window=2.0),
    "window: 0 is outside the range 1 to 40": lambda world, clips: RenderedClips(world, window=0),
    "seed: -1 is outside the range 0 to 9223372036854775807": lambda world, clips: RenderedClips(world, seed=-1),
    "seed: 9223372036854775808 is outside": lambda world, clips: RenderedClips(world, seed=2**63),
    "seed: 1.5 is not a whole number": lambda world, clips: RenderedClips(world, seed=1.5),
    "batch: 0 is outside": lambda world, clips: RenderedClips(world, batch=0),
    "batch: '8' is not a whole number": lambda world, clips: RenderedClips(world, batch="8"),
    "length: 0 is outside": lambda world, clips: RenderedClips(world, length=0),
    "ranks: 0 is outside": lambda world, clips: RenderedClips(world, ranks=0),
    "rank: 2 is outside the range 0 to 1": lambda world, clips: RenderedClips(world, rank=2, ranks=2),
    "split: 'all' is not one of train, val, test": lambda world, clips: FileClips(clips.path, "all"),
    "split: 'val ' is not one of train, val, test": lambda world, clips: RenderedClips(world, "val "),
    "has no depth in train": lambda world, clips: FileClips(clips.path, "train", keys=["frames", "depth"]),
    "no characters": lambda world, clips: RenderedClips(
        World(replace(world.spec, split=replace(world.spec.split, train=1.0, val=0.0, test=0.0)), world.art), "val"
    ),
    "seed: -1 is outside the range 0 to 9223372036854775807 ": lambda world, clips: WindowSampler(clips, seed=-1),
    "seed: 'a' is not a whole number": lambda world, clips: WindowSampler(clips, seed="a"),
    "start: -1 is outside": lambda world, clips: WindowSampler(clips, start=-1),
    "passes: 0 is outside": lambda world, clips: WindowSampler(clips, passes=0),
    "passes: 1.5 is not a whole number": lambda world, clips: WindowSampler(clips, passes=1.5),
    "rank: -1 is outside": lambda world, clips: WindowSampler(clips, rank=-1),
    "ranks: 20 is more than the samples of a loop, 19 clips in 1 passes": lambda world, clips: WindowSampler(clips, passes=1, ranks=20),
}


@pytest.mark.parametrize("words", ARGUMENTS)
def test_bad_arguments_are_named(world: World, clips: FileClips, words: str):
    with pytest.raises(UserError) as error:
        ARGUMENTS[words](world, clips)
    assert words.strip() in str(error.value) and "\n" not in str(error.value)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    import importlib
    import sys

    for name in [name for name in sys.modules if name.startswith("wsprites.stream")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match=r"wsprites\.stream needs torch: install wsprites with its extra `torch`") as error:
        importlib.import_module("wsprites.stream")
    assert error.value.name == "torch"


def test_what_is_read_is_an_iterator(world: World):
    assert isinstance(iter(rendered(world)), Iterator)
    with pytest.raises(TypeError, match="without `length`"):
        len(rendered(world))
