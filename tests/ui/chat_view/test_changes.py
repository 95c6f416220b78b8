"""Any changes of a chat: what is shown is always a stretch of it, in order and up to date."""

from __future__ import annotations

import contextlib
import itertools

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import Conversation, Removal, ScrollPosition
from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.ui.chat_view.actions import BranchPlace
from minerva_desktop.ui.chat_view.chat_view import ChatView
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.stretch import PAGE
from tests.ui.chat_view.messages import answer, ended, question, streaming

STEPS = (
    "add", "answer", "edit", "edit", "select", "select", "remove", "remove",
    "remove_below", "put_back", "resume",
    "work", "scroll", "reopen", "reopen_there", "hover", "earlier", "later",
)  # fmt: skip


class Person:
    """Somebody who changes a chat, and looks at it."""

    def __init__(self, view: ChatView, n_before: int) -> None:
        self.view = view
        self.chat = Conversation(id="chat", created_at=0.0, updated_at=0.0)
        for number in range(n_before):
            self.chat.add(self._reply(answer(f"Old {number}")))
        self._removals: list[Removal] = []
        self._number = 0
        view.set_messages(self.branch, place_of=self._place)

    @property
    def branch(self) -> list[Message]:
        """What is to be shown."""
        return self.chat.active_branch()

    def _reply(self, message: Message) -> Message:
        return msgspec.structs.replace(message, parent_id=self.chat.active_leaf_id)

    def _place(self, message_id: str) -> BranchPlace | None:
        ids = tuple(self.chat.siblings(message_id))
        return BranchPlace(ids.index(message_id), ids) if len(ids) > 1 else None

    def _text(self) -> str:
        self._number += 1
        return f"Text **{self._number}**"

    def do(self, step: str, at: int) -> None:
        """One step; ``at`` chooses the message that it is about."""
        branch = self.branch
        chosen = branch[at % len(branch)] if branch else None
        if step == "add":
            asked = self._reply(question(self._text()))
            self.chat.add(asked)
            self.view.append_message(asked)
        elif step == "answer":
            self._answer()
        elif step in {"work", "scroll", "earlier", "later", "hover"}:
            self._look(step, at)
        elif chosen is not None:
            self._change(step, chosen, at)

    def _answer(self) -> None:
        running, text = self._reply(streaming()), self._text()
        self.chat.add(running)
        self.view.append_message(running)
        self.view.append_text(running.id, text)
        done = ended(running, text, MessageState.STOPPED)
        self.chat.replace(done)
        self.view.finish_message(done)

    def _look(self, step: str, at: int) -> None:
        bar = self.view.verticalScrollBar()
        if step == "scroll":
            bar.setValue(at * 37 % (bar.maximum() + 1))
        elif step == "hover":
            shown = self.view.findChildren(MessageView)
            if shown:
                each = shown[at % len(shown)]
                each.pointer_changed.emit(each.message.id, at % 2 == 0)
        elif step in {"earlier", "later"}:
            messages = self.view._column.messages
            (messages.show_earlier if step == "earlier" else messages.show_later)()
        for _ in range(at % 4):
            QApplication.processEvents()

    def _change(self, step: str, chosen: Message, at: int) -> None:
        chat = self.chat
        if step == "edit":
            chat.branch_from(chosen.parent_id)
            self.view.change_messages(self.branch)
            self.do("add", at)
        elif step == "select":
            ids = chat.siblings(chosen.id)
            chat.select_branch(ids[at % len(ids)])
        elif step.startswith("remove"):
            self._removals.append(chat.remove(chosen.id, with_replies=step.endswith("below")))
        elif step == "put_back" and self._removals:
            removal = self._removals.pop()
            with contextlib.suppress(ValueError):  # what it belonged to is gone, too
                chat.put_back(removal)
        elif step == "resume" and chat[chat.active_leaf_id or ""].text:
            self._resume(self.branch[-1])
        if step.startswith("reopen"):
            place = ScrollPosition(chosen.id, 0.3) if step == "reopen_there" else None
            self.view.set_messages(self.branch, place, self._place)
        else:
            self.view.change_messages(self.branch)

    def _resume(self, last: Message) -> None:
        running = msgspec.structs.replace(last, state=MessageState.STREAMING)
        self.chat.replace(running)
        self.view.resume_answer(running)
        self.view.append_text(last.id, " and more")
        done = ended(running, f"{last.text} and more", MessageState.STOPPED)
        self.chat.replace(done)
        self.view.finish_message(done)


def check(person: Person, qtbot: QtBot) -> None:
    """What is shown is a stretch of the chat, as it is now."""
    view = person.view
    qtbot.waitUntil(lambda: not view.is_working())
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    branch = person.branch
    shown = view._column.messages._views
    assert sorted(view.findChildren(MessageView), key=id) == sorted(shown, key=id)
    if not branch:
        assert not shown
        return
    assert shown
    ids = [message.id for message in branch]
    first = ids.index(shown[0].message.id)
    assert [each.message for each in shown] == branch[first : first + len(shown)]
    assert [each.source() for each in shown] == [
        message.text for message in branch[first : first + len(shown)]
    ]
    assert all(each.plain_text().startswith(("Old", "Text")) for each in shown)
    for above, below in itertools.pairwise(shown):
        assert below.y() >= above.y() + above.height()
    for each in shown:
        place = person._place(each.message.id)
        assert (each.navigator is None) == (place is None)
        if place is not None and each.navigator is not None:
            assert each.navigator.accessibleName() == (
                f"Version {place.position + 1} of {len(place.ids)}"
            )


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    n_before=st.sampled_from([0, 3, PAGE + 5]),
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 200)), max_size=10),
)
def test_whatever_is_done_the_chat_is_shown_as_it_is(
    qtbot: QtBot, view: ChatView, n_before: int, steps: list[tuple[str, int]]
) -> None:
    person = Person(view, n_before)
    for step, at in steps:
        person.do(step, at)
        if at % 3 == 0:
            check(person, qtbot)
    check(person, qtbot)


def test_a_reply_that_moves_up_is_a_version_there(qtbot: QtBot, view: ChatView) -> None:
    person = Person(view, 0)
    for step in ("add", "answer", "edit", "answer"):
        person.do(step, 0)
    check(person, qtbot)
    kept = view.message_view(person.branch[1].id)
    person.do("remove", 0)
    check(person, qtbot)
    (left,) = person.branch
    assert view.message_view(left.id) is kept
    assert kept is not None
    assert kept.navigator is not None
