"""LM Studio's conversation files, in small samples of our own."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minerva_desktop.chat.completion import FinishReason
from minerva_desktop.chat.conversation import TitleSource
from minerva_desktop.chat.import_chats import ChatFormat, chats_in, recognised
from minerva_desktop.chat.import_values import ImportedChat, Outcome, UnreadableChat
from minerva_desktop.chat.message import MessageState, Role
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ToolCall
from tests.chat.chat_strategies import JUNK

GIF = b"GIF89a" + struct.pack("<HH", 3, 4)


def text(words: str, **others: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **others}


def user(*content: Any) -> dict[str, Any]:
    return {"type": "singleStep", "role": "user", "content": list(content)}


def block(*content: Any, **others: Any) -> dict[str, Any]:
    return {"type": "contentBlock", "content": list(content), **others}


def answer(*steps: dict[str, Any], sender: str = "small") -> dict[str, Any]:
    return {
        "type": "multiStep",
        "role": "assistant",
        "steps": list(steps),
        "senderInfo": {"senderName": sender},
    }


def place(*versions: dict[str, Any], selected: int = 0) -> dict[str, Any]:
    return {"versions": list(versions), "currentlySelected": selected}


def chat(*places: Any, **others: Any) -> dict[str, Any]:
    return {"name": "Sorting", "createdAt": 1_700_000_000_500, "pinned": True,
            "messages": list(places), "lastUsedModel": {"identifier": "small-model"},
            **others}  # fmt: skip


def read(
    value: dict[str, Any],
    name: str = "1.conversation.json",
    assets: Mapping[str, bytes] | None = None,
) -> Outcome:
    found = recognised(json.dumps(value).encode())
    assert found is not None
    assert found.format is ChatFormat.LM_STUDIO
    (outcome,) = chats_in(found, (assets or {}).get, name, 7.0)
    return outcome


def only(value: dict[str, Any], assets: Mapping[str, bytes] | None = None) -> ImportedChat:
    outcome = read(value, assets=assets)
    assert isinstance(outcome, ImportedChat), outcome
    return outcome


def test_a_chat_with_versions() -> None:
    first = answer(
        block(text("One"), genInfo={"identifier": "qwen@4bit"}, stepIdentifier="1700000100000-0.5")
    )
    value = chat(
        place(user(text("Old")), user(text("New")), selected=1),
        place(first, answer(block(text("Two"))), selected=0),
        place(user(text("More"))),
        systemPrompt="Be brief.",
        assistantLastMessagedAt=1_700_000_200_000,
    )
    conversation = only(value).conversation
    shown = conversation.active_branch()
    assert [(m.role, m.text) for m in shown] == [
        (Role.USER, "New"), (Role.ASSISTANT, "One"), (Role.USER, "More"),
    ]  # fmt: skip
    siblings = [[conversation[i].text for i in conversation.siblings(m.id)] for m in shown]
    assert siblings == [["Old", "New"], ["One", "Two"], ["More"]]
    assert [m.created_at for m in shown] == [1_700_000_000.5, 1_700_000_100.0, 1_700_000_100.0]
    assert [m.model for m in shown] == [None, "qwen@4bit", None]
    assert (conversation.title, conversation.title_source) == ("Sorting", TitleSource.MODEL)
    assert (conversation.model, conversation.system_prompt) == ("small-model", "Be brief.")
    assert (conversation.created_at, conversation.updated_at) == (1_700_000_000.5, 1_700_000_200.0)
    assert conversation.is_pinned


def test_thoughts() -> None:
    style = {"type": "thinking", "title": "Thought for 1 minute 2.5 seconds"}
    marked = block(
        text("<think>", isStructural=True), text("hm\n"), text("</think>", isStructural=True),
        style=style,
    )  # fmt: skip
    value = chat(
        place(user(text("?"))),
        place(answer({"type": "debugInfoBlock", "debugInfo": "x"}, marked, block(text("!")))),
    )
    last = only(value).conversation.active_branch()[-1]
    assert (last.text, last.parts) == ("!", (ReasoningPart("hm", 62_500.0),))


def test_calls_of_tools_and_their_results() -> None:
    nested = {"id": "c1", "type": "function", "name": "find", "arguments": {"q": "é"}}
    flat = {"toolCallRequestId": "c2", "name": "add", "parameters": {"a": 1}}
    value = chat(
        place(user(text("go"))),
        place(
            answer(
                block(text("I look."), {"type": "toolCallRequest", "toolCallRequest": nested}),
                block({"type": "toolCallResult", "toolCallId": "c1", "content": "found"}),
                block({"type": "toolCallRequest", **flat}),
                block({"type": "toolCallResult", "toolCallRequestId": "c2", "content": [1]}),
                block(text("Done.")),
            )
        ),
        place(user(text("thanks"))),
    )
    _, call, result, second, other, done, thanks = only(value).conversation.active_branch()
    assert (call.text, call.parts) == (
        "I look.", (ToolCallPart(ToolCall("c1", "find", '{"q": "é"}')),),
    )  # fmt: skip
    assert (result.role, result.parts) == (Role.TOOL, (ToolResultPart("c1", "found", "find"),))
    assert second.parts == (ToolCallPart(ToolCall("c2", "add", '{"a": 1}')),)
    assert other.parts == (ToolResultPart("c2", "[1]", "add"),)
    assert (done.role, done.text, done.model) == (Role.ASSISTANT, "Done.", "small")
    assert thanks.text == "thanks"


def test_files() -> None:
    picture = {"type": "file", "fileIdentifier": "9 - 1.gif", "fileType": "image", "sizeBytes": 10}
    gone = {"type": "file", "fileIdentifier": "9 - 2.pdf", "fileType": "text/plain"}
    value = chat(place(user(text("Look"), picture, gone)))
    imported = only(value, {"9 - 1.gif": GIF})
    (message,) = imported.conversation.active_branch()
    (part,) = message.parts
    assert isinstance(part, ImagePart)
    assert (part.name, part.media_type, part.width, part.height) == ("9 - 1.gif", "image/gif", 3, 4)
    assert message.text == "[9 - 2.pdf: not in the export]\n\nLook"
    assert (list(imported.blobs.values()), imported.n_missing) == ([GIF], 1)


def test_an_older_place_for_the_system_prompt_and_no_name() -> None:
    fields = [{"key": "llm.prediction.systemPrompt", "value": "Old place"}]
    value = chat(
        place(user(text("What is this about?"))),
        name="",
        createdAt=None,
        lastUsedModel=None,
        perChatPredictionConfig={"fields": fields},
    )
    conversation = only(value).conversation
    assert conversation.system_prompt == "Old place"
    assert (conversation.title, conversation.title_source) == (
        "What is this about?", TitleSource.FIRST_WORDS,
    )  # fmt: skip
    assert (conversation.created_at, conversation.model) == (7.0, None)


@pytest.mark.parametrize(("kept", "taken"), [(0.1, 0.1), (0, 0.0), (99, 0.8), ("x", 0.8)])
def test_the_chats_own_temperature(kept: object, taken: float) -> None:
    fields = [{"key": "llm.prediction.temperature", "value": kept}]
    value = chat(place(user(text("a"))), perChatPredictionConfig={"fields": fields})
    assert only(value).conversation.sampling == SamplingParameters(temperature=taken)


def test_ids_are_the_same_at_each_import() -> None:
    value = chat(place(user(text("a"))))
    first, again, copy = read(value), read(value), read(value, "2.conversation.json")
    assert isinstance(first, ImportedChat)
    assert isinstance(copy, ImportedChat)
    assert first == again
    assert copy.conversation.id != first.conversation.id


def test_a_chat_with_nothing_in_it() -> None:
    told = UnreadableChat("chat 1", "it has no message with anything in it", is_empty=True)
    assert read(chat(place(user(text(" "))))) == told
    assert read(chat({"versions": []})) == told


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"versions": st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", 5]),
             "steps": JUNK, "content": JUNK}) | JUNK, max_size=2), "currentlySelected": JUNK}
        ),
        max_size=3,
    ),
    JUNK,
)  # fmt: skip
def test_nothing_in_a_file_breaks_the_import(places: list[Any], junk: Any) -> None:
    value = chat({"versions": []}, *places, name=junk, createdAt=junk, systemPrompt=junk)
    assert isinstance(read(value), ImportedChat | UnreadableChat)


def test_the_numbers_of_answers() -> None:
    stats = {"stopReason": "eosFound", "tokensPerSecond": 20.0, "timeToFirstTokenSec": 0.25,
             "promptTokensCount": 12, "predictedTokensCount": 41, "numGpuLayers": 9}  # fmt: skip
    stopped = stats | {"stopReason": "userStopped", "tokensPerSecond": 1e300}
    full = {"stopReason": "maxPredictedTokensReached", "predictedTokensCount": 1}
    junk = {"predictedTokensCount": "many", "tokensPerSecond": -1}
    answers = [answer(block(text("A"), genInfo={"stats": s})) for s in (stats, stopped, full, junk)]
    branch = only(chat(*map(place, answers))).conversation.active_branch()
    first, second, third, last = (message.completion for message in branch)
    assert first is not None
    assert first.timings.tokens_per_second == pytest.approx(20.0)
    assert (first.timings.first_token_ms, first.seed) == (250.0, None)
    assert (first.timings.prompt_tokens, first.timings.completion_tokens) == (12, 41)
    assert second is not None
    assert second.timings.tokens_per_second == 0.0
    assert third is not None
    assert third.finish_reason is FinishReason.LENGTH
    assert last is None
    states = [message.state for message in branch]
    assert states == [MessageState.COMPLETE, MessageState.STOPPED, *[MessageState.COMPLETE] * 2]


def test_what_stands_in_the_composer() -> None:
    files = [{"fileIdentifier": name, "name": name} for name in ("a.md", "b.gif", "c.txt")]
    assets = {"a.md": b"# A", "b.gif": GIF}
    begun = {"clientInput": "And then?", "clientInputFiles": files}
    imported = only(chat(place(user(text("Hi"))), **begun), assets)
    draft = imported.conversation
    assert (draft.draft, draft.draft_files) == ("And then?", (FilePart("a.md", "# A", 3),))
    assert (imported.n_missing, imported.blobs) == (2, {})
    nothing_said = only(chat(clientInput="Only begun", name="", messages=[])).conversation
    assert (len(nothing_said), nothing_said.title, nothing_said.draft) == (
        0, "Only begun", "Only begun",
    )  # fmt: skip
