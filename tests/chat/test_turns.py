"""What a model is given of a conversation: files, thoughts, tools, cuts."""

from __future__ import annotations

import msgspec

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.message import ChatTurn, Message, MessageState, Role
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.chat.turns import (
    SUMMARY_HEADING,
    open_thought,
    sent,
    turn_to_go_on,
    turns_of,
)
from tests.chat.samples import make_message


def _message(role: Role, text: str, *parts: Part, parent: Message | None = None) -> Message:
    return msgspec.structs.replace(make_message(text, parent, role=role), parts=parts)


def test_files_stand_before_the_question_and_images_are_named() -> None:
    file = FilePart("a.md", "```py\nx\n```", 12)
    image = ImagePart("cat.png", "0" * 64, 5, "image/png")
    question = _message(Role.USER, "What is it?", file, image)
    (turn,) = turns_of([question], "")
    assert turn == ChatTurn(
        Role.USER,
        "a.md:\n````\n```py\nx\n```\n````\n\n"
        "[An image that cannot be seen here: cat.png]\n\nWhat is it?",
    )


def test_a_call_and_its_result_are_turns_of_their_own() -> None:
    call = ToolCall("call-1", "weather", '{"city": "Oslo"}')
    question = _message(Role.USER, "Weather?")
    asked = _message(
        Role.ASSISTANT, "", ReasoningPart("Look."), ToolCallPart(call), parent=question
    )
    told = _message(Role.TOOL, "", ToolResultPart("call-1", "Rain", "weather"), parent=asked)
    answer = _message(Role.ASSISTANT, "It rains.", parent=told)
    assert turns_of([question, asked, told, answer], "") == (
        ChatTurn(Role.USER, "Weather?"),
        ChatTurn(Role.ASSISTANT, "", reasoning="Look.", tool_calls=(call,)),
        ChatTurn(Role.TOOL, "Rain", tool_call_id="call-1", name="weather"),
        ChatTurn(Role.ASSISTANT, "It rains."),
    )


def test_an_answer_of_which_there_is_only_a_thought_is_left_out() -> None:
    question = _message(Role.USER, "Why?")
    begun = _message(Role.ASSISTANT, "", ReasoningPart("Hm"), parent=question)
    begun = msgspec.structs.replace(begun, state=MessageState.STOPPED)
    again = _message(Role.USER, "Well?", parent=begun)
    assert turns_of([question, begun, again], "") == (ChatTurn(Role.USER, "Why?\n\nWell?"),)


def test_an_answer_goes_on_inside_a_thought_unless_it_said_or_called_something() -> None:
    begun = _message(Role.ASSISTANT, "", ReasoningPart("Hm"), ReasoningPart("It is"))
    assert open_thought(begun) == "Hm\n\nIt is"
    assert turn_to_go_on(begun) == ChatTurn(Role.ASSISTANT, "", reasoning="Hm\n\nIt is")
    call = ToolCallPart(ToolCall("call-1", "now", "{}"))
    for other in (
        _message(Role.ASSISTANT, "Yes", ReasoningPart("Hm")),
        _message(Role.ASSISTANT, "", call, ReasoningPart("Hm")),
        _message(Role.ASSISTANT, ""),
        _message(Role.USER, "", ReasoningPart("Hm")),
    ):
        assert open_thought(other) == ""
        assert turn_to_go_on(other) is None


def test_a_cut_leaves_out_what_is_before_it() -> None:
    first = _message(Role.USER, "one")
    second = _message(Role.ASSISTANT, "ONE", parent=first)
    third = _message(Role.USER, "two", parent=second)
    branch = [first, second, third]
    cut = ContextCut(first_id=third.id, created_at=1.0)
    assert turns_of(branch, "Be brief.", cut) == (
        ChatTurn(Role.SYSTEM, "Be brief."),
        ChatTurn(Role.USER, "two"),
    )
    told = msgspec.structs.replace(cut, summary="They counted.")
    assert turns_of(branch, "", told)[0].text == f"{SUMMARY_HEADING}\nThey counted."
    assert turns_of(branch, "Be brief.", told)[0].text == (
        f"Be brief.\n\n{SUMMARY_HEADING}\nThey counted."
    )
    elsewhere = ContextCut(first_id="of another branch", created_at=1.0)
    assert sent(branch, elsewhere) == branch
