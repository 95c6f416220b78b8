"""How one model is loaded: its own context, KV cache, layers, threads, positions, and what that
would take.

`model_options_controller` opens it and tells it how the options fit. Main thread.
"""

from __future__ import annotations

from enum import Enum, auto

import msgspec
from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.model_actions import ModelFit, stretched_context
from minerva_desktop.load_limits import MAX_GPU_LAYERS, MAX_N_CTX, MAX_THREADS, MIN_N_CTX
from minerva_desktop.settings import ModelOverrides, Settings
from minerva_desktop.ui.controls import ElidedLabel
from minerva_desktop.ui.fit_strip import FINDING_OUT, FitStrip
from minerva_desktop.ui.forms import (
    AUTOMATIC,
    Form,
    SegmentedChoice,
    cores_hint,
    number_field,
)
from minerva_desktop.ui.number_fields import NumberField, WholeField, all_right
from minerva_desktop.ui.rope_page import RopePage
from minerva_desktop.ui.template_page import TemplatePage
from minerva_desktop.ui.theme import GRID

WIDTH = 560  # px
SPARED = 40  # px of the screen above and below; the desktop's title bar may come after all else
ASK_MS = 250  # from the last key to the question how it fits
WORD_MS = 300  # that Save waits for the answer without a word
_AUTO = ""
KV_TYPES = ((_AUTO, AUTOMATIC), ("f16", "f16"), ("q8_0", "q8_0"), ("q4_0", "q4_0"))
LOAD_PAGE, ROPE_PAGE, TEMPLATE_PAGE = "load", "rope", "template"
PAGES = ((LOAD_PAGE, "Memory and speed"), (ROPE_PAGE, "Positions (RoPE)"))
CHAT_PAGES = (*PAGES, (TEMPLATE_PAGE, "Chat template"))
NO_FACTOR = "Type a stretch factor: 4 makes the context four times as long"
FLASH_CHOICES = ((_AUTO, AUTOMATIC), ("on", "On"), ("off", "Off"))


class _Answer(Enum):
    """What is known of the options that are set."""

    UNASKED = auto()
    AWAITED = auto()
    USABLE = auto()
    REFUSED = auto()  # they do not go together
    INCOMPLETE = auto()  # nor do these, until a stretch factor is typed


