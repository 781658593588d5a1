"""Files are written completely or not at all, what dead runs left is removed, and one run writes into a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stradiff.errors import StorageError
from stradiff.files import (
    atomic_path,
    check_output_path,
    check_room,
    check_writable_folder,
    locked,
    remove_orphans,
    together,
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_at_the_end_of_the_block(tmp_path):
    target = tmp_path / "x.npz"
    with atomic_path(target) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".npz")
        temporary.write_text("new")
        assert names_in(tmp_path) == [temporary.name]
    assert names_in(tmp_path) == ["x.npz"]
    assert target.read_text() == "new"


def test_permissions_are_those_of_any_new_file(tmp_path):
    with atomic_path(tmp_path / "x") as temporary:
        temporary.write_text("")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failure_leaves_the_old_file(tmp_path, error):
    target = tmp_path / "x.csv"
    target.write_text("old")
    with pytest.raises(StorageError if error is OSError else error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert names_in(tmp_path) == ["x.csv"]
    assert target.read_text() == "old"


def test_a_full_disk_is_explained(tmp_path):
    expected = pytest.raises(StorageError, match=r"x\.csv cannot be written: No space left on device")
    with expected, atomic_path(tmp_path / "x.csv"):
        raise OSError(28, os.strerror(28))


def test_a_path_in_no_folder_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"^x\.csv cannot be written: the folder .*no does not exist"):
        check_output_path(tmp_path / "no" / "x.csv")


def test_an_unreadable_input_is_not_an_unwritable_output(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"), atomic_path(tmp_path / "x.csv"):
        (tmp_path / "none").read_text()


def test_folders_are_created_and_tested(tmp_path):
    folder = check_writable_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert check_writable_folder(folder) == folder
    assert not names_in(folder)


def test_folders_that_cannot_be_created(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        check_writable_folder(tmp_path / "file")
    with pytest.raises(StorageError, match="Nothing can be written into"):
        check_writable_folder(tmp_path / "file" / "below")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        check_writable_folder(tmp_path)


# Begins a file and a folder of results, says so, and waits to be killed.
WRITER = """
import sys, time
from pathlib import Path
from stradiff.files import atomic_path, locked, together
folder = Path(sys.argv[1])
with locked(folder), atomic_path(folder / "fit.stradiff") as fit, together(folder, "last") as results:
    fit.write_text("half")
    (results / "sources.csv").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_one_run_writes_into_a_folder_and_what_it_leaves_is_removed_once_it_is_dead(tmp_path, writer):
    kept = [".hidden", ".fit-0123.stradiff", ".fit-a-b.stradiff", "fit-00000000-1-1-00000000.stradiff"]
    for name in kept:
        (tmp_path / name).write_text("of the user")
    during = names_in(tmp_path)
    assert len(during) == len(kept) + 3  # a file, a folder and the lock
    with pytest.raises(StorageError, match="Another run is writing into"), locked(tmp_path):
        pass
    remove_orphans(tmp_path)
    assert names_in(tmp_path) == during  # nothing of a run that lives
    writer.kill()
    writer.wait()
    with locked(tmp_path):
        assert names_in(tmp_path) == sorted([*kept, ".stradiff.lock"])
    assert names_in(tmp_path) == sorted(kept)


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr("stradiff.files.FileLock.acquire", refuse)
    with pytest.warns(UserWarning, match="cannot be locked; let no other run write into it"), locked(tmp_path):
        (tmp_path / "written").write_text("")
    assert names_in(tmp_path) == ["written"]


def test_what_another_machine_writes_is_left_alone(tmp_path, monkeypatch):
    with together(tmp_path, "last"):
        (name,) = names_in(tmp_path)
    (tmp_path / name.replace(str(os.getpid()), "999999999")).write_text("of a process that is not there")
    with monkeypatch.context() as patched:
        patched.setattr("platform.node", lambda: "elsewhere")
        remove_orphans(tmp_path)
        assert len(names_in(tmp_path)) == 1
    remove_orphans(tmp_path)
    assert not names_in(tmp_path)


def test_what_an_earlier_process_of_the_same_number_left_is_removed(tmp_path):
    with together(tmp_path, "last"):
        (name,) = names_in(tmp_path)
        _, machine, pid, created, _ = name.split("-")
        for other in (created.replace(created[0], "0"), created.replace(created[0], "9")):
            (tmp_path / f".fit-{machine}-{pid}-{other}-01234567.stradiff").write_text("")
        remove_orphans(tmp_path)
        assert names_in(tmp_path) == [name]


def test_results_appear_together_and_the_last_one_last(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")
    moved, replace = [], Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, target: (moved.append(target.name), replace(path, target)))
    with together(tmp_path, "b") as staging:
        for name in ("c", "b", "a"):
            (staging / name).write_text("new")
        assert (tmp_path / "a").read_text() == "old" and not (tmp_path / "b").exists()
    assert moved == ["a", "c", "b"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"new"} and names_in(tmp_path) == ["a", "b", "c"]


def test_results_that_fail_change_nothing(tmp_path):
    (tmp_path / "a").write_text("old")
    expected = pytest.raises(StorageError, match=f"{tmp_path}/x cannot be written: No space left on device; make room")
    with expected, together(tmp_path, "b") as staging:
        (staging / "a").write_text("new")
        with atomic_path(staging / "x"):
            raise OSError(28, os.strerror(28))
    assert names_in(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"


def test_a_folder_that_is_gone_is_made_again(tmp_path):
    folder = tmp_path / "results"
    with together(folder, "a") as staging:
        (staging / "a").write_text("new")
    assert names_in(folder) == ["a"]


def test_a_link_is_replaced_and_not_what_it_points_to(tmp_path):
    (tmp_path / "other").write_text("old")
    (tmp_path / "x.csv").symlink_to(tmp_path / "other")
    with atomic_path(tmp_path / "x.csv") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "other").read_text() == "old"
    assert (tmp_path / "x.csv").read_text() == "new" and not (tmp_path / "x.csv").is_symlink()


def test_a_path_with_a_nul_is_refused(tmp_path):
    with pytest.raises(StorageError, match="NUL"), atomic_path(tmp_path / "a\0b"):
        pass


def test_room_is_asked_for(tmp_path):
    check_room(tmp_path, 1.0, "A fit")
    with pytest.raises(StorageError, match=r"A fit needs about 1e\+06 GB of disk in .*, where .* are free; make room"):
        check_room(tmp_path, 1e15, "A fit")
