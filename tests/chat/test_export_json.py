from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from minerva_desktop.chat.conversation import Conversation, Folder
from minerva_desktop.chat.export_json import chats_to_json
from minerva_desktop.chat.failure import Failure
from minerva_desktop.chat.import_chats import ChatFormat, chats_in, recognised
from minerva_desktop.chat.import_values import ImportedChat, Outcome, UnreadableChat
from minerva_desktop.chat.message import MessageState
from minerva_desktop.chat.parts import FilePart, ReasoningPart
from minerva_desktop.chat.waiting_message import WaitingMessage
from minerva_desktop.errors import ChatFileError
from tests.chat.chat_strategies import ChatWithImages, chats
from tests.chat.samples import make_conversation, make_message

FOLDERS = (Folder(id="f1", name="Work"),)


def read(data: bytes) -> list[Outcome]:
    found = recognised(data)
    assert found is not None
    assert found.format is ChatFormat.MINERVA
    return list(chats_in(found, lambda _: None, "x.json", 7.0))


def only(data: bytes) -> ImportedChat:
    (outcome,) = read(data)
    assert isinstance(outcome, ImportedChat)
    return outcome


@settings(deadline=None, max_examples=25)
@given(chats())
def test_what_is_exported_comes_back_equal(chat: ChatWithImages) -> None:
    imported = only(chats_to_json([chat.conversation], chat.blobs, FOLDERS))
    assert imported.conversation == chat.conversation
    assert dict(imported.blobs).items() <= chat.blobs.items()
    assert imported.n_missing == 0
    assert imported.folder == (FOLDERS[0] if chat.conversation.folder_id else None)


def exported(*conversations: Conversation) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(chats_to_json(conversations, {}))
    return value


def test_a_later_version_is_told_and_an_unknown_one() -> None:
    later = exported(make_conversation("a")) | {"version": 2}
    with pytest.raises(ChatFileError, match=r"a newer Minerva wrote it \(version 2.*up to 1\)"):
        read(json.dumps(later).encode())
    for wrong in ({"version": "1"}, {"version": 0}, {"format": "other"}):
        with pytest.raises(ChatFileError, match="its format is"):
            read(json.dumps(later | {"version": 1} | wrong).encode())


def test_a_chat_that_cannot_be_read_costs_itself_alone() -> None:
    value = exported(*(make_conversation("a", title=title) for title in "ABCDEFG"))
    chats_ = value["chats"]
    chats_[0]["messages"][0]["parent_id"] = "nobody"
    chats_[1]["messages"][0]["role"] = "king"
    chats_[2]["id"] = "../../etc/passwd"
    chats_[3]["sampling"]["temperature"] = 99
    chats_[4]["messages"][0]["created_at"] = 1e18  # no calendar has it
    chats_[5]["messages"][0]["edited_at"] = 1e18
    outcomes = read(json.dumps(value).encode())
    assert [type(outcome) for outcome in outcomes] == [UnreadableChat] * 6 + [ImportedChat]
    told = [(each.name, each.reason) for each in outcomes if isinstance(each, UnreadableChat)]
    assert told[0] == ("chat 1 “A”", "parent nobody is not in the conversation")
    assert told[1] == ("chat 2 “B”", "Invalid enum value 'king' - at `$.messages[0].role`")
    assert "is none of ours" in told[2][1]
    assert "temperature must be between 0.0 and 5.0" in told[3][1]
    assert told[4][1] == told[5][1] == "it has dates before the year 1970 or behind the year 9999"


def test_fields_of_a_later_minerva_are_left_out() -> None:
    value = exported(make_conversation("a"))
    value["chats"][0]["mood"] = value["chats"][0]["messages"][0]["mood"] = "fine"
    assert only(json.dumps(value).encode()).conversation.active_branch()[0].text == "a"


