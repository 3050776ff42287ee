"""Submissions that are not what they say: folders of runs, rows and records that someone has made up, and how each is found."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_scores import WHOLE, entry, made
from run_folders import PARAMETERS, again, config_of, edit, put, record_of, task_of, wrong

from benchmarks.leaderboard import check
from benchmarks.leaderboard.anchors import WITHOUT, unearned
from benchmarks.leaderboard.board import COLUMNS
from benchmarks.leaderboard.entries import NONE
from benchmarks.leaderboard.record import SUMS, Record, Training, folders, hashed, read_record, read_run
from benchmarks.leaderboard.rows import wrong_rows
from benchmarks.leaderboard.training import configuration, least_track
from wsprites.bench.packed import packed
from wsprites.bench.scores import Hashes, ScoreFile
from wsprites.errors import UserError

pytestmark = pytest.mark.bad_input


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that holds."""
    made_folder = put(tmp_path, record_of("mine"), made(**WHOLE))
    assert wrong(made_folder) == []
    return made_folder


# Files.


def linked(folder: Path, name: str) -> None:
    """Replace a file by a link to a copy of it."""
    shutil.copy(folder / name, folder.parent / name)
    (folder / name).unlink()
    (folder / name).symlink_to(folder.parent / name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *((lambda folder, name=name: removed(folder, name), f"{name} is missing") for name in ("log.txt", "task.json")),
        (lambda folder: (folder / "evil.py").write_text("x"), "evil.py is none of the files of a run; remove it"),
        (lambda folder: hashed_again(folder, "lock.txt", b"numpy is there\n"), "lock.txt is not a list of packages"),
        (lambda folder: hashed_again(folder, "lock.txt", b""), "lock.txt is not a list of packages"),
        (lambda folder: hashed_again(folder, "log.txt", b"a\0b"), "log.txt is not a text"),
    ],
)
def test_files_that_a_run_does_not_have(folder: Path, change: Callable[[Path], None], words: str) -> None:
    change(folder)
    assert any(text.startswith(words) for text in wrong(folder)), wrong(folder)


def removed(folder: Path, name: str) -> None:
    """Remove a file and its hash."""
    (folder / name).unlink()
    again(folder)


def hashed_again(folder: Path, name: str, content: bytes) -> None:
    """Write a file, and the hashes of all, but none of the others."""
    (folder / name).write_bytes(content)
    (folder / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in hashed(folder).items()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("\nnumpy==", "\nnumpy==0."), "lock.txt has numpy 0."),
        (lambda text: text.replace("\nscikit-learn==", "\nother=="), "lock.txt has no scikit-learn; scores.json was made with"),
        (lambda text: text.replace("\nscikit-learn==", "\nScikit_Learn=="), ""),  # the same name
    ],
)
def test_a_lock_has_the_versions_of_the_scoring(folder: Path, change: Callable[[str], str], words: str) -> None:
    hashed_again(folder, "lock.txt", change((folder / "lock.txt").read_text()).encode())
    found = wrong(folder)
    assert [text.startswith(words) for text in found] == [True] * bool(words), found


def test_a_lock_that_is_not_a_text_is_refused(folder: Path) -> None:
    hashed_again(folder, "lock.txt", b"\xff\xfe\0junk")
    with pytest.raises(UserError, match=r"lock\.txt: not UTF-8"):
        wrong(folder)


def test_what_training_needs_may_lie_in_a_folder(folder: Path) -> None:
    (folder / "train").mkdir()
    (folder / "train-clock.json").write_text("{}")
    assert wrong(folder) == []


