"""Files attached to a message: what is read of them, and what is refused, with the reason."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from minerva_desktop.app.attachments import (
    FOLDER,
    TOO_MANY,
    FileReading,
    ReadFile,
    estimated_tokens,
    pasted_part,
    refusal,
    refusal_words,
)
from minerva_desktop.app.dropped import sorted_drop
from minerva_desktop.app.text_file import save_text
from minerva_desktop.chat.import_media import MAX_TEXT_BYTES
from minerva_desktop.chat.parts import PDF, FilePart
from minerva_desktop.documents.pdf_text import PdfText
from minerva_desktop.documents.refusal import DocumentRefused
from minerva_desktop.errors import AttachmentError, MinervaError
from tests.app.pdf_files import write_aes, write_encrypted, write_pdf

WORDS = "Grüße aus Köln\nzwei"


def _read(path: Path) -> ReadFile:
    return FileReading(path, lambda _done, _total: None).run()


def _why_not(path: Path) -> str:
    with pytest.raises(AttachmentError) as refused:
        _read(path)
    return refused.value.message


@pytest.mark.parametrize(
    ("content", "is_guess"),
    [
        (WORDS.encode(), False),
        (WORDS.replace("\n", "\r\n").encode("utf-8-sig"), False),
        (WORDS.encode("utf-16"), False),
        (WORDS.encode("utf-16-be"), False),
        (WORDS.encode("utf-32"), False),
        (WORDS.encode("latin-1"), True),
    ],
)
def test_text_is_read_in_every_encoding_that_can_be_recognised(
    tmp_path: Path, content: bytes, is_guess: bool
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    part, note = _read(path)
    assert part == FilePart("a.txt", WORDS, len(content))
    assert ("not UTF-8" in note) == is_guess


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.bin", bytes(range(256)), "neither text nor a PDF"),
        ("a.txt", b"", "it is empty"),
        ("a.txt", b" \n\t\n", "nothing in it but white space"),
        (
            "cat.dat",
            b"\x89PNG\r\n\x1a\n" + bytes(16),
            "the models that Minerva loads read text only",
        ),
        ("a.docx", b"PK\3\4\0\0", "a Word document: save it as text or as a PDF"),
        ("a.txt", b"word " * 900_000, "it has 4.5 MB, and at most 4.2 MB are read"),
        ("a.pdf", b"%PDF-1.4\n" + bytes(99), "it is damaged"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    words = _why_not(path)
    assert words.startswith(f"“{name}” cannot be attached: ")
    assert reason in words


def test_a_damaged_pdf_says_what_to_do(tmp_path: Path) -> None:
    """In our words: it was refused in those of the library that reads it."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.4\n" + bytes(99))
    advice = "is damaged: get the file anew, or open it and print it into a new PDF."
    assert _why_not(path) == f"“a.pdf” cannot be attached: it {advice}"
    whole = write_pdf(path, "one", "two").read_bytes()
    path.write_bytes(whole.replace(b"/Length", b"/Filter /Nothing /Length"))
    assert _why_not(path) == f"“a.pdf” cannot be attached: page 1 of it {advice}"


def test_what_is_gone_is_refused(tmp_path: Path) -> None:
    assert _why_not(tmp_path / "a.txt") == "“a.txt” cannot be attached: it is not there."


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these in folders")
def test_nothing_but_regular_files_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "door"))
        assert "it is a socket, not a file" in _why_not(tmp_path / "door")
    assert "it is a pipe, not a file" in _why_not(tmp_path / "pipe")
    assert "it is a device, not a file" in _why_not(Path("/dev/zero"))
    assert "it is a folder" in _why_not(tmp_path)
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(10**12)
    assert "neither text nor a PDF" in _why_not(tmp_path / "huge")


def test_a_name_is_one_line_that_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "exe.\u202etxt"
    path.write_text("x", encoding="utf-8")
    assert _read(path).part.name == "exe.txt"


def test_the_text_of_a_pdf_is_read_page_by_page(tmp_path: Path) -> None:
    pages: list[tuple[int, int]] = []
    path = write_pdf(tmp_path / "a.pdf", "One page", "and another")
    reading = FileReading(path, lambda done, total: pages.append((done, total)))
    part = reading.run().part
    assert part == FilePart("a.pdf", "One page\n\nand another", path.stat().st_size, PDF)
    assert pages == [(1, 2), (2, 2)]


def test_the_app_itself_reads_a_pdf_where_there_is_no_python(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", "One page")
    command = [sys.executable, "-m", "minerva_desktop", "--pdf-text"]
    with path.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=True)
    assert done.stdout == '{"page": 1, "pages": 1, "text": "One page"}\n'


def test_a_pdf_without_text_or_with_a_password_is_refused(tmp_path: Path) -> None:
    whole = write_pdf(tmp_path / "a.pdf", "Hello")
    locked = _why_not(write_encrypted(tmp_path / "locked.pdf", whole))
    assert "it is encrypted: open it with its password" in locked
    unlocked = _why_not(write_aes(tmp_path / "unlocked.pdf", whole))
    assert "it is encrypted with AES, which cannot be read: open it and print it" in unlocked
    scan = _why_not(write_pdf(tmp_path / "scan.pdf", "", ""))
    assert "its 2 pages hold no text, only images" in scan


