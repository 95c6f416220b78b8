"""Files in the content parts of requests: their text goes into the prompt, in all dialects."""

from __future__ import annotations

import asyncio
import base64
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import anthropic
import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.server.parameters.parts import NO_IMAGES
from tests.app.pdf_files import write_pdf
from tests.patience import SECONDS
from tests.server.fake_models import MODEL, Served, says_and_goes_on, serving

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
HELLO = "data:text/plain;base64,aGVsbG8="
HELLO_READ = "a.txt:\n```\nhello\n```"
PDF_READ = "x.pdf (the text of a PDF):\n```\nOne page\n```"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def file(**fields: str) -> dict[str, object]:
    return {"type": "file", "file": fields}


def document(**source: str) -> dict[str, object]:
    return {"type": "document", "title": "a.txt", "source": source}


def asks(path: str, *parts: Mapping[str, object]) -> dict[str, object]:
    """A request with these parts of what the user says."""
    said = {"role": "user", "content": [*parts]}
    name = "input" if path == RESPONSES else "messages"
    limit = "max_output_tokens" if path == RESPONSES else "max_tokens"
    return {"model": MODEL.model_id, name: [said], limit: 8}


async def error(served: Served, path: str, *parts: Mapping[str, object]) -> tuple[str, str]:
    """Which field is refused, and why."""
    answer = await served.http.post(path, json=asks(path, *parts))
    assert answer.status_code == 400, answer.text
    found = answer.json()["error"]
    assert not served.engine.prompts
    return found.get("param") or found["details"]["param"], found["message"]


async def test_openais_client_sends_files(tmp_path: Path) -> None:
    pdf = write_pdf(tmp_path / "x.pdf", "One page").read_bytes()
    url = f"data:application/pdf;base64,{b64(pdf)}"
    async with serving() as served, served.openai() as client:
        await client.chat.completions.create(
            model=MODEL.model_id,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "file", "file": {"file_data": HELLO, "filename": "a.txt"}},
                        {"type": "file", "file": {"file_data": url, "filename": "x.pdf"}},
                    ],
                }
            ],
        )
        await client.responses.create(
            model=MODEL.model_id,
            input=[
                {
                    "role": "user",
                    "content": [
                        {"type": "input_file", "file_data": HELLO, "filename": "a.txt"},
                        {"type": "input_text", "text": "What is it?"},
                    ],
                }
            ],
        )
    assert [turns[-1] for turns in served.engine.prompts] == [
        ChatTurn(Role.USER, f"What is it?\n{HELLO_READ}\n{PDF_READ}"),
        ChatTurn(Role.USER, f"{HELLO_READ}\nWhat is it?"),
    ]


async def test_anthropics_client_sends_files(tmp_path: Path) -> None:
    pdf = write_pdf(tmp_path / "x.pdf", "One page").read_bytes()
    async with (
        serving() as served,
        anthropic.AsyncAnthropic(base_url=served.url, api_key="none", max_retries=0) as client,
    ):
        await client.messages.create(
            model=MODEL.model_id,
            max_tokens=8,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "title": "x.pdf",
                            "context": "Of today.",
                            "source": {
                                "type": "base64",
                                "media_type": "application/pdf",
                                "data": b64(pdf),
                            },
                            "citations": {"enabled": False},
                        },
                        {"type": "text", "text": "What is it?"},
                    ],
                }
            ],
        )
    text = f"Of today.\n{PDF_READ}\nWhat is it?"
    assert served.engine.prompts[0][-1] == ChatTurn(Role.USER, text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b64(b"hello"), "hello"),
        ("aGVs\nbG8", "hello"),  # in lines, and not padded
        ("data:text/plain,hello%20you", "hello you"),
        ("DATA:;base64,aGVsbG8%3D", "hello"),
        (b64("grün".encode("utf-16")), "grün"),
        (b64("grün".encode("cp1252")), "grün"),
        ("4oKs77-_", "€\uffff"),  # in the alphabet of URLs
        (b64(b"a ```b``` c"), "a ```b``` c"),
    ],
)
async def test_however_it_is_encoded_a_text_arrives(data: str, text: str) -> None:
    async with serving() as served:
        part = file(file_data=data, filename="../../etc/a\n.txt")
        answer = await served.http.post(CHAT, json=asks(CHAT, part))
    assert answer.status_code == 200, answer.text
    fence = "````" if "```" in text else "```"
    read = f"../../etc/a .txt:\n{fence}\n{text}\n{fence}"
    assert served.engine.prompts[0][-1] == ChatTurn(Role.USER, read)


