"""Files that hold keys: whole, private, one process at a time."""

from __future__ import annotations

import errno
import os
import pwd
import random
import stat
import sys
import tempfile
import time
from pathlib import Path

import pytest

from keys.errors import AlreadyExists, FolderError, FolderInUse, MissingFile, WrongFile, WrongMode
from keys.folders import store
from tests.system.users import acting_as
from tests.unit.keys.disk import files_of, full_disk, only_root, process


@pytest.fixture
def folder(tmp_path):
    with store.new_folder(tmp_path / "folder") as made:
        store.write(made / "secret", b"old")
    return tmp_path / "folder"


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- modes ---


def test_made_private_whatever_the_umask(open_umask, folder):
    store.write(folder / "device.crt", b"", store.PUBLIC_MODE)
    assert [mode(path) for path in (folder, folder / "secret", folder / "device.crt")] == [0o700, 0o600, 0o644]


@pytest.mark.parametrize("wrong", [0o640, 0o604, 0o620, 0o611, 0o777])
def test_a_secret_that_others_can_reach_is_refused(folder, wrong):
    (folder / "secret").chmod(wrong)
    with pytest.raises(WrongMode, match=f"open to others .mode {wrong:04o}.") as caught:
        store.read_secret(folder / "secret")
    assert f"chmod 600 {folder}/secret" in caught.value.hint
    assert mode(folder / "secret") == wrong  # refused, not repaired


@only_root
def test_a_user_that_may_not_read_an_order_is_told_how_to_get_a_copy():
    """An order is 0600 of whoever made it, and is loaded by the user that the service runs as."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        order = Path(name) / "op.order"
        store.write(order, b"order")
        with acting_as(pwd.getpwnam("nobody").pw_uid), pytest.raises(FolderError, match="permission denied") as caught:
            store.read_public(order)
    assert caught.value.hint == f"make a copy that nobody may read: sudo install -o nobody -m 600 {order} COPY"


@pytest.mark.parametrize("wrong", [0o755, 0o710, 0o701])
def test_a_folder_that_others_can_enter_is_refused(folder, wrong):
    folder.chmod(wrong)
    for use in (store.check_folder, store.FolderLock):
        with pytest.raises(WrongMode, match="open to others") as caught:
            use(folder)
        assert f"chmod 700 {folder}" in caught.value.hint


def test_less_than_the_usual_mode_will_do(folder):
    (folder / "secret").chmod(0o400)
    folder.chmod(0o500)
    store.check_folder(folder)
    assert store.read_secret(folder / "secret") == b"old"


@only_root
def test_what_belongs_to_somebody_else_is_refused(folder):
    """A file may be given to the owner of its folder. A folder may not: the service that has it would stop."""
    os.chown(folder / "secret", 12345, 12345)
    with pytest.raises(WrongMode, match="belongs to 12345, not to root") as caught:
        store.read_secret(folder / "secret")
    assert caught.value.hint == f"sudo chown root {folder}/secret"
    os.chown(folder, 12345, 12345)
    for use, path in ((store.check_folder, folder), (store.read_secret, folder / "secret")):
        with pytest.raises(WrongMode, match="belongs to 12345") as caught:
            use(path)
        assert caught.value.hint == store.BY_SUDO


def test_a_name_with_blanks_is_quoted_in_the_hint(tmp_path):
    path = tmp_path / "my folder"
    path.mkdir(0o755)
    with pytest.raises(WrongMode) as caught:
        store.check_folder(path)
    assert f"chmod 700 '{path}'" in caught.value.hint


# --- reading ---


def test_no_secret_is_read_through_a_symbolic_link(folder):
    (folder / "link").symlink_to(folder / "secret")
    with pytest.raises(WrongMode, match="symbolic link"):
        store.read_secret(folder / "link")
    assert store.read_public(folder / "link") == b"old"


def test_what_is_no_file_is_no_secret(folder):
    os.mkfifo(folder / "pipe", 0o600)
    (folder / "inner").mkdir(0o700)
    for name in ("pipe", "inner"):
        with pytest.raises(WrongFile, match="not a file"):
            store.read_secret(folder / name)
    with pytest.raises(FolderError, match="cannot be read: is a directory"):
        store.read_public(folder / "inner")


def test_what_is_not_there(folder):
    for use in (store.read_secret, store.read_public, store.check_folder, store.FolderLock):
        with pytest.raises(MissingFile, match="nothing does not exist"):
            use(folder / "nothing")
    with pytest.raises(WrongFile, match="not a folder"):
        store.check_folder(folder / "secret")
    with pytest.raises(WrongFile, match=r"not a device's folder: it holds no device\.key"):
        store.check_folder(folder, "device.key", "device")


def test_a_file_that_is_too_large_is_not_read(folder):
    store.write(folder / "secret", bytes(store.SIZE_MAX))
    assert len(store.read_secret(folder / "secret")) == store.SIZE_MAX
    store.write(folder / "secret", bytes(store.SIZE_MAX + 1))
    for read in (store.read_secret, store.read_public):
        with pytest.raises(WrongFile, match="larger than"):
            read(folder / "secret")


# --- writing ---


def test_writing_over_a_file_leaves_nothing_else(folder):
    store.write(folder / "secret", b"new")
    assert files_of(folder) == {"secret": b"new"}


@pytest.mark.parametrize("hard_links", [True, False], ids=["ext4", "fat"])
def test_a_new_file_is_never_written_over_another(folder, monkeypatch, hard_links):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not hard_links:
        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(AlreadyExists, match="secret exists already") as caught:
        store.write(folder / "secret", b"new", new=True)
    assert "another name" in caught.value.hint
    (folder / "dangling").symlink_to(folder / "elsewhere")
    with pytest.raises(AlreadyExists):
        store.write(folder / "dangling", b"new", new=True)
    store.write(folder / "fresh", b"new", new=True)
    assert files_of(folder) == {"secret": b"old", "fresh": b"new"}
    assert mode(folder / "fresh") == 0o600


def test_a_full_disk_changes_nothing(folder):
    for new, name in ((False, "secret"), (True, "fresh")):
        with full_disk(), pytest.raises(FolderError, match=f"{name} cannot be written: file too large") as caught:
            store.write(folder / name, b"new", new=new)
        assert "not full" in caught.value.hint
    assert files_of(folder) == {"secret": b"old"}


def test_a_missing_folder_is_named(folder):
    with pytest.raises(MissingFile, match=r"the folder .*/no does not exist") as caught:
        store.write(folder / "no" / "secret", b"")
    assert caught.value.hint == f"mkdir -p {folder}/no"


def test_a_folder_is_made_whole_or_not_at_all(tmp_path):
    with full_disk(), pytest.raises(FolderError), store.new_folder(tmp_path / "folder") as made:
        store.write(made / "secret", b"secret")
    assert not list(tmp_path.iterdir())


def test_no_folder_is_made_over_what_is_there(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("folder", "file", "link"):
        with pytest.raises(AlreadyExists, match=f"{name} exists already"), store.new_folder(tmp_path / name):
            pytest.fail("the block must not run")


def test_a_folder_in_a_missing_one_and_a_lock_on_a_missing_file_are_named(tmp_path):
    with (
        pytest.raises(MissingFile, match=f"the folder {tmp_path}/gone does not exist"),
        store.new_folder(tmp_path / "gone/new"),
    ):
        pytest.fail("it was made")
    with pytest.raises(MissingFile, match="gone does not exist"):
        store.Lock(tmp_path / "gone")


@pytest.mark.skipif(sys.platform != "linux", reason="a file of Linux that opens and cannot be read")
def test_a_file_whose_disk_fails_is_named():
    with pytest.raises(FolderError, match="/proc/self/mem cannot be read: input/output error"):
        store.read_secret(Path("/proc/self/mem"))


def test_wiping_overwrites_the_bytes_first(folder):
    os.link(folder / "secret", folder / "other-name")
    store.wipe(folder / "secret")
    assert files_of(folder) == {"other-name": bytes(3)}


def test_what_is_not_there_is_not_wiped_and_not_removed(folder):
    with pytest.raises(FolderError):
        store.wipe(folder / "nothing")
    with pytest.raises(FolderError):
        store.remove(folder / "secret" / "nothing")
    store.remove(folder / "nothing")
    assert files_of(folder) == {"secret": b"old"}


WRITER = """
import sys
from pathlib import Path
from keys.folders import store
folder = Path(sys.argv[1])
with store.FolderLock(folder):
    print("ready", flush=True)
    for letter in __import__("itertools").cycle(b"ab"):
        store.write(folder / "secret", bytes([letter]) * 300_000)