def test_what_an_expert_reads_of_an_error_stays_here() -> None:
    chat = make_conversation("Why?", "Well.")
    answer = list(chat)[1]
    failure = Failure("engine_died", n_tokens=7, detail="/home/me/secret.gguf: SIGSEGV")
    chat.replace(replace(answer, state=MessageState.FAILED, failure=failure))
    data = chats_to_json([chat], {})
    assert b"secret" not in data
    assert list(only(data).conversation)[1].failure == replace(failure, detail="")
    assert list(chat)[1].failure == failure


def test_an_image_whose_bytes_are_others_is_missing() -> None:
    conversation = make_conversation()
    with_image = ChatWithImages(conversation, {})
    part = {
        "type": "image",
        "name": "i",
        "digest": "0" * 64,
        "n_bytes": 1,
        "media_type": "image/png",
    }
    value = exported(make_conversation("a"))
    value["chats"][0]["messages"][0]["parts"] = [part]
    value["blobs"] = {"0" * 64: base64.b64encode(b"other").decode()}
    imported = only(json.dumps(value).encode())
    assert (dict(imported.blobs), imported.n_missing) == (with_image.blobs, 1)


def test_an_answer_that_ran_is_interrupted() -> None:
    conversation = make_conversation("a")
    conversation.add(make_message("half", state=MessageState.STREAMING))
    (_, answer) = list(only(chats_to_json([conversation], {})).conversation)
    assert (answer.text, answer.state) == ("half", MessageState.INTERRUPTED)


def test_half_a_character_does_not_spoil_the_file() -> None:
    conversation = make_conversation(title="\ud83d cut")
    message = make_message("ok")
    conversation.add(msgspec.structs.replace(message, parts=(ReasoningPart("a\ud83d"),)))
    imported = only(chats_to_json([conversation], {})).conversation
    assert imported.title == "\ufffd cut"
    assert imported[message.id].parts == (ReasoningPart("a\ufffd"),)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JSON, or only a part of it: Input data was truncated"),
        (b"\x89PNG", "no JSON, or only a part of it: JSON is malformed"),
        (b"[" * 100_000, "nested too deep"),
        (b'"text"', "neither an object nor a list"),
    ],
)
def test_what_is_no_json_is_told_with_the_place(data: bytes, reason: str) -> None:
    with pytest.raises(ChatFileError, match=reason):
        recognised(data)


def test_a_cut_off_file_is_told() -> None:
    whole = chats_to_json([make_conversation("a")], {})
    with pytest.raises(ChatFileError, match="only a part of it"):
        recognised(whole[:-20])


@pytest.mark.parametrize("data", [b"{}", b"[]", b"[1]", b'{"messages": [1]}', b'{"mapping_": 1}'])
def test_other_json_is_not_ours_to_read(data: bytes) -> None:
    assert recognised(data) is None


def test_what_waits_to_be_sent_comes_back_waiting_and_tells_no_folder() -> None:
    chat = make_conversation("One", "Un")
    notes = FilePart("notes.txt", "salt", 4)
    chat.draft = "half"
    chat.waiting = (
        WaitingMessage("Two", "/home/me/models/tiny.gguf", (notes,)),
        WaitingMessage("Three", "/home/me/models/large.gguf"),
    )
    data = chats_to_json([chat], {})
    assert b"/home/me" not in data
    again = only(data).conversation
    assert (again.draft, again.draft_files) == ("half", ())
    assert again.waiting == (
        WaitingMessage("Two", "tiny.gguf", (notes,)),
        WaitingMessage("Three", "large.gguf"),
    )


def test_no_file_says_where_a_model_is_that_is_to_be_opened() -> None:
    chat = make_conversation("One", "Un")
    chat.waiting = (WaitingMessage("Two", "tiny.gguf"),)
    value = exported(chat)
    value["chats"][0]["waiting"][0]["model"] = "//server/share/tiny.gguf"
    again = only(json.dumps(value).encode()).conversation
    assert again.waiting == chat.waiting
