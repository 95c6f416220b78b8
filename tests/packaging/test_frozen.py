"""The frozen app's commands; its window is tested by `tests/end_to_end` in the same run.

`python3 scripts/release.py --verify` runs these on what it has built.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import psutil
import pytest

from minerva_desktop import __version__
from minerva_desktop.ui.replaced_app import REPLACED
from tests.end_to_end.desktop import running_desktop, wait_for
from tests.end_to_end.running_app import TITLE, app_command, launched
from tests.processes import engines_with_models

pytestmark = pytest.mark.slow

START_SECONDS = 60
SERVING = re.compile(r"Minerva serves its models at (http://\S+/v1)")


@pytest.fixture
def minerva() -> list[str]:
    """The command of the frozen app."""
    if "MINERVA_APP" not in os.environ:
        pytest.skip("MINERVA_APP does not say how a frozen app is started")
    return app_command()


def _run(command: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    # As on a machine without Python: nothing of this run's settings.
    environment = {name: os.environ[name] for name in ("MINERVA_HOME", "PATH")}
    return subprocess.run(
        [*command, *arguments],
        env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@contextmanager
def _serving(minerva: list[str]) -> Iterator[tuple[psutil.Popen, str]]:
    command = [*minerva, "serve", "--port", "0"]
    process = psutil.Popen(command, cwd="/", stderr=subprocess.PIPE, text=True)
    try:
        lines: list[str] = []
        while not (lines and SERVING.search(lines[-1])):
            line = process.stderr.readline()
            assert line, lines
            lines.append(line)
        address = SERVING.search(lines[-1])
        assert address is not None
        yield process, address[1]
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        process.stderr.close()


def test_the_terminal_says_the_version_and_what_there_is(minerva: list[str]) -> None:
    assert _run(minerva, "--version").stdout == f"Minerva Desktop {__version__}\n"
    listed = _run(minerva, "models", "list", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [model["id"] for model in json.loads(listed.stdout)] == ["SmolLM2-135M-Instruct.Q4_1"]
    assert _run(minerva, "chats", "list").returncode == 0


def test_a_prompt_is_answered_in_the_terminal(minerva: list[str]) -> None:
    asked = ("chat", "--prompt", "Name a colour.", "--max-tokens", "12", "--seed", "1")
    done = _run(minerva, *asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_a_client_is_answered_also_after_the_engine_was_killed(minerva: list[str]) -> None:
    with _serving(minerva) as (process, url), openai.OpenAI(base_url=url, api_key="none") as client:
        model = client.models.list().data[0].id

        def ask() -> str | None:
            answer = client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "Name a colour."}],
                max_tokens=8,
                temperature=0,
            )
            return answer.choices[0].message.content

        first = ask()
        assert first
        (child,) = engines_with_models(process)
        assert Path(child.exe()).name == "minerva-desktop"
        assert not _loads_qt(process)  # as from source, see tests/test_architecture.py
        assert not _loads_qt(child)
        child.kill()
        wait_for("end of the child", lambda: not child.is_running())
        assert ask() == first


def _loads_qt(process: psutil.Process) -> bool:
    return any("libQt6" in region.path for region in process.memory_maps())


def test_a_failed_command_says_why_and_ends_with_an_error(minerva: list[str]) -> None:
    done = _run(minerva, "chat", "no such model")
    assert done.returncode == 1
    assert done.stderr.startswith("minerva: ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what runs is not replaced")
def test_a_window_goes_on_after_an_update_of_the_app_under_it(
    minerva: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(minerva) > 1:
        pytest.skip("the app is somewhere else")
    app_folder = tmp_path / "app"
    shutil.copytree(Path(minerva[0]).parent, app_folder, symlinks=True)
    executable = app_folder / Path(minerva[0]).name
    monkeypatch.setenv("MINERVA_APP", str(executable))
    with running_desktop() as desktop, launched(desktop) as app:
        # As the packages do it: another file of that name.
        kept = executable.rename(app_folder / "of-before")
        executable.write_text(f'#!/bin/sh\nexec "{kept}" "$@"\n')
        executable.chmod(0o755)
        desktop.focus_nothing()  # an update is made in another window
        wait_for("window without the keyboard", lambda: not app.has_focus_in("composer"))
        desktop.focus(desktop.window(TITLE))
        wait_for("notice", lambda: REPLACED in app.text("notificationBar"))
        app.send("Say hello.")
        app.wait_for_answer_begun()
        app.wait_for_answer_end()
        desktop.press("F1")  # most dialogs are imported when they are opened
        assert __version__ in app.text("aboutDialog")
        desktop.press("Escape")
        wait_for("end of the dialog", lambda: not desktop.windows("About Minerva"))
        assert app.close() == 0
