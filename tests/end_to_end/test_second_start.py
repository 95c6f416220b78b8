"""The app is started a second time while it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.end_to_end.desktop import Desktop, wait_for
from tests.end_to_end.running_app import ROOT, TITLE, app_command, launched


def test_a_second_start_gives_its_files_to_the_first_and_ends(
    desktop: Desktop, model_path: Path, tmp_path: Path
) -> None:
    other = shutil.copyfile(model_path, tmp_path / "downloaded model.gguf")
    note = tmp_path / "note.txt"
    note.write_text("A note.", encoding="utf-8")
    environment = dict(os.environ, DISPLAY=desktop.display_name, QT_QPA_PLATFORM="xcb")
    with launched(desktop) as app:
        second = subprocess.run(
            [*app_command(), other, note],
            env=environment,
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert second.returncode == 0
        assert len(desktop.windows(TITLE)) == 1
        wait_for("handed model", lambda: "downloaded model" in app.label("modelPicker"))
        wait_for("handed note", lambda: "note.txt" in app.text("attachmentStrip"))
        assert app.close() == 0
