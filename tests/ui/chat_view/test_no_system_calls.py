"""No text of a model makes the window open a file or a connection: proved by its system calls."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ui.chat_view.show_hostile_text import BEGIN, END

STRACE = shutil.which("strace")
ROOT = Path(__file__).resolve().parents[3]
# Whatever reads a file's name or an address.
CALLS = "trace=%file,%network"
_CALL = re.compile(r"(?:\d+ +)?(\w+)\(")


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_no_text_opens_a_file_or_a_connection(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = [str(STRACE), "-f", "-qq", "-e", CALLS, "-o", str(trace)]
    command += [sys.executable, "-m", "tests.ui.chat_view.show_hostile_text"]
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    if result.returncode != 0 and "ptrace" in result.stderr:
        pytest.skip("strace is not allowed to trace here")
    assert result.returncode == 0, result.stderr
    lines = trace.read_text(errors="replace").splitlines()
    begin = next(at for at, line in enumerate(lines) if BEGIN in line)
    end = next(at for at, line in enumerate(lines) if END in line)
    before = [line for line in lines[:begin] if "openat(" in line]
    assert len(before) > 100  # the trace sees what the process opens
    between = [line for line in lines[begin + 1 : end] if _CALL.match(line)]
    assert between == []
