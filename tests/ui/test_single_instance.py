"""What a second start says to the first, and what else may come over that line: over a Unix socket,
and over Qt's, which is a named pipe on Windows."""

from __future__ import annotations

import logging
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.ui import call_words, pipe_instance, single_instance, unix_instance
from minerva_desktop.ui.call_words import MAX_BYTES, socket_name
from tests.patience import SECONDS

Instance = pipe_instance.SingleInstance | unix_instance.SingleInstance
MODULES = {"unix": unix_instance, "pipe": pipe_instance}
CALL = """
import os, sys
from pathlib import Path
from minerva_desktop.ui.{module}_instance import handed_over
files = [Path(name) for name in sys.argv[2:]]
sys.exit(0 if handed_over(Path(sys.argv[1]), files, os.environ) else 9)
"""


@pytest.fixture(params=MODULES)
def way(request: pytest.FixtureRequest) -> str:
    """Which of the two."""
    name: str = request.param
    return name


@pytest.fixture
def first(qapp: QApplication, tmp_path: Path, way: str) -> Iterator[Instance]:
    instance = MODULES[way].SingleInstance(tmp_path)
    instance.listen()
    yield instance
    instance.close()


def call(way: str, data: Path, *files: bytes | str, **variables: str) -> subprocess.Popen[bytes]:
    """Another process's start."""
    command = [sys.executable, "-c", CALL.format(module=way), data, *files]
    return subprocess.Popen(command, env={**os.environ, **variables})


def place_of(data: Path) -> Path:
    return Path(tempfile.gettempdir(), socket_name(data))


def test_a_unix_socket_is_what_this_system_uses() -> None:
    assert single_instance.SingleInstance is unix_instance.SingleInstance


def test_nobody_is_there(qapp: QApplication, way: str, tmp_path: Path) -> None:
    assert not MODULES[way].handed_over(tmp_path, [], {})


def test_files_of_any_name_and_the_token_arrive(
    qtbot: QtBot, first: Instance, way: str, tmp_path: Path
) -> None:
    names = [b"/models/a b\n.gguf", "/models/ü.gguf".encode(), b"/models/\xff.gguf"]
    with qtbot.waitSignal(first.called) as heard:
        second = call(way, tmp_path, *names, XDG_ACTIVATION_TOKEN="click-1")
    assert second.wait(SECONDS) == 0
    assert heard.args == ["click-1", [Path(os.fsdecode(name)) for name in names]]


def test_a_second_start_without_files(
    qtbot: QtBot, first: Instance, way: str, tmp_path: Path
) -> None:
    with qtbot.waitSignal(first.called) as heard:
        second = call(way, tmp_path, XDG_ACTIVATION_TOKEN="", DESKTOP_STARTUP_ID="")
    assert second.wait(SECONDS) == 0
    assert heard.args == ["", []]


def test_a_long_list_of_files_arrives_whole(
    qtbot: QtBot, first: Instance, way: str, tmp_path: Path
) -> None:
    names = [f"/models/{n}{'x' * 200}.gguf" for n in range(5000)]  # a megabyte, by pieces
    with qtbot.waitSignal(first.called) as heard:
        second = call(way, tmp_path, *names)
    assert second.wait(SECONDS) == 0
    assert heard.args is not None
    assert heard.args[1] == [Path(name) for name in names]


def test_other_data_is_another_instance(
    qtbot: QtBot, first: Instance, way: str, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert call(way, other).wait(SECONDS) == 9


def test_one_that_hangs_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, first: Instance, way: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(call_words, "ANSWER_MS", 50)
    # Nobody turns the loop of this process meanwhile.
    assert not MODULES[way].handed_over(tmp_path, [], {})


def test_what_a_killed_instance_left_behind_is_replaced(
    qtbot: QtBot, way: str, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place_of(tmp_path)))
    instance = MODULES[way].SingleInstance(tmp_path)
    instance.listen()
    with qtbot.waitSignal(instance.called):
        second = call(way, tmp_path)
    assert second.wait(SECONDS) == 0
    instance.close()
    assert not place_of(tmp_path).exists()


def test_a_message_that_is_none_is_dropped(
    qtbot: QtBot, first: Instance, way: str, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(place_of(tmp_path)))
        stranger.sendall((MAX_BYTES + 1).to_bytes(4, "little"))
        with qtbot.waitSignal(first.called):
            second = call(way, tmp_path)
        assert second.wait(SECONDS) == 0
        stranger.settimeout(SECONDS)
        assert stranger.recv(16) == b""


def test_one_that_goes_in_the_middle_is_forgotten(
    qtbot: QtBot, first: Instance, way: str, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(place_of(tmp_path)))
        stranger.sendall((20).to_bytes(4, "little") + b"half")
    heard: list[object] = []
    first.called.connect(lambda *said: heard.append(said))
    with qtbot.waitSignal(first.called):
        second = call(way, tmp_path)
    assert second.wait(SECONDS) == 0
    assert len(heard) == 1


def test_nobody_else_may_call(qapp: QApplication, first: Instance, tmp_path: Path) -> None:
    assert stat.S_IMODE(place_of(tmp_path).stat().st_mode) & 0o077 == 0


def test_what_is_another_users_is_not_called(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOGNAME", "me")  # or the socket's name goes by the patched id
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place_of(tmp_path)))
        other.listen()
        other.setblocking(False)
        somebody = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: somebody)
        assert not unix_instance.handed_over(tmp_path, [], {})
        with pytest.raises(BlockingIOError):
            other.accept()
    place_of(tmp_path).unlink()


def test_one_that_lives_is_not_replaced(
    qtbot: QtBot, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    first, late = unix_instance.SingleInstance(tmp_path), unix_instance.SingleInstance(tmp_path)
    first.listen()
    with caplog.at_level(logging.WARNING):
        late.listen()
    assert "Other starts cannot be heard" in caplog.text
    late.close()
    with qtbot.waitSignal(first.called):
        second = call("unix", tmp_path)
    assert second.wait(SECONDS) == 0
    first.close()
