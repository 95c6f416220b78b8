"""The states that `screenshot.py` renders: each fills a real `MainWindow` as its controllers would.

A state is a function that gets a `Stage` and returns the extra top-level windows (a popup, a
dialog) to paint over the main window. Main thread.
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from PySide6.QtWidgets import QApplication, QWidget

import screenshot_about
import screenshot_attachments
import screenshot_backups
import screenshot_context
import screenshot_dialogs
import screenshot_errors
import screenshot_markdown
import screenshot_memory
import screenshot_messages
import screenshot_parts
import screenshot_presets
import screenshot_samples as samples
import screenshot_sidebar
from minerva_desktop.app.memory_budgets import GpuMemories
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.library.loaded_files import GONE
from minerva_desktop.settings import Settings
from minerva_desktop.ui.chat_rows import chat_rows
from minerva_desktop.ui.memory_shares import ColourSlots
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from minerva_desktop.ui.status_bar import ServerState
from minerva_desktop.ui.unloading import in_use_notice
from screenshot_stage import NARROW, Stage, State, conversation, empty, narrow, part


def code(stage: Stage) -> list[QWidget]:
    """A long answer with code, a table, a quote and a task list, seen from its beginning."""
    window = stage.window
    window.chat_view.set_messages(
        [
            samples.message(Role.USER, "Explain binary search.\nWith code:\n\n    O(log n)?"),
            samples.message(Role.ASSISTANT, samples.CODE),
        ]
    )
    QApplication.processEvents()
    window.chat_view.verticalScrollBar().setValue(0)
    return []


def code_end(stage: Stage) -> list[QWidget]:
    """The same answer, seen at its end."""
    code(stage)
    bar = stage.window.chat_view.verticalScrollBar()
    bar.setValue(bar.maximum())
    return []


def error(stage: Stage) -> list[QWidget]:
    """An answer whose engine died, one that was stopped, and a notice with details."""
    screenshot_errors.show_error(stage.window)
    return []


def over_length(stage: Stage) -> list[QWidget]:
    """Answers that need another context or more memory, and lead to what helps."""
    screenshot_errors.show_over_length(stage.window)
    return []


def narrow_over_length(stage: Stage) -> list[QWidget]:
    """The same, 700 px wide, with the chats shown."""
    stage.window.resize(NARROW, stage.window.height())
    stage.window.sidebar.toggle_action.setChecked(True)
    return over_length(stage)


def undo(stage: Stage) -> list[QWidget]:
    """A chat was just deleted; the endpoint is on."""
    conversation(stage)
    actions = (NoticeAction("Undo", "undo"),)
    stage.window.notifications.show_notice(Notice(NoticeKind.INFO, "Chat deleted", actions=actions))
    stage.window.status.set_server(ServerState.ON, "http://127.0.0.1:8427/v1")
    return []


def loading(stage: Stage) -> list[QWidget]:
    """A model is being loaded for a question that was sent."""
    window = stage.window
    window.header.picker.set_current(samples.MODELS[2].path)
    window.header.set_can_eject(False)
    window.header.show_progress(0.42)
    window.chat_view.set_messages([samples.message(Role.USER, "Why is the sea salty?")])
    answer = samples.message(
        Role.ASSISTANT, "", MessageState.STREAMING, model="qwen3-8b-q5_k_m.gguf"
    )
    window.chat_view.append_message(answer)
    window.chat_view.set_status(answer.id, "Loading Qwen3 8B, 42 %")
    window.composer.set_generating(True)
    window.status.set_context(None, None)
    window.status.set_speed(None, None)
    return []


def models(stage: Stage) -> list[QWidget]:
    """The list of models is open, with its badges."""
    conversation(stage)
    picker = stage.window.header.picker
    picker.set_models([*samples.MODELS, samples.UNKNOWN_MODEL])
    refused = (samples.MODELS[0], samples.UNKNOWN_MODEL)
    for items, fits in ((samples.MODELS[1:], samples.FITS), (refused, samples.REFUSED_FITS)):
        for item, fit in zip(items, fits, strict=False):
            picker.set_fit(item.path, fit)
    picker.open_list()
    return [part(stage, "pickerPopup")]


def long_models(stage: Stage) -> list[QWidget]:
    """The same with long names, for one of which two others would go."""
    conversation(stage)
    picker = stage.window.header.picker
    gone = replace(samples.MODELS[0], note=GONE)
    picker.set_models([gone, samples.LONG_MODELS[0], *samples.MODELS[1:]])
    for item, fit in zip(
        (samples.LONG_MODELS[0], samples.MODELS[1]), samples.LONG_FITS, strict=True
    ):
        picker.set_fit(item.path, fit)
    picker.open_list()
    return [part(stage, "pickerPopup")]


def settings(stage: Stage) -> list[QWidget]:
    """The settings dialog, on a machine without graphics cards."""
    return _settings(stage, GpuMemories(()))


def settings_small(stage: Stage) -> list[QWidget]:
    """The same over a window of 700 x 600 px."""
    stage.window.resize(NARROW, 600)
    return settings(stage)


def settings_gpus(stage: Stage) -> list[QWidget]:
    """The same on a machine with two of them."""
    return _settings(stage, GpuMemories(samples.GPU_BUDGETS))


def settings_unknown(stage: Stage) -> list[QWidget]:
    """The same where the driver ends the process that asks for them."""
    why = "The process that asked the GPU driver died (signal 11, SIGSEGV)."
    return _settings(stage, GpuMemories((), why))


def settings_updates(stage: Stage) -> list[QWidget]:
    """They where there is an address to ask for updates."""
    return _settings(stage, GpuMemories(()), screenshot_about.ASKS)


def _settings(stage: Stage, gpus: GpuMemories, sent: str = "") -> list[QWidget]:
    conversation(stage)
    return [screenshot_dialogs.settings(stage.window, stage.icons, gpus, sent)]


def parameters(stage: Stage) -> list[QWidget]:
    """The parameters panel is open."""
    conversation(stage)
    stage.window.parameters.toggle_action.setChecked(True)
    sampling = Settings().sampling
    stage.window.parameters.set_values("You are a patient teacher. Be brief.", sampling)
    return []


def long_names(stage: Stage) -> list[QWidget]:
    """Everything that a person or a file can name is far too long."""
    window = stage.window
    name = f"{samples.LONG_NAME}.gguf"
    window.header.picker.set_models(samples.LONG_MODELS)
    window.header.picker.set_current(samples.LONG_MODELS[0].path)
    window.header.show_progress(0.9)
    window.sidebar.set_rows(chat_rows(samples.LONG_CHATS, now=samples.NOW))
    unbroken = "https://example.org/" + "a-path-without-an-end/" * 14
    window.chat_view.set_messages(
        [
            samples.message(Role.USER, unbroken),
            samples.message(Role.ASSISTANT, f"{unbroken}\n\n`{unbroken}`", model=name),
        ]
    )
    sentence = f"“{name}” needs 142.0 GB, and this computer has 16.8 GB of memory"
    window.notifications.show_notice(Notice(NoticeKind.ERROR, sentence, "details"))
    window.composer.set_placeholder(f"Message {samples.LONG_NAME[:39]}…")
    window.status.set_memory(ColourSlots().shares((), samples.TWO_GPUS))
    window.status.set_context(1_000_000, 1_048_576)
    window.status.set_server(ServerState.ON, "http://127.0.0.1:8427/v1")
    return []


def narrow_error(stage: Stage) -> list[QWidget]:
    """The error state, 700 px wide, with the chats shown."""
    stage.window.resize(NARROW, stage.window.height())
    stage.window.sidebar.toggle_action.setChecked(True)
    return error(stage)


def drop(stage: Stage) -> list[QWidget]:
    """A file is dragged over the window."""
    conversation(stage)
    overlay = part(stage, "dropOverlay")
    overlay.setGeometry(stage.window.rect())
    overlay.raise_()
    overlay.show()
    return []


def server(stage: Stage) -> list[QWidget]:
    """The local server's window, busy."""
    conversation(stage)
    stage.window.status.set_server(ServerState.ON, screenshot_dialogs.URL)
    return [screenshot_dialogs.server_window(stage.window, stage.icons, is_busy=True)]


