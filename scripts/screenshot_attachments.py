"""Pictures of files that go with messages: in the composer, in the transcript, opened. Used by
`screenshot_states`. Main thread."""

from __future__ import annotations

from pathlib import Path

import msgspec
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter
from PySide6.QtWidgets import QApplication, QWidget

import screenshot_samples as samples
from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.chat.message import Message, Role
from minerva_desktop.chat.parts import PDF, FilePart, ImagePart
from minerva_desktop.ui.attachment_viewer import AttachmentViewer
from minerva_desktop.ui.drop_overlay import DropOverlay
from screenshot_stage import NARROW, Stage, State

CODE = "def flow(springs):\n    for spring in springs:\n        yield from spring.water()\n"
FILES = (
    FilePart("flow.py", CODE * 12, len(CODE) * 12, n_tokens=268),
    FilePart("A long title of a study on rivers, 3rd edition.pdf", "Water " * 4_000, 812_400, PDF),
    FilePart("Pasted text", "line\n" * 2_469, 12_345, n_tokens=4_938),
)
IMAGE = ImagePart("delta.png", "0" * 64, 96_000, "image/png", 1_280, 720)


def _question(text: str, *parts: FilePart | ImagePart) -> Message:
    return msgspec.structs.replace(samples.message(Role.USER, text), parts=parts)


def _picture() -> QImage:
    """A river in the evening, more or less."""
    image = QImage(IMAGE.width // 4, IMAGE.height // 4, QImage.Format.Format_RGB32)
    sky = QLinearGradient(0, 0, 0, image.height())
    for at, colour in ((0.0, "#2b4c7e"), (0.55, "#f2b880"), (0.6, "#3b5d50"), (1.0, "#7fb7be")):
        sky.setColorAt(at, QColor(colour))
    painter = QPainter(image)
    painter.fillRect(image.rect(), sky)
    painter.end()
    return image


def attachments(stage: Stage) -> list[QWidget]:
    """Questions with files, one of them without words; two files wait and one is being read."""
    window = stage.window
    window.chat_view.set_messages(
        [
            _question("What does this do, and what does the study say?", *FILES[:2], IMAGE),
            samples.message(Role.ASSISTANT, "It yields the water of each spring, in turn."),
            _question("", FILES[2]),
            samples.message(Role.ASSISTANT, "A list of 2,469 lines."),
        ]
    )
    while window.chat_view.is_working():
        QApplication.processEvents()
    window.chat_view.events.picture_ready.emit(IMAGE.digest, _picture())
    strip = window.composer.attachments
    for part in FILES[:2]:
        strip.add(part)
    strip.show_progress(strip.begin("atlas.pdf"), "Reading page 12 of 340")
    window.composer.set_text("Compare them")
    return []


def narrow_attachments(stage: Stage) -> list[QWidget]:
    """The same, 700 px wide, with the chats shown."""
    stage.window.resize(NARROW, stage.window.height())
    stage.window.sidebar.toggle_action.setChecked(True)
    QApplication.processEvents()
    return attachments(stage)


def too_many(stage: Stage) -> list[QWidget]:
    """More files than there is room for, and more tokens than the context has."""
    attachments(stage)
    composer = stage.window.composer
    for part in FILES * 3:
        composer.attachments.add(part)
    composer.show_hint(
        f"With this the chat has 21,804 tokens. The context of {samples.MODEL} has 8,192."
    )
    stage.window.status.set_context(21_804, 8_192)
    return []


def editing_attachments(stage: Stage) -> list[QWidget]:
    """A question with files is being edited, while one with a file waits."""
    window = stage.window
    question = _question("What does this do?", *FILES[:2])
    window.chat_view.set_messages(
        [question, samples.message(Role.ASSISTANT, "It yields the water of each spring.")]
    )
    while window.chat_view.is_working():
        QApplication.processEvents()
    window.chat_view.edit_message(question.id)
    path = Path("tiny.gguf")
    waiting = (
        QueuedMessage("q1", "And this?", path, FILES[:2]),
        QueuedMessage("q2", "", path, FILES[2:]),
    )
    window.composer.waiting.show_messages(waiting, is_paused=True)
    return []


def attachment(stage: Stage) -> list[QWidget]:
    """A file is open to be read."""
    attachments(stage)
    viewer = AttachmentViewer(FILES[0], stage.window, "file-1")
    viewer.move(stage.window.mapToGlobal(QPoint(200, 60)))
    viewer.show()
    return [viewer]


def drop_file(stage: Stage) -> list[QWidget]:
    """A text file is dragged over the window."""
    attachments(stage)
    overlay = stage.window.findChild(DropOverlay, "dropOverlay")
    if not isinstance(overlay, DropOverlay):
        raise TypeError("the window has no overlay")
    overlay.cover([Path("notes.txt")])
    return []


STATES: dict[str, State] = {
    "attachments": attachments,
    "narrow-attachments": narrow_attachments,
    "too-many-attachments": too_many,
    "editing-attachments": editing_attachments,
    "attachment": attachment,
    "drop-file": drop_file,
}
