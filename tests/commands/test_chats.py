"""`minerva chats` as a person and as a script uses it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import apsw
import pytest

from minerva_desktop.__main__ import main
from minerva_desktop.chat.conversation import Conversation
from minerva_desktop.chat.export_json import chats_to_json
from minerva_desktop.paths import app_paths
from minerva_desktop.store import opening
from minerva_desktop.store.chat_store import ChatStore
from tests.app.chat_exports import chatgpt_archive, lm_studio_file
from tests.chat.samples import make_conversation, make_message
from tests.commands.conftest import Run
from tests.store.test_recovery import root_page, spoil_page

# Holds the chats open, as a window does, and writes once more before it ends.
WINDOW = """
import asyncio, sys
from pathlib import Path
from minerva_desktop.store.chat_store import ChatStore
from tests.chat.samples import make_conversation
async def main():
    store = await ChatStore.open(Path(sys.argv[1]))
    await store.create(make_conversation("while open", title="While open"))
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await store.close()
asyncio.run(main())
"""


def stored(*conversations: Conversation) -> None:
    async def create() -> None:
        app_paths().create()
        store = await ChatStore.open(app_paths().database)
        for conversation in conversations:
            await store.create(conversation)
        await store.close()

    asyncio.run(create())


def chat(title: str, chat_id: str = "", *texts: str) -> Conversation:
    conversation = make_conversation(*(texts or ("Question", "Answer")), title=title)
    conversation.id = chat_id or conversation.id
    return conversation


def test_list_and_show(run: Run) -> None:
    assert run("list") == (0, "", "No chats are there yet.\n")
    assert run("list", "--json") == (0, "[]\n", "")
    first, second = chat("Tea\x1b[2J", "aa" * 16), chat("", "ab" * 16)
    first.is_pinned, first.tags = True, ("red",)
    second.is_archived = True
    stored(first, second)
    code, listed, _ = run("list")
    assert code == 0
    assert listed.splitlines()[0].split() == ["ID", "LAST", "CHANGE", "TITLE"]
    assert listed.splitlines()[1].startswith("aaaaaaaa  1970-01-01 ")
    assert listed.splitlines()[1].endswith("pinned, #red  Tea�[2J")
    assert run("list", "--archived")[1].splitlines()[1].endswith("Untitled chat")
    assert run("list", "--trash")[2] == "No chats are in the trash.\n"
    (facts,) = json.loads(run("list", "--json")[1])
    assert facts == {
        "id": first.id, "title": first.title, "updated_at": 1000.0, "model": None, "folder": None,
        "tags": ["red"], "is_pinned": True, "is_archived": False, "deleted_at": None,
    }  # fmt: skip
    code, shown, _ = run("show", "AA")
    assert code == 0
    assert shown.startswith("# Tea")
    assert "## You" in shown
    assert "Answer\n" in shown
    everything = json.loads(run("show", second.id, "--json")[1])
    assert [message["text"] for message in everything["messages"]] == ["Question", "Answer"]


def test_search(run: Run) -> None:
    stored(
        chat("Brewing", "ab" * 16, "How hot is GREEN tea?", "About 80 °C."),
        chat("Green things", "cd" * 16, "Frogs"),
    )
    code, said, _ = run("search", "green")
    assert code == 0
    lines = said.splitlines()
    assert [lines[0][:8], lines[1][:8], lines[2]] == [
        "cdcdcdcd", "abababab", "    How hot is GREEN tea?",
    ]  # fmt: skip
    (hit,) = json.loads(run("search", "green", "tea", "--json")[1])
    assert hit["chat"]["title"] == "Brewing"
    assert [hit["snippet"][a:b] for a, b in hit["marks"]] == ["GREEN", "tea"]
    assert len(json.loads(run("search", "green", "--limit", "1", "--json")[1])) == 1
    assert run("search", "coffee") == (0, "", "Nothing is found.\n")
    assert run("search", "coffee", "--json") == (0, "[]\n", "")
    code, _, error = run("search", "before:soon")
    assert (code, error[:42]) == (2, "minerva: “before:soon” is no date: write b")


def test_export_of_one_chat(run: Run, tmp_path: Path) -> None:
    stored(chat("Tea: how?", "ab" * 16))
    said = (0, "exported 1 chat to Tea- how-.md\n", "")
    assert run("export", "ab") == said
    assert (tmp_path / "Tea- how-.md").read_text(encoding="utf-8").startswith("# Tea: how?\n")
    code, _, error = run("export", "ab")
    assert (code, error) == (1, "minerva: Tea- how-.md is there already; --force replaces it\n")
    assert run("export", "ab", "--force") == said
    assert run("export", "ab", "-o", "page.html")[0] == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    (tmp_path / "folder").mkdir()
    assert run("export", "ab", "--format", "json", "-o", "folder")[1] == (
        f"exported 1 chat to {Path('folder', 'Tea- how-.json')}\n"
    )
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_export_of_several_chats(run: Run, tmp_path: Path) -> None:
    archived = chat("Tea")
    archived.is_archived = True
    stored(chat("Tea", "ab" * 16), archived, chat("a/b"))
    assert run("export", "--all", "-o", "out")[1] == "exported 3 chats to out (3 files)\n"
    names = ["Tea (2).md", "Tea.md", "a-b.md"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    code, _, error = run("export", "--all", "-o", "out")
    assert code == 1
    assert error.endswith("and 2 more are there already; --force replaces them\n")
    code, _, error = run("export", "--all", "--format", "markdown", "-o", "one.md")
    assert (code, (tmp_path / "one.md").exists()) == (1, False)
    assert error == (
        "minerva: one.md would be one file, but each of 3 chats becomes its own: name a folder"
        " (one) or an archive (one.zip), or export them as json (one.json)\n"
    )
    assert run("export", "--all", "-o", "kept.md/")[0] == 0
    assert len(list((tmp_path / "kept.md").iterdir())) == 3
    assert run("export", "--all", "--format", "html", "-o", "all.zip")[0] == 0
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(archive.namelist()) == [name.replace(".md", ".html") for name in names]
        assert archive.read("Tea.html").startswith(b"<!DOCTYPE html>")
    assert run("export", "--all", "--format", "json")[0] == 0
    (file,) = tmp_path.glob("minerva-chats-*.json")
    assert len(json.loads(file.read_bytes())["chats"]) == 3


def test_exports_to_the_standard_output(
    minerva_home: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stored(chat("Tea", "ab" * 16), chat("Milk", "cd" * 16))
    assert main(["chats", "export", "ab", "-o", "-"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"# Tea\n")
    assert main(["chats", "export", "--all", "--format", "json", "-o", "-"]) == 0
    assert len(json.loads(capfdbinary.readouterr().out)["chats"]) == 2
    assert main(["chats", "export", "--all", "-o", "-"]) == 1
    assert b"as JSON only: --format json" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "export: name the chats, or say --all"),
        (("ab", "--all"), "export: name the chats, or say --all"),
        (("ab", "--format", "html", "-o", "x.md"), "export: x.md is no name for html"),
    ],
)
def test_exports_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["chats", "export", *arguments])
    assert left.value.code == 2
    assert capsys.readouterr().err == f"minerva: {reason}\n"


def test_export_with_nothing_to_export_and_nowhere_to_write(run: Run, tmp_path: Path) -> None:
    assert run("export", "--all")[2] == "minerva: There are no chats to export\n"
    stored(chat("Tea", "ab" * 16))
    code, _, said = run("export", "ab", "-o", "none/there.md")
    where = "minerva: none/there.md cannot be written: there is no folder none\n"
    assert (code, said) == (1, where)
    assert run("backup", "none/there.md")[2] == where


def test_what_is_exported_can_be_imported(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = chat("Tea", "ab" * 16)
    original.add(make_message("another branch"))
    stored(original)
    assert run("export", "--all", "-o", "mine.json")[0] == 0
    assert run("import", "mine.json") == (
        0,
        "imported 0 chats (Minerva Desktop)\nhere already, and left alone: 1 chat\n",
        "",
    )
    monkeypatch.setenv("MINERVA_HOME", str(tmp_path / "other"))
    assert run("import", "mine.json") == (0, "imported 1 chat (Minerva Desktop)\n", "")

    async def load() -> Conversation:
        store = await ChatStore.open(app_paths().database)
        try:
            return await store.load(original.id)
        finally:
            await store.close()

    assert asyncio.run(load()) == original


def test_import_of_other_apps_chats(run: Run, tmp_path: Path) -> None:
    archive = chatgpt_archive(tmp_path / "export.zip")
    lm_studio_file(tmp_path / "1.conversation.json")
    (tmp_path / "bad.json").write_text("{")
    code, out, said = run("import", str(archive), "1.conversation.json", "bad.json")
    assert (code, out) == (1, "imported 4 chats (ChatGPT and LM Studio)\n")
    why = "it is no JSON, or only a part of it: Input data was truncated"
    assert said == f"minerva: not imported: bad.json: {why}\n"
    assert len(json.loads(run("list", "--json")[1])) == 4


def test_reading_beside_a_window_and_writing_not(
    run: Run, tmp_path: Path, minerva_home: Path, impatient: None
) -> None:
    stored(chat("Tea", "ab" * 16))
    lm_studio_file(tmp_path / "1.conversation.json")
    command = [sys.executable, "-c", WINDOW, str(app_paths().database)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    ) as window:  # fmt: skip
        assert window.stdout is not None
        assert window.stdout.readline() == "open\n"
        titles = {each["title"] for each in json.loads(run("list", "--json")[1])}
        assert titles == {"Tea", "While open"}
        assert run("export", "--all", "-o", "all.json")[0] == 0
        code, said, _ = run("backup", "copy.sqlite3")
        assert (code, said.startswith("backed up all chats to copy.sqlite3 (")) == (0, True)
        refusal = "Minerva is open and has the chats: close its window (and other imports) first"
        assert run("import", "1.conversation.json") == (1, "", f"minerva: {refusal}\n")
        window.communicate("\n")
    assert window.returncode == 0
    assert run("import", "1.conversation.json")[0] == 0


def test_a_backup_is_restored(run: Run, tmp_path: Path) -> None:
    stored(chat("Tea", "ab" * 16))
    assert run("backup", "copy.sqlite3")[0] == 0
    code, _, said = run("import", "copy.sqlite3")
    assert (code, "`minerva chats restore`" in said) == (1, True)
    stored(chat("Coffee", "cd" * 16))
    code, said, _ = run("restore", "copy.sqlite3")
    first, second = said.splitlines()
    assert (code, first) == (0, "restored 1 chat from copy.sqlite3")
    assert [each["title"] for each in json.loads(run("list", "--json")[1])] == ["Tea"]
    assert run("restore", second.removeprefix("the chats before them are in "))[0] == 0
    assert len(json.loads(run("list", "--json")[1])) == 2


def test_a_backup_is_a_whole_store(run: Run, tmp_path: Path) -> None:
    stored(chat("Tea", "ab" * 16))
    assert run("backup")[0] == 0
    (copy,) = tmp_path.glob("minerva-chats-*.sqlite3")
    assert run("backup")[2] == f"minerva: {copy.name} is there already; --force replaces it\n"
    assert run("backup", "--force")[0] == 0

    async def titles() -> list[str]:
        store = await ChatStore.open(copy)
        found = [each.title for each in await store.list_conversations()]
        await store.close()
        return found

    assert asyncio.run(titles()) == ["Tea"]
    assert list(tmp_path.glob(".*.part*")) == []


def limited(folder: Path, n_bytes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in ``folder``, where no file may grow beyond ``n_bytes``."""
    script = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({n_bytes}, {n_bytes}));"
        "from minerva_desktop.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", script, "chats", *arguments], capture_output=True, text=True,
        check=False, cwd=folder, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip


def test_a_full_disk_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    """By a limit of the system for the size of files, as a disk would end."""
    stored(chat("Tea", "ab" * 16, "x" * 400_000))
    for arguments in (
        ("export", "ab", "-o", "full.json"),
        ("export", "ab", "-o", "full.md"),
        ("backup", "full.sqlite3"),
    ):
        done = limited(tmp_path, 200_000, *arguments)
        assert done.returncode == 1
        assert f"{arguments[-1]} cannot be written: " in done.stderr
        assert done.stderr.count("\n") == 1
        assert [path.name for path in tmp_path.iterdir()] == ["minerva-home"]


def test_devices_and_folders_are_never_replaced(run: Run, tmp_path: Path) -> None:
    stored(chat("Tea", "ab" * 16))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refusal = "minerva: pipe is no regular file: choose another name\n"
    assert run("export", "ab", "-o", "pipe", "--force") == (1, "", refusal)
    assert run("backup", "pipe", "--force") == (1, "", refusal)
    link = tmp_path / "link.md"
    link.symlink_to("real.md")
    assert run("export", "ab", "-o", "link.md", "--force")[0] == 0
    assert link.is_symlink()
    assert (tmp_path / "real.md").read_text().startswith("# Tea")


def test_an_import_into_a_file_that_cannot_be_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("list")[0] == 0
    monkeypatch.setattr(opening, "lock", raises_read_only)
    (tmp_path / "one.json").write_bytes(chats_to_json([chat("Tea", "ab" * 16)], {}))
    code, out, said = run("import", "one.json")
    assert (code, out) == (1, "")
    assert said == (
        "minerva: The import ended after 0 chats: the file or its folder is read-only. Make the"
        " file and its folder writable and import the files again: what is here does not come"
        " twice\n"
    )