def server_advanced(stage: Stage) -> list[QWidget]:
    """The local server's window with all that can be said about it."""
    conversation(stage)
    stage.window.status.set_server(ServerState.ON, screenshot_dialogs.URL)
    return [screenshot_dialogs.server_advanced(stage.window, stage.icons)]


def server_empty(stage: Stage) -> list[QWidget]:
    """The local server's window, off and without keys or requests."""
    conversation(stage)
    return [screenshot_dialogs.server_window(stage.window, stage.icons, is_busy=False)]


def server_stopping(stage: Stage) -> list[QWidget]:
    """The server's window at its smallest, while running requests have their grace."""
    conversation(stage)
    return [screenshot_dialogs.stopping_server(stage.window, stage.icons)]


def server_refusing(stage: Stage) -> list[QWidget]:
    """The server's window after a change that could not be made."""
    conversation(stage)
    return [screenshot_dialogs.refusing_server(stage.window, stage.icons)]


def model_in_use(stage: Stage) -> list[QWidget]:
    """A model that this window and other programs use is to be unloaded."""
    conversation(stage)
    path, name = Path(samples.MODELS[0].path), samples.MODELS[0].name
    stage.window.notifications.show_notice(in_use_notice(path, name, 1, 2))
    return []


def model_options(stage: Stage) -> list[QWidget]:
    """The load options of a model."""
    conversation(stage)
    return [screenshot_dialogs.model_options(stage.window)]


STATES: dict[str, State] = {
    "empty": empty,
    "conversation": conversation,
    "code": code,
    "code-end": code_end,
    "error": error,
    "over-length": over_length,
    "narrow-over-length": narrow_over_length,
    "undo": undo,
    "loading": loading,
    "models": models,
    "long-models": long_models,
    **screenshot_memory.STATES,
    **screenshot_attachments.STATES,
    **screenshot_backups.STATES,
    **screenshot_about.STATES,
    "context": lambda stage: screenshot_context.show(stage.window),
    "context-huge": lambda stage: screenshot_context.show_huge(stage.window),
    "settings": settings,
    "settings-small": settings_small,
    "settings-gpus": settings_gpus,
    "settings-unknown": settings_unknown,
    "settings-updates": settings_updates,
    "server": server,
    "server-advanced": server_advanced,
    "server-empty": server_empty,
    "server-refusing": server_refusing,
    "server-stopping": server_stopping,
    "model-in-use": model_in_use,
    "model-options": model_options,
    "model-positions": screenshot_presets.model_positions,
    "parameters": parameters,
    "long-names": long_names,
    "narrow": narrow,
    "narrow-error": narrow_error,
    "drop": drop,
    **screenshot_markdown.STATES,
    **screenshot_messages.STATES,
    **screenshot_parts.STATES,
    **screenshot_sidebar.STATES,
    **screenshot_presets.states(conversation),
}