def test_links_are_refused_and_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A file, a folder, and a folder that holds others; they are found, as a run with a record alone is."""
    other, system = folder.with_name("seed-1"), folder.parent.with_name("other")
    other.symlink_to(folder)
    assert folders(folder.parent) == [folder, other]
    system.symlink_to(folder.parent)
    monkeypatch.setattr(check, "read_run", None)
    for at, name in ((other, "seed-1"), (system / "seed-0", "other"), (system / "seed-1", "other, seed-1")):
        with pytest.raises(UserError, match=f"^{name}: a link; give the files themselves$"):
            wrong(at)
    linked(folder, "log.txt")
    assert run_check(folder) == 1
    assert "FAILED   log.txt: a link; give the files themselves" in capsys.readouterr().out


def test_a_folder_with_the_name_of_what_training_needs_is_no_link(folder: Path) -> None:
    """`train` may be a link in the folder of a run, on the disk of who trains it; a system of that name may not."""
    (folder.parent / "elsewhere").mkdir()
    (folder / "train").symlink_to(folder.parent / "elsewhere")
    assert wrong(folder) == []
    system = folder.parent.with_name("train")
    system.symlink_to(folder.parent)
    with pytest.raises(UserError, match="train: a link; give the files themselves"):
        wrong(system / "seed-0")


def test_a_device_is_not_read(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"run\.json: not a file"):
        read_record(folder)


# Records.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1000}, "its seed is 1000; runs of the budget minutes have the seeds 0 to 4"),
        (
            {"training": Training(10, 9, 60, PARAMETERS, 600.0, "m")},
            "run.json says that 9 steps were planned, fewer than the 10 that were done",
        ),
        (
            {"training": Training(10, 100, 60, 1, 600.0, "m")},
            "run.json says that it has 1 parameters; the network of config.json has 709,278",
        ),
        (
            {"training": Training(10, 100, 60, 1, 600.0, "128 cores, NVIDIA H100")},
            "run.json says that the machine was '128 cores, NVIDIA H100'; the budget is 15 minutes on two cores",
        ),
        ({"training": Training(10, 100, 60, PARAMETERS, 600.0, "fast")}, "run.json says that the machine was 'fast'; the budget is 15"),
        (
            {"budget": "gpu"},
            "run.json says that the machine was 'a processor, 2 of 2 cores'; the budget is 60 minutes on one GPU:",
        ),
        (
            {"budget": NONE, "model": "a:b"},
            "mine is not in the list of systems: a row without training, or an anchor, has to be in entries.py",
        ),
        ({"track": "anchor"}, "mine is not in the list of systems"),
    ],
)
def test_a_record_that_cannot_be(folder: Path, changes: dict[str, object], words: str) -> None:
    again(folder, **changes)
    assert any(text.startswith(words) for text in wrong(folder)), wrong(folder)


@pytest.mark.parametrize(
    ("budget", "machine", "holds"),
    [
        ("minutes", "AMD Ryzen 7 5800H with Radeon Graphics, 2 of 16 cores", True),  # graphics in the name of a processor
        ("minutes", "AMD Ryzen 5 2500U with Radeon Vega Mobile Gfx, 2 of 8 cores", True),
        ("minutes", "AMD Ryzen 9 7940HS w/ Radeon 780M Graphics, 1 of 16 cores", True),
        ("minutes", "one thread of 8 cores of an AMD EPYC", True),
        ("minutes", "Intel Xeon, 16 of 16 cores", False),
        ("minutes", "Intel Xeon, 16 cores", False),
        ("hour", "Intel Xeon, 3 of 4 cores", False),
        ("minutes", "Intel Xeon, 2 of 2 cores, Tesla T4", False),
        *(
            ("gpu", f"Intel Xeon, 8 of 8 cores, {name}", True)
            for name in ("Tesla T4", "Tesla P100-PCIE-16GB", "Quadro RTX 6000", "GTX1080")
        ),
        ("gpu", "AMD EPYC, 8 of 8 cores, AMD Radeon RX 7900", True),
        ("gpu", "AMD Ryzen 7 5800H with Radeon Graphics, 16 of 16 cores, no GPU", False),
    ],
)
def test_machines_of_a_budget(budget: str, machine: str, holds: bool, tmp_path: Path) -> None:
    """As torch and /proc/cpuinfo call them; a run on more cores than the budget has is not of the budget."""
    training = Training(10, 100, 60, PARAMETERS, 600.0, machine)
    found = wrong(put(tmp_path, replace(record_of("mine", budget=budget), training=training), made(**WHOLE)))
    assert [text.startswith(f"run.json says that the machine was {machine!r:.80}; the budget is") for text in found] == [True] * (not holds)


@pytest.mark.parametrize("board", ["x/../wsprites-factorial-v1/bench-2", "../bench-2", "wsprites-factorial-v1/bench-2/x", "a b/bench-2"])
def test_names_of_boards(board: str, folder: Path) -> None:
    with pytest.raises(UserError, match="is not of the form DATA/bench-N"):
        Record("mine", board=board)
    edit_text(folder / "run.json", "wsprites-factorial-v1/bench-2", board)
    with pytest.raises(UserError, match=r"run.json: .*is not of the form DATA/bench-N"):
        read_record(folder)


def edit_text(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def test_where_a_checkpoint_can_be_fetched(folder: Path) -> None:
    """It stands in a record that says it alone, so that the others stay as they are."""
    before, address = (folder / "run.json").read_bytes(), "https://example.org/runs/mine-0.safetensors?download=1"
    again(folder, checkpoint=address)
    assert wrong(folder) == [] and read_record(folder).checkpoint == address
    again(folder, checkpoint="")
    assert (folder / "run.json").read_bytes() == before and b'"checkpoint"' not in before
    for other in ("http://example.org/x", "https://example.org", "https://example.org/a b", "https:///x", "file:///x", "https://e.org/\n"):
        with pytest.raises(UserError, match="checkpoint"):
            Record("mine", checkpoint=other)


@pytest.mark.parametrize(
    ("track", "train", "least"),
    [
        ("unsupervised", {"augment": "twin"}, "guided"),
        ("guided", {"labels": 1.0}, "oracle"),
        ("labels", {"labels": 0.5}, "oracle"),
        ("guided", {"labels": 0.02}, "labels"),
    ],
)
def test_an_unlisted_system_is_of_the_track_of_its_configuration(
    folder: Path, track: str, train: dict[str, object], least: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "numbers_of", lambda _: PARAMETERS)  # a network that learns labels has a few more
    labelled = train | ({"labelled": 1} if "labels" in train else {})
    (folder / "config.json").write_text(config_of(10, 0, **labelled))
    again(folder, track=track)
    assert wrong(folder) == [f"config.json is of a training that sees more than the track {track} allows: its track is {least}"]
    again(folder, track=least)
    assert wrong(folder) == []


def test_a_configuration_is_a_whole_one() -> None:
    text = config_of(10, 0)
    assert configuration(text).train.steps == 10 and least_track(configuration(text)) == "unsupervised"
    values = json.loads(text)
    for change in ({"loss": None}, {"train": {"steps": 10, "seed": 0, "batch": 2, "window": 3}}, {"train": values["train"] | {"more": 1}}):
        with pytest.raises(UserError, match="no configuration of a known system"):
            configuration(json.dumps({name: value for name, value in (values | change).items() if value is not None}))


# The downstream task.


CODES, VECTORS = packed(np.zeros((6, 89)), "u2"), packed(np.arange(6.0), "f4")
RATES = [1.0, 0.5, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda task: task.update(model="another"), "task.json is of another model"),
        (lambda task: task.update(world="paper"), "task.json is of another model"),
        (lambda task: task["success"].update({"latents-1": 1.0}), "the rates of success in task.json are not the means of its draws"),
        (lambda task: task.update(draws=[1]), "task.json is damaged"),
        (lambda task: task["draws"].update({"latents-1": [float("nan")] * 5}), "task.json does not have 5 rates of 500 episodes for each"),
        (lambda task: task["draws"].update({"latents-1": [-3, 5, 0.5, 0.5, -0.5]}), "task.json does not have 5 rates"),
        (lambda task: task["draws"].update({"latents-1": [10**400] * 5}), "task.json does not have 5 rates"),
        (lambda task: task["draws"].update({"latents-1": [0.5]}), "task.json does not have 5 rates"),
        (lambda task: task["draws"].update({"latents-1": [0.5001] * 5}), "task.json does not have 5 rates"),
        (lambda task: task["draws"].update({"latents-1": ["0.5"] * 5}), "task.json does not have 5 rates"),
        (lambda task: task["draws"].pop("latents-1"), "task.json does not have 5 rates"),
        (
            lambda task: (task["draws"].update({"labels-1": RATES}), task["success"].update({"labels-1": 0.55})),
            "task.json has the rates [1.0,",
        ),
        (lambda task: (task["draws"].update({"none": [0.0] * 5}), task["success"].update({"none": 0.0})), "task.json has the rates [0.0,"),
    ],
)
def test_rates_that_are_made_up(folder: Path, change: Callable[[dict], object], words: str) -> None:
    edit(folder, "task.json", change)
    assert len(wrong(folder)) == 1 and wrong(folder)[0].startswith(words), wrong(folder)


def test_the_rates_of_a_run(folder: Path) -> None:
    assert not any("SHA256SUMS" in text for text in wrong(folder))
    (folder / "task.json").write_text(json.dumps(task_of("another")))
    assert any("SHA256SUMS" in text for text in wrong(folder)), "it is hashed"
    # None is right for a model that infers nothing, and for no other.
    for per_clip, words in (
        ({}, []),
        ({"test/codes": CODES}, ["task.json has no rates, although the model infers codes, vectors or shifts"]),
    ):
        other = put(folder.parent / str(len(words)), record_of("mine"), replace(made(**WHOLE), per_clip=per_clip))
        edit(other, "task.json", lambda task: task.update(success={}, draws={}))
        assert wrong(other) == words


@pytest.mark.parametrize("name", ["success", "draws"])
def test_numbers_of_thousands_of_digits_are_a_finding(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The folders after a damaged one are checked as well."""
    put(folder.parents[4], record_of("other"), made(**WHOLE))
    edit(folder, "task.json", lambda task: task.update({name: dict.fromkeys(task[name], 10**400)}))
    assert run_check(folder.parents[4]) == 1
    out = capsys.readouterr().out
    assert "1 of 2 runs hold" in out and "task.json" in out


