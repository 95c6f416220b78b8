"""What presets, snippets and chat templates look like in pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QMenu, QPushButton, QToolButton, QWidget

from minerva_desktop.app.model_actions import OwnTemplate
from minerva_desktop.chat.presets import PromptLibrary, Snippet
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.settings import ModelOverrides, Settings
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.main_window import MainWindow
from minerva_desktop.ui.message_edit import MessageEdit
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from minerva_desktop.ui.preset_row import PresetState
from minerva_desktop.ui.snippet_dialog import SnippetDialog, SnippetStore
from minerva_desktop.ui.snippet_popup import SnippetPopup
from minerva_desktop.ui.template_page import TemplatePage

NAMES = ("Patient teacher", "Code reviewer", "Rhyming poet & friend of long sentences")
PROMPT = "You are a patient teacher. Be brief."
MODEL = "SmolLM2 135M Instruct"
SNIPPETS = (
    Snippet(name="letter", text="Dear {{name}},\n\nthank you for {{subject}}.\n\nKind regards"),
    Snippet(name="fix", text="Correct the spelling, and nothing else:\n\n{{clipboard}}"),
    Snippet(name="explain-like-i-am-five-years-old", text="Explain this to a child:\n{{text}}"),
    Snippet(name="today", text="It is {{date}}, {{time}}."),
)
TEMPLATE = """{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{{- message.content + '<|im_end|>' + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""
PREVIEW = """<|im_start|>system
You are a helpful assistant.<|im_end|>
<|im_start|>user
Hello!<|im_end|>
<|im_start|>assistant
Hello. How can I help?<|im_end|>
<|im_start|>user
Name a river.<|im_end|>
<|im_start|>assistant
"""
SAMPLING = SamplingParameters(temperature=0.4)


class Stage(Protocol):
    """What a picture is made with."""

    @property
    def window(self) -> MainWindow:
        """A fresh one."""

    @property
    def icons(self) -> Icons:
        """In the theme's colours."""


StageT = TypeVar("StageT", bound=Stage)


def states(conversation: Callable[[StageT], object]) -> dict[str, Scene[StageT]]:
    """The pictures by name, each over a ``conversation``."""
    return {
        name: Scene(conversation, scene)
        for name, scene in (
            ("preset", preset),
            ("preset-more", preset_more),
            ("preset-name", preset_name),
            ("snippets", snippets),
            ("template", template),
            ("template-broken", template_broken),
            ("template-not-loaded", template_not_loaded),
            ("snippet-dialog", snippet_dialog),
            ("snippet-dialog-empty", snippet_dialog_empty),
        )
    }


@dataclass(frozen=True)
class Scene(Generic[StageT]):
    """A conversation with something over it."""

    conversation: Callable[[StageT], object]
    scene: Callable[[Stage], list[QWidget]]

    def __call__(self, stage: StageT) -> list[QWidget]:
        self.conversation(stage)
        return self.scene(stage)


def preset(stage: Stage) -> list[QWidget]:
    """A preset is in force, which new chats with the model begin with, and its menu is open."""
    window = stage.window
    _panel(window, PresetState(NAMES, NAMES[0], model=MODEL, by_default=NAMES[0]))
    return [_menu(window, QPushButton, "presetButton")]


def preset_more(stage: Stage) -> list[QWidget]:
    """The fields were changed, a number is none, and the other menu is open."""
    window = stage.window
    _panel(window, PresetState(NAMES, base=NAMES[2], is_defaults=False, model=MODEL))
    _type(window, "seed", "-1")
    return [_menu(window, QToolButton, "presetMore")]


def preset_name(stage: Stage) -> list[QWidget]:
    """A name is being typed, which is taken."""
    window = stage.window
    _panel(window, PresetState(NAMES, base=NAMES[0], is_defaults=False, model=MODEL))
    menu = _menu(window, QToolButton, "presetMore")
    menu.actions()[0].trigger()
    menu.close()
    _type(window, "presetName", NAMES[0])
    window.parameters.presets.show_problem(f"There is a “{NAMES[0]}” already: take another name.")
    return []


def snippets(stage: Stage) -> list[QWidget]:
    """“/” was typed in the composer."""
    editor = stage.window.findChild(MessageEdit, "composer")
    assert editor is not None
    SnippetPopup(editor, stage.icons.themes, lambda: SNIPPETS, lambda _names: {})
    stage.window.composer.set_text("")
    QTest.keyClicks(editor, "/")
    return []


def snippet_dialog(stage: Stage) -> list[QWidget]:
    """One of several is changed, another was deleted."""
    dialog = _snippet_dialog(stage, PromptLibrary(snippets=SNIPPETS))
    dialog.tell("“translate” was deleted.", can_undo=True)
    return [dialog]


def snippet_dialog_empty(stage: Stage) -> list[QWidget]:
    """The first look at them."""
    return [_snippet_dialog(stage, PromptLibrary())]


def template(stage: Stage) -> list[QWidget]:
    """The chat template that a model brings, and a small chat with it."""
    dialog, page = _template(stage, None)
    page.show_preview(PREVIEW)
    return [dialog]


def template_broken(stage: Stage) -> list[QWidget]:
    """Another one in its place, which is broken."""
    dialog, page = _template(stage, TEMPLATE.replace("endfor", "endfr"))
    page.show_problem(
        "TemplateSyntaxError: Encountered unknown tag 'endfr'."
        " Jinja was looking for the following tags: 'endfor' or 'else'. (line 4)",
        is_fatal=True,
    )
    return [dialog]


def template_not_loaded(stage: Stage) -> list[QWidget]:
    """A model that brings none, and is not loaded."""
    dialog, page = _template(stage, None, is_brought=False)
    page.show_not_loaded()
    return [dialog]


def model_positions(stage: Stage) -> list[QWidget]:
    """How a model's positions are stretched, with a number that is out of its range."""
    stretched = ModelOverrides(
        rope_scaling="yarn", rope_scale=4.0, yarn_orig_ctx=8_192, yarn_beta_fast=20_000
    )
    page = TemplatePage(OwnTemplate(TEMPLATE, is_brought=True), None, stage.icons.themes)
    dialog = _options_dialog(stage, page, "optionsPageRope", stretched)
    dialog.ask()
    return [dialog]


def _template(
    stage: Stage, replaced: str | None, *, is_brought: bool = True
) -> tuple[ModelOptionsDialog, TemplatePage]:
    page = TemplatePage(OwnTemplate(TEMPLATE, is_brought=is_brought), replaced, stage.icons.themes)
    return _options_dialog(stage, page, "optionsPageTemplate", ModelOverrides()), page


def _options_dialog(
    stage: Stage, template: TemplatePage, page: str, overrides: ModelOverrides
) -> ModelOptionsDialog:
    """The load options of a model, at the page that the button named ``page`` leads to."""
    dialog = ModelOptionsDialog(
        MODEL,
        overrides,
        Settings(),
        n_ctx_train=8_192,
        n_cores=8,
        template=template,
        parent=stage.window,
    )
    dialog.show()
    button = dialog.findChild(QPushButton, page)
    assert button is not None
    button.click()
    return dialog


def _snippet_dialog(stage: Stage, library: PromptLibrary) -> SnippetDialog:
    store = SnippetStore(lambda: library, lambda _library: False)
    dialog = SnippetDialog(stage.icons, store, stage.window)
    dialog.show()
    return dialog


def _panel(window: MainWindow, state: PresetState) -> None:
    window.parameters.toggle_action.setChecked(True)
    window.parameters.set_values(PROMPT, SAMPLING)
    window.parameters.presets.show_state(state)


def _menu(window: MainWindow, kind: type[QPushButton | QToolButton], name: str) -> QMenu:
    button = window.findChild(kind, name)
    assert button is not None
    button.click()
    return window.parameters.presets.findChildren(QMenu)[-1]


def _type(window: MainWindow, name: str, text: str) -> None:
    field = window.findChild(QLineEdit, name)
    assert field is not None
    field.setText(text)
