"""A person starts the app for the first time, and starts it again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.paths import app_paths
from minerva_desktop.settings import Settings, SettingsFile
from tests.end_to_end.desktop import Desktop, Geometry, wait_for
from tests.end_to_end.running_app import TITLE, launched
from tests.stored_messages import stored_messages


def test_a_first_start_chats_with_the_embedded_model(desktop: Desktop) -> None:
    # All as on the first day, but that the small model comes to an end.
    paths = app_paths()
    paths.create()
    SettingsFile(paths.settings).save(Settings(sampling=SamplingParameters(max_tokens=48)))
    with launched(desktop) as app:
        app.send("Say hello.")
        app.wait_for_answer_end()
        assert "SmolLM2" in app.label("modelPicker")
        answer = app.last_message()
        question, stored = wait_for("finished answer", lambda: _complete(app.paths.database))
        assert answer.strip()
        # The window shows what Markdown means, so its signs are only in what is stored.
        assert (question, _words(stored)) == ("Say hello.", _words(answer))
        assert "tokens/s" in app.label("speedLabel")
        assert app.engine_children()
        assert app.close() == 0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _complete(database: Path) -> tuple[str, str] | None:
    """Question and answer, once the answer is complete on disk."""
    messages = stored_messages(database)
    if [(m.role, m.state) for m in messages] != [("user", "complete"), ("assistant", "complete")]:
        return None
    return messages[0].text, messages[1].text


def test_a_restart_shows_the_conversation_in_the_same_place(desktop: Desktop) -> None:
    wanted = Geometry(70, 50, 1000, 700)
    with launched(desktop) as app:
        app.send("Say hello.")
        app.wait_for_answer_begun()
        app.stop()
        before = app.messages()
        window = desktop.window(TITLE)
        desktop.place(window, wanted)
        wait_for("window in its place", lambda: desktop.geometry(window) == wanted)
        assert app.close() == 0
    with launched(desktop) as app:
        wait_for("conversation of last time", lambda: app.messages() == before)
        assert desktop.geometry(desktop.window(TITLE)) == wanted
        assert app.close() == 0


def test_a_file_that_the_app_is_opened_with_answers(
    desktop: Desktop, model_path: Path, tmp_path: Path
) -> None:
    # A copy: a link to the embedded model would be known as that.
    other = shutil.copyfile(model_path, tmp_path / "downloaded model.gguf")
    with launched(desktop, other) as app:
        wait_for("loaded model", app.engine_children)
        app.send("Say hello.")
        app.wait_for_answer_begun()
        assert [m.model for m in app.stored_messages()] == [None, "downloaded model.gguf"]
        assert app.close() == 0
    assert other.exists()
