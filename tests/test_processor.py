"""A processor on which Qt would end the process at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from minerva_desktop import __main__ as entry
from minerva_desktop.errors import UnsupportedProcessor
from minerva_desktop.processor import require_window_processor

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="looks at Linux on x86-64"
)
CORE_2 = "fpu cmov mmx fxsr sse sse2 ht syscall nx lm pni ssse3 cx16 lahf_lm"


def cpu_info(folder: Path, flags: str) -> Path:
    """As the kernel tells it, of two processors."""
    one = f"processor\t: 0\nmodel name\t: Some\nflags\t\t: {flags}\nbugs\t\t:\n\n"
    path = folder / "cpuinfo"
    path.write_text(one * 2)
    return path


def test_this_one_will_do() -> None:
    require_window_processor()


def test_one_that_lacks_something_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedProcessor, match=r"needs a processor with SSE4.1, SSE4.2, POPCNT,"
    ):
        require_window_processor(cpu_info(tmp_path, CORE_2))
    require_window_processor(cpu_info(tmp_path, f"{CORE_2} sse4_1 sse4_2 popcnt"))


def test_where_the_kernel_does_not_tell_nothing_is_refused(tmp_path: Path) -> None:
    require_window_processor(tmp_path / "nothing")
    path = tmp_path / "cpuinfo"
    path.write_text("vendor_id : unknown\n")
    require_window_processor(path)


def _refuse() -> None:
    raise UnsupportedProcessor("Minerva's window needs a processor with SSE4.2")


def test_the_terminal_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "require_window_processor", _refuse)
    assert entry.main([]) == 1
    assert capsys.readouterr().err == "minerva: Minerva's window needs a processor with SSE4.2\n"
