"""What `minerva` itself takes, and its help. Only the standard library: `scripts/run.py` answers
with it before anything else is set up."""

from __future__ import annotations

import argparse
from pathlib import Path

from minerva_desktop import __version__

_EPILOG = """\
commands:
  minerva [FILE ...]            open the window with these models, chats, or files to attach
  minerva chat [MODEL] [...]    chat in the terminal; --help tells more
  minerva serve [...]           serve the models to OpenAI clients; --help tells more
  minerva keys [...]            list, create or revoke API keys; --help tells more
  minerva models [...]          list, show, add, remove or name models; --help tells more
  minerva chats [...]           list, show, search, export, import, back up or restore chats
  minerva selftest              check that all of it works here; --help tells more

MINERVA_HOME puts all settings, chats and logs into one folder.
Exit codes: 0 all is well, 1 it failed, 2 the command is wrong or its model not there, 130 Ctrl+C.
"""


def window_parser(
    kind: type[argparse.ArgumentParser] = argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """The arguments without a command; ``--help`` and ``--version``. ``kind``: which refuses the
    wrong ones as the app does."""
    parser = kind(
        prog="minerva",
        description="Chat with language models that run on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="a model, a chat, or a file to attach"
    )
    parser.add_argument("--version", action="version", version=f"Minerva Desktop {__version__}")
    return parser