def test_a_pdf_is_read_within_limits(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", "one", "two", "three")

    def refusal(**limits: float) -> str:
        limited = PdfText(lambda *_: None, **({"max_characters": 100} | limits))  # type: ignore[arg-type]
        with path.open("rb") as file, pytest.raises(DocumentRefused) as refused:
            limited.read(file)
        return str(refused.value)

    assert refusal(max_pages=2) == "it has 3 pages, and at most 2 are read"
    assert refusal(max_characters=4) == (
        "it has more than 4 characters in the first 2 of its 3 pages, and at most 4 are read"
    )
    # Python alone takes longer to start.
    assert refusal(max_seconds=0.001) == (
        "reading it took more than 0.001 s, before its first page"
    )


def test_reading_a_pdf_can_be_cancelled(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", *(str(number) for number in range(50)))
    readings: list[FileReading] = []
    readings.append(FileReading(path, lambda _done, _total: readings[0].cancel()))
    with pytest.raises(AttachmentError, match="it was stopped"):
        readings[0].run()


def test_whoever_cancels_does_not_wait_for_the_reading_process_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the window's thread, or the endpoint's loop: it stood still for 13 ms."""
    reading = FileReading(write_pdf(tmp_path / "a.pdf", "one"), lambda _done, _total: None)
    start = subprocess.Popen
    cancelled: list[bool] = []

    def slow_start(*arguments: object, **options: object) -> object:
        canceller = threading.Thread(target=reading.cancel)
        canceller.start()
        canceller.join(1.0)
        cancelled.append(not canceller.is_alive())
        return start(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", slow_start)
    with pytest.raises(AttachmentError, match="it was stopped"):
        reading.run()
    assert cancelled == [True]


def test_a_pasted_text_gets_a_name_of_its_own() -> None:
    assert pasted_part("ab\ud83d", frozenset()) == FilePart("Pasted text", "ab\ufffd", 5)
    assert pasted_part("a", frozenset({"Pasted text"})).name == "Pasted text 2"


def test_a_pasted_text_has_the_limit_of_a_file(tmp_path: Path) -> None:
    most = "é" * (MAX_TEXT_BYTES // 2)
    assert pasted_part(most, frozenset()).n_bytes == MAX_TEXT_BYTES
    with pytest.raises(AttachmentError) as refused:
        pasted_part(most + "e", frozenset())
    file = tmp_path / "Pasted text"
    file.write_text(most + "e", encoding="utf-8")
    words = "“Pasted text” cannot be attached: it has 4.2 MB, and at most 4.2 MB are read."
    assert refused.value.message == _why_not(file) == words


def test_a_text_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    save_text(tmp_path / "a.txt", "é")
    assert (tmp_path / "a.txt").read_bytes() == "é".encode()
    with pytest.raises(MinervaError, match="no regular file"):
        save_text(tmp_path, "é")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_dropped_is_sorted_by_what_becomes_of_it(tmp_path: Path) -> None:
    contents = {
        "m.gguf": b"",
        "model": b"GGUF\3",
        "all.zip": b"PK",
        "ours.json": b'{"format": "minerva-chats"}',
        "conversations.json": b'[{"title": "a", "mapping": {}}]',
        "package.json": b'{"name": "a"}',
        "notes.txt": b"hi",
        "copy.sqlite3": b"SQLite format 3\0 CREATE TABLE conversations",
        "other.sqlite3": b"SQLite format 3\0",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "b.GGUF").write_bytes(b"GGUF")
    nested = tmp_path / "conversations" / "work"
    nested.mkdir(parents=True)
    (nested / "a.json").write_text("{}")
    (nested / "1.conversation.json").write_bytes(b'{"messages": [{"versions": []}]}')
    unreachable = "x" * 300  # the system does not even look
    names = [*contents, "folder", "models", "conversations", "gone", unreachable]
    dropped = sorted_drop([tmp_path / name for name in names])
    assert [path.name for path in dropped.models] == ["m.gguf", "model", "models"]
    assert [path.name for path in dropped.chats] == [
        "all.zip",
        "ours.json",
        "conversations.json",
        "conversations",
    ]
    assert [path.name for path in dropped.backups] == ["copy.sqlite3"]
    assert [path.name for path in dropped.attachments] == [
        "package.json",
        "notes.txt",
        "other.sqlite3",
        "folder",
        "gone",
        unreachable,
    ]


def test_the_sentence_about_several_files_has_the_reason_of_all() -> None:
    def words(*reasons: str) -> str:
        return refusal_words([refusal(Path("a"), reason) for reason in reasons], 60)

    assert words(TOO_MANY, TOO_MANY) == (
        "2 of 60 files cannot be attached: a message takes 50 files at most."
    )
    empty = "it is empty"
    assert words(empty, empty) == "2 of 60 files cannot be attached, each because it is empty."
    assert words(empty, TOO_MANY) == "2 of 60 files cannot be attached."
    assert words(FOLDER, FOLDER) == "2 folders cannot be attached: attach the files in them."
    assert words(FOLDER, empty) == "2 of 60 files and folders cannot be attached."


def test_an_estimate_counts_what_is_around_a_text() -> None:
    assert 9 <= estimated_tokens(FilePart("a.txt", "x", 1)) <= 12  # a model counts 11
    assert estimated_tokens(FilePart("a.txt", "word " * 4_000, 20_000)) == 5_009
