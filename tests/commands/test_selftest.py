"""`minerva selftest` as a person, a script and the window run it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from minerva_desktop import __version__
from minerva_desktop.app.self_report import CheckState
from minerva_desktop.app.self_test import SelfTest, SelfTestEvent
from minerva_desktop.app.window_check import DrawnWindow, draw_window, drawing_environment
from minerva_desktop.errors import MinervaError
from minerva_desktop.paths import app_paths, resources_dir

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["resources", "folders", "disk", "settings", "chats", "engine", "model", "window"]
DRAWN = DrawnWindow(
    qt="6.11.3", pyside="6.11.3", width=800, height=600, n_colours=90, n_icons=36, n_fonts=9
)


async def drawn() -> DrawnWindow:
    return DRAWN


def test_all_is_well_here_and_nothing_private_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home" / "ada"
    home.mkdir(parents=True)
    environment = {**os.environ, "HOME": str(home), "USER": "ada", "LOGNAME": "ada"}
    environment |= {"MINERVA_HOME": str(tmp_path / "Secret Project")}
    environment |= {"PYTHONIOENCODING": "cp1252"}  # as in a pipe on Windows
    done = subprocess.run(
        [sys.executable, "-m", "minerva_desktop", "selftest", "--json-lines"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["begins"] for event in events if "begins" in event] == NAMES
    checks = [event["check"] for event in events if "check" in event]
    assert [check["name"] for check in checks] == NAMES
    report = events[-1]["report"]
    assert (report["version"], report["is_well"], report["checks"]) == (__version__, True, checks)
    model = checks[NAMES.index("model")]["words"]
    assert "“" in model
    assert "cold" in model
    assert "tokens/s" in model
    assert report["facts"]["Versions"]["ggml"].startswith("0.")
    assert "dirty" not in done.stdout
    # Of the processor's memory ggml calls all free; the machine's is told once, and right.
    assert not report["facts"]["Devices"]["CPU"].endswith("free")
    assert report["facts"]["Machine"]["Memory"].endswith("free")
    assert report["facts"]["Machine"]["llama.cpp uses"].startswith("CPU: ")
    assert report["facts"]["Folders"]["Data"] == "(outside the home folder)"
    for word in ("ada", "Secret Project", str(tmp_path), platform.node()):
        assert f"/{word}" not in done.stdout
        assert word == "ada" or word not in done.stdout
    # Only the folders were made; the terminal process saw to the window without Qt.
    assert sorted(each.name for each in (tmp_path / "Secret Project").rglob("*")) == [
        "config", "data", "logs"
    ]  # fmt: skip


async def run(embedded: Path | None, **more: object) -> tuple[SelfTest, list[SelfTestEvent]]:
    events: list[SelfTestEvent] = []
    test = SelfTest(app_paths(), resources_dir(), embedded, events.append, **more)  # type: ignore[arg-type]
    await test.run()
    return test, events


async def test_what_is_broken_is_in_the_report(small_path: Path) -> None:
    async def fail() -> DrawnWindow:
        raise MinervaError("The process that draws ended with signal 11, SIGSEGV: it said nothing")

    app_paths().create()
    app_paths().database.write_bytes(b"x" * 5000)
    _, events = await run(small_path, draw=fail)
    report = events[-1].report
    assert report is not None
    states = {check.name: check.state for check in report.checks}
    assert list(states) == NAMES
    bad = [name for name, state in states.items() if state is CheckState.FAILED]
    assert bad == ["chats", "model", "window"]
    assert not report.is_well
    words = {check.name: check.words for check in report.checks}
    assert words["model"].startswith("it loads, but answers “What is the opposite of hot?” with")
    assert "SIGSEGV" in words["window"]
    assert app_paths().database.read_bytes() == b"x" * 5000


async def test_no_model_and_a_fault_that_nobody_foresaw(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError(f"in {app_paths().data}")

    monkeypatch.setattr("minerva_desktop.app.self_checks.check_settings", burst)
    _, events = await run(None, draw=drawn)
    report = events[-1].report
    assert report is not None
    words = {check.name: check.words for check in report.checks}
    assert words["settings"] == "ZeroDivisionError: in DATA"
    assert words["model"] == "the model that comes with Minerva is not there"
    assert words["window"] == "drawn, 800 × 600 px, 36 icons"


async def test_a_cancelled_test_leaves_no_process(model_path: Path) -> None:
    reached = asyncio.Event()

    def hear(event: SelfTestEvent) -> None:
        if event.begins == "model":
            reached.set()

    test = SelfTest(app_paths(), resources_dir(), model_path, hear, draw=drawn)
    running = asyncio.create_task(test.run())
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running  # `nothing_left_behind` looks for its children


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.abort()", "ended with signal 6, SIGABRT: it said nothing"),
        ("raise FileNotFoundError('x.svg')", "exit code 1: FileNotFoundError: x.svg"),
        ("print('{')", "What the process that draws told is unclear"),
    ],
)
async def test_a_window_that_cannot_be_drawn(code: str, words: str) -> None:
    with pytest.raises(MinervaError, match=words):
        await draw_window((sys.executable, "-c", code))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"blank_icons": ("add", "send")}, "these icons are blank: add, send"),
        ({"n_colours": 1}, "the window stayed empty (1 colours)"),
        ({"n_fonts": 0}, "there is no font"),
        ({}, ""),
    ],
)
def test_a_picture_is_looked_at(changed: dict[str, object], problem: str) -> None:
    fields = {name: getattr(DRAWN, name) for name in DRAWN.__struct_fields__}
    assert DrawnWindow(**(fields | changed)).problem == problem


@pytest.mark.parametrize(
    ("system", "given", "fonts"),
    [
        ("win32", {"WINDIR": "D:\\Win"}, "D:\\Win\\Fonts"),
        ("win32", {"SYSTEMROOT": "E:\\Win"}, "E:\\Win\\Fonts"),
        ("win32", {}, "C:\\Windows\\Fonts"),
        ("win32", {"WINDIR": "D:\\Win", "QT_QPA_FONTDIR": "F:\\own"}, "F:\\own"),
        ("linux", {"WINDIR": "/x"}, None),
        ("darwin", {}, None),
    ],
)
def test_what_draws_unseen_finds_the_fonts_of_windows(
    system: str, given: dict[str, str], fonts: str | None
) -> None:
    made = drawing_environment(given, system)
    assert made.get("QT_QPA_FONTDIR") == fonts
    assert made["QT_QPA_PLATFORM"] == "offscreen"


async def test_the_process_that_draws_gets_these_variables(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("import os, sys; sys.exit(os.environ['QT_QPA_PLATFORM'])")
    with pytest.raises(MinervaError, match="exit code 1: offscreen"):
        await draw_window((sys.executable, str(tmp_path / "x")))
