"""Messages to the one prompt text that a model was trained on.

The template comes with the GGUF, so it is untrusted input. It runs in `template_sandbox`, which
bounds what one operation may build, and `time_limit` ends a render that goes on for too long
between two operations. What gets past both (a comparison of lists that hold themselves many times
over) is a silent child, which `heartbeat` ends. Runs on the engine child's desk threads.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.engine.answer_format import ToolFormat
from minerva_desktop.engine.core.template_messages import MessageStyle, template_messages
from minerva_desktop.engine.core.template_sandbox import sandbox, strftime_now
from minerva_desktop.engine.load_options import CHATML_TEMPLATE
from minerva_desktop.engine.template_words import BROKEN
from minerva_desktop.errors import InferenceError, InvalidRequest, OutOfMemory
from minerva_desktop.time_limit import time_limit

RENDER_SECONDS = 2.0
_TEMPLATE_FILES = ("<template>", "<unknown>")  # what Jinja calls one that was a text
MAX_REASON = 1000  # characters of what a template gives as the reason of its refusal


class TemplateTimeout(Exception):
    """Raised inside a render that takes too long; becomes an `InferenceError`. The interpreter
    makes one without a message, so it is no `MinervaError`."""


class Unsaid(jinja2.Undefined):
    """A variable that nobody set, which is a yes where a template takes it for yes or no. Where it
    asks whether it is defined, or has a default for it, nothing is other than without it."""

    def __bool__(self) -> bool:
        return True


class ChatTemplate:
    """A compiled template. `render` may be called on any thread, one call at a time."""

    def __init__(
        self,
        source: str | None,
        *,
        bos: str,
        eos: str,
        is_wanted: Callable[[], bool] | None = None,
    ) -> None:
        """``source`` None takes ChatML. A render ends soon after ``is_wanted``, called on a thread
        of its own, says no. Raises nothing: a broken template fails its renders, so that a model
        with one can still be loaded and used with plain text."""
        self._is_wanted = is_wanted
        self._source = source or CHATML_TEMPLATE
        self._variables = {"bos_token": bos, "eos_token": eos}
        self._sandbox = sandbox()
        self._compiled: jinja2.Template | None = None

    def speaks_of(self, name: str) -> bool:
        """Whether a variable of this name may matter to it."""
        return name in self._source

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        variables: Mapping[str, Any] = MappingProxyType({}),
    ) -> str:
        """The prompt text, ending where the assistant's answer begins.

        ``messages`` are those of `template_messages`; ``variables`` are what the template sees
        beside them, none of `RESERVED_VARIABLES` but ``tools``. Raises `InvalidRequest` when the
        template refuses these messages (roles that must alternate, say), `InferenceError` when the
        template itself is broken or runs away, `OutOfMemory`.
        """
        # Llama 3's templates ask for the day by the first name, and tell one of 2024 where it is
        # absent; Firefunction's needs the other. No time of day: it would make each prompt anew.
        today = {"date_string": strftime_now("%d %b %Y"), "datetime": strftime_now("%b %d %Y")}
        known = {**today, **variables, **self._variables}
        return self._guarded(
            lambda template: template.render(
                known, messages=messages, add_generation_prompt=add_generation_prompt
            )
        )

    def _guarded(self, run: Callable[[jinja2.Template], str]) -> str:
        try:
            with time_limit(RENDER_SECONDS, TemplateTimeout, self._is_wanted):
                self._sandbox.bounds.restart()
                if self._compiled is None:
                    self._compiled = self._sandbox.from_string(self._source)
                return run(self._compiled)
        except TemplateTimeout as error:
            raise InferenceError(
                f"The model's chat template ran longer than {RENDER_SECONDS:.0f} s and was ended"
            ) from error
        except MemoryError as error:  # also: none for the thread that watches the time
            raise OutOfMemory(
                "Not enough memory to write the prompt with the model's chat template",
                detail=str(error),
            ) from error
        except (jinja2.TemplateSyntaxError, SecurityError) as error:
            raise self._broken(error) from error
        except jinja2.TemplateError as error:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {_words(error)}",
                detail=_where(error),
                param="messages",
            ) from error
        except Exception as error:  # the template is a foreign program: what it
            # makes Python raise is open-ended (a SyntaxError of the code that Jinja makes of it,
            # a RuntimeError of `cycler()`), and all of it means the same.
            raise self._broken(error) from error

    def _broken(self, error: BaseException) -> InferenceError:
        reason = " ".join((f"{type(error).__name__}: {_words(error)}", _where(error))).strip()
        if self._compiled is None:  # it has seen no message that it could quote to whoever asks
            return InferenceError(f"{BROKEN}: {reason}")
        return InferenceError(BROKEN, detail=reason)


def check_template(source: str) -> None:
    """Raise `InferenceError` for a template that is broken or runs away, whatever it is given. One
    that refuses a question alone may take other messages."""
    with suppress(InvalidRequest):  # raised by the template, for whoever sends it such messages
        ask_template(source)


def ask_template(source: str) -> None:
    """The same, and raise `InvalidRequest` where it refuses a question alone."""
    question = template_messages((ChatTurn(Role.USER, "Hello"),), MessageStyle(ToolFormat.GENERIC))
    ChatTemplate(source, bos="", eos="").render(question)


def _where(error: BaseException) -> str:
    line = _line(error)
    return "" if line is None else f"(line {line})"


def _line(error: BaseException) -> int | None:
    """Of the template, where that is known. Jinja puts the template's own lines into tracebacks."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return error.lineno
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename in _TEMPLATE_FILES:
            found = line
    return found


def _words(error: BaseException) -> str:
    words = str(error)
    return words if len(words) <= MAX_REASON else f"{words[:MAX_REASON]}…"
