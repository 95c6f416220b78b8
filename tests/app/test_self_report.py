"""The report of a self-test: what it says, and what it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from minerva_desktop.app.self_report import (
    OUTSIDE,
    Check,
    CheckState,
    PrivateWords,
    SelfTestReport,
)

HOME = Path("/home/ada")
DATA = Path("/mnt/secret project/data")


@pytest.fixture
def private() -> PrivateWords:
    return PrivateWords(HOME, "ada", {"DATA": DATA, "SETTINGS": HOME / ".config" / "minerva"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ada/.config/minerva/settings.json", "~/.config/minerva/settings.json"),
        ("/mnt/secret project/data/chats.sqlite3 is bad", "DATA/chats.sqlite3 is bad"),
        ("/media/ada/models is no folder", "/media/user/models is no folder"),
        (r"C:\Users\ada\x", r"C:\Users\user\x"),
        ("an adage of ada", "an adage of ada"),
    ],
)
def test_private_words_go(private: PrivateWords, text: str, shown: str) -> None:
    assert private.hide(text) == shown


def test_folders_are_told_below_the_home_folder_alone(private: PrivateWords) -> None:
    assert private.folder(HOME / "x") == "~/x"
    assert private.folder(DATA) == OUTSIDE
    assert private.hidden_facts({"A": {"b": str(DATA)}}) == {"A": {"b": "DATA"}}


def test_a_home_of_the_whole_disk_hides_no_slash() -> None:
    assert PrivateWords(Path("/"), "", {}).hide("/usr/bin") == "/usr/bin"


def check(name: str, state: CheckState) -> Check:
    return Check(name=name, state=state, words=f"{name} words", seconds=0.1)


def test_the_verdict_names_what_is_wrong() -> None:
    ok, look, bad = (check(state.value, state) for state in CheckState)
    report = SelfTestReport(version="1.2.3", is_well=True, checks=(ok,), facts={"A": {"b": "c"}})
    assert report.verdict == "Minerva works: all 1 checks are well."
    assert report.text.splitlines() == [
        "Minerva Desktop 1.2.3: self-test",
        "",
        "ok      ok          ok words",
        "",
        "A",
        "  b  c",
        "",
        "Minerva works: all 1 checks are well.",
    ]
    warned = SelfTestReport(version="1", is_well=True, checks=(ok, look), facts={})
    assert warned.verdict == "Minerva works. To be looked at: warning."
    failed = SelfTestReport(version="1", is_well=False, checks=(bad, look, bad), facts={})
    assert failed.verdict == "2 of 3 checks failed: failed, failed."
