"""What the window says of models: refused, evicted, not for chats. Main thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from minerva_desktop.app.load_words import refused_needs
from minerva_desktop.app.model_actions import ModelState
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.errors import InvalidRequest, MinervaError, OutOfMemory
from minerva_desktop.paths import path_text
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind, NotificationBar
from minerva_desktop.units import format_bytes

RETRY_LOAD = "retry-load"
LOAD_ANYWAY = "load-anyway"
LOAD_OPTIONS = "load-options"
LARGER_CONTEXT = "larger-context"  # followed by the tokens that need room, and the path
MEMORY_SETTINGS = "memory-settings"
TOO_LARGE = "model-too-large"
EMBEDDINGS = "embeddings-only"
GIVEN_BACK = "memory-given-back"


class ModelNotices:
    """``shown_name`` is a model's name for people."""

    def __init__(self, bar: NotificationBar, shown_name: Callable[[Path], str]) -> None:
        self._bar = bar
        self._shown_name = shown_name

    def warn(self, text: str, detail: str = "", key: str = "") -> None:
        """A sentence that stays until it is seen."""
        self._bar.show_notice(Notice(NoticeKind.WARNING, text, detail, key=key))

    def error(self, error: MinervaError, *actions: NoticeAction, key: str = "") -> None:
        """What went wrong, and what can be done."""
        self._bar.show_notice(Notice(NoticeKind.ERROR, error.told, error.detail, actions, key))

    def not_loaded(
        self, error: MinervaError, path: Path, *actions: NoticeAction, key: str = ""
    ) -> None:
        """Why the model at ``path`` is not, and what can be done. What is wrong with its options
        does not name it."""
        text = error.message
        if isinstance(error, InvalidRequest):
            text = f"{self._shown_name(path)} was not loaded: {text}"
        self._bar.show_notice(Notice(NoticeKind.ERROR, text, error.detail, actions, key))

    def other_than_last(self, last: Path, chosen: str, *, cannot_chat: bool) -> None:
        """The model of last time could not be chosen, and ``chosen`` was."""
        why = "cannot be opened any more; it may have been moved or deleted"
        if cannot_chat:
            why = "makes embeddings and cannot chat"
        name = clean_text(last.name)
        self.warn(f"“{name}”, the model of last time, {why}. {chosen} was chosen instead.")

    def embeddings(self, path: Path, current_name: str) -> None:
        """The chat keeps its model ``current_name``, which stays loaded."""
        stays = f" {current_name} stays the model of the chat." if current_name else ""
        text = (
            f"{self._shown_name(path)} makes embeddings, which compare the meaning of "
            f"texts, and cannot chat. Other programs can use it through the local server.{stays}"
        )
        self._bar.show_notice(Notice(NoticeKind.INFO, text, key=EMBEDDINGS, stays=True))

    def eviction(self, state: ModelState) -> None:
        """Others went to make room."""
        names = [self._shown_name(each.path) for each in state.unloaded]
        went = f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} unloaded"
        n_bytes = sum(each.n_bytes for each in state.unloaded)
        name, freed = self._shown_name(state.path), format_bytes(n_bytes)
        text = f"{went} to make room for {name}, which freed {freed}."
        self._bar.show_notice(Notice(NoticeKind.INFO, text, stays=True))

    def given_back(self, text: str) -> None:
        """Loaded models gave up what only makes them quicker. The last time counts."""
        self._bar.show_notice(Notice(NoticeKind.INFO, text, key=GIVEN_BACK, stays=True))

    def gone(self, state: ModelState) -> None:
        """It was unloaded because memory was short, or was not loaded at all: by nobody who waits
        for it and would be told."""
        if state.error is None:
            return
        if state.is_relief:
            self.warn(f"{state.error.message}. That gives back {format_bytes(state.n_freed)}.")
        else:
            text = f"{self._shown_name(state.path)} is not loaded: {state.error.message}"
            self.warn(text, state.error.detail)

    def ways_out(self, error: OutOfMemory, path: Path, *, is_back: bool = False) -> None:
        """For the model at ``path``, whoever wanted it: it need not be the chosen one. ``is_back``:
        it is loaded again as it was, without its new options; what is asked of it would have it
        loaded with those, and is refused."""
        about = path_text(path)
        actions = (
            NoticeAction("Load anyway", f"{LOAD_ANYWAY} {about}"),
            NoticeAction("Load options…", f"{LOAD_OPTIONS} {about}"),
            NoticeAction("Memory settings…", MEMORY_SETTINGS),
        )
        how = ""
        if is_back:
            how = (
                " with its new options. It is loaded as it was, but answers nothing until they fit"
                " or are changed"
            )
        needs = refused_needs(error)
        why = f"{needs} More can be allowed in the settings." if needs else f"{error.told}."
        text = f"{self._shown_name(path)} was not loaded{how}. {why}"
        self._bar.show_notice(
            Notice(NoticeKind.WARNING, text, error.detail, actions, key=TOO_LARGE)
        )


def larger_context(label: str, n_tokens: int, path: Path) -> NoticeAction:
    """A button that opens the model's load options, where ``n_tokens`` need room."""
    return NoticeAction(label, f"{LARGER_CONTEXT} {n_tokens} {path_text(path)}")
