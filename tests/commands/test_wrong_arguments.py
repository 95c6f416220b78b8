"""What is wrong with a command line is told in one line, which begins alike for all commands."""

from __future__ import annotations

import pytest

from minerva_desktop.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "there is no command and no file “nothing”; --help tells the commands"),
        (("--nothing\x1b[1m",), "unrecognized arguments: --nothing\ufffd[1m"),
        (("chat", "--nothing"), "unrecognized arguments: --nothing"),
        (("serve", "--port"), "argument --port: expected one argument"),
        (("serve", "--force"), "argument --force: it goes with --model"),
        (("models",), "the following arguments are required: command"),
        (("models", "show"), "the following arguments are required: model"),
        (("models", "show", "a", "--force"), "argument --force: it goes with --load"),
        (("keys", "create"), "the following arguments are required: name"),
        (("chats", "export"), "export: name the chats, or say --all"),
        (
            ("selftest", "--json", "--json-lines"),
            "argument --json-lines: not allowed with argument --json",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_refusal_begins_with_the_programs_name_alone(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert capsys.readouterr().err == f"minerva: {said}\n"
