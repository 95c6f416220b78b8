"""The engine child's entry: ``python -m minerva_desktop.engine.child``.

Keeps the real stdout for frames, points fd 1 at stderr so that no stray print of a native library
can corrupt a frame, and only then imports llama.cpp. End of stdin means that the parent is gone or
wants this process gone: it exits whatever it computes, and saves chats for a second at most.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from minerva_desktop.engine.child_version import end_unless_of
from minerva_desktop.engine.frames import decode_request, encode_frame, read_frame
from minerva_desktop.engine.messages import Answer, ErrorInfo, Event, Load, RequestFailed
from minerva_desktop.engine.parent_death import wake_when_the_parent_dies
from minerva_desktop.engine.process_title import show_in_process_list
from minerva_desktop.errors import InvalidRequest

if TYPE_CHECKING:
    from minerva_desktop.engine.core.loop import EngineLoop

# When memory runs out, the kernel should end this process rather than the window.
OOM_SCORE = "500"
SWITCH_SECONDS = 0.0005


def main() -> None:
    """Run the child until its stdin ends. Raises `SystemExit` in one of another version."""
    end_unless_of(sys.argv)
    wake_when_the_parent_dies()
    frames = _take_over_stdout()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
    # The step and the desk's threads hand the interpreter to each other about ten times a token.
    sys.setswitchinterval(SWITCH_SECONDS)
    # ggml would attach gdb to a dying process, which takes seconds and buries the reason.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    # Imported here: it loads llama.cpp, which may write to fd 1.
    from minerva_desktop.engine.core.loop import EngineLoop

    lock = threading.Lock()

    def send(event: Event) -> None:
        frame = _frame(event)
        with lock:
            try:
                frames.write(frame)
                frames.flush()
            except BrokenPipeError:
                os._exit(0)

    loop = EngineLoop(send)
    threading.Thread(target=_read_requests, args=(loop,), name="reader", daemon=True).start()
    try:
        loop.run()
    finally:  # it ends only where it fails
        traceback.print_exc()
        # Not sys.exit: Python would abort at the lock on stdin that the reader holds, and that
        # signal would stand in the place of the reason.
        os._exit(1)


def _frame(event: Event) -> bytes:
    try:
        return encode_frame(event)
    except InvalidRequest as error:
        if not isinstance(event, Answer):
            raise
        return encode_frame(RequestFailed(event.request_id, ErrorInfo.of(error)))


def _take_over_stdout() -> BinaryIO:
    frames = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(frames, "wb")


def _read_requests(loop: EngineLoop) -> None:
    stdin = sys.stdin.buffer
    exit_code = 1
    try:
        while (body := read_frame(stdin)) is not None:
            request = decode_request(body)
            if isinstance(request, Load):
                show_in_process_list(Path(os.fsdecode(request.path)).name)
            loop.post(request)
        loop.close()
        exit_code = 0
    finally:
        if exit_code:
            traceback.print_exc()  # a request that cannot be read: better dead than deaf
        # Not sys.exit: the main thread may be inside llama.cpp for seconds.
        os._exit(exit_code)


if __name__ == "__main__":
    main()
