"""The real app as a process on a `Desktop`, as a person uses it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.paths import HOME_VARIABLE, AppPaths, app_paths
from minerva_desktop.settings import Settings, SettingsFile
from tests.end_to_end.desktop import Desktop, wait_for
from tests.end_to_end.screen_reader import NoAnswerError, Part, ScreenReader
from tests.processes import engines_with_models
from tests.stored_messages import StoredMessage, stored_messages

ROOT = Path(__file__).resolve().parents[2]
TITLE = "Minerva Desktop"
QUIT_SECONDS = 60.0
ANSWER_SECONDS = 90.0  # an answer of a small model may be long, and the machine busy


def app_command() -> list[str]:
    """How the app is started: from source, or as MINERVA_APP says (`release.py --verify`)."""
    told = os.environ.get("MINERVA_APP")
    return shlex.split(told) if told else [sys.executable, "-m", "minerva_desktop"]


def let_answers_go_on() -> None:
    """Let the model of an app that is started say no end of an answer, until it is stopped."""
    paths = app_paths()
    paths.create()
    endless = SamplingParameters(ignore_eos=True, seed=1, max_tokens=2_000)
    SettingsFile(paths.settings).save(Settings(sampling=endless))


class RunningApp:
    """One run, from `launched` until it is closed or killed."""

    def __init__(self, desktop: Desktop, reader: ScreenReader, process: psutil.Popen) -> None:
        self._desktop = desktop
        self._reader = reader
        self.process = process
        self._bus_name = ""
        self._n_before = 0  # messages that were there when the last one was sent
        self._parts: dict[str, Part] = {}  # of the window, which keeps them for its life
        self.paths: AppPaths = app_paths()

    # -- what a person does ----------------------------------------------------------------

    def wait_until_ready(self) -> None:
        """Wait for the window, give it the keyboard, and wait until the composer has it."""
        window = self._desktop.window(TITLE)
        self._desktop.focus(window)
        self._bus_name = wait_for("app on the accessibility bus", self._reader.apps)[-1]
        wait_for("cursor in the composer", lambda: self._reader.has_focus(self.part("composer")))

    def send(self, text: str) -> None:
        """Type a message and press Enter, key by key."""
        self._n_before = len(self.messages())
        self._desktop.type_text(text)
        wait_for("typed text in the composer", lambda: text in self.text("composer"))
        self._desktop.press("Return")
        wait_for("message in the transcript", lambda: text in self.text("chatView"))

    def wait_for_answer_begun(self, n_characters: int = 1) -> None:
        """Wait until so much of the answer to what was sent is on the screen. A short one may be
        over by then: a look at all messages takes longer than it on a busy machine."""

        def has_begun() -> bool:
            shown = self.messages()
            return len(shown) >= self._n_before + 2 and len(shown[-1]) >= n_characters

        wait_for("answer on the screen", has_begun)

    def wait_for_answer_end(self) -> None:
        """Wait until Stop is gone and Send is back."""
        wait_for("end of the answer", lambda: not self.is_answering(), ANSWER_SECONDS)

    def stop(self) -> None:
        """Press Esc, and wait until the answer has ended."""
        self._desktop.press("Escape")
        self.wait_for_answer_end()

    def close(self) -> int:
        """Click the window's close button; the app's exit code."""
        self._desktop.ask_to_close(self._desktop.window(TITLE))
        return int(self.process.wait(QUIT_SECONDS))

    # -- what a screen reader says ---------------------------------------------------------

    def part(self, name: str) -> Part:
        """The part of the window with that object name."""
        if name not in self._parts:
            self._parts[name] = wait_for(f"part “{name}”", lambda: self._find(name))
        return self._parts[name]

    def _find(self, name: str) -> Part | None:
        try:
            return self._reader.find(self._bus_name, name)
        except NoAnswerError:
            return None  # something on the way there went while it was looked at

    def text(self, name: str) -> str:
        """What a part of the window says; parts that are hidden say nothing."""
        try:
            return self._reader.text(self.part(name))
        except NoAnswerError:
            return ""  # it changed while it was read

    def messages(self) -> list[str]:
        """The texts of the transcript's messages."""
        try:
            found = self._reader.find_in(self.part("chatView"), "messageText")
            return [self._reader.text(part) for part in found]
        except NoAnswerError:
            return []  # they changed while they were read

    def last_message(self) -> str:
        """The text of the last message; empty when there is none."""
        return (self.messages() or [""])[-1]

    def label(self, name: str) -> str:
        """The accessible name of a part."""
        return self._reader.label(self.part(name))

    def has_focus_in(self, name: str) -> bool:
        """Whether keys go to a part, or to what is in it; parts may come and go."""
        try:
            found = self._parts.get(name) or self._reader.find(self._bus_name, name)
            if found is None:
                return False
            self._parts[name] = found
            return self._reader.has_focus_in(found)
        except NoAnswerError:
            self._parts.pop(name, None)  # it went, and may come again
            return False

    def is_answering(self) -> bool:
        """Whether Stop is offered."""
        return self._reader.is_showing(self.part("stopButton"))

    # -- what is behind it -----------------------------------------------------------------

    def engine_children(self) -> list[psutil.Process]:
        """The processes that compute."""
        return engines_with_models(self.process)

    def stored_messages(self) -> list[StoredMessage]:
        """The messages on disk, oldest first."""
        return stored_messages(self.paths.database)


@contextmanager
def launched(desktop: Desktop, *arguments: str | Path) -> Iterator[RunningApp]:
    """Run the app with the test's own folders; what is left of it at the
    end of the block is killed."""
    environment = dict(
        os.environ,
        DISPLAY=desktop.display_name,
        AT_SPI_BUS_ADDRESS=desktop.bus_address,
        DBUS_SESSION_BUS_ADDRESS=desktop.bus_address,
        QT_LINUX_ACCESSIBILITY_ALWAYS_ON="1",
        QT_QPA_PLATFORM="xcb",
    )
    assert HOME_VARIABLE in environment, "a test must not touch the person's own chats"
    command = [*app_command(), *map(str, arguments)]
    reader = ScreenReader(desktop.bus_address)
    process = psutil.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        app = RunningApp(desktop, reader, process)
        app.wait_until_ready()
        yield app
    finally:
        reader.close()
        if process.is_running():
            process.kill()
        process.wait(QUIT_SECONDS)
