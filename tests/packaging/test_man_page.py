"""`man minerva`: made of the commands' help, so that it says what they do."""

from __future__ import annotations

import argparse
import gzip
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from linux import man_page
from minerva_desktop.command_line import window_parser

PAGE = man_page.man_page("1.2.3", "2026-11-26")
PARSERS = [command.argument_parser for command in man_page.COMMANDS]


def test_it_tells_of_every_command_that_the_help_names() -> None:
    named = re.findall(r"(?m)^  (minerva [a-z]+)", window_parser().format_help())
    assert len(named) == 6
    sections = re.findall(r"(?m)^\.SH (MINERVA .*)$", PAGE)
    assert sorted(sections) == sorted(name.upper() for name in named)
    assert sorted(named) == sorted(parser().prog for parser in PARSERS)


def test_each_section_tells_of_every_argument_of_its_command_and_what_it_does() -> None:
    sections = _sections()
    parsers = [each for parser in PARSERS for each in _with_commands(parser())]
    # Those of one section alone, as `chats export`, too.
    assert len(parsers) > len(PARSERS) + 10
    assert sections.keys() >= {parser.prog.casefold() for parser in parsers}
    for parser in parsers:
        section = sections[parser.prog.casefold()]
        for action in _arguments(parser):
            entry = _entry(section, action)
            assert entry is not None, (parser.prog, action.dest)
            assert entry or not action.help, (parser.prog, action.dest)
            (first, *_) = (action.help or "").split()[:1] or [""]
            assert entry.startswith(man_page.escaped(first)), (parser.prog, action.dest)


def test_an_argument_that_it_lacks_is_missed() -> None:
    section = _sections()["minerva chats export"]
    parser = argparse.ArgumentParser()
    assert _entry(section, parser.add_argument("--not-there", help="x")) is None
    assert _entry(section, parser.add_argument("nothing")) is None


def test_the_words_are_those_of_the_help() -> None:
    assert "\\fB\\-\\-idle\\-seconds\\fR \\fIS\\fR\nunload a model that" in PAGE
    assert ".SS minerva chats export\n.nf\nminerva chats export [\\-h]" in PAGE
    # The words beside a command that has no more to say of itself.
    assert ".PP\nWrite chats to files.\n.TP\n" in PAGE
    assert ".PP\nHow a model is loaded:\n.TP\n" in PAGE
    assert "%(" not in PAGE


def _sections() -> dict[str, str]:
    """What stands under each heading, by that in small letters."""
    parts = re.split(r"(?m)^\.S[HS] (.*)$", PAGE)
    return dict(zip(map(str.casefold, parts[1::2]), parts[2::2], strict=True))


def _with_commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """It, and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _with_commands(each)


def _arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        and not isinstance(action, (argparse._SubParsersAction, argparse._HelpAction))
    ]


def _entry(section: str, action: argparse.Action) -> str | None:
    """What it says of an argument behind its names; None where it does not name it so."""
    if action.option_strings:
        value = r"(?: \\fI.+?\\fR)?"
        names = ", ".join(
            rf"\\fB{re.escape(man_page.escaped(name))}\\fR{value}" for name in action.option_strings
        )
    else:
        names = rf"\\fI{re.escape(man_page.escaped(str(action.metavar or action.dest)))}\\fR"
    found = re.search(rf"(?m)^\.TP\n{names}\n(.*)$", section)
    return None if found is None else found[1]


def test_text_is_no_command_of_the_page() -> None:
    assert man_page.escaped(".so /etc/passwd\n'x\na\\-b") == "\\&.so /etc/passwd\n\\&'x\na\\e\\-b"


@pytest.mark.skipif(shutil.which("groff") is None, reason="nothing that sets it is installed")
def test_it_can_be_set_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-rLL=80n"],
        input=PAGE, capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert "minerva, minerva-desktop - chat with language models" in re.sub(
        "\x1b\\[[0-9;]*m|.\b", "", done.stdout
    )


def test_both_commands_have_it_and_a_second_build_the_same(tmp_path: Path) -> None:
    first, second = (made(tmp_path / name) for name in ("first", "second"))
    assert first == second
    assert first.keys() == {"minerva.1.gz", "minerva-desktop.1.gz"}
    assert gzip.decompress(first["minerva.1.gz"]).decode() == PAGE
    assert gzip.decompress(first["minerva-desktop.1.gz"]) == b".so man1/minerva.1\n"
    assert all(packed[3:10] == b"\0\0\0\0\0\2\3" for packed in first.values())  # `gzip -9n`


def made(folder: Path) -> dict[str, bytes]:
    assert man_page.main([str(folder), "1.2.3", "2026-11-26"]) == 0
    return {file.name: file.read_bytes() for file in folder.glob("man1/*")}
