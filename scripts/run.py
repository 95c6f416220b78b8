"""`python3 scripts/run.py [ARGUMENTS]`: sets everything up, then starts Minerva Desktop.

The arguments go to the app: `python3 scripts/run.py serve --port 8427`. Where nothing has to be
set up, this costs a few milliseconds. `--help` and `--version` set nothing up.
"""

import environment  # first: it refuses a Python that is too old for the rest

# isort: split
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import environment_state
import system_packages

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the app's package is
from minerva_desktop.command_line import window_parser

# The app's commands that open no window, and so need nothing of Qt.
HEADLESS = frozenset({"serve", "chat", "keys", "models", "chats"})
# What needs nothing at all.
ANSWERED_HERE = frozenset({"--help", "-h", "--version"})


def main(arguments: Sequence[str]) -> int:
    """Set up and start; return an exit code where the app can't be started."""
    if arguments and arguments[0] in ANSWERED_HERE:
        window_parser().parse_args(arguments[:1])  # prints, and leaves
    headless = bool(arguments) and arguments[0] in HEADLESS
    # Before the long build: it would be in vain if the window couldn't open after it.
    if not headless and not _window_can_open():
        return 1
    try:
        project = environment.ensure(environment_state.Profile.RUN)
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    except KeyboardInterrupt:
        environment.say("\nSet-up interrupted. The next start begins it anew.")
        return 130
    # -P: a file in the current folder must not stand in for a module of ours.
    environment.start(project, ["-P", "-m", "minerva_desktop", *arguments])


def _window_can_open() -> bool:
    """See to Qt's system libraries; say what is missing, and whether to start all the same."""
    parts = (*system_packages.QT, *system_packages.QT_X11)
    lacking = system_packages.provide(parts, "the window")
    if not lacking:
        return True
    names = ", ".join(part.name for part in lacking)
    environment.say(f"The window needs system libraries that are not here: {names}")
    environment.say(system_packages.advice(lacking))
    # Another platform than X11 may be there: then the app can judge better than this.
    another_platform = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM")
    if another_platform and not set(lacking) & set(system_packages.QT):
        return True
    environment.say("Without a window, these work now: scripts/run.py chat, scripts/run.py serve")
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