"""


def test_a_writer_that_is_killed_leaves_a_whole_file(folder):
    rng = random.Random(1)
    for _ in range(15):
        with process(WRITER, folder):
            time.sleep(rng.random() * 0.02)
        assert store.read_secret(folder / "secret") in (b"old", b"a" * 300_000, b"b" * 300_000)


STOPPED_WRITER = """
import os, sys, time
from pathlib import Path
from keys.folders import store
def fsync(handle):
    print("ready", flush=True)
    time.sleep(60)
os.fsync = fsync
store.write(Path(sys.argv[1]) / "secret", b"new")
"""


def test_killed_between_the_write_and_the_rename(folder):
    with process(STOPPED_WRITER, folder):
        pass
    assert sorted(files_of(folder).values()) == [b"new", b"old"]
    with store.FolderLock(folder):  # the next one clears away
        assert files_of(folder) == {"secret": b"old"}


# --- one process at a time ---

HOLDER = """
import sys, time
from pathlib import Path
from keys.folders import store
lock = store.FolderLock(Path(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
"""


def test_one_process_at_a_time(folder):
    with process(HOLDER, folder) as holder:
        with pytest.raises(FolderInUse, match=f"in use by process {holder.pid}$") as caught:
            store.FolderLock(folder)
        assert caught.value.hint
        assert caught.value.exit_code == 8
    store.FolderLock(folder).release()  # a killed holder holds nothing


def test_the_holder_may_be_unknown(folder, monkeypatch):
    monkeypatch.setattr(store, "_LOCKS", folder / "no-table-of-locks")
    with store.FolderLock(folder), pytest.raises(FolderInUse, match="in use by another process"):
        store.FolderLock(folder)


def test_waiting_for_the_other_process(folder):
    with process(HOLDER.replace("60", "0.2"), folder), store.FolderLock(folder, wait=True):
        pass
