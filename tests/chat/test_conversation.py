"""The message tree: which branch is shown, and what a model is given of it."""

from __future__ import annotations

import gc
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minerva_desktop.chat.conversation import Conversation, clean_text, new_id
from minerva_desktop.chat.message import ChatTurn, Message, MessageState, Role
from minerva_desktop.chat.names import title_from
from tests.chat.samples import make_conversation, make_message


def texts(conversation: Conversation) -> list[str]:
    return [message.text for message in conversation.active_branch()]


def test_a_message_is_shown_below_the_one_it_answers() -> None:
    conversation = make_conversation("Hi", "Hello!", "How are you?")

    assert texts(conversation) == ["Hi", "Hello!", "How are you?"]
    assert len(conversation) == 3
    assert conversation.active_leaf_id == conversation.active_branch()[-1].id


def test_an_empty_conversation_has_nothing_to_show() -> None:
    conversation = make_conversation()

    assert conversation.active_branch() == []
    assert conversation.active_leaf_id is None
    assert conversation.prompt()() == ()


def test_an_edited_question_is_a_sibling_and_both_branches_stay() -> None:
    conversation = make_conversation("Hi", "Hello!", "Tell me of cats", "Cats purr.")
    _, hello, cats, _ = conversation.active_branch()
    dogs = make_message("Tell me of dogs", hello)

    conversation.add(dogs)

    assert texts(conversation) == ["Hi", "Hello!", "Tell me of dogs"]
    assert conversation.siblings(dogs.id) == conversation.siblings(cats.id) == [cats.id, dogs.id]

    conversation.select_branch(cats.id)

    assert texts(conversation) == ["Hi", "Hello!", "Tell me of cats", "Cats purr."]


def test_the_first_message_can_be_edited_too() -> None:
    conversation = make_conversation("Hi", "Hello!")
    first = conversation.active_branch()[0]
    other = make_message("Good morning")

    conversation.add(other)

    assert conversation.siblings(first.id) == [first.id, other.id]
    assert texts(conversation) == ["Good morning"]


def test_selecting_a_branch_goes_to_where_it_was_continued_last() -> None:
    conversation = make_conversation("Q")
    question = conversation.active_branch()[0]
    old = make_message("old answer", question, role=Role.ASSISTANT)
    new = make_message("new answer", question, role=Role.ASSISTANT)
    later = make_message("and then?", old)
    for message in (old, new, later):
        conversation.add(message)
    elsewhere = make_message("another chat's start")
    conversation.add(elsewhere)

    conversation.select_branch(question.id)

    assert texts(conversation) == ["Q", "old answer", "and then?"]


def test_a_growing_answer_is_replaced_in_place() -> None:
    conversation = make_conversation("Hi")
    answer = make_message(
        "", conversation.active_branch()[0], role=Role.ASSISTANT, state=MessageState.STREAMING
    )
    conversation.add(answer)

    done = msgspec.structs.replace(answer, text="Hello!", state=MessageState.COMPLETE)
    conversation.replace(done)

    assert conversation[answer.id] == done
    assert texts(conversation) == ["Hi", "Hello!"]


def test_what_would_break_the_tree_is_refused() -> None:
    conversation = make_conversation("Hi", "Hello!")
    first, second = conversation.active_branch()
    stranger = make_message("who?")

    with pytest.raises(ValueError, match="already"):
        conversation.add(first)
    with pytest.raises(ValueError, match="parent"):
        conversation.add(make_message("lost", stranger))
    with pytest.raises(ValueError, match="another parent"):
        conversation.replace(msgspec.structs.replace(second, parent_id=None))
    with pytest.raises(KeyError):
        conversation.replace(stranger)
    with pytest.raises(KeyError):
        conversation.select_branch(stranger.id)
    with pytest.raises(KeyError):
        conversation.siblings(stranger.id)
    assert texts(conversation) == ["Hi", "Hello!"]


def test_a_new_message_makes_the_chat_younger_even_if_the_clock_jumped_back() -> None:
    conversation = make_conversation("Hi", updated_at=1000.0)

    conversation.add(make_message("later", created_at=2000.0))
    conversation.add(make_message("clock was set back", created_at=5.0))

    assert conversation.updated_at == 2000.0


def test_a_model_is_given_the_system_prompt_and_the_active_branch() -> None:
    conversation = make_conversation("Hi", "Hello!")
    conversation.system_prompt = "Be kind."
    answer = conversation.active_branch()[-1]
    question = make_message("More?", answer)
    conversation.add(question)
    conversation.add(make_message("", question, role=Role.ASSISTANT, state=MessageState.STREAMING))

    assert conversation.prompt()() == (
        ChatTurn(Role.SYSTEM, "Be kind."),
        ChatTurn(Role.USER, "Hi"),
        ChatTurn(Role.ASSISTANT, "Hello!"),
        ChatTurn(Role.USER, "More?"),
    )


