"""The classes of the dialogs, whose modules are loaded when one is opened: most days pass without
most of them, and the window opens sooner and takes less memory. Main thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minerva_desktop.ui.attachment_viewer import AttachmentViewer
    from minerva_desktop.ui.backups_window import BackupsWindow
    from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
    from minerva_desktop.ui.server_window import ServerWindow
    from minerva_desktop.ui.settings_dialog import SettingsDialog
    from minerva_desktop.ui.template_page import TemplatePage


def attachment_viewer() -> type[AttachmentViewer]:
    """The text of an attached file."""
    from minerva_desktop.ui.attachment_viewer import AttachmentViewer

    return AttachmentViewer


def backups_window() -> type[BackupsWindow]:
    """The copies of all chats."""
    from minerva_desktop.ui.backups_window import BackupsWindow

    return BackupsWindow


def model_options_dialog() -> type[ModelOptionsDialog]:
    """How one model is loaded."""
    from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog

    return ModelOptionsDialog


def template_page() -> type[TemplatePage]:
    """The page of that for the chat template."""
    from minerva_desktop.ui.template_page import TemplatePage

    return TemplatePage


def server_window() -> type[ServerWindow]:
    """The local server, its keys and requests."""
    from minerva_desktop.ui.server_window import ServerWindow

    return ServerWindow


def settings_dialog() -> type[SettingsDialog]:
    """The settings."""
    from minerva_desktop.ui.settings_dialog import SettingsDialog

    return SettingsDialog