class ModelOptionsDialog(QDialog):
    """Shows a model's ``overrides``; ``accepted`` is Save, ``rejected`` Cancel and Esc.

    ``options_changed`` carries the `ModelOverrides` that the page shows, a moment after the last
    change, once at the start, and at once for a Save that comes before. `show_fit`, `show_problem`
    or `refuse` answers the last one, and Save waits for that; an answer that a change has overtaken
    is left aside.
    """

    options_changed = Signal(object)

    def __init__(
        self,
        name: str,
        overrides: ModelOverrides,
        settings: Settings,
        *,
        n_ctx_train: int | None,
        n_cores: int,
        n_ctx_first: int | None = None,
        template: TemplatePage | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """``settings`` hold what counts where a field is left empty; ``n_ctx_train`` is the length,
        in tokens, that the model was trained for, and ``n_ctx_first`` before its positions were
        stretched. ``template``: of a model that chats."""
        super().__init__(parent)
        self._given = overrides
        self._n_ctx_first = n_ctx_first
        self.setObjectName("modelOptionsDialog")
        self.setWindowTitle("Load options")
        self.setMinimumWidth(WIDTH)
        self._make_fields(overrides, settings)
        self._rope = RopePage(overrides)
        self._template = template
        self._waits_for_check = False  # Save was pressed before the template was known to be good
        self._waits_for_answer = False  # and before it was known whether all goes together
        self._answer = _Answer.UNASKED
        self._refused_param = ""
        self._refusal = ""
        pages = PAGES if template is None else CHAT_PAGES
        self._pages = SegmentedChoice("optionsPage", "Page", pages, LOAD_PAGE)
        self._fit = FitStrip()
        self._wait = QTimer(self, singleShot=True, interval=ASK_MS)
        self._word = QTimer(self, singleShot=True, interval=WORD_MS)
        self._lay_out(name, n_ctx_train, n_cores)
        self._connect()
        self._wait.start()

    def _make_fields(self, overrides: ModelOverrides, settings: Settings) -> None:
        """Those of the first page."""
        self._n_ctx = number_field(
            "modelNCtx", "Context size in tokens", overrides.n_ctx, MIN_N_CTX, MAX_N_CTX,
            _inherited(settings.n_ctx),
        )  # fmt: skip
        self._layers = number_field(
            "modelGpuLayers", "Layers on the GPU", overrides.n_gpu_layers, 0, MAX_GPU_LAYERS,
            _inherited(settings.n_gpu_layers),
        )  # fmt: skip
        self._threads = number_field(
            "modelThreads", "CPU threads", overrides.n_threads, 1, MAX_THREADS,
            _inherited(settings.n_threads),
        )  # fmt: skip
        self._kv_type = SegmentedChoice(
            "kvType", "KV cache", KV_TYPES, _known(overrides.kv_type, KV_TYPES)
        )
        self._flash = SegmentedChoice(
            "flash",
            "Flash attention",
            FLASH_CHOICES,
            _known(overrides.flash_attention, FLASH_CHOICES),
        )

    def overrides(self) -> ModelOverrides:
        """What the page shows now; what it does not show stays as it was. Raises `ValueError` for a
        number that `accept` would not take."""
        template = self._template
        return msgspec.structs.replace(
            self._rope.put_into(self._given),
            n_ctx=self._n_ctx.value(),
            n_gpu_layers=self._layers.value(),
            n_threads=self._threads.value(),
            kv_type=self._kv_type.value() or None,
            flash_attention=self._flash.value() or None,
            chat_template=self._given.chat_template if template is None else template.value(),
        )

    def propose_context(self, n_ctx: int) -> None:
        """Show that context size instead of the one that was kept; Save keeps it."""
        self._n_ctx.set_value(n_ctx)

    def accept(self) -> None:
        """Save waits until each number can be taken, what is set is known to go together, and the
        chat template is known to be none that is broken."""
        wrong = self._wrong()
        if wrong is not None:
            field, page = wrong
            self._show_page(page)
            all_right((field,))
            self._rope.reveal(field)
            return
        if self._answer is _Answer.REFUSED:
            self._show_page(ROPE_PAGE if self._refused_param.startswith("rope.") else LOAD_PAGE)
            self._rope.show_option(self._refused_param)
        elif self._answer is _Answer.INCOMPLETE:
            self._show_page(ROPE_PAGE)
            self._say(self._refusal, "danger")
            self._rope.ask_for_factor()
        elif self._answer is not _Answer.USABLE:
            self._wait_for_answer()
        else:
            self._accept_template()

    def _wait_for_answer(self) -> None:
        """`accept` goes on with it."""
        if not self._waits_for_answer:
            self._waits_for_answer = True
            self._word.start()
        if self._answer is _Answer.UNASKED:
            self.ask()

    def _accept_template(self) -> None:
        """All else can be saved."""
        usable = True if self._template is None else self._template.is_usable
        if usable:
            super().accept()
        elif self._template is not None:
            self._show_page(TEMPLATE_PAGE)
            self._waits_for_check = usable is None
            if usable is None:
                self._template.check()
            else:
                self._template.focus_editor()

    @Slot()
    def ask(self) -> None:
        """Have ``options_changed`` emitted for what stands there now, if each number can be
        taken."""
        self._wait.stop()
        wrong = self._wrong()
        if wrong is not None:
            self._say(_out_of_range(*wrong), "danger")
            return
        self._answer = _Answer.AWAITED
        self.options_changed.emit(self.overrides())

    def show_fit(self, fit: ModelFit) -> None:
        """Show what the options of the last ``options_changed`` would take, and offer the context
        that they make possible where they do not ask for it."""
        if self._answer is _Answer.UNASKED:  # and what stands there now may be no number
            return
        words = f"{fit.label}. {fit.detail}"
        first = self._n_ctx_first or 0
        reach = min(stretched_context(first, self.overrides()), MAX_N_CTX)
        if reach <= first or (fit.n_ctx or 0) > first or fit.reasons:
            self._answered(_Answer.USABLE, words, _tone(fit))
        else:
            more = f"The stretch allows up to {reach:,} tokens: set the context size to use them"
            self._answered(_Answer.USABLE, f"{words}. {more}", "warning", reach)

    def show_problem(self, words: str) -> None:
        """Show why nothing can be said of them. It is none of theirs: they can be saved."""
        self._answered(_Answer.USABLE, words, "danger")

    def refuse(self, words: str, param: str | None) -> None:
        """Show why they do not go together; they cannot be saved until something is changed. The
        field of `LoadOptions` that ``param`` names is the one to change. That nobody has typed the
        factor yet is no mistake before Save."""
        self._refused_param, self._refusal = param or "", words
        if param == "rope.scaling" and self._rope.lacks_factor:
            self._answered(_Answer.INCOMPLETE, NO_FACTOR, "")
        else:
            self._answered(_Answer.REFUSED, words, "danger")

    def _answered(self, answer: _Answer, words: str, tone: str, offered: int | None = None) -> None:
        if self._answer is _Answer.UNASKED:
            return  # it is about what was set before
        waited, self._waits_for_answer = self._waits_for_answer, False
        self._word.stop()
        self._answer = answer
        self._say(words, tone, offered)
        if waited:
            self.accept()

    @Slot()
    def _say_what_save_waits_for(self) -> None:
        """On the page with the chat template, too, where there is no sentence otherwise."""
        self._fit.show()
        self._say(FINDING_OUT, "")

    def _say(self, words: str, tone: str, offered: int | None = None) -> None:
        """The dialog grows with the sentences, for Qt would take the height from the fields.
        ``offered``: the context in tokens that a button sets."""
        self._fit.show_words(words, tone, offered)
        self._fit.updateGeometry()  # else the layouts would only learn of it later
        self._grow()

    def _grow(self) -> None:
        """As high as the page is, within the screen, where the page then scrolls; never lower
        again."""
        self._box.activate()
        room = self.screen().availableGeometry()
        wished = min(self._box.totalHeightForWidth(self.width()), room.height() - 2 * SPARED)
        needed = max(wished, self._box.totalMinimumSize().height())
        if needed <= self.height():
            return
        self.resize(self.width(), needed)
        beyond = self.geometry().bottom() + SPARED - room.bottom()
        if self.isVisible() and beyond > 0:
            self.move(self.x(), max(self.y() - beyond, room.top()))

    @property
    def _numbers(self) -> tuple[WholeField, ...]:
        """Those of the first page."""
        return self._n_ctx, self._layers, self._threads

    def _wrong(self) -> tuple[NumberField, str] | None:
        """The first number that is out of its range, and its page. All that are say so
        themselves."""
        pages = ((LOAD_PAGE, self._numbers), (ROPE_PAGE, self._rope.fields))
        wrong = [(each, page) for page, fields in pages for each in fields if not each.check()]
        return wrong[0] if wrong else None

    @Slot()
    def _on_page(self) -> None:
        self._show_page(self._pages.value())

    def _show_page(self, page: str) -> None:
        self._pages.set_value(page)
        pages: dict[str, QWidget] = {LOAD_PAGE: self._load_page, ROPE_PAGE: self._rope}
        if self._template is not None:
            pages[TEMPLATE_PAGE] = self._template
        for widget in pages.values():  # first: of two at once the dialog would get as high as both
            widget.hide()
        self._fit.setVisible(page != TEMPLATE_PAGE)
        self._reset_button.setVisible(page != TEMPLATE_PAGE)
        pages[page].show()
        self._grow()

    @Slot(bool)
    def _on_checked(self, is_usable: bool) -> None:
        waited, self._waits_for_check = self._waits_for_check, False
        if waited and is_usable:
            self.accept()

    def _lay_out(self, name: str, n_ctx_train: int | None, n_cores: int) -> None:
        about = "in steps of 256" if n_ctx_train is None else f"trained for {n_ctx_train:,}"
        form = Form()
        form.add_row("Context size", self._n_ctx, f"tokens, {about}")
        form.add_row("KV cache", self._kv_type)
        form.add_row("Flash attention", self._flash)
        form.add_row("Layers on the GPU", self._layers, "0 uses the CPU alone")
        form.add_row("CPU threads", self._threads, cores_hint(n_cores))
        title = ElidedLabel(name)
        title.setProperty("look", "heading")
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel
        )
        reset = self._reset_button = QPushButton("Reset")
        reset.setObjectName("resetModelOptions")
        reset.setAutoDefault(False)
        reset.setAccessibleName("Leave everything to Minerva")
        buttons.addButton(reset, QDialogButtonBox.ButtonRole.ResetRole)
        reset.clicked.connect(self._reset)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        box = self._box = QVBoxLayout(self)
        box.setContentsMargins(6 * GRID, 5 * GRID, 6 * GRID, 5 * GRID)
        box.setSpacing(4 * GRID)
        box.addWidget(title)
        box.addWidget(self._pages)
        page = self._load_page = QWidget()
        rows = QVBoxLayout(page)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(4 * GRID)
        rows.addLayout(form)
        rows.addStretch(1)
        box.addWidget(page, 1)
        box.addWidget(self._rope, 1)
        if self._template is not None:
            box.addWidget(self._template, 1)
        box.addWidget(self._fit)
        box.addWidget(buttons)
        self._show_page(LOAD_PAGE)

    def _connect(self) -> None:
        self._wait.timeout.connect(self.ask)
        self._word.timeout.connect(self._say_what_save_waits_for)
        for edit in self._numbers:
            edit.textChanged.connect(self._on_change)
        for choice in (self._kv_type, self._flash):
            choice.chosen.connect(self._on_change)
        self._rope.changed.connect(self._on_change)
        self._fit.taken.connect(self.propose_context)
        self._pages.chosen.connect(self._on_page)
        if self._template is not None:
            self._template.checked.connect(self._on_checked)

    @Slot()
    def _on_change(self) -> None:
        self._answer = _Answer.UNASKED
        self._fit.doubt()
        self._waits_for_answer = False  # Save was pressed for what stood there before
        self._word.stop()
        self._wait.start()

    @Slot()
    def _reset(self) -> None:
        for edit in self._numbers:
            edit.set_value(None)
        self._kv_type.set_value(_AUTO)
        self._flash.set_value(_AUTO)
        self._rope.reset()
        self._on_change()


def _out_of_range(field: NumberField, page: str) -> str:
    """It may stand on a page that is not shown."""
    where = f"“{field.accessibleName()}” on the page “{dict(PAGES)[page]}”"
    return f"{where} must be from {field.range_text}, so these options cannot be used."


def _inherited(value: int | None) -> str:
    return AUTOMATIC if value is None else f"{value:,} (from Settings)"


def _known(value: str | None, choices: tuple[tuple[str, str], ...]) -> str:
    return value if value in {each for each, _ in choices} and value is not None else _AUTO


def _tone(fit: ModelFit) -> str:
    if not fit.is_possible:
        return "danger"
    return "success" if fit.is_as_wished else "warning"
