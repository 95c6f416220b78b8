"""What the states of `screenshot.py` have in common: the stage, and how the window usually looks.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace
from PySide6.QtWidgets import QWidget

import screenshot_samples as samples
from minerva_desktop.chat.message import Role
from minerva_desktop.ui.chat_rows import chat_rows
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.memory_shares import ColourSlots

NARROW = 700  # px


@dataclass(frozen=True)
class Stage:
    """What a state works with."""

    window: MainWindow
    icons: Icons


State = Callable[[Stage], list[QWidget]]


def empty(stage: Stage) -> list[QWidget]:
    """The first start: a model, no chat yet."""
    window = stage.window
    window.chat_view.set_messages([])
    window.sidebar.set_rows(chat_rows([]))
    window.header.picker.set_models([replace(each, loaded=False) for each in samples.MODELS])
    window.header.set_can_eject(False)
    window.status.set_context(None, None)
    window.status.set_speed(None, None)
    return []


def conversation(stage: Stage) -> list[QWidget]:
    """Two questions and their answers; the next one half typed."""
    window = stage.window
    window.chat_view.set_messages(
        [
            samples.message(Role.USER, "Why is the sea salty?"),
            samples.message(Role.ASSISTANT, samples.SALT),
            samples.message(Role.USER, "And why are lakes not?"),
            samples.message(
                Role.ASSISTANT,
                "Most lakes have an outflow: the minerals leave with the water. Lakes *without* "
                "one, such as the Dead Sea, are salty too.",
            ),
        ]
    )
    window.composer.set_text("How salty is the Baltic")
    return []


def narrow(stage: Stage) -> list[QWidget]:
    """700 px wide, where the side panels make room."""
    stage.window.resize(NARROW, stage.window.height())
    conversation(stage)
    return []


def furnish(stage: Stage) -> None:
    """What all states begin with: models, chats and the numbers of a quiet moment."""
    window = stage.window
    window.header.picker.set_models(samples.MODELS)
    window.header.picker.set_current(samples.MODEL_PATH)
    window.header.set_can_eject(True)
    names = {item.path.rpartition("/")[2]: item.name for item in samples.MODELS}
    window.chat_view.set_model_names(names)
    window.sidebar.set_rows(chat_rows(samples.CHATS, now=samples.NOW))
    window.sidebar.set_current(samples.OPEN_CHAT)
    window.composer.set_placeholder(f"Message {samples.MODEL}")
    window.chat_view.set_empty_hint(
        "What is on your mind?", f"{samples.MODEL} answers, on this computer alone."
    )
    reading = samples.system_memory(412 * 1024**2)
    window.status.set_memory(ColourSlots().shares((), reading))
    window.status.set_context(1_204, 8_192)
    window.status.set_speed(43.4, 124.0)


def part(stage: Stage, name: str) -> QWidget:
    """The part of the window with that object name."""
    found = stage.window.findChild(QWidget, name)
    if not isinstance(found, QWidget):
        raise TypeError(f"the window has no {name}")
    return found
