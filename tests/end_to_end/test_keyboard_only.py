"""A person without a mouse does all that is done every day; real keys, a real window."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.end_to_end.desktop import Desktop, wait_for
from tests.end_to_end.running_app import RunningApp, launched, let_answers_go_on

QUESTION = "Say hello."


def test_a_chat_from_beginning_to_end_by_keyboard(
    desktop: Desktop, model_path: Path, tmp_path: Path
) -> None:
    let_answers_go_on()
    other = shutil.copyfile(model_path, tmp_path / "another model.gguf")
    with launched(desktop, other) as app:
        keyboard = Keyboard(desktop, app)
        wait_for("loaded model", app.engine_children)
        keyboard.ask(QUESTION)
        keyboard.copies_the_answer()
        keyboard.regenerates()
        keyboard.walks_to_the_other_version_and_back()
        keyboard.edits_the_question()
        keyboard.finds("hello", "1 of ")
        keyboard.switches_model("Instruct")
        keyboard.begins_another_chat("What is a river?")
        keyboard.opens_chat("hello", QUESTION)
        keyboard.deletes_and_undoes()
        assert app.close() == 0


class Keyboard:
    """What a person does with it, and looks at afterwards."""

    def __init__(self, desktop: Desktop, app: RunningApp) -> None:
        self._desktop = desktop
        self._app = app

    def ask(self, text: str) -> None:
        """Chat, and stop the answer."""
        self._app.send(text)
        self._stop_answer()

    def copies_the_answer(self) -> None:
        """Of the transcript, the last answer; into the composer."""
        self._go_to_messages()
        self._desktop.press("Control_L+c")
        self._go_to_composer()
        self._desktop.press("Control_L+v")
        wait_for("copied answer", lambda: self._app.text("composer").strip() == self._stored())
        self._desktop.press("Control_L+a")
        self._desktop.press("BackSpace")

    def regenerates(self) -> None:
        """Another answer, through the menu of the message."""
        menu = self._choose_in_menu("r")
        wait_for("menu of ways", lambda: self._desktop.popups() - menu)
        self._desktop.press("Return")  # the same model again
        self._stop_answer()
        wait_for("second version", lambda: "Version 2 of 2" in self._app.text("chatView"))

    def walks_to_the_other_version_and_back(self) -> None:
        """Of the last answer."""
        second = self._app.last_message()  # as it is shown: Markdown says it otherwise
        self._go_to_messages()
        self._desktop.press("Alt_L+Left")
        wait_for("first version", lambda: "Version 1 of 2" in self._app.text("chatView"))
        self._desktop.press("Alt_L+Right")
        wait_for("second version", lambda: "Version 2 of 2" in self._app.text("chatView"))
        wait_for("its text", lambda: self._app.last_message() == second)

    def edits_the_question(self) -> None:
        """In its place, from the empty composer."""
        self._go_to_composer()
        self._desktop.press("Up")
        self._focus_in("messageEdit")
        self._desktop.type_text(" Twice.")
        self._desktop.press("Return")
        wait_for("changed question", lambda: f"{QUESTION} Twice." in self._app.messages())
        self._stop_answer()

    def finds(self, text: str, count: str) -> None:
        """In the chat; Esc leads to what was found, and from there to the composer."""
        self._desktop.press("Control_L+f")
        self._focus_in("findField")
        self._desktop.type_text(text)
        wait_for("count", lambda: self._app.text("findCount").startswith(count))
        self._desktop.press("Escape")
        wait_for("end of finding", lambda: not self._app.has_focus_in("findField"))
        self._desktop.press("Escape")
        self._focus_in("composer")

    def switches_model(self, words: str) -> None:
        """To the one in the list that is found with these."""
        assert words not in self._app.label("modelPicker")
        self._desktop.press("Control_L+l")
        wait_for("list of models", self._desktop.popups)
        self._desktop.type_text(words)
        self._desktop.press("Return")
        wait_for("other model", lambda: words in self._app.label("modelPicker"))
        self._focus_in("composer")

    def begins_another_chat(self, question: str) -> None:
        """And asks something there."""
        self._desktop.press("Control_L+n")
        wait_for("empty chat", lambda: not self._app.messages())
        self.ask(question)

    def opens_chat(self, words: str, text: str) -> None:
        """The first that is found."""
        self._desktop.press("Control_L+k")
        self._focus_in("chatSearch")
        self._desktop.type_text(words)
        self._desktop.press("Return")
        self._focus_in("searchResults")
        self._desktop.press("Return")
        wait_for("chat of before", lambda: any(text in each for each in self._app.messages()))

    def deletes_and_undoes(self) -> None:
        """The last message; Undo is in the notice."""
        before = wait_for("messages", self._app.messages)
        self._choose_in_menu("d", "d")
        wait_for("fewer messages", lambda: len(self._app.messages()) == len(before) - 1)
        wait_for("notice", lambda: "” deleted" in self._app.text("notificationBar"))
        self._go_to_composer()
        self._desktop.press("F6")
        self._focus_in("notificationBar")
        self._desktop.press("space")
        wait_for("message of before", lambda: self._app.messages() == before)

    # -- inside ----------------------------------------------------------------------------

    def _stop_answer(self) -> None:
        # Of another answer to the same question there are enough messages, with text, before it
        # begins; and Esc does nothing to it then.
        wait_for("answer on its way", self._app.is_answering)
        self._app.wait_for_answer_begun()
        self._app.stop()

    def _stored(self) -> str:
        """The last message, as it is on disk by now."""
        return self._app.stored_messages()[-1].text.strip()

    def _go_to_messages(self) -> None:
        """From wherever it is to the last message in sight."""
        self._go_to_composer()
        self._desktop.press("F6")
        wait_for("focus in the transcript", lambda: self._app.has_focus_in("chatView"))

    def _go_to_composer(self) -> None:
        self._desktop.press("Escape")
        self._focus_in("composer")

    def _choose_in_menu(self, *letters: str) -> set[int]:
        """An entry of the last message's menu, by what it begins with; the menu that it was."""
        self._go_to_messages()
        self._desktop.press("Menu")
        menu = wait_for("menu", self._desktop.popups)
        for letter in letters:
            self._desktop.press(letter)
        self._desktop.press("Return")
        return menu

    def _focus_in(self, name: str) -> None:
        wait_for(f"focus in “{name}”", lambda: self._app.has_focus_in(name))
