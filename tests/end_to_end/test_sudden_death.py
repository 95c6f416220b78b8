"""The engine or the app is killed in the middle of an answer."""

from __future__ import annotations

from tests.end_to_end.desktop import Desktop, wait_for
from tests.end_to_end.running_app import RunningApp, launched, let_answers_go_on
from tests.processes import has_ended

STORY = "Write a long story about a river."
ORPHAN_SECONDS = 2.0
FLUSHED = 40  # characters of an answer that are on disk before the kill


def test_a_killed_engine_costs_the_rest_of_one_answer(desktop: Desktop) -> None:
    let_answers_go_on()
    with launched(desktop) as app:
        app.send(STORY)
        app.wait_for_answer_begun(FLUSHED)
        shown = app.last_message()
        (child,) = app.engine_children()
        child.kill()
        wait_for("sentence about it", lambda: "SIGKILL" in app.text("chatView"))
        app.wait_for_answer_end()
        partial = app.last_message()
        assert partial.startswith(shown[:FLUSHED])
        stored = wait_for("failed answer on disk", lambda: _ended(app, "failed"))
        assert stored.split() == partial.split()

        app.send("Go on.")
        app.wait_for_answer_begun()
        app.stop()
        wait_for("next answer on disk", lambda: _ended(app, "stopped"))
        assert partial in app.messages()
        assert app.close() == 0


def test_a_killed_app_leaves_no_orphan_and_loses_no_text(desktop: Desktop) -> None:
    let_answers_go_on()
    with launched(desktop) as app:
        app.send(STORY)
        app.wait_for_answer_begun(FLUSHED)
        flushed = wait_for("text on disk", lambda: _ended(app, "streaming"))
        (child,) = app.engine_children()
        app.process.kill()
        app.process.wait()
        wait_for("end of the engine", lambda: has_ended(child), ORPHAN_SECONDS)
        question, answer = app.stored_messages()
        assert question.text == STORY
        assert answer.text.startswith(flushed)

    with launched(desktop) as app:
        wait_for("chat of last time", lambda: STORY in app.messages())
        assert app.last_message().split() == answer.text.split()
        assert _ended(app, "interrupted") == answer.text
        assert "interrupted" in app.text("chatView")
        assert app.close() == 0


def _ended(app: RunningApp, state: str) -> str:
    """The text of the last message on disk; empty while it is not in that state."""
    messages = app.stored_messages()
    return messages[-1].text if messages and messages[-1].state == state else ""
