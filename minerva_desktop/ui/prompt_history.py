"""Alt+↑ and Alt+↓ in the composer: earlier messages of the open chat, to be sent again or changed.

Main thread.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Slot

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.message import Role
from minerva_desktop.ui.composer import Composer


class PromptHistory(QObject):
    """What was being written is the newest step, and comes back. A step can be undone."""

    def __init__(self, composer: Composer, session: Callable[[], ChatSession | None]) -> None:
        super().__init__(composer)
        self._composer = composer
        self._session = session
        self._at = 0  # steps back; 0: what is being written
        self._draft = ""
        self._shown: str | None = None  # what the last step put there
        composer.history_wanted.connect(self._on_wanted)

    @Slot(int)
    def _on_wanted(self, step: int) -> None:
        if self._composer.text != self._shown:  # written since, or of another chat
            self._at, self._draft = 0, self._composer.text
        earlier = self._earlier()
        at = self._at - step
        if not 0 <= at <= len(earlier):
            return
        self._at = at
        self._composer.set_text(self._draft if at == 0 else earlier[-at])
        self._shown = self._composer.text  # a field shows some spaces and ends of lines otherwise

    def _earlier(self) -> list[str]:
        """The person's messages in the branch that is shown, oldest first; one that was said twice
        in a row is one step."""
        session = self._session()
        branch = [] if session is None else session.conversation.active_branch()
        texts: list[str] = []
        for message in branch:
            is_new = not texts or texts[-1] != message.text
            if message.role is Role.USER and message.text.strip() and is_new:
                texts.append(message.text)
        return texts
