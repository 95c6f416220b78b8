"""Messages that are deleted, with undo; and chats that are copied. Any tree, any order."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import Conversation, Removal
from minerva_desktop.chat.copies import branch_copy, copy_of
from minerva_desktop.chat.message import Message
from minerva_desktop.chat.removals import Removals
from tests.chat.samples import make_conversation, make_message


@st.composite
def trees(draw: st.DrawFn) -> Conversation:
    """A conversation whose messages reply to any earlier one."""
    conversation = make_conversation()
    messages: list[Message] = []
    for number in range(draw(st.integers(1, 12))):
        parent = draw(st.sampled_from([None, *messages]))
        messages.append(make_message(str(number), parent, created_at=float(number)))
        conversation.add(messages[-1])
    return conversation


def shape(conversation: Conversation) -> tuple[object, object, object]:
    """All that can be seen of a tree."""
    return (
        [m.id for m in conversation],
        {m.id: (m.parent_id, conversation.siblings(m.id)) for m in conversation},
        [m.id for m in conversation.active_branch()],
    )


@given(trees(), st.data())
def test_whatever_is_deleted_comes_back(conversation: Conversation, data: st.DataObject) -> None:
    before: list[tuple[tuple[object, object, object], Removal]] = []
    while len(conversation) and data.draw(st.booleans()):
        ids = [m.id for m in conversation]
        chosen = data.draw(st.sampled_from(ids))
        seen = shape(conversation)
        n_before = len(conversation)
        removal = conversation.remove(chosen, with_replies=data.draw(st.booleans()))
        before.append((seen, removal))
        assert chosen not in conversation
        assert len(conversation) == n_before - len(removal.messages)
        branch = conversation.active_branch()
        assert all(a.id == b.parent_id for a, b in itertools.pairwise(branch))
        assert all(m.parent_id is None or m.parent_id in conversation for m in conversation)
    for seen, removal in reversed(before):
        conversation.put_back(removal)
        assert shape(conversation) == seen


@given(trees(), st.data())
def test_what_was_deleted_comes_back_in_any_order(
    conversation: Conversation, data: st.DataObject
) -> None:
    whole, removals = shape(conversation), Removals()
    texts = {message.id: message.text for message in conversation}  # ids are others each time
    while len(conversation) and data.draw(st.booleans()):
        chosen = data.draw(st.sampled_from([m.id for m in conversation]))
        removals.add(conversation.remove(chosen, with_replies=data.draw(st.booleans())))
    while waiting := sorted(removals.ids, key=texts.__getitem__):
        n_before, chosen = len(conversation), data.draw(st.sampled_from(waiting))
        came = removals.undo(conversation, chosen)
        assert chosen not in removals.ids
        assert chosen in conversation
        assert len(conversation) == n_before + len(came.messages)
        assert all(m.parent_id is None or m.parent_id in conversation for m in conversation)
    assert shape(conversation)[:2] == whole[:2]


def test_a_message_comes_back_with_what_it_replied_to() -> None:
    conversation, removals = make_conversation("Q1", "A1", "Q2", "A2"), Removals()
    *_, question, answer = conversation.active_branch()
    whole = shape(conversation)
    removals.add(conversation.remove(answer.id, with_replies=False))
    removals.add(conversation.remove(question.id, with_replies=False))
    came = removals.undo(conversation, answer.id)
    assert {message.text for _, message in came.messages} == {"Q2", "A2"}
    assert shape(conversation) == whole
    assert not removals.ids


def test_a_message_comes_back_before_what_replied_to_it_in_the_second_place() -> None:
    """Its own reply is still away; the one behind that replies to it until then."""
    conversation, removals = make_conversation("Q1", "A1", "Q2", "A2"), Removals()
    first, answer, question, last = conversation.active_branch()
    removals.add(conversation.remove(answer.id, with_replies=False))
    removals.add(conversation.remove(question.id, with_replies=False))
    removals.undo(conversation, answer.id)
    assert [m.text for m in conversation.active_branch()] == ["Q1", "A1", "A2"]
    removals.undo(conversation, question.id)
    assert conversation.active_branch() == [first, answer, question, last]


def test_what_is_there_does_not_come_back_again() -> None:
    conversation, removals = make_conversation("Q1", "A1"), Removals()
    whole, answer = shape(conversation), conversation.active_branch()[1]
    removal = conversation.remove(answer.id, with_replies=False)
    conversation.put_back(removal)
    removals.add(removal)  # as where a backup of before was restored
    with pytest.raises(ValueError, match="already"):
        removals.undo(conversation, answer.id)
    assert shape(conversation) == whole


def read_anew(conversation: Conversation) -> Conversation:
    """As it comes from disk, where what was deleted is left out."""
    again = make_conversation()
    for message in conversation:
        again.add(message)
    if conversation.active_leaf_id is not None:
        again.branch_from(conversation.active_leaf_id)
    return again


@given(trees(), st.data())
def test_what_was_deleted_comes_back_into_a_chat_that_was_opened_anew(
    conversation: Conversation, data: st.DataObject
) -> None:
    _, tree, branch = shape(conversation)
    chosen = data.draw(st.sampled_from([m.id for m in conversation]))
    removal = conversation.remove(chosen, with_replies=data.draw(st.booleans()))
    again = read_anew(conversation)
    again.put_back(removal)
    assert shape(again)[1:] == (tree, branch)
    seen: set[str | None] = {None}
    for message in again:
        assert message.parent_id in seen
        seen.add(message.id)
    last = make_message("last", created_at=99.0)
    again.add(last)
    assert [m.id for m in again][-1] == last.id
    assert len(copy_of(again, "Copy", 1.0)) == len(again)


def test_where_a_shown_answer_is_deleted_the_other_one_is_shown() -> None:
    conversation = make_conversation("Hi", "One")
    question, first = conversation.active_branch()
    second = make_message("Two", question)
    conversation.add(second)
    conversation.remove(second.id, with_replies=True)
    assert conversation.active_branch() == [question, first]
    conversation.remove(first.id, with_replies=True)
    assert conversation.active_branch() == [question]
    conversation.remove(question.id, with_replies=True)
    assert conversation.active_branch() == []
    assert len(conversation) == 0


def test_new_messages_after_a_deletion_keep_their_order() -> None:
    conversation = make_conversation("Hi", "One")
    question, first = conversation.active_branch()
    removal = conversation.remove(first.id, with_replies=True)
    second = make_message("Two", question)
    conversation.add(second)
    conversation.put_back(removal)
    assert conversation.siblings(second.id) == [first.id, second.id]


def test_what_is_not_there_cannot_be_deleted() -> None:
    with pytest.raises(KeyError):
        make_conversation("Hi").remove("nobody", with_replies=True)


@given(trees())
def test_a_copy_is_the_same_tree_under_other_ids(conversation: Conversation) -> None:
    first, *_ = conversation
    conversation.cuts = (ContextCut(first_id=first.id, created_at=1.0),)
    copy = copy_of(conversation, "Copy", 2000.0)
    assert [m.text for m in copy] == [m.text for m in conversation]
    assert [m.text for m in copy.active_branch()] == [m.text for m in conversation.active_branch()]
    assert {m.id for m in copy}.isdisjoint({m.id for m in conversation})
    renamed = dict(zip((m.id for m in conversation), (m.id for m in copy), strict=True))
    for ours, theirs in zip(conversation, copy, strict=True):
        assert theirs.parent_id == (ours.parent_id and renamed[ours.parent_id])
    assert copy.cuts[0].first_id == renamed[first.id]
    assert (copy.title, copy.created_at) == ("Copy", 2000.0)


def test_a_branch_becomes_a_chat_of_its_own() -> None:
    conversation = make_conversation("one", "ONE", "two", "TWO")
    conversation.tags = ("sea",)
    _, answer, *_ = conversation.active_branch()
    branch = branch_copy(conversation, answer.id, "Branch", 2000.0)
    assert [m.text for m in branch.active_branch()] == ["one", "ONE"]
    assert branch.tags == ("sea",)
    assert len(conversation) == 4
    message = next(iter(branch))
    assert msgspec.structs.replace(message, id="", parent_id=None).text == "one"


def test_a_cut_at_a_message_that_goes_is_at_the_next_one_until_undo() -> None:
    conversation = make_conversation("One", "Un", "Two", "Deux", "Three", "Trois")
    ids = [message.id for message in conversation]
    cut = ContextCut(first_id=ids[2], created_at=5.0, summary="One is un.")
    conversation.cuts = (cut,)
    removal = conversation.remove(ids[2], with_replies=False)
    assert conversation.active_cut() == msgspec.structs.replace(cut, first_id=ids[3])
    second = conversation.remove(ids[3], with_replies=False)
    assert conversation.active_cut() == msgspec.structs.replace(cut, first_id=ids[4])
    assert [turn.text for turn in conversation.prompt()()][-2:] == ["Three", "Trois"]
    conversation.put_back(second)
    conversation.put_back(removal)
    assert conversation.cuts == (cut,)
    below = conversation.remove(ids[2], with_replies=True)
    assert conversation.active_cut() is None
    conversation.put_back(below)
    assert conversation.cuts == (cut,)


def test_undo_brings_a_cut_back_into_a_chat_that_was_opened_anew() -> None:
    conversation = make_conversation("One", "Un", "Two", "Deux")
    ids = [message.id for message in conversation]
    conversation.cuts = (ContextCut(first_id=ids[2], created_at=5.0),)
    removal = conversation.remove(ids[2], with_replies=False)
    again = read_anew(conversation)
    again.cuts = conversation.cuts
    again.put_back(removal)
    assert again.cuts == removal.cuts
