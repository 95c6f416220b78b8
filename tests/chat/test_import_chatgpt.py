"""ChatGPT's export, in small samples of our own."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minerva_desktop.chat.conversation import TitleSource
from minerva_desktop.chat.import_chats import ChatFormat, chats_in, recognised
from minerva_desktop.chat.import_values import ImportedChat, Outcome, UnreadableChat, digest_of
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.errors import ChatFileError
from tests.chat.chat_strategies import JUNK

Node = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)


def node(
    parent: str | None,
    role: str,
    content: str | dict[str, Any],
    *children: str,
    time: float | None = 100.0,
    **others: Any,
) -> Node:
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    message = {"author": {"role": role}, "content": content, "create_time": time, **others}
    return {"parent": parent, "children": list(children), "message": message}


def linear(*nodes: tuple[str, str | dict[str, Any], dict[str, Any]]) -> dict[str, Node]:
    """A branch below a root without a message, with nodes named n1, n2, …"""
    mapping: dict[str, Node] = {"root": {"parent": None, "children": ["n1"], "message": None}}
    for number, (role, content, others) in enumerate(nodes, 1):
        parent = f"n{number - 1}" if number > 1 else "root"
        mapping[f"n{number}"] = node(parent, role, content, f"n{number + 1}", **others)
    return mapping


def export(mapping: dict[str, Node], **others: Any) -> dict[str, Any]:
    return {"conversation_id": "c1", "title": "A title", "create_time": 90.5,
            "update_time": 200.0, "mapping": mapping,
            "current_node": next(reversed(mapping), None), **others}  # fmt: skip


def read(*chats: Any, assets: Mapping[str, bytes] | None = None) -> list[Outcome]:
    found = recognised(json.dumps(list(chats)).encode())
    assert found is not None
    assert found.format is ChatFormat.CHATGPT
    return list(chats_in(found, (assets or {}).get, "conversations.json", 7.0))


def only(chat: dict[str, Any], assets: Mapping[str, bytes] | None = None) -> ImportedChat:
    (outcome,) = read(chat, assets=assets)
    assert isinstance(outcome, ImportedChat), outcome
    return outcome


def branch(chat: dict[str, Any]) -> list[tuple[Role, str]]:
    return [(message.role, message.text) for message in only(chat).conversation.active_branch()]


HIDDEN = {"metadata": {"is_visually_hidden_from_conversation": True}}


def test_a_chat_with_branches() -> None:
    mapping = {
        "root": {"parent": None, "children": ["system"], "message": None},
        "system": node("root", "system", "", "custom", time=None, **HIDDEN),
        "custom": node(
            "system", "user", {"content_type": "user_editable_context"}, "q1", "q2", time=None
        ),
        "q1": node("custom", "user", "Question", "a1", "a2", time=101.5),
        "a1": node("q1", "assistant", "First", time=110.0, metadata={"model_slug": "gpt-4o"}),
        "a2": node("q1", "assistant", "Second", "q3", time=120.0, metadata={"model_slug": "o3"}),
        "q2": node("custom", "user", "Edited", time=150.0),
        "q3": node("a2", "user", "And now?", time=None),
    }
    chat = export(mapping, current_node="q3", is_archived=True, is_starred=True)
    conversation = only(chat).conversation
    assert [m.text for m in conversation.active_branch()] == ["Question", "Second", "And now?"]
    first, second, third = conversation.active_branch()
    assert [m.created_at for m in (first, second, third)] == [101.5, 120.0, 120.0]
    texts = [[conversation[i].text for i in conversation.siblings(m.id)] for m in (first, second)]
    assert texts == [["Question", "Edited"], ["First", "Second"]]
    assert (second.model, first.model) == ("o3", None)
    assert (conversation.title, conversation.title_source) == ("A title", TitleSource.MODEL)
    assert (conversation.created_at, conversation.updated_at) == (90.5, 200.0)
    assert (conversation.model, conversation.is_archived, conversation.is_pinned) == (
        "o3", True, True,
    )  # fmt: skip


def test_a_number_that_no_float_holds_is_no_time() -> None:
    chat = export(linear(("user", "a", {})), create_time=10**400)
    assert only(chat).conversation.created_at == 100.0


def test_ids_are_the_same_at_each_import_and_never_theirs() -> None:
    chat = export(linear(("user", "a", {})), conversation_id="../../x")
    first, again = only(chat).conversation, only(chat).conversation
    assert first == again
    assert len(first.id) == 32
    assert first.id.isalnum()
    other = only(chat | {"conversation_id": "c2"}).conversation
    assert {m.id for m in other}.isdisjoint(m.id for m in first)


def test_thoughts_belong_to_the_answer_behind_them() -> None:
    thoughts = {
        "content_type": "thoughts",
        "thoughts": [{"summary": "Adding", "content": "2 and 2"}, {"content": "is 4"}],
    }
    recap = {"content_type": "reasoning_recap", "content": "Thought for 8s"}
    chat = export(
        linear(
            ("user", "2+2?", {}),
            ("assistant", thoughts, {}),
            ("assistant", recap, {"metadata": {"finished_duration_sec": 8}}),
            ("assistant", "4", {}),
        )
    )
    question, answer = only(chat).conversation.active_branch()
    assert question.parts == ()
    assert answer.text == "4"
    assert answer.parts == (ReasoningPart("**Adding**\n\n2 and 2\n\nis 4", 8000.0),)


def test_thoughts_without_an_answer_are_kept() -> None:
    thoughts = {"content_type": "thoughts", "thoughts": [{"content": "hm"}]}
    whole: tuple[Any, ...] = (("user", "?", {}), ("assistant", thoughts, {}), ("user", "go on", {}))
    for n in (2, 3):
        chat = export(linear(*whole[:n]))
        messages = only(chat).conversation.active_branch()
        assert messages[1].parts == (ReasoningPart("hm"),)


def test_calls_of_tools_and_their_results() -> None:
    code = {"content_type": "code", "language": "python", "text": "1 + 1"}
    output = {"content_type": "execution_output", "text": "2"}
    search = {"content_type": "code", "text": '{"q": "x"}'}
    quote = {"content_type": "tether_quote", "title": "T", "url": "http://x", "text": "words"}
    chat = export(
        linear(
            ("user", "run", {}),
            ("assistant", code, {"recipient": "python"}),
            ("tool", output, {"author": {"role": "tool", "name": "python"}}),
            ("assistant", search, {"recipient": "browser"}),
            ("tool", quote, {"author": {"role": "tool", "name": "browser"}}),
            ("assistant", "It is 2", {}),
        )
    )
    _, call, result, other_call, other, answer = only(chat).conversation.active_branch()
    assert isinstance(call.parts[0], ToolCallPart)
    assert (call.text, call.role, call.parts[0].call.name) == ("", Role.ASSISTANT, "python")
    assert json.loads(call.parts[0].call.arguments) == {"code": "1 + 1"}
    assert result.parts == (ToolResultPart(call.parts[0].call.id, "2", "python"),)
    assert result.role is Role.TOOL
    assert isinstance(other_call.parts[0], ToolCallPart)
    assert other_call.parts[0].call.arguments == '{"q": "x"}'
    assert other.parts == (
        ToolResultPart(other_call.parts[0].call.id, "T\nhttp://x\nwords", "browser"),
    )
    assert answer.text == "It is 2"


def test_code_for_the_reader_is_a_code_block() -> None:
    code = {"content_type": "code", "language": "python", "text": "x = '```'"}
    chat = export(linear(("assistant", code, {})))
    assert branch(chat) == [(Role.ASSISTANT, "````python\nx = '```'\n````")]


def test_images_and_files_from_the_archive() -> None:
    words = {
        "content_type": "multimodal_text",
        "parts": [
            {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1"},
            {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_2"},
            {"content_type": "audio_transcription", "text": "What is this?"},
            {"content_type": "audio_asset_pointer", "asset_pointer": "sediment://file_3"},
        ],
    }
    attachments = [
        {"id": "file-1", "name": "cat.png"},
        {"id": "file-4", "name": "notes.txt"},
        {"id": "file-5", "name": "paper.pdf"},
        {"id": "file-6", "name": "gone.txt"},
    ]
    made = {
        "content_type": "multimodal_text",
        "parts": [{"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_7"}],
    }
    chat = export(
        linear(
            ("user", words, {"metadata": {"attachments": attachments}}),
            ("tool", made, {"author": {"role": "tool", "name": "dalle.text2im"}}),
        )
    )
    assets = {"file-1": PNG, "file-4": b"\xef\xbb\xbfnote", "file-5": b"%PDF\0", "file_7": PNG}
    imported = only(chat, assets)
    question, picture = imported.conversation.active_branch()
    image = ImagePart("image", digest_of(PNG), len(PNG), "image/png", 640, 480)
    named = msgspec.structs.replace(image, name="cat.png")
    assert question.parts == (named, FilePart("notes.txt", "note", 7))
    assert question.text == (
        "[gone.txt: not in the export]\n\n[paper.pdf: neither text nor an image]\n\n"
        "[image: not in the export]\nWhat is this?"
    )
    assert (picture.role, picture.parts) == (Role.ASSISTANT, (image,))
    assert dict(imported.blobs) == {digest_of(PNG): PNG}
    assert imported.n_missing == 4


def test_marks_for_sources_are_no_text() -> None:
    reference = {"matched_text": "\ue200cite\ue202turn0\ue201", "alt": " ([Site](https://x))"}
    text = "Yes\ue200cite\ue202turn0\ue201 and no\ue200cite\ue202turn1\ue201."
    chat = export(linear(("assistant", text, {"metadata": {"content_references": [reference]}})))
    assert branch(chat) == [(Role.ASSISTANT, "Yes ([Site](https://x)) and no.")]


def test_how_an_answer_ended() -> None:
    stopped = {"metadata": {"finish_details": {"type": "interrupted"}}}
    chat = export(
        linear(("assistant", "a", stopped), ("assistant", "b", {"status": "in_progress"}))
    )
    states = [message.state for message in only(chat).conversation.active_branch()]
    assert states == [MessageState.STOPPED, MessageState.INTERRUPTED]


def test_a_question_that_is_older_than_its_chat() -> None:
    chat = export(linear(("user", "a", {"time": 89.0}), ("assistant", "b", {"time": 80.0})))
    conversation = only(chat).conversation
    assert conversation.created_at == 90.5
    # A reply is never older than what it replies to.
    assert [message.created_at for message in conversation] == [89.0, 89.0]


def test_what_is_missing_has_a_way() -> None:
    mapping = linear(("user", "What is a title?", {"time": None}))
    bare = {"mapping": mapping, "title": None, "current_node": "nowhere"}
    conversation = only(bare).conversation
    assert (conversation.title, conversation.title_source) == (
        "What is a title?", TitleSource.FIRST_WORDS,
    )  # fmt: skip
    assert (conversation.created_at, conversation.updated_at) == (7.0, 7.0)
    assert len(conversation.active_branch()) == 1


def test_a_chat_alone_is_read_as_well() -> None:
    found = recognised(b"\xef\xbb\xbf" + json.dumps(export(linear(("user", "a", {})))).encode())
    assert found is not None
    (outcome,) = chats_in(found, lambda _: None, "x", 7.0)
    assert isinstance(outcome, ImportedChat)


def test_half_a_character_in_an_export() -> None:
    chat = json.dumps([export(linear(("user", "TEXT \\\\ud83d", {})), title="cut \ud83d")])
    pair = chat.replace("TEXT", "\\ud83d\\ude00 \\ude00")
    found = recognised(pair.encode())
    assert found is not None
    (outcome,) = chats_in(found, lambda _: None, "x", 7.0)
    assert isinstance(outcome, ImportedChat)
    assert outcome.conversation.title == "cut \ufffd"
    assert outcome.conversation.active_branch()[0].text == "\U0001f600 \ufffd \\\\ud83d"


def test_a_chat_that_cannot_be_read_costs_itself_alone() -> None:
    cycle = {key: node(other, "user", "x", other) for key, other in (("a", "b"), ("b", "a"))}
    good = export(linear(("user", "a", {})))
    outcomes = read(good, 5, {"title": "T", "mapping": []}, export(cycle), export({}), good)
    assert [type(each) for each in outcomes] == [
        ImportedChat, UnreadableChat, UnreadableChat, UnreadableChat, UnreadableChat, ImportedChat,
    ]  # fmt: skip
    told = [(each.name, each.reason) for each in outcomes if isinstance(each, UnreadableChat)]
    assert told == [
        ("chat 2", "it has no messages (“mapping”)"),
        ("chat 3 “T”", "it has no messages (“mapping”)"),
        ("chat 4 “A title”", "it has no message that is shown"),
        ("chat 5 “A title”", "it has no message that is shown"),
    ]


def test_a_chat_of_many_messages() -> None:
    count = 5_000
    conversation = only(export(linear(*[("user", "x", {})] * count))).conversation
    assert len(conversation.active_branch()) == count


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from("abc"), JUNK, max_size=3), JUNK, JUNK)
def test_nothing_in_a_file_breaks_the_import(mapping: Any, current: Any, title: Any) -> None:
    (outcome,) = read(export(mapping, current_node=current, title=title, conversation_id=title))
    assert isinstance(outcome, ImportedChat | UnreadableChat)


def test_other_lists_are_none_of_chatgpts() -> None:
    assert recognised(b'[{"id": 1}, {"title": "x"}]') is None
    with pytest.raises(ChatFileError, match="only a part of it"):
        recognised(b'[{"mapping": {')
