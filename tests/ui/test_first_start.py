"""Several starts at one time: one opens the window, the others hand over to it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from minerva_desktop.ui import call_words
from minerva_desktop.ui.call_words import LOCK_NAME
from minerva_desktop.ui.first_start import FirstStart

N_ROUNDS = 8
# Starts once for each line it is given, in a folder of its own.
STARTS = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication, QTimer
from minerva_desktop.ui.first_start import FirstStart
from minerva_desktop.ui.single_instance import SingleInstance

qt = QCoreApplication([])
print("ready", flush=True)
for line in sys.stdin:
    data = Path(line.strip())
    first = FirstStart(data)
    if first.is_taken_over([Path("/a.gguf")], {}):
        print("handed over", flush=True)
        continue
    heard = []
    instance = SingleInstance(data)
    instance.called.connect(lambda _token, files: heard.extend(files))
    instance.called.connect(qt.quit)
    first.write_down(instance.listen())
    QTimer.singleShot(5000, instance, qt.quit)
    qt.exec()
    instance.close()
    first.release()
    print("heard", *heard, flush=True)
"""
HOLDS = """
import sys
from pathlib import Path
from minerva_desktop.ui.first_start import FirstStart
print(FirstStart(Path(sys.argv[1])).take(), flush=True)
sys.stdin.read()
"""


def _run(code: str, *arguments: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def test_of_two_at_once_one_hands_over_to_the_other(tmp_path: Path) -> None:
    starts = _run(STARTS), _run(STARTS)
    try:
        assert [_line(start) for start in starts] == ["ready", "ready"]
        for number in range(N_ROUNDS):
            data = tmp_path / str(number)
            data.mkdir()
            for start in starts:
                assert start.stdin is not None
                start.stdin.write(f"{data}\n")
                start.stdin.flush()
            assert sorted(map(_line, starts)) == ["handed over", "heard /a.gguf"]
    finally:
        _end(*starts)


def test_one_that_dies_before_it_hears_leaves_the_window_to_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dying = _run(HOLDS, tmp_path)
    assert _line(dying) == "True"
    monkeypatch.setattr(time, "sleep", lambda _: _end(dying))
    late = FirstStart(tmp_path)
    assert not late.take()
    assert not late.is_taken_over([], {})
    assert not FirstStart(tmp_path).take()  # `late` has it
    late.release()


def test_one_that_never_hears_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(call_words, "ANSWER_MS", 50)
    silent, late = FirstStart(tmp_path), FirstStart(tmp_path)
    assert silent.take()
    assert not late.is_taken_over([], {})
    silent.release()
    assert late.take()
    late.release()


def test_where_no_lock_can_be_made_the_window_opens(tmp_path: Path) -> None:
    missing = FirstStart(tmp_path / "missing")
    assert not missing.is_taken_over([], {})
    assert missing.take()
    assert list(tmp_path.iterdir()) == []


def test_only_the_one_with_the_right_writes_down_where_it_hears(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(call_words, "ANSWER_MS", 50)
    first, second = FirstStart(tmp_path), FirstStart(tmp_path)
    assert first.take()
    first.write_down(b"/a/long/place")
    assert not second.is_taken_over([], {})  # nobody answers there
    second.write_down(b"/other")
    assert (tmp_path / LOCK_NAME).read_bytes() == b"/a/long/place"
    first.write_down(b"-")
    assert (tmp_path / LOCK_NAME).read_bytes() == b"-"
    first.release()


def _starts_in(temporary: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STARTS]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )


def _opens_window(start: subprocess.Popen[str], data: Path) -> None:
    """Have it start, and wait until it says where it hears."""
    assert start.stdin is not None
    assert _line(start) == "ready"
    start.stdin.write(f"{data}\n")
    start.stdin.flush()
    until = time.monotonic() + 20
    while not (data / LOCK_NAME).exists() or not (data / LOCK_NAME).read_bytes():
        assert time.monotonic() < until


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have names, and no folder")
def test_one_with_another_folder_for_temporary_files_hands_over(tmp_path: Path) -> None:
    """As in a nix-shell. It did nothing for ten seconds, then opened a second window."""
    with tempfile.TemporaryDirectory() as folder:  # `tmp_path` is too long for a socket in it
        first = _starts_in(Path(folder))
        try:
            _opens_window(first, tmp_path)
            begun = time.monotonic()
            assert FirstStart(tmp_path).is_taken_over([Path("/b.gguf")], {})
            assert time.monotonic() - begun < call_words.ANSWER_MS / 2_000
            assert _line(first) == "heard /b.gguf"
        finally:
            _end(first)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have names, and no folder")
def test_one_that_cannot_be_called_is_not_waited_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    folder = tmp_path / ("long" * 40)  # no socket has so long a path
    folder.mkdir()
    first = _starts_in(folder)
    try:
        _opens_window(first, data)
        begun = time.monotonic()
        late = FirstStart(data)
        assert not late.is_taken_over([], {})
        assert not late.take()
        assert time.monotonic() - begun < call_words.ANSWER_MS / 2_000
    finally:
        _end(first)
    assert late.take()
    assert (data / LOCK_NAME).read_bytes() == b""  # what the next one hears by is not known yet
    late.release()
