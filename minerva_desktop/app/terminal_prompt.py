"""Where a person types the next message of `minerva chat`; or lines of a file or a pipe.

With GNU readline, a paste of many lines is one message: the terminal marks its beginning and its
end. Without it (Windows, libedit), every line is one. Reads in a daemon thread, for only the next
Enter ends a read; all else is on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator

from minerva_desktop.errors import MinervaError, os_reason

try:
    import readline
    import termios
except ImportError:
    EDITS_LINES = False  # not on Windows, and not every Python was built with it
else:
    EDITS_LINES = "libedit" not in (readline.__doc__ or "")

PROMPT = "> "
HINT = "Ctrl+D ends the chat."
NO_TEXT = "That is no text in UTF-8: it was not sent."
CONVERT = "convert it, as with “iconv -f latin1 -t utf-8”"
_CTRL_C = "\x03"
# Ctrl+C as a key puts its own character, and not the next key's meaning, at the end of what was
# typed, and hands the line in.
_BINDINGS = (
    "set enable-bracketed-paste on",
    r'"\C-v": quoted-insert',
    r'"\C-c": "\C-e\C-v\C-c\C-m"',
)
_NO_PASTE_MARKS = "\x1b[?2004l\r"


class _NoText(Exception):
    """A line that is no text."""


class Prompt:
    """The messages on stdin. At a terminal, Ctrl+C gives up the line that is being typed."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        # Python asks readline only where it can also show what is typed.
        self._edits = EDITS_LINES and self.is_terminal and sys.stdout.isatty()
        self._hinted = False
        self._asking = False
        self._n_lines = 0
        if isinstance(sys.stdin, io.TextIOWrapper):
            # Bytes that are no text are those of their line alone; else all that is read with it
            # would fail, and in some locales nothing.
            sys.stdin.reconfigure(errors="surrogateescape")
        if self._edits:
            for binding in _BINDINGS:
                readline.parse_and_bind(binding)

    async def messages(self) -> AsyncIterator[str]:
        """One after another, those that are not blank, until stdin ends. A line that is no text is
        told at a terminal. Raises `MinervaError` for one in a file or a pipe, and where stdin
        cannot be read."""
        while line := await self._next_text():
            if line.endswith(f"{_CTRL_C}\n") and self._edits:
                self._hint()
            elif line.strip():
                yield line.rstrip("\n")
        if self.is_terminal and not self._edits:
            _show("\n")

    def interrupt(self) -> None:
        """What SIGINT does while no answer runs: a new prompt, and once the way out."""
        _show("\n")
        self._hint()
        if self._asking:
            _show(PROMPT)

    def _hint(self) -> None:
        if not self._hinted:
            self._hinted = True
            _show(f"{HINT}\n")

    async def _next_text(self) -> str:
        read: Callable[[], str] = sys.stdin.readline
        if self.is_terminal:
            read = _edited_line if self._edits else _plain_line
        while True:
            self._n_lines += 1
            try:
                return await self._next(read)
            except _NoText as error:
                if not self.is_terminal:
                    line = f"Line {self._n_lines:,} of the standard input"
                    raise MinervaError(f"{line} is no text in UTF-8: {CONVERT}") from error
                _show(f"{NO_TEXT}\n")

    async def _next(self, read: Callable[[], str]) -> str:
        if self.is_terminal and not self._edits:
            _show(PROMPT)
        with _terminal_as_it_is() if self._edits else contextlib.nullcontext():
            self._asking = True
            try:
                return await _in_thread(read)
            except asyncio.CancelledError:
                if self.is_terminal:
                    _show("\n")  # what the terminal shows next begins below the prompt
                raise
            finally:
                self._asking = False


def _edited_line() -> str:
    try:
        return input(PROMPT) + "\n"
    except EOFError:
        return ""
    finally:
        _forget_given_up()


def _forget_given_up() -> None:
    """Python puts every line into the history: a given-up one would come back with its mark."""
    last = readline.get_current_history_length()
    if (readline.get_history_item(last) or "").endswith(_CTRL_C):
        readline.remove_history_item(last - 1)


def _plain_line() -> str:
    # Not stdin's own decoder, which keeps half a character for the next line.
    line = sys.stdin.buffer.readline().decode(sys.stdin.encoding, sys.stdin.errors or "strict")
    return line.replace("\r\n", "\n")


@contextlib.contextmanager
def _terminal_as_it_is() -> Iterator[None]:
    """Ctrl+C is a key to readline, and no signal; afterwards all is as before, also when readline
    was left in the middle of a line."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    keys = [*before[6]]
    keys[termios.VINTR] = bytes([os.fpathconf(terminal, "PC_VDISABLE")])
    termios.tcsetattr(terminal, termios.TCSANOW, [*before[:6], keys])
    try:
        yield
    except asyncio.CancelledError:
        _show(_NO_PASTE_MARKS)
        raise
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


async def _in_thread(read: Callable[[], str]) -> str:
    # A daemon thread, not `asyncio.to_thread`: the loop would wait at its end for the read.
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def settle(line: str, error: Exception | None) -> None:
        if found.done():  # nobody waits any more
            return
        if error is None:
            found.set_result(line)
        else:
            found.set_exception(error)

    def work() -> None:
        line = ""
        error: Exception | None = None
        try:
            line = read()
            line.encode()
        except UnicodeError as failure:
            error = _NoText(str(failure))
        except Exception as failure:  # noqa: BLE001 - the top of a thread; raised where it is awaited
            reason = os_reason(failure) if isinstance(failure, OSError) else str(failure)
            error = MinervaError(f"The standard input could not be read: {reason}")
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, line, error)

    threading.Thread(target=work, name="stdin", daemon=True).start()
    return await found


def _show(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
