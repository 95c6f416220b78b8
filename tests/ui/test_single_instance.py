"""What a second start says to the first, and what else may come over that line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtNetwork import QLocalServer, QLocalSocket
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.ui import single_instance
from minerva_desktop.ui.single_instance import MAX_BYTES, SingleInstance, handed_over

CALL = """
import os, sys
from pathlib import Path
from minerva_desktop.ui.single_instance import handed_over
files = [Path(name) for name in sys.argv[2:]]
sys.exit(0 if handed_over(Path(sys.argv[1]), files, os.environ) else 9)
"""


@pytest.fixture
def first(qapp: QApplication, tmp_path: Path) -> Iterator[SingleInstance]:
    instance = SingleInstance(tmp_path)
    instance.listen()
    yield instance
    instance.close()


def call(data: Path, *files: bytes | str, **variables: str) -> subprocess.Popen[bytes]:
    """Another process's start."""
    command = [sys.executable, "-c", CALL, data, *files]
    return subprocess.Popen(command, env={**os.environ, **variables})


def name_of(data: Path) -> str:
    return single_instance._socket_name(data)


def test_nobody_is_there(qapp: QApplication, tmp_path: Path) -> None:
    assert not handed_over(tmp_path, [], {})


def test_files_of_any_name_and_the_token_arrive(
    qtbot: QtBot, first: SingleInstance, tmp_path: Path
) -> None:
    names = [b"/models/a b\n.gguf", "/models/ü.gguf".encode(), b"/models/\xff.gguf"]
    with qtbot.waitSignal(first.called, timeout=20_000) as heard:
        second = call(tmp_path, *names, XDG_ACTIVATION_TOKEN="click-1")
    assert second.wait(20) == 0
    assert heard.args == ["click-1", [Path(os.fsdecode(name)) for name in names]]


def test_a_second_start_without_files(qtbot: QtBot, first: SingleInstance, tmp_path: Path) -> None:
    with qtbot.waitSignal(first.called, timeout=20_000) as heard:
        second = call(tmp_path, XDG_ACTIVATION_TOKEN="", DESKTOP_STARTUP_ID="")
    assert second.wait(20) == 0
    assert heard.args == ["", []]


def test_other_data_is_another_instance(
    qtbot: QtBot, first: SingleInstance, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert call(other).wait(20) == 9


def test_one_that_hangs_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, first: SingleInstance, tmp_path: Path
) -> None:
    monkeypatch.setattr(single_instance, "ANSWER_MS", 50)
    # Nobody turns the loop of this process meanwhile.
    assert not handed_over(tmp_path, [], {})


def test_what_a_killed_instance_left_behind_is_replaced(qtbot: QtBot, tmp_path: Path) -> None:
    dead = QLocalServer()
    assert dead.listen(name_of(tmp_path))
    left = Path(dead.fullServerName())
    kept = left.with_suffix(".kept")
    os.link(left, kept)
    dead.close()  # takes its own name away, as a killed one could not
    kept.rename(left)
    instance = SingleInstance(tmp_path)
    instance.listen()
    with qtbot.waitSignal(instance.called, timeout=20_000):
        second = call(tmp_path)
    assert second.wait(20) == 0
    instance.close()


def test_a_message_that_is_none_is_dropped(
    qtbot: QtBot, first: SingleInstance, tmp_path: Path
) -> None:
    socket = QLocalSocket()
    socket.connectToServer(name_of(tmp_path))
    with qtbot.waitSignal(socket.disconnected, timeout=20_000):
        socket.write((MAX_BYTES + 1).to_bytes(4, "little"))
    with qtbot.waitSignal(first.called, timeout=20_000):
        second = call(tmp_path)
    assert second.wait(20) == 0