async def test_a_tool_gives_back_a_document() -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [document(type="text", data="hello")],
    }
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    said = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    async with serving() as served:
        await served.http.post(MESSAGES, json={**asks(MESSAGES), "messages": said})
    assert served.engine.prompts[0][-1] == ChatTurn(Role.TOOL, HELLO_READ, tool_call_id="t")


@pytest.mark.parametrize(
    ("path", "part", "param"),
    [
        (CHAT, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, ""),
        (RESPONSES, {"type": "input_image", "image_url": "https://a.b/c.png"}, ".type"),
        (MESSAGES, {"type": "image", "source": {"type": "base64", "data": "AAAA"}}, ""),
    ],
)
async def test_images_are_refused_by_name(path: str, part: dict[str, object], param: str) -> None:
    async with serving() as served:
        where = ("input" if path == RESPONSES else "messages") + f"[0].content[0]{param}"
        assert await error(served, path, part) == (where, f"{where}: {NO_IMAGES}")


@pytest.mark.parametrize(
    ("path", "part", "field", "reason"),
    [
        (CHAT, file(), "file.file_data", "is required"),
        (CHAT, {"type": "file"}, "file", "is required"),
        (CHAT, file(file_id="file-1"), "file.file_id", "no file is kept here"),
        (CHAT, file(file_data="https://a.b/c.pdf"), "file.file_data", "none is fetched"),
        (CHAT, file(file_data="file:///etc/passwd"), "file.file_data", "its data are no base64"),
        (CHAT, file(file_data="data:text/plain"), "file.file_data", "has no comma"),
        (CHAT, file(file_data=""), "file.file_data", "it is empty"),
        (CHAT, file(file_data=b64(b" \n")), "file.file_data", "nothing in it but white space"),
        (CHAT, file(file_data=b64(PNG)), "file.file_data", "it is an image"),
        (CHAT, file(file_data="data:image/svg+xml,<svg/>"), "file.file_data", "it is an image"),
        (CHAT, file(file_data=b64(b"a\0b")), "file.file_data", "neither text nor a PDF"),
        (CHAT, file(file_data=b64(b"%PDF-1.4")), "file.file_data", "it is damaged"),
        (
            CHAT,
            file(file_data=b64(b"a" * 4_194_305)),
            "file.file_data",
            "it has 4.2 MB, and at most 4.2 MB are read",
        ),
        (
            RESPONSES,
            {"type": "input_file", "file_url": "https://a.b/c.pdf"},
            "file_url",
            "none is fetched",
        ),
        (RESPONSES, {"type": "input_file", "file_id": "file-1"}, "file_id", "no file is kept"),
        (MESSAGES, document(type="url", url="https://a.b/c"), "source.type", "none is fetched"),
        (MESSAGES, document(type="text", data=""), "source.data", "it is empty"),
        (MESSAGES, document(type="base64"), "source.data", "is required"),
    ],
)
async def test_what_cannot_be_read_is_refused_by_its_field(
    path: str, part: dict[str, object], field: str, reason: str
) -> None:
    async with serving() as served:
        param, message = await error(served, path, part)
    start = "input" if path == RESPONSES else "messages"
    assert param == f"{start}[0].content[0].{field}"
    assert message.startswith(param)
    assert reason in message


