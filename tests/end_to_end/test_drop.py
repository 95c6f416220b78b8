"""Files are dropped on the window, out of a file manager."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.desktop import Desktop, wait_for
from tests.end_to_end.dragging import FileManager
from tests.end_to_end.running_app import TITLE, launched


@pytest.mark.slow
def test_a_dropped_model_answers_and_a_dropped_text_is_attached(
    desktop: Desktop, model_path: Path, tmp_path: Path
) -> None:
    model = shutil.copyfile(model_path, tmp_path / "a dropped Größe.gguf")
    note = tmp_path / "note.txt"
    note.write_text("A note.", encoding="utf-8")
    with launched(desktop) as app, closing(FileManager(desktop.display_name)) as manager:
        manager.drop([model], desktop.window(TITLE))
        wait_for("dropped model", lambda: "a dropped Größe" in app.label("modelPicker"))
        wait_for("loaded model", app.engine_children)
        manager.drop([note], desktop.window(TITLE))
        wait_for("dropped note", lambda: "note.txt" in app.text("attachmentStrip"))
        app.send("Say hello.")
        app.wait_for_answer_begun()
        assert app.stored_messages()[-1].model == model.name
        app.stop()
        assert app.close() == 0
