"""What loads took, where the file for it cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from minerva_desktop.devices.ledgers import CPU
from minerva_desktop.library.measured_memory import MeasuredMemory, Report
from minerva_desktop.library.memory_estimate import Figures


def test_a_disk_that_takes_nothing_is_warned_of_once_until_it_takes_something(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, file = tmp_path / "data", tmp_path / "data" / "measured.json"
    measured = MeasuredMemory(file)
    reports = [Report(n_ctx=n_ctx, figures=Figures(compute={CPU: 1})) for n_ctx in range(1, 6)]
    measured.note("model", reports[0])
    measured.note("model", reports[1])
    assert caplog.messages == ["measured.json cannot be written: it is not there"]
    folder.mkdir()
    measured.note("model", reports[2])
    assert MeasuredMemory(file).find("model")[-1] == reports[2]
    file.unlink()
    folder.rmdir()
    measured.note("model", reports[3])
    measured.note("model", reports[4])
    assert len(caplog.messages) == 2