def raises_read_only(*_: object) -> apsw.Connection:
    raise apsw.ReadOnlyError("as the system says it")


def test_what_was_imported_can_be_found_at_once(run: Run, tmp_path: Path) -> None:
    long = make_conversation(*(f"word {n:04} " + "more " * 100 for n in range(1000)), title="Long")
    (tmp_path / "long.json").write_bytes(chats_to_json([long], {}))
    assert run("import", "long.json") == (0, "imported 1 chat (Minerva Desktop)\n", "")
    connection = apsw.Connection(str(app_paths().database))
    assert connection.execute("SELECT count(*) FROM unindexed").get == 0
    connection.close()
    assert "word 0007" in run("search", "word 0007")[1]


def test_a_command_recovers_a_damaged_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is not looked through as it is opened: the command that meets the damage
    recovers the chats, says where the damaged file is, and is done all the same."""
    stored(chat("Tea", "ab" * 16))
    database = app_paths().database
    monkeypatch.setattr(opening, "ALWAYS_CHECKED_BYTES", 0)
    spoil_page(database, root_page(database, "conversations_listed"))
    code, out, said = run("list", "--json")
    assert code == 0
    assert [each["title"] for each in json.loads(out)] == ["Tea"]
    assert said.startswith("The file with your chats was damaged. ")
    (damaged,) = database.parent.glob("chats-damaged-*.sqlite3")
    assert f"The damaged file is kept as {damaged}" in said
    assert run("list")[2] == ""

    # Half of a stream is out already: it has to be asked for again.
    spoil_page(database, root_page(database, "messages"))
    code, out, said = run("export", "--all", "-o", "-", "--format", "json")
    assert (code, said.count("The file with your chats was damaged. ")) == (1, 1)
    assert said.endswith("are recovered now: do it again\n")
    assert run("export", "--all", "-o", "-", "--format", "json")[0] == 0

    database.write_bytes(bytes(100) + database.read_bytes()[100:])
    code, out, said = run("list")
    assert (code, "Tea" in out) == (0, True)
    assert said.startswith("The file with your chats was damaged. ")


def test_an_import_ends_with_a_full_disk(run: Run, tmp_path: Path) -> None:
    """What the disk does not take is told, and a second import takes the rest."""
    assert run("list")[0] == 0
    many = [chat(f"Chat {n}", "", "x" * 50_000) for n in range(20)]
    (tmp_path / "many.json").write_bytes(chats_to_json(many, {}))
    done = limited(tmp_path, 700_000, "import", "many.json")
    assert done.returncode == 1
    assert re.match(
        r"minerva: The import ended after \d+ chats: .*import the files again", done.stderr
    )
    assert done.stderr.count("\n") == 1
    kept = len(json.loads(run("list", "--json")[1]))
    assert 1 < kept < 20
    assert f"ended after {kept} chats" in done.stderr
    assert run("import", "many.json")[1] == (
        f"imported {20 - kept} chats (Minerva Desktop)\n"
        f"here already, and left alone: {kept} chats\n"
    )
