"""The text of a PDF, as `pdf_child` finds it in a process of its own.

Blocking: not on the main thread. `PdfText.stop` may be called on any.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from minerva_desktop.documents.refusal import DocumentRefused

MAX_PAGES = 2_000
MAX_SECONDS = 90.0
PAGE_BREAK = "\n\n"


class _Line(msgspec.Struct):
    page: int = 0
    pages: int = 0
    text: str = ""
    refused: str = ""


def pdf_child_command() -> tuple[str, ...]:
    """How to start the reading process: this Python, or the frozen app's own executable."""
    if getattr(sys, "frozen", False):
        return (sys.executable, "--pdf-text")
    return (sys.executable, "-m", "minerva_desktop.documents.pdf_child")


class PdfText:
    """One PDF. ``on_page(done, total)`` is called on the thread that reads."""

    def __init__(
        self,
        on_page: Callable[[int, int], None],
        *,
        max_characters: int,
        max_pages: int = MAX_PAGES,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self._on_page = on_page
        self._max_characters = max_characters
        self._max_pages = max_pages
        self._max_seconds = max_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        self._is_late = False

    def stop(self) -> None:
        """End `read`, which then raises `DocumentRefused`; no-op once it is over."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def read(self, file: BinaryIO) -> str:
        """All of ``file``, page by page. Raises `DocumentRefused`, also where it has no text."""
        with self._lock:
            is_stopped = self._is_stopped
        if is_stopped:
            raise DocumentRefused("it was stopped")
        # Without the lock: a start may take 13 ms, and `stop` is called on the window's thread.
        process = subprocess.Popen(
            pdf_child_command(),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        with self._lock:
            self._process = process
            if self._is_stopped:
                process.kill()
        watch = threading.Timer(self._max_seconds, self._give_up)
        watch.start()
        try:
            with process:
                return self._collected(process)
        finally:
            watch.cancel()
            watch.join()
            with self._lock:
                self._process = None

    def _give_up(self) -> None:
        with self._lock:
            self._is_late = True
            if self._process is not None:
                self._process.kill()

    def _collected(self, process: subprocess.Popen[bytes]) -> str:
        texts: list[str] = []
        done = total = n_characters = 0
        try:
            for raw in process.stdout or ():
                line = msgspec.json.decode(raw, type=_Line)
                if line.refused:
                    raise DocumentRefused(line.refused)
                done, total = line.page, line.pages
                if total > self._max_pages:
                    raise DocumentRefused(
                        f"it has {total:,} pages, and at most {self._max_pages:,} are read"
                    )
                texts.append(line.text.strip())
                n_characters += len(line.text)
                if n_characters > self._max_characters:
                    most = f"{self._max_characters:,}"
                    raise DocumentRefused(
                        f"it has more than {most} characters in the first {done:,} of its"
                        f" {total:,} pages, and at most {most} are read"
                    )
                self._on_page(done, total)
        except msgspec.DecodeError:
            pass  # killed in the middle of a line
        finally:
            process.kill()
        self._check_end(done, total)
        text = PAGE_BREAK.join(filter(None, texts))
        if not text:
            pages = "its page holds" if total == 1 else f"its {total:,} pages hold"
            raise DocumentRefused(f"{pages} no text, only images, as of a scan")
        return text

    def _check_end(self, done: int, total: int) -> None:
        """Raises `DocumentRefused` where not all pages came."""
        if self._is_stopped:
            raise DocumentRefused("it was stopped")
        got = f"after {done:,} of {total:,} pages" if total else "before its first page"
        if self._is_late:
            raise DocumentRefused(f"reading it took more than {self._max_seconds:g} s, {got}")
        if not total or done < total:
            raise DocumentRefused(
                f"it is damaged, or too much for the memory: reading it ended {got}"
            )
