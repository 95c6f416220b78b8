"""What goes wrong in the pictures of the window: answers that fail, and notices of it. Used by
`screenshot_states`. Main thread."""

from __future__ import annotations

import screenshot_samples as samples
from minerva_desktop.app.answer_words import with_way_out
from minerva_desktop.app.context_cutting import PossibleCut
from minerva_desktop.app.load_words import begun
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.errors import (
    ContextLimitExceeded,
    InvalidRequest,
    MinervaError,
    OutOfMemory,
)
from minerva_desktop.ui.chat_view.actions import AnswerHelp
from minerva_desktop.ui.context_help import fits_without
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.status_bar import ServerState

ENGINE_DEATH = """\
signal 9, SIGKILL

llama_context: n_ctx = 8192
llama_kv_cache: CPU KV buffer size = 180.00 MiB
sched_reserve: CPU compute buffer size = 34.01 MiB"""
REFUSED = "YaRN's fast beta would have no effect: RoPE scaling is not “yarn”"
NEEDS = "the model needs 6.4 GB of this computer's memory, of which models may take 4.3 GB"


def show_error(window: MainWindow) -> None:
    """An answer whose engine died, one that was stopped, and a notice with details."""
    sentence = "The model's process ended unexpectedly (signal 9, SIGKILL)"
    window.chat_view.set_messages(
        [
            samples.message(Role.USER, "Why is the sea salty?"),
            samples.message(Role.ASSISTANT, "Rivers carry", MessageState.STOPPED),
            samples.message(Role.USER, "Go on."),
            samples.message(
                Role.ASSISTANT, samples.SALT[:170], MessageState.FAILED, error=sentence
            ),
        ]
    )
    actions = (NoticeAction("Try again", "retry"),)
    window.notifications.show_notice(
        Notice(NoticeKind.WARNING, "The file “notes.txt” is not a GGUF file")
    )
    window.notifications.show_notice(Notice(NoticeKind.ERROR, sentence, ENGINE_DEATH, actions))
    window.status.set_server(ServerState.FAILED, "Port 8427 is in use by another program")


def show_over_length(window: MainWindow) -> None:
    """Answers that need another context, more memory or other load options, and lead to what
    helps; and a load that did, too."""
    too_long = ContextLimitExceeded.of(8192, 9027)
    refused = InvalidRequest(REFUSED, param="rope.yarn_beta_fast")
    errors: tuple[MinervaError, ...] = (
        too_long,
        OutOfMemory("Memory exceeded: 0 + 6.4 > 4.3", detail="bytes", needs=NEEDS),
        refused,
    )
    messages = []
    for error in errors:
        failed = samples.message(Role.ASSISTANT, "", MessageState.FAILED, error=with_way_out(error))
        messages += [samples.message(Role.USER, "Summarise this book: …"), failed]
    window.chat_view.set_messages(messages)
    for message, error in zip(messages[1::2], errors, strict=True):
        window.chat_view.offer_help(
            message.id,
            AnswerHelp(
                details=bool(error.detail),
                options=True,
                anyway=isinstance(error, OutOfMemory),
                cut=fits_without(PossibleCut("", 12, 2_310)) if error is too_long else "",
            ),
        )
    actions = (NoticeAction("Load options…", "load-options"), NoticeAction("Try again", "retry"))
    text = f"Qwen3 8B was not loaded: {REFUSED}"
    window.notifications.show_notice(Notice(NoticeKind.ERROR, text, actions=actions))


def show_too_large(window: MainWindow) -> None:
    """A model was not loaded: what it needs, and what can be done."""
    detail = "In bytes: 0 + 6,442,450,944 > 4,294,967,296."
    actions = (
        NoticeAction("Load anyway", "load-anyway"),
        NoticeAction("Load options…", "load-options"),
        NoticeAction("Memory settings…", "memory-settings"),
    )
    text = f"Qwen3 8B was not loaded. {begun(NEEDS)}. More can be allowed in the settings."
    window.notifications.show_notice(Notice(NoticeKind.WARNING, text, detail, actions))