async def test_a_request_brings_so_many_files_and_so_much_text() -> None:
    large = file(file_data="data:," + "a" * 4_000_000, filename="a.txt")
    async with serving() as served:
        param, message = await error(served, CHAT, *[file(file_data=HELLO)] * 51)
        assert param == "messages[0].content[50].file.file_data"
        assert "at most 50 files" in message
        param, message = await error(served, CHAT, large, file(file_data="data:," + "b" * 200_000))
        assert param == "messages[0].content[1].file.file_data"
        assert "it has 200.0 kB, and at most 194.3 kB are read" in message


async def test_only_a_pdf_needs_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf = write_pdf(tmp_path / "x.pdf", "One page").read_bytes()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    async with serving() as served:
        answer = await served.http.post(CHAT, json=asks(CHAT, file(file_data=b64(b"hello"))))
        assert answer.status_code == 200, answer.text
        part = file(file_data=b64(pdf), filename="x.pdf")
        answer = await served.http.post(CHAT, json=asks(CHAT, part))
    found = answer.json()["error"]
    assert answer.status_code == 500
    assert found["code"] == "file_unreadable"
    assert found["param"] == "messages[0].content[0].file.file_data"
    assert "“x.pdf” cannot be read on the machine that serves" in found["message"]
    assert "gone" not in answer.text
    assert len(served.engine.prompts) == 1


async def test_what_is_wrong_elsewhere_is_told_before_a_file_is_read() -> None:
    async with serving() as served:
        body = asks(CHAT, file(file_data="@")) | {"top_p": 7}
        answer = await served.http.post(CHAT, json=body)
    assert answer.json()["error"]["param"] == "top_p"


async def test_reading_ends_with_the_time_that_a_request_may_take(tmp_path: Path) -> None:
    pdf = write_pdf(tmp_path / "x.pdf", "One page").read_bytes()
    # Python alone takes longer to start. A process that went on would fail the test at its end.
    async with serving(request_timeout_s=0.01) as served:
        answer = await served.http.post(CHAT, json=asks(CHAT, file(file_data=b64(pdf))))
    assert answer.status_code == 408
    assert "it may take 0.01 s, and its files were not read by then" in answer.text
    assert not served.engine.prompts


async def test_the_time_that_files_took_is_part_of_what_a_request_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 59.9])  # before and behind the files
    monkeypatch.setattr("minerva_desktop.server.request_files.perf_counter", clock.__next__)
    async with serving(says_and_goes_on(), request_timeout_s=60) as served:
        answer = await served.http.post(CHAT, json=asks(CHAT, file(file_data=HELLO)))
        assert answer.status_code == 408
        why = "it may take 60 s in all, of which its files took 59.9 s, and the answer was not"
        assert why in answer.json()["error"]["message"]
        await asyncio.wait_for(served.pool.returned.wait(), SECONDS)


async def test_who_has_a_file_read_uses_its_model_already(monkeypatch: pytest.MonkeyPatch) -> None:
    is_read, may_go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slowly(data: str) -> bytes:
        loop.call_soon_threadsafe(is_read.set)
        may_go_on.wait(SECONDS)
        return b"hello"

    monkeypatch.setattr("minerva_desktop.server.file_reader._content", slowly)
    async with serving() as served:
        asked = asyncio.create_task(served.http.post(CHAT, json=asks(CHAT, file(file_data=HELLO))))
        await asyncio.wait_for(is_read.wait(), SECONDS)
        assert served.activity.n_using(MODEL.path) == 1
        may_go_on.set()
        assert (await asked).status_code == 200
        assert served.activity.n_using(MODEL.path) == 0


async def test_a_model_that_is_not_there_is_told_before_a_file_is_read() -> None:
    async with serving() as served:
        body = asks(CHAT, file(file_data="@")) | {"model": "gone"}
        answer = await served.http.post(CHAT, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "model")


async def test_files_wait_in_the_bounded_queue() -> None:
    async with serving(max_loading=0) as served:
        answer = await served.http.post(CHAT, json=asks(CHAT, file(file_data=HELLO)))
    assert answer.status_code == 503