def test_a_blank_system_prompt_is_none() -> None:
    conversation = make_conversation("Hi")
    conversation.system_prompt = " \n"

    assert conversation.prompt()() == (ChatTurn(Role.USER, "Hi"),)


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    conversation = make_conversation("before \ud83d after", "whole \ud83d\ude00")
    conversation.system_prompt = "\udc00"

    assert [turn.text for turn in conversation.prompt()()] == [
        "\ufffd",
        "before \ufffd after",
        "whole \U0001f600",
    ]


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_changes_nothing_that_utf8_can_hold(text: str) -> None:
    clean = clean_text(text)

    assert clean.encode().decode() == clean
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert clean is text


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("  two\n\tlines  ", "two lines"),
        ("", ""),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        (
            "Explain the difference between a process and a thread, please",
            "Explain the difference between a process and a thread,…",
        ),
        ("word " * 12 + "end", "word " * 11 + "word…"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("a \x00 b\x1b[31m \u202etxt\u202c", "a b[31m txt"),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
    ],
)
def test_a_title_is_the_first_words_on_one_line(text: str, title: str) -> None:
    assert title_from(text) == title


@settings(deadline=None)
@given(st.text())
def test_a_title_always_fits(text: str) -> None:
    title = title_from(text)

    assert len(title) <= 60
    assert "\n" not in title
    assert bool(title) == bool(text.strip())


def test_what_was_read_from_disk_shows_the_branch_that_was_open() -> None:
    written = make_conversation("Hi", "Hello!", "Cats?", "They purr.")
    cats = written.active_branch()[2]
    dogs = make_message("Dogs?", written.active_branch()[1])
    written.add(dogs)

    read = make_conversation()
    read.fill(written, cats.id)
    unknown = make_conversation()
    unknown.fill(written, "gone")

    assert texts(read) == ["Hi", "Hello!", "Cats?"]
    assert read.siblings(dogs.id) == [cats.id, dogs.id]
    assert texts(unknown) == ["Hi", "Hello!", "Dogs?"], "the newest, where nothing better is known"
    read.select_branch(cats.id)
    assert texts(read) == ["Hi", "Hello!", "Cats?", "They purr."]


@pytest.mark.parametrize("n_shown", [2, 4])
def test_what_was_read_of_a_chat_without_branches_is_shown_up_to_its_leaf(n_shown: int) -> None:
    written = make_conversation("Hi", "Hello!", "Cats?", "They purr.")
    read = make_conversation()
    read.fill(written, written.active_branch()[n_shown - 1].id)

    assert texts(read) == ["Hi", "Hello!", "Cats?", "They purr."][:n_shown]
    read.add(make_message("Dogs?", read.active_branch()[-1]))
    assert texts(read)[n_shown:] == ["Dogs?"]


def test_a_branch_that_was_asked_for_is_the_callers_own() -> None:
    conversation = make_conversation("Hi", "Hello!")

    conversation.active_branch().clear()

    assert texts(conversation) == ["Hi", "Hello!"]


def test_the_garbage_collector_does_not_walk_thousands_of_messages() -> None:
    written = make_conversation("Hi", "Hello!")
    assert not any(gc.is_tracked(message) for message in written)
    assert not gc.is_tracked(msgspec.structs.replace(written.active_branch()[0], text="Ho"))


def test_ids_differ() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
    assert len(new_id()) == 32


def test_ten_thousand_messages_in_one_branch() -> None:
    conversation = make_conversation(*map(str, range(10_000)))
    first = conversation.active_branch()[0]

    conversation.select_branch(first.id)

    assert texts(conversation) == [str(number) for number in range(10_000)]


@st.composite
def trees(draw: st.DrawFn) -> Conversation:
    """Any tree: each message answers one that came before it, or starts a branch."""
    conversation = make_conversation()
    made: list[Message] = []
    for number in range(draw(st.integers(1, 30))):
        parent = draw(st.sampled_from([None, *made]))
        made.append(make_message(str(number), parent))
        conversation.add(made[-1])
    return conversation


@settings(deadline=None)
@given(trees(), st.data())
def test_any_tree_shows_one_whole_branch(conversation: Conversation, data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(list(conversation)))

    conversation.select_branch(chosen.id)

    branch = conversation.active_branch()
    parents = {message.parent_id for message in conversation}
    assert chosen in branch
    assert branch[0].parent_id is None
    assert all(child.parent_id == parent.id for parent, child in pairwise(branch))
    assert branch[-1].id not in parents, "the branch must end at a leaf"
    leaves_below = [
        message
        for message in conversation
        if message.id not in parents and chosen in ancestry(conversation, message)
    ]
    assert branch[-1] == leaves_below[-1]
    siblings = conversation.siblings(chosen.id)
    assert siblings == [m.id for m in conversation if m.parent_id == chosen.parent_id]


def ancestry(conversation: Conversation, message: Message) -> list[Message]:
    line = [message]
    while (parent_id := line[-1].parent_id) is not None:
        line.append(conversation[parent_id])
    return line
