"""The classes of the dialogs, and functions that few call, whose modules are loaded when they are
wanted: most days pass without most of them, and the window opens sooner and takes less memory. Main
thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minerva_desktop.app.third_parties import ThirdParty
    from minerva_desktop.app.updates import Release
    from minerva_desktop.ui.about_dialog import AboutDialog
    from minerva_desktop.ui.attachment_viewer import AttachmentViewer
    from minerva_desktop.ui.backups_window import BackupsWindow
    from minerva_desktop.ui.chat_view.chat_finder import ChatFinder
    from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
    from minerva_desktop.ui.picture_viewer import PictureViewer
    from minerva_desktop.ui.self_test_process import SelfTestProcess
    from minerva_desktop.ui.server_window import ServerWindow
    from minerva_desktop.ui.settings_dialog import SettingsDialog
    from minerva_desktop.ui.template_page import TemplatePage


def about_dialog() -> type[AboutDialog]:
    """Version, licences, self-test."""
    from minerva_desktop.ui.about_dialog import AboutDialog

    return AboutDialog


def about_facts() -> Callable[[Path], tuple[tuple[ThirdParty, ...], dict[str, dict[str, str]]]]:
    """What that tells; see `app.about_facts`."""
    from minerva_desktop.app.about_facts import about_facts

    return about_facts


def self_test_process() -> type[SelfTestProcess]:
    """The self-test as a process."""
    from minerva_desktop.ui.self_test_process import SelfTestProcess

    return SelfTestProcess


def fetch_release() -> Callable[[str], Release]:
    """The request for the newest version."""
    from minerva_desktop.app.update_request import fetch_release

    return fetch_release


def attachment_viewer() -> type[AttachmentViewer]:
    """The text of an attached file."""
    from minerva_desktop.ui.attachment_viewer import AttachmentViewer

    return AttachmentViewer


def picture_viewer() -> type[PictureViewer]:
    """An image that came with a message."""
    from minerva_desktop.ui.picture_viewer import PictureViewer

    return PictureViewer


def backups_window() -> type[BackupsWindow]:
    """The copies of all chats."""
    from minerva_desktop.ui.backups_window import BackupsWindow

    return BackupsWindow


def chat_finder() -> type[ChatFinder]:
    """What finds text in a chat."""
    from minerva_desktop.ui.chat_view.chat_finder import ChatFinder

    return ChatFinder


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
