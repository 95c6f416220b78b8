"""Pictures of answers that come, and of what a person does with messages: actions, branches,
editing, waiting ones. Used by `screenshot_states`. Main thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu, QWidget

import screenshot_samples as samples
from minerva_desktop.app.session_listener import QueuedMessage
from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import ReasoningPart
from minerva_desktop.chat.presets import Preset
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.ui.chat_view.actions import BranchPlace
from minerva_desktop.ui.chat_view.answer_details import AnswerDetails
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.late_dialogs import chat_finder
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.regenerate_menu import regenerate_menu, variants_of
from minerva_desktop.ui.waiting_messages import EDITED

NARROW = 700  # px
LAKES = (
    "Most lakes have an outflow: the minerals leave with the water. Lakes *without* one, such as "
    "the Dead Sea, are salty too."
)


class HasWindow(Protocol):
    """Of a stage only what is needed here."""

    @property
    def window(self) -> MainWindow:
        """The window to fill."""


def _chat(last: MessageState = MessageState.COMPLETE) -> list[Message]:
    return [
        samples.message(Role.USER, "Why is the sea salty?"),
        samples.message(Role.ASSISTANT, samples.SALT),
        samples.message(Role.USER, "And why are lakes not? " * 4),
        samples.message(Role.ASSISTANT, LAKES, last),
    ]


def _show(window: MainWindow, messages: list[Message]) -> list[MessageView]:
    """``messages``, of which the second and the third have alternatives."""
    places = {
        messages[1].id: BranchPlace(1, ("a", messages[1].id, "b")),
        messages[2].id: BranchPlace(1, ("c", messages[2].id)),
    }
    window.chat_view.set_messages(messages, place_of=places.get)
    while window.chat_view.is_working():
        QApplication.processEvents()
    views = [window.chat_view.message_view(message.id) for message in messages]
    return [view for view in views if view is not None]


def _point_at(view: QWidget) -> None:
    middle = view.rect().center().toPointF()
    QApplication.sendEvent(view, QEnterEvent(middle, middle, middle))


def streaming(stage: HasWindow) -> list[QWidget]:
    """An answer in the middle of its second paragraph, with markup not closed yet."""
    window = stage.window
    window.chat_view.set_messages([samples.message(Role.USER, "Why is the sea salty?")])
    answer = samples.message(Role.ASSISTANT, "", MessageState.STREAMING)
    window.chat_view.append_message(answer)
    window.chat_view.append_text(answer.id, samples.SALT[:280] + " It is **called")
    window.composer.set_generating(True)
    window.status.set_speed(43.2, None)
    return []


def waiting(stage: HasWindow) -> list[QWidget]:
    """A question was sent; the model reads the prompt."""
    window = stage.window
    window.chat_view.set_messages([samples.message(Role.USER, "Summarise the attached letter.")])
    answer = samples.message(Role.ASSISTANT, "", MessageState.STREAMING)
    window.chat_view.append_message(answer)
    window.chat_view.set_status(answer.id, "Reading the prompt, 1,536 of 4,096 tokens")
    window.composer.set_generating(True)
    return []


def actions(stage: HasWindow) -> list[QWidget]:
    """The pointer is over an answer, and the keyboard at a question; the last one is as always."""
    window = stage.window
    views = _show(window, _chat())
    _point_at(views[1])
    views[2].body.setFocus(Qt.FocusReason.TabFocusReason)
    return []


def focused(stage: HasWindow) -> list[QWidget]:
    """The keyboard is at an answer."""
    views = _show(stage.window, _chat())
    views[3].take_keyboard()
    return []


def unanswered(stage: HasWindow) -> list[QWidget]:
    """The chat ends with a question, as a deleted answer leaves it."""
    _show(stage.window, _chat()[:3])
    return []


def narrow_actions(stage: HasWindow) -> list[QWidget]:
    """The same, 700 px wide, with the chats shown."""
    window = stage.window
    window.resize(NARROW, window.height())
    window.sidebar.toggle_action.setChecked(True)
    QApplication.processEvents()
    return actions(stage)


def find(stage: HasWindow) -> list[QWidget]:
    """A word is looked for that stands in several messages."""
    window = stage.window
    _show(window, _chat())
    finder = chat_finder()(window.icons, window.chat_view)
    finder.open()
    field = window.findChild(QLineEdit, "findField")
    if isinstance(field, QLineEdit):
        field.setText("salt")
    finder.step(1)
    return []


def find_nothing(stage: HasWindow) -> list[QWidget]:
    """One that stands in none; 700 px wide."""
    window = stage.window
    window.resize(NARROW, window.height())
    find(stage)
    field = window.findChild(QLineEdit, "findField")
    if isinstance(field, QLineEdit):
        field.setText("sugar")
    return []


def message_menu(stage: HasWindow) -> list[QWidget]:
    """The menu of an answer that was stopped, with *Continue* beneath it, too."""
    window = stage.window
    views = _show(window, _chat(MessageState.STOPPED))
    views[3].body.menu_requested.emit(views[3].mapToGlobal(QPoint(240, -140)))
    return [_popup(window, "messageMenu")]


def regenerate(stage: HasWindow) -> list[QWidget]:
    """The menu of *Regenerate*, with that of other parameters."""
    window = stage.window
    views = _show(window, _chat())
    teacher = Preset(name="Teacher", sampling=SamplingParameters(top_k=20))
    menu = regenerate_menu(
        window.icons,
        window,
        samples.MODELS,
        samples.MODEL_PATH,
        variants_of(SamplingParameters(), (teacher,)),
        lambda _path, _sampling: None,
        lambda _words: None,
    )
    menu.popup(views[3].mapToGlobal(QPoint(60, -120)))
    menu.setActiveAction(menu.actions()[1])
    (inner,) = menu.findChildren(QMenu)
    inner.popup(menu.mapToGlobal(QPoint(menu.width(), 0)))
    return [menu, inner]


def details(stage: HasWindow) -> list[QWidget]:
    """The details of an answer."""
    window = stage.window
    views = _show(window, _chat())
    timings = Timings(
        queue_ms=38.0,
        prompt_tokens=1_204,
        cached_tokens=896,
        prefill_ms=410.0,
        first_token_ms=460.0,
        completion_tokens=318,
        decode_ms=7_530.0,
    )
    completion = Completion(
        finish_reason=FinishReason.STOP,
        timings=timings,
        seed=1_234_567_890,
        placement="CPU",
        restored_tokens=512,
    )
    sampling = SamplingParameters(temperature=0.2, top_k=20, stop=("###",))
    answer = msgspec.structs.replace(views[3].message, completion=completion, sampling=sampling)
    popup = AnswerDetails(window.icons, answer, f"{samples.MODEL} · Q4_1", window)
    popup.open_at(views[1].mapToGlobal(QPoint(60, 40)))
    return [popup]


def editing(stage: HasWindow) -> list[QWidget]:
    """The last question is being edited."""
    window = stage.window
    views = _show(window, _chat())
    window.chat_view.edit_message(views[2].message.id)
    return []


def editing_answer(stage: HasWindow) -> list[QWidget]:
    """The first answer is being edited, below what was thought."""
    window = stage.window
    messages = _chat()
    thought = ReasoningPart("Rivers bring minerals, and the sea has no outflow.", 12_300.0)
    messages[1] = msgspec.structs.replace(messages[1], parts=(thought,))
    _show(window, messages)
    window.chat_view.edit_message(messages[1].id)
    return []


def edited_answer(stage: HasWindow) -> list[QWidget]:
    """Both answers were edited, and a model went on with the first; the last can go on."""
    window = stage.window
    messages = _chat()
    messages[1] = msgspec.structs.replace(messages[1], edited_at=1.0)
    messages[3] = msgspec.structs.replace(messages[3], edited_at=1.0, completion=None)
    views = _show(window, messages)
    _point_at(views[1])
    undo = (NoticeAction("Undo", "undo"),)
    window.notifications.show_notice(Notice(NoticeKind.INFO, "The answer was edited", actions=undo))
    return []


def narrow_edited_answer(stage: HasWindow) -> list[QWidget]:
    """The same, 700 px wide, with the chats shown."""
    window = stage.window
    window.resize(NARROW, window.height())
    window.sidebar.toggle_action.setChecked(True)
    return edited_answer(stage)


def waiting_messages(stage: HasWindow) -> list[QWidget]:
    """Two messages wait for the answer that is being written, and a third is being typed."""
    window = stage.window
    _show(window, _chat()[:3])
    answer = samples.message(Role.ASSISTANT, "", MessageState.STREAMING)
    window.chat_view.append_message(answer)
    window.chat_view.append_text(answer.id, "Most lakes have an outflow: the minerals leave")
    window.composer.set_generating(True)
    window.composer.waiting.show_messages(_waiting(2), is_paused=False)
    window.composer.set_text("And the Baltic?")
    return []


def waiting_edit(stage: HasWindow) -> list[QWidget]:
    """The first of two waiting messages is in the composer, to be changed; its turn has come."""
    window = stage.window
    _show(window, _chat())
    messages = _waiting(2)
    window.composer.waiting.show_messages(messages, is_paused=True, why=EDITED, edited=messages[0])
    window.composer.set_text(messages[0].text)
    return []


def paused(stage: HasWindow) -> list[QWidget]:
    """Six wait, for the answer before them was stopped; a message was deleted."""
    window = stage.window
    _show(window, _chat(MessageState.STOPPED))
    window.composer.waiting.show_messages(_waiting(6), is_paused=True)
    undo = (NoticeAction("Undo", "undo"),)
    window.notifications.show_notice(
        Notice(NoticeKind.INFO, "2 messages from “Two” on deleted", actions=undo)
    )
    return []


def narrow_paused(stage: HasWindow) -> list[QWidget]:
    """The same, 700 px wide, with the chats shown."""
    window = stage.window
    window.resize(NARROW, window.height())
    window.sidebar.toggle_action.setChecked(True)
    return paused(stage)


def temporary(stage: HasWindow) -> list[QWidget]:
    """An empty chat of which nothing is kept."""
    window = stage.window
    window.chat_view.set_messages([], is_temporary=True)
    window.sidebar.set_current(None)
    return []


def temporary_chat(stage: HasWindow) -> list[QWidget]:
    """Such a chat with messages."""
    window = stage.window
    window.chat_view.set_messages(_chat(), is_temporary=True)
    window.sidebar.set_current(None)
    return []


def _waiting(count: int) -> tuple[QueuedMessage, ...]:
    texts = ("Why is the Dead Sea so salty then?", "List the ten largest salt lakes. " * 6)
    path = Path("tiny.gguf")
    return tuple(QueuedMessage(f"q{n}", texts[n % 2], path) for n in range(count))


def _popup(window: MainWindow, name: str) -> QWidget:
    found = window.findChild(QWidget, name)
    if not isinstance(found, QWidget):
        raise TypeError(f"the window has no {name}")
    return found


STATES: dict[str, Callable[[HasWindow], list[QWidget]]] = {
    "streaming": streaming,
    "waiting": waiting,
    "actions": actions,
    "focused": focused,
    "unanswered": unanswered,
    "narrow-actions": narrow_actions,
    "find": find,
    "find-nothing": find_nothing,
    "message-menu": message_menu,
    "regenerate": regenerate,
    "details": details,
    "editing": editing,
    "editing-answer": editing_answer,
    "edited-answer": edited_answer,
    "narrow-edited-answer": narrow_edited_answer,
    "waiting-edit": waiting_edit,
    "waiting-messages": waiting_messages,
    "paused": paused,
    "narrow-paused": narrow_paused,
    "temporary": temporary,
    "temporary-chat": temporary_chat,
}
