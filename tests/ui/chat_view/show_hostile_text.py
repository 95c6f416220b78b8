"""`python -m tests.ui.chat_view.show_hostile_text`: renders text that attacks, in a process of its
own, between two marks that a trace of its system calls shows. `test_no_system_calls` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtWidgets import QApplication

from minerva_desktop.chat.message import Message
from minerva_desktop.paths import resources_dir
from minerva_desktop.settings import ThemeChoice
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.formulas import Formulas
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import ThemeSource
from tests.ui.chat_view.attacks import ATTACKS, FORMULAS, HARMLESS
from tests.ui.chat_view.messages import answer, ended, question, streaming

BEGIN = "/minerva-begin"
END = "/minerva-end"
PIECE = 24  # characters


def show(view: ChatView, message: Message) -> None:
    """Render a message to its last row, formulas too, and point at what is in it."""
    view.set_messages([message])
    formulas = view.findChild(Formulas)
    while view.is_working() or (formulas is not None and formulas.is_working):
        QApplication.processEvents()
    view.grab()
    shown = view.message_view(message.id)
    if shown is not None:
        shown.body.highlighted.emit(QUrl("https://evil.example/<b>"))
        shown.body.selectAll()
        shown.body.copy()


def stream(view: ChatView, text: str) -> None:
    """Have it come as an answer does, some characters at a time."""
    running = streaming()
    view.append_message(running)
    for start in range(0, len(text), PIECE):
        view.append_text(running.id, text[start : start + PIECE])
        while view.is_working():
            QApplication.processEvents()
    view.grab()
    view.finish_message(ended(running, text))


def main() -> int:
    """Show it all; the exit code."""
    app = QApplication([])
    themes = ThemeSource(app.styleHints(), ThemeChoice.LIGHT)
    view = ChatView(Icons(resources_dir() / "icons", themes))
    view.resize(800, 600)
    view.show()
    for text in HARMLESS:  # fonts, lexers and the typesetter are loaded with the first of its kind
        show(view, answer(text))
        show(view, question(text))
        stream(view, text)
    Path(BEGIN).exists()
    for text in (*ATTACKS, *FORMULAS):
        if text in ATTACKS:
            view.set_messages([])
            stream(view, text)
        show(view, answer(text))
        show(view, question(text))
    Path(END).exists()
    app.clipboard().clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
