"""Whether an engine child is of its parent's build of Minerva, so that each can read what the other
says.

A package may be updated while the app runs: a child that is started then is of the new build, maybe
of the same version. It is told the parent's among its arguments, and ends with `OTHER_VERSION`
before it does anything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from minerva_desktop import __version__
from minerva_desktop.engine.process_title import PLACEHOLDER
from minerva_desktop.errors import AppReplaced

OTHER_VERSION = 76  # an exit code that neither Python nor llama.cpp uses
# The kernel's name for the file that this process runs, also when another one has taken its place.
RUNNING = Path("/proc/self/exe")


def own_build(executable: Path | None) -> str:
    """The version, and which build of it the app's ``executable`` is: by its size and its time,
    that of its source or of its copy by the installer for one user. None: the source itself runs,
    which has neither."""
    try:
        status = None if executable is None else executable.stat()
    except OSError:  # a system that does not show its processes
        status = None
    if status is None:
        return __version__
    return f"{__version__}+{int(status.st_mtime):x}.{status.st_size:x}"


def _executable() -> Path | None:
    if not getattr(sys, "frozen", False):
        return None
    return RUNNING if sys.platform == "linux" else Path(sys.executable)


BUILD = own_build(_executable())  # as it is at the start: later another one may lie there


def child_arguments() -> tuple[str, ...]:
    """The last arguments of a child."""
    return (BUILD, PLACEHOLDER)


def end_unless_of(arguments: Sequence[str]) -> None:
    """End this process where its ``arguments`` are those of a child of another build. Raises
    `SystemExit`."""
    *_, version, last = ["", "", *arguments]
    if last == PLACEHOLDER and version != BUILD:
        print(f"This engine is of Minerva {BUILD}, what started it is not", file=sys.stderr)
        raise SystemExit(OTHER_VERSION)


def app_replaced(last_words: str, model_name: str = "") -> AppReplaced:
    """What a child that ended with `OTHER_VERSION` means, for the load of a model if one is named;
    ``last_words`` are the child's on stderr."""
    sentence = "Minerva was updated while it ran. Close it and start it again"
    if model_name:
        sentence = f"{model_name} cannot be loaded: {sentence}"
    return AppReplaced(sentence, detail=last_words)