def run_check(*folders: Path) -> object:
    """The exit code of the check of files and hashes."""
    with pytest.raises(SystemExit) as exit_:
        check.main([*map(str, folders), "--no-sample"])
    return exit_.value.code


def test_all_that_is_wrong_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was found before a file that cannot be read as well."""
    (folder / "log.txt").unlink()
    (folder / "scores.json").write_text("{")
    assert run_check(folder) == 1
    out = capsys.readouterr().out
    assert "FAILED   log.txt is missing" in out and "FAILED   scores.json was changed" in out and "not a score file" in out


def test_an_exception_of_one_folder_is_its_finding(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def damaged(at: Path, **_: object) -> list[check.Finding]:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(check, "findings", damaged)
    assert run_check(folder) == 1
    assert "FAILED   it cannot be checked: ZeroDivisionError: a b\n" in capsys.readouterr().out


# Folders of the command.


def test_the_command_takes_any_folder_of_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for above in (folder, *folder.parents[:5]):
        assert run_check(above) == 0
        assert "1 of 1 runs hold" in capsys.readouterr().out
    for other, words in ((folder.with_name("seed-9"), "no such folder"), (folder.parents[4] / "empty", "no run in this folder")):
        (folder.parents[4] / "empty").mkdir(exist_ok=True)
        assert run_check(folder, other) == 2
        assert (
            capsys.readouterr().err == f"{other}: {words}{'; name one with a run.json, or one that holds some' if 'in' in words else ''}\n"
        )


def test_a_run_without_scores_is_not_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = put(folder.parents[4], record_of("mine", seed=1), made(**WHOLE))
    (begun / "scores.json").unlink()
    assert run_check(folder.parents[4]) == 1
    assert "1 of 2 runs hold" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"scores\.json"):
        read_run(begun)


# Rows.


def row(root: Path, *files: ScoreFile, **changes: object) -> list[Path]:
    """The runs of a row, of which the second has other values in its record."""
    records = [record_of("mine", seed=seed) for seed in range(len(files))]
    return [put(root, replace(one, **changes) if one.seed == 1 else one, file) for one, file in zip(records, files, strict=True)]


FILE = made(**WHOLE)


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        (FILE, {"track": "oracle"}, "seed-0 and seed-1 differ in their track"),
        (FILE, {"words": "something else"}, "seed-0 and seed-1 differ in their description"),
        (replace(FILE, data=replace(FILE.data, sha256="1" * 64)), {}, "seed-0 and seed-1 differ in their data"),
        (replace(FILE, settings=replace(FILE.settings, rollout_actions="true")), {}, "seed-0 and seed-1 differ in their kind of rollouts"),
        (FILE, {"training": Training(20, 99, 120, PARAMETERS, 600.0, "m")}, "seed-0 and seed-1 differ in their number of planned steps"),
        (FILE, {"training": Training(20, 100, 120, 99, 600.0, "m")}, "seed-0 and seed-1 differ in their number of parameters"),
        (replace(FILE, hashes=Hashes("", "x", "")), {}, "scores.json of seed-1 does not have the hash of its model"),
    ],
)
def test_runs_that_are_no_row(tmp_path: Path, file: ScoreFile, changes: dict[str, object], words: str) -> None:
    name = "wsprites-factorial-v1/bench-2/minutes/mine"
    assert wrong_rows(row(tmp_path / "good", FILE, FILE)) == {}
    runs = row(tmp_path / "bad", FILE, file, **changes)
    lines = wrong_rows(runs)
    assert len(lines[name]) == 1 and lines[name][0].startswith(words), lines
    assert wrong_rows(runs[:1]) == lines, "the other runs of the row are read as well"
    assert ("wsprites-factorial-v1/bench-2" in lines) == (words.endswith("data"))


def test_rates_that_need_no_model_are_the_same_on_a_board(tmp_path: Path) -> None:
    """Of any world; a run without rates has none that could be others."""
    runs = [put(tmp_path, replace(record_of(name), board="wsprites-paper-v1/bench-2"), FILE) for name in ("one", "two", "three")]
    edit(runs[0], "task.json", lambda task: task["success"].update({"latents-1": 0.9}))
    edit(runs[1], "task.json", lambda task: task.update(success={}))
    assert wrong_rows(runs) == {}
    edit(runs[2], "task.json", lambda task: task["success"].update({"labels-1": 0.1}))
    words = "its runs differ in the rates of the task that need no model; score the task again"
    assert wrong_rows(runs) == {"wsprites-paper-v1/bench-2": [words]}


def test_other_configurations_and_models_of_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Seed and steps may differ, and nothing else; a run that is there twice is found without its hash as well."""
    first, second, third = row(tmp_path, FILE, FILE, FILE)
    (second / "config.json").write_text(config_of(20, 1, rate=0.5))
    again(second)
    (name,) = wrong_rows([first])
    assert wrong_rows([first])[name] == ["seed-0 and seed-1 differ in their configuration; runs of a row differ in their seed alone"]
    (second / "config.json").write_text(config_of(20, 1))
    same = read_run(first).scores.hashes
    assert same
    edit(third, "scores.json", lambda scores: scores["hashes"].update(model=same.model))
    assert wrong_rows([first])[name] == ["seed-0 and seed-2 are of the same model; give each run once"]
    edit(third, "task.json", lambda task: task.update(model=same.model))
    again(second)
    assert run_check(tmp_path) == 1
    assert "FAILED   seed-0 and seed-2 are of the same model" in capsys.readouterr().out


def test_runs_that_infer_the_same_are_one(tmp_path: Path) -> None:
    file = replace(FILE, per_clip={"test/vectors": VECTORS})
    runs = row(tmp_path, file, file)
    assert [*wrong_rows(runs).values()] == [["seed-0 and seed-1 are of the same model; give each run once"]]


# Anchors.


def test_every_score_of_every_column_of_an_anchor_counts() -> None:
    """One that stands behind another of its column as well, and what is no headline of a score file."""
    assert {title for titles in WITHOUT.values() for title in titles} <= {column.title for column in COLUMNS}
    low, high = entry(0.1, 0.05, state_only=0.5), entry(0.99, 0.005, state_only=0.5)
    for name in ("local__conditional", "local__animation__conditional", "local__onset__ami", "local__many_to_one", "global__many_to_one"):
        scores = made(vectors__local__linear=low, vectors__global__linear=low, **{name: high})
        assert [one.name for one in unearned("one-code", scores)] == [name.replace("__", ".")]
        assert unearned("copy", scores) == []
