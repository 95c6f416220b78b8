"""Messages that the database refused for a while, and what a person does with them meanwhile. With
the real store and a scripted engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from minerva_desktop.app.chat_session import ChatSession
from minerva_desktop.chat.removals import Removals
from minerva_desktop.chat.sampling import SamplingParameters
from tests.app.desk import Desk


def refusing(database: Path) -> Callable[[], None]:
    """Have no message written from now on, until what it returns is called."""
    writer = apsw.Connection(str(database))
    writer.set_busy_timeout(5000)  # what was written is being taken into the search index
    writer.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no'); END"
    )

    def end() -> None:
        writer.execute("DROP TRIGGER refuse")
        writer.close()

    return end


async def on_disk(desk: Desk, session: ChatSession) -> list[str]:
    """What would be shown after a restart, which is what is shown."""
    await session.settle()
    loaded = await desk.store.load(session.conversation.id)
    assert loaded.active_branch() == session.conversation.active_branch()
    assert list(loaded) == list(session.conversation)
    return [message.text for message in loaded.active_branch()]


@pytest.mark.parametrize("is_on_disk", [True, False])
async def test_an_edit_above_them_is_written_before_them(
    desk: Desk, database: Path, *, is_on_disk: bool
) -> None:
    """What replies to it could not be written, and nothing of the chat was from then on."""
    session = desk.new_session()
    answer_id = await desk.answered(session, "one", "ONE")
    await session.settle()
    end = refusing(database)
    if not is_on_disk:
        answer_id = await desk.answered(session, "two", "TWO")
    await desk.answered(session, "three", "THREE")
    await session.settle()
    edit = await session.answers.save(session, answer_id, "other")
    end()
    n_errors = len(desk.listener.errors)
    await session.configure("Be kind.", SamplingParameters())
    above = ["one"] if is_on_disk else ["one", "ONE", "two"]
    assert await on_disk(desk, session) == [*above, "other", "three", "THREE"]
    await session.answers.undo(session, edit)
    assert len(desk.listener.errors) == n_errors
    before = "ONE" if is_on_disk else "TWO"
    assert await on_disk(desk, session) == [*above, before, "three", "THREE"]


async def test_an_edit_that_is_undone_before_it_was_written(desk: Desk, database: Path) -> None:
    session = desk.new_session()
    answer_id = await desk.answered(session, "one", "ONE")
    await desk.answered(session, "two", "TWO")
    await session.settle()
    end = refusing(database)
    edit = await session.answers.save(session, answer_id, "other")
    end()
    n_errors = len(desk.listener.errors)
    await session.answers.undo(session, edit)
    assert len(desk.listener.errors) == n_errors
    assert await on_disk(desk, session) == ["one", "ONE", "two", "TWO"]


@pytest.mark.parametrize("is_first", [True, False])
async def test_one_that_was_deleted_before_it_was_written_comes_back(
    desk: Desk, database: Path, *, is_first: bool
) -> None:
    """The database did not know it, and took nothing more of its chat."""
    session = desk.new_session()
    if not is_first:
        await desk.answered(session, "one", "ONE")
        await session.settle()
    end = refusing(database)
    answer_id = await desk.answered(session, "two", "TWO")
    await session.settle()
    removals = Removals()
    question_id = session.conversation[answer_id].parent_id or ""
    ids = [removals.add(await session.remove(answer_id, with_replies=False))]
    if not is_first:
        ids.insert(0, removals.add(await session.remove(question_id, with_replies=False)))
    end()
    await session.rename("Numbers")
    n_errors = len(desk.listener.errors)
    for removal_id in ids:
        await session.put_back(removals, removal_id)
    await desk.answered(session, "three", "THREE")
    above = [] if is_first else ["one", "ONE"]
    assert await on_disk(desk, session) == [*above, "two", "TWO", "three", "THREE"]
    assert len(desk.listener.errors) == n_errors


async def test_two_edits_of_one_answer_keep_their_order(desk: Desk, database: Path) -> None:
    session = desk.new_session()
    answer_id = await desk.answered(session, "one", "ONE")
    await session.settle()
    end = refusing(database)
    await session.answers.save(session, answer_id, "first")
    await session.select(answer_id)
    await session.answers.save(session, answer_id, "second")
    await desk.answered(session, "two", "TWO")
    await session.settle()
    end()
    await session.configure("Be kind.", SamplingParameters())
    assert await on_disk(desk, session) == ["one", "second", "two", "TWO"]
    assert len(session.conversation.siblings(answer_id)) == 3


@pytest.mark.parametrize("comes_back", [False, True])
async def test_what_is_deleted_above_them_is_gone_after_a_restart_too(
    desk: Desk, database: Path, *, comes_back: bool
) -> None:
    session = desk.new_session()
    answer_id = await desk.answered(session, "one", "ONE")
    await session.settle()
    end = refusing(database)
    await desk.answered(session, "two", "TWO")
    await session.settle()
    removals = Removals()
    removal_id = removals.add(await session.remove(answer_id, with_replies=False))
    if comes_back:
        await session.put_back(removals, removal_id)
    end()
    n_errors = len(desk.listener.errors)
    await session.rename("Numbers")
    assert len(desk.listener.errors) == n_errors
    answers = ["ONE"] if comes_back else []
    assert await on_disk(desk, session) == ["one", *answers, "two", "TWO"]
