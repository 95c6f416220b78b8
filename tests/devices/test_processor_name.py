"""The processor's name, as the systems tell it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from minerva_desktop.devices import processor_name as module
from minerva_desktop.devices.processor_name import name_in, processor_name


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763\n", "AMD EPYC 7763"),
        ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\n", "POWER9, altivec supported"),
        ("processor\t: 0\nBogoMIPS\t: 108.00\n", ""),  # ARM
    ],
)
def test_linux_tells_it_among_much_else(tmp_path: Path, told: str, name: str) -> None:
    (tmp_path / "cpuinfo").write_text(told)
    assert name_in(tmp_path / "cpuinfo") == name


@pytest.mark.skipif(sys.platform != "linux", reason="where the name comes from differs")
def test_the_name_stands_before_the_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("model name : Intel(R)  Core(TM) i7 CPU @ 1.80GHz\n")
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert processor_name() == "Intel(R) Core(TM) i7 CPU @ 1.80GHz (x86_64)"
    monkeypatch.setattr(module, "CPU_INFO", tmp_path / "none")
    assert processor_name() == "x86_64"


def test_macos_is_asked_and_need_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "sysctl"
    asked.write_text("#!/bin/sh\n[ $2 = machdep.cpu.brand_string ] && echo Apple M2\n")
    asked.chmod(0o755)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr(module, "SYSCTL", (str(asked), *module.SYSCTL[1:]))
    assert processor_name() == "Apple M2 (arm64)"
    monkeypatch.setattr(module, "SYSCTL", (str(tmp_path / "none"),))
    assert processor_name() == "arm64"
