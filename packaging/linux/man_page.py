"""`man_page.py FOLDER VERSION DATE`: what `man minerva` shows, out of the commands' own help, so
that it says what they do. Run by `release.py` with the Python that has the app's packages.

Writes `minerva.1.gz` and `minerva-desktop.1.gz`, which is the same page, into FOLDER/man1.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from minerva_desktop.command_line import window_parser  # noqa: E402
from minerva_desktop.commands import chat, chats, keys, models, selftest, serve  # noqa: E402
from minerva_desktop.paths import HOME_VARIABLE  # noqa: E402

WIDTH = 72  # of a usage line, in characters: `man` moves it in, and does not break it
COMMANDS = (chat, serve, keys, models, chats, selftest)
PAGE = """\
.TH MINERVA 1 "{date}" "Minerva Desktop {version}" "User Commands"
.\\" What a person may copy is not broken within a word.
.nh
.ad l
.SH NAME
minerva, minerva\\-desktop \\- chat with language models that run on this machine
.SH SYNOPSIS
.nf
\\fBminerva\\fR [\\fIFILE\\fR ...]
{synopsis}
.fi
.SH DESCRIPTION
Without a command the window opens: with the models, chats or files to attach that are named. The
commands work in a terminal, and need no display. \\fBminerva\\-desktop\\fR is the same program.
{window}
{commands}
.SH ENVIRONMENT
.TP
.B {home}
A folder for all settings, chats and logs, in place of the usual ones.
.TP
.B {key}
A key that clients of \\fBminerva serve\\fR may send.
.SH EXIT STATUS
0 where all went well, 2 where the command is wrong, also where only the model shows that, or its
model is not there, and 1 where something else failed; either is said. 130 where Ctrl+C broke it
off; \\fBminerva serve\\fR, which Ctrl+C ends, gives 0.
"""


class _Roff(argparse.HelpFormatter):
    """Writes what argparse tells of a parser in the language of `man`'s pages."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH)
        self._lines: list[str] = []
        self._heading = ""

    def start_section(self, heading: str | None) -> None:
        is_usual = heading in (None, "options", "positional arguments")
        self._heading = "" if is_usual else str(heading)

    def end_section(self) -> None:
        self._heading = ""

    def add_usage(self, *_: object, **__: object) -> None:
        """Nothing: see `_section`."""

    def add_text(self, text: str | None) -> None:
        if text:
            self._lines += [".PP", escaped(text)]

    def add_arguments(self, actions: Iterable[argparse.Action]) -> None:
        shown = [action for action in actions if action.help != argparse.SUPPRESS]
        if self._heading and shown:
            self._lines += [".PP", f"{escaped(self._heading).capitalize()}:"]
        for action in shown:
            self.add_argument(action)

    def add_argument(self, action: argparse.Action) -> None:
        if isinstance(action.choices, Mapping):  # commands with arguments of their own
            helps = {each.dest: each.help for each in self._iter_indented_subactions(action)}
            for name, parser in action.choices.items():
                parser.description = parser.description or sentence(helps[name] or "")
                self._lines.append(_section(parser))
            return
        if "--help" in action.option_strings:
            return
        self._lines += [".TP", self._invocation(action)]
        self._lines.append(escaped(self._expand_help(action)) if action.help else "\\&")

    def _invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            (name,) = self._metavar_formatter(action, action.dest)(1)
            return f"\\fI{escaped(name)}\\fR"
        value = ""
        if action.nargs != 0:
            default = self._get_default_metavar_for_optional(action)
            value = f" \\fI{escaped(self._format_args(action, default))}\\fR"
        return ", ".join(f"\\fB{escaped(name)}\\fR{value}" for name in action.option_strings)

    def format_help(self) -> str:
        return "\n".join(self._lines)


def escaped(text: str) -> str:
    """``text`` as `man` shows it: no command, and with the hyphens that a person types."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in plain.split("\n"))


def sentence(words: str) -> str:
    """What stands beside a command, as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


def man_page(version: str, date: str) -> str:
    """The page's source."""
    parsers = [command.argument_parser() for command in COMMANDS]
    window = window_parser()
    window.description = window.epilog = None
    return PAGE.format(
        version=version,
        date=date,
        synopsis="\n".join(f"\\fB{parser.prog}\\fR [...]" for parser in parsers),
        window=_told(window),
        commands="\n".join(f".SH {parser.prog.upper()}\n{_usage(parser)}" for parser in parsers),
        home=escaped(HOME_VARIABLE),
        key=escaped(serve.KEY_VARIABLE),
    )


def _section(parser: argparse.ArgumentParser) -> str:
    return f".SS {parser.prog}\n{_usage(parser)}"


def _usage(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = partial(argparse.HelpFormatter, width=WIDTH)
    # Its first line begins with a word, and the others are moved in by as much.
    lines = [line[len("usage: ") :] for line in parser.format_usage().splitlines()]
    return "\n".join((".nf", escaped("\n".join(lines)), ".fi", _told(parser)))


def _told(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = _Roff
    return parser.format_help()


def main(arguments: Sequence[str]) -> int:
    """Write the pages; the exit code."""
    if len(arguments) != 3:
        print(__doc__)
        return 2
    folder = Path(arguments[0]) / "man1"
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"minerva": man_page(*arguments[1:]), "minerva-desktop": ".so man1/minerva.1\n"}
    for name, page in pages.items():
        packed = gzip.compress(page.encode(), mtime=0)  # as `gzip -9n` does
        (folder / f"{name}.1.gz").write_bytes(packed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
