"""Images that came with messages: read from the store and decoded beside the window, small for the
transcript, and large where a person wants to see one. Main thread, but for `decoded`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, QSize, Qt, Slot
from PySide6.QtGui import QImage, QImageReader
from PySide6.QtWidgets import QDialog

from minerva_desktop.app.chat_library import ChatLibrary
from minerva_desktop.app.text_file import save_bytes
from minerva_desktop.chat.parts import ImagePart
from minerva_desktop.errors import MinervaError, StoreError
from minerva_desktop.ui import late_dialogs
from minerva_desktop.ui.chat_view.picture_chip import MOST, NOT_SHOWN
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.notification_bar import Notice, NoticeKind
from minerva_desktop.ui.tasks import UiTasks

MAX_KEPT = 32  # small images, at most 900 kB each at twice the size
MAX_PIXELS = 64_000_000
# Named, so that the bytes of an image never choose another reader: that of SVG opens other files.
FORMATS = {
    "image/png": b"png",
    "image/jpeg": b"jpeg",
    "image/gif": b"gif",
    "image/webp": b"webp",
    "image/bmp": b"bmp",
}


class Pictures(QObject):
    """Obeys what the transcript of ``window`` says about images."""

    def __init__(
        self, window: MainWindow, tasks: UiTasks, library: Callable[[], ChatLibrary | None]
    ) -> None:
        """``library`` is there once the chats are open."""
        super().__init__(window)
        self._window = window
        self._events = window.chat_view.events
        self._tasks = tasks
        self._library = library
        self._known: OrderedDict[str, QImage] = OrderedDict()
        self._on_way: set[str] = set()
        self._large: dict[str, QDialog | None] = {}  # None: it is being read
        self._events.picture_wanted.connect(self._on_wanted)
        self._events.picture_opened.connect(self._on_opened)

    @Slot(object)
    def _on_wanted(self, part: ImagePart) -> None:
        known = self._known.get(part.digest)
        if known is not None:
            self._known.move_to_end(part.digest)
            self._events.picture_ready.emit(part.digest, known)
        elif part.digest not in self._on_way:
            self._on_way.add(part.digest)
            self._tasks.start(self._show_small(part))

    async def _show_small(self, part: ImagePart) -> None:
        try:
            most = MOST * self._window.devicePixelRatioF()
            image = await asyncio.to_thread(decoded, await self._bytes(part), part, most)
            self._known[part.digest] = image
        except MinervaError:
            image = QImage()  # not kept: what stood in the way may be gone the next time
        finally:
            self._on_way.discard(part.digest)
        while len(self._known) > MAX_KEPT:
            self._known.popitem(last=False)
        self._events.picture_ready.emit(part.digest, image)

    async def _bytes(self, part: ImagePart) -> bytes:
        library = self._library()
        if library is None:
            raise StoreError("The chats are not open")
        return await library.store.blob(part.digest)

    # -- large -----------------------------------------------------------------------------

    @Slot(object)
    def _on_opened(self, part: ImagePart) -> None:
        """Once: who clicks twice sees the one that is open."""
        if part.digest not in self._large:
            self._large[part.digest] = None
            self._tasks.start(self._show_large(part))
        elif (viewer := self._large[part.digest]) is not None:
            viewer.raise_()
            viewer.activateWindow()

    async def _show_large(self, part: ImagePart) -> None:
        try:
            content = await self._bytes(part)
            image = await asyncio.to_thread(decoded, content, part, QSize())
        except BaseException:
            del self._large[part.digest]
            raise
        viewer = late_dialogs.picture_viewer()(part, image, self._window)
        self._large[part.digest] = viewer
        viewer.save_wanted.connect(lambda path: self._tasks.start(self._save(path, content)))
        viewer.finished.connect(lambda _: self._large.pop(part.digest, None))
        viewer.finished.connect(viewer.deleteLater)
        viewer.show()

    async def _save(self, path: Path, content: bytes) -> None:
        await asyncio.to_thread(save_bytes, path, content)
        notice = Notice(NoticeKind.INFO, f"Image saved as {path.name}.", str(path))
        self._window.notifications.show_notice(notice)


def decoded(content: bytes, part: ImagePart, most: QSize) -> QImage:
    """The image in ``content``, made smaller to fit into ``most`` px where that is a size. Any
    thread. Raises `MinervaError` where it cannot be shown."""
    format_ = FORMATS.get(part.media_type)
    if format_ is None:
        raise MinervaError(f"“{part.name}” {NOT_SHOWN}: its format is {part.media_type}")
    buffer = QBuffer()
    buffer.setData(QByteArray(content))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    reader = QImageReader(buffer, QByteArray(format_))
    reader.setAutoDetectImageFormat(False)
    reader.setAutoTransform(True)
    size = reader.size()
    if size.width() * size.height() > MAX_PIXELS:
        raise MinervaError(
            f"“{part.name}” {NOT_SHOWN}: it has {size.width():,} × {size.height():,} pixels, and "
            f"at most {MAX_PIXELS:,} are shown"
        )
    if most.isValid() and (size.width() > most.width() or size.height() > most.height()):
        reader.setScaledSize(size.scaled(most, Qt.AspectRatioMode.KeepAspectRatio))
    image = reader.read()
    if image.isNull():
        kind = format_.decode().upper()
        raise MinervaError(
            f"“{part.name}” {NOT_SHOWN}: it is damaged, or no {kind}", detail=reader.errorString()
        )
    return image
