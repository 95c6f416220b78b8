"""Images that came with messages of an imported chat, in the whole window."""

from __future__ import annotations

import asyncio
from contextlib import closing
from functools import partial
from pathlib import Path

import apsw
import msgspec
import pytest
from PySide6.QtCore import QBuffer, QIODevice, QPoint, QRect, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.parts import ImagePart
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.chat_view.picture_chip import PictureChip
from minerva_desktop.ui.picture_viewer import PictureViewer
from tests.chat.samples import make_conversation
from tests.ui.open_window import OpenWindow
from tests.ui.parts import colour_at, part

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

# Qt's reader of SVG would open what an image names.
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="8"'
    b' height="8"><rect width="8" height="8" fill="#ff0000"/></svg>'
)


def png(width: int, height: int, colour: str) -> bytes:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(colour))
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())


def chat_on_disk(*images: tuple[str, bytes, str]) -> None:
    """A chat whose question has these images: names, bytes and media types; the last of them is not
    there."""

    async def write() -> None:
        store = await ChatStore.open(app_paths().database)
        parts = []
        for name, content, media_type in images:
            digest = await store.store_blob(content)
            parts.append(ImagePart(name, digest, len(content), media_type, 640, 320))
        parts.append(ImagePart("gone.png", "0" * 64, 9, "image/png", 640, 320))
        conversation = make_conversation("Look", "Yes", title="Pictures")
        asked = conversation.active_branch()[0]
        conversation.replace(msgspec.structs.replace(asked, parts=tuple(parts)))
        await store.create(conversation)
        await store.close()

    app_paths().create()
    asyncio.run(write())


def test_images_are_shown_small_and_large(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog, tmp_path: Path
) -> None:
    content = png(640, 320, "#ff0000")
    chat_on_disk(("red.png", content, "image/png"), ("x.svg", SVG, "image/png"))
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("chat", lambda: bool(opened.window.sidebar.isVisible()))
        opened.open_chat("Pictures")
        opened.until("chips", lambda: len(opened.window.findChildren(PictureChip)) == 3)
        red, svg, gone = opened.window.findChildren(PictureChip)
        middle = QPoint(60, 40)
        opened.until("picture", lambda: colour_at(red, middle) == "#ff0000")
        for chip in (svg, gone):
            assert _read_again(qtbot, opened, chip).isNull()
            assert colour_at(chip, middle) == "#ffffff"
            assert chip.accessibleName().endswith(", cannot be shown")
            below = chip.grab(QRect(0, chip.height() // 2 + 8, chip.width() - 8, 40)).toImage()
            places = [(x, y) for x in range(8, below.width()) for y in range(below.height())]
            assert len({below.pixelColor(x, y).name() for x, y in places}) > 4  # its name

        red.setFocus()
        for _ in range(2):  # a double click, too, opens one
            QTest.keyClick(red, Qt.Key.Key_Return)
        opened.until("viewer", lambda: bool(opened.window.findChildren(PictureViewer)))
        QTest.mouseClick(red, Qt.MouseButton.LeftButton)
        opened.until("rest", lambda: not opened._application._tasks._tasks)
        assert len(opened.window.findChildren(PictureViewer)) == 1
        viewer = opened.part(PictureViewer, "pictureViewer")
        assert colour_at(viewer, viewer.rect().center()) == "#ff0000"
        part(viewer, QPushButton, "copyPicture").click()
        assert QGuiApplication.clipboard().image().size().toTuple() == (640, 320)
        viewer.save_wanted.emit(tmp_path / "saved.png")
        opened.until("notice", lambda: opened.notice == "Image saved as saved.png.")
        assert (tmp_path / "saved.png").read_bytes() == content
        viewer.close()
        QTest.mouseClick(red, Qt.MouseButton.LeftButton)
        opened.until("another", lambda: _is_any_open(opened))

        for chip, reason in (
            (svg, "“x.svg” cannot be shown: it is damaged, or no PNG"),
            (gone, "There is no image"),
        ):
            QTest.mouseClick(chip, Qt.MouseButton.LeftButton)
            opened.until("reason", partial(_tells, opened, reason))


def _is_any_open(opened: OpenWindow) -> bool:
    return any(each.isVisible() for each in opened.window.findChildren(PictureViewer))


def test_an_image_that_comes_back_is_shown(
    qtbot: QtBot, dressed_app: QApplication, catalog: Catalog
) -> None:
    chat_on_disk()
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.open_chat("Pictures")
        opened.until("chip", lambda: len(opened.window.findChildren(PictureChip)) == 1)
        (gone,) = opened.window.findChildren(PictureChip)
        assert _read_again(qtbot, opened, gone).isNull()
        with closing(apsw.Connection(str(app_paths().database))) as other:
            other.execute(
                "INSERT INTO blobs (digest, stored_at, bytes) VALUES (?, 1.0, ?)",
                (gone.part.digest, png(8, 8, "#00ff00")),
            )
        assert _read_again(qtbot, opened, gone).size().toTuple() == (8, 8)


def _read_again(qtbot: QtBot, opened: OpenWindow, chip: PictureChip) -> QImage:
    """What the transcript is given for a picture once it asks for it again."""
    events = opened.window.chat_view.events
    with qtbot.waitSignal(
        events.picture_ready, check_params_cb=lambda digest, _: digest == chip.part.digest
    ) as ready:
        events.picture_wanted.emit(chip.part)
    assert ready.args is not None
    image = ready.args[1]
    assert isinstance(image, QImage)
    return image


def _tells(opened: OpenWindow, reason: str) -> bool:
    return opened.notice.startswith(reason)
