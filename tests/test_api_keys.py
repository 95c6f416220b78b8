from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from minerva_desktop.api_keys import KeyFile, KeyWatch, NamedKey, StoredKey, matching_name
from minerva_desktop.errors import InvalidRequest, StoreError
from tests.patience import SECONDS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api-keys.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_random_and_its_file_does_not_give_it_away(path: Path) -> None:
    file = KeyFile(path)
    before = int(time.time())
    laptop, key = file.create("laptop")
    phone, other = file.create(" phone ")
    assert re.fullmatch(r"mk-[A-Za-z0-9_-]{43}", key)
    assert key != other
    assert (laptop.name, laptop.ends_with) == ("laptop", key[-4:])
    assert laptop.sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert before <= laptop.created <= time.time()
    assert phone.name == "phone"
    assert key.encode() not in path.read_bytes()
    assert KeyFile(path).stored_keys() == (laptop, phone)
    keys = KeyFile(path).named_keys()
    assert [matching_name(keys, shown) for shown in (key, other)] == ["laptop", "phone"]


def test_only_whole_keys_match() -> None:
    keys = (NamedKey.of("a", "first"), NamedKey.of("b", "second"))
    for wrong in ("", "firs", "firstt", "First", "first ", "\ud7ff", "é"):
        assert matching_name(keys, wrong) is None
    assert matching_name((), "first") is None
    assert matching_name(keys, "second") == "b"
    assert "second" not in repr(keys)
    assert keys[1].digest.hex() not in repr(keys)


def test_a_revoked_key_is_gone(path: Path) -> None:
    file = KeyFile(path)
    _, key = file.create("a")
    kept, _ = file.create("b")
    file.revoke("a")
    assert file.stored_keys() == (kept,)
    assert matching_name(file.named_keys(), key) is None
    with pytest.raises(InvalidRequest, match="no API key “a”"):
        file.revoke("a")


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\x1b[31m", "a\u202eb"])
def test_a_name_that_is_none(path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        KeyFile(path).create(name)
    assert caught.value.param == "name"
    assert not path.exists()


def test_a_name_that_is_taken(path: Path) -> None:
    file = KeyFile(path)
    kept, _ = file.create("Café ☕")
    with pytest.raises(InvalidRequest, match="already"):
        file.create("Café ☕")
    assert file.stored_keys() == (kept,)


def test_without_a_file_there_are_no_keys(path: Path) -> None:
    assert KeyFile(path).stored_keys() == ()
    assert KeyFile(path).stamp() is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"keys": [{"name": "a"}]}',
        b'{"format": 2, "keys": []}',
        b'{"keys": [{"name": "a", "sha256": "zz", "ends_with": "b", "created": 1}]}',
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_and_stays(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match=re.escape(str(path))):
        KeyFile(path).named_keys()
    assert path.read_bytes() == content


def test_a_file_over_which_nothing_may_be_written(path: Path) -> None:
    path.write_bytes(b"{")
    with pytest.raises(StoreError):
        KeyFile(path).create("a")
    assert path.read_bytes() == b"{"
    assert [entry.name for entry in path.parent.iterdir()] == ["api-keys.json"]


@pytest.mark.skipif(os.name != "posix", reason="no permission bits")
def test_permissions_are_narrow_whatever_the_umask_and_repaired(path: Path) -> None:
    before = os.umask(0)
    try:
        file = KeyFile(path)
        file.create("a")
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert file.problem is None
    path.chmod(0o644)
    again = KeyFile(path)
    assert [key.name for key in again.stored_keys()] == ["a"]
    assert mode(path) == 0o600
    assert again.problem is not None
    assert str(path) in again.problem


@pytest.mark.skipif(os.name != "posix", reason="no permission bits")
def test_the_file_is_never_readable_by_others_not_even_while_it_is_written(path: Path) -> None:
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for entry in path.parent.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    seen.add(mode(entry))

    before = os.umask(0)
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for index in range(30):
            KeyFile(path).create(f"key {index}")
    finally:
        done.set()
        watcher.join()
        os.umask(before)
    assert seen == {0o600}


def test_two_programs_that_make_keys_at_once_lose_none(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from minerva_desktop.api_keys import KeyFile\n"
        "from minerva_desktop.errors import StoreError\n"
        "made = 0\n"
        "while made < 20:\n"
        "    try:\n"
        "        KeyFile(Path(sys.argv[1])).create(f'{sys.argv[2]} {made}')\n"
        "        made += 1\n"
        "    except StoreError as error:\n"
        "        assert 'another program' in error.message, error.message\n"
    )
    programs = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("a", "b")
    ]
    assert [program.wait(60) for program in programs] == [0, 0]
    names = {key.name for key in KeyFile(path).stored_keys()}
    assert names == {f"{name} {index}" for name in ("a", "b") for index in range(20)}


def test_what_a_crash_left_is_removed(path: Path) -> None:
    draft = path.with_name("api-keys.json.new")
    draft.write_bytes(b"half")
    with pytest.raises(StoreError, match="another program"):
        KeyFile(path).create("a")
    os.utime(draft, (0, 0))
    KeyFile(path).create("a")
    assert not draft.exists()
    assert json.loads(path.read_bytes())["keys"][0]["name"] == "a"


@pytest.mark.parametrize("key", ["", "naïve", "a\nb", " a", "a b", "a\tb"])
def test_a_key_that_no_header_can_carry(key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        NamedKey.of("a", key)
    assert caught.value.param == "api_key"
    assert key == "" or key not in caught.value.message


async def test_changes_are_told_while_it_is_watched(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("minerva_desktop.api_keys.WATCH_SECONDS", 0.01)
    extra = NamedKey.of("extra", "x")
    watch = KeyWatch(KeyFile(path), (extra,))
    assert watch.read() == (extra,)
    told: asyncio.Queue[list[str]] = asyncio.Queue()
    task = asyncio.create_task(watch.watch(lambda keys: told.put_nowait([k.name for k in keys])))
    async with asyncio.timeout(SECONDS):
        KeyFile(path).create("a")
        assert await told.get() == ["extra", "a"]
        path.write_bytes(b"{")
        while "cannot be read anew" not in caplog.text:
            await asyncio.sleep(0.01)
        path.unlink()
        assert await told.get() == ["extra"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told.empty()


async def test_a_change_that_could_not_be_read_is_read_once_it_can_be(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is the same before and after, as with too many open files or a lost permission."""
    monkeypatch.setattr("minerva_desktop.api_keys.WATCH_SECONDS", 0.01)
    file = KeyFile(path)
    _, revoked = file.create("revoked")
    file.create("kept")
    watch = KeyWatch(file)
    assert matching_name(watch.read(), revoked) == "revoked"
    read = KeyFile.stored_keys
    n_tries = 0

    def fails_three_times(of: KeyFile) -> tuple[StoredKey, ...]:
        nonlocal n_tries
        n_tries += 1
        if n_tries <= 3:
            raise StoreError("too many open files")
        return read(of)

    file.revoke("revoked")
    monkeypatch.setattr(KeyFile, "stored_keys", fails_three_times)
    told: asyncio.Queue[tuple[NamedKey, ...]] = asyncio.Queue()
    task = asyncio.create_task(watch.watch(told.put_nowait))
    async with asyncio.timeout(SECONDS):
        keys = await told.get()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [key.name for key in keys] == ["kept"]
    assert matching_name(keys, revoked) is None
    assert n_tries == 4
    assert caplog.text.count("cannot be read anew") == 1
