"""Messages to the one prompt text that a model was trained on.

The template comes with the GGUF, so it is untrusted input. It runs in Jinja's immutable sandbox,
which stops it from reaching anything; what the sandbox does not stop is a template that never
ends or builds gigabytes, so the filters that build text from a number are left out, repetition is
bounded, and `time_limit` ends the render. Runs on the engine child's desk threads.
"""

from __future__ import annotations

import ctypes
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import do_indent
from jinja2.sandbox import ImmutableSandboxedEnvironment

from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.errors import InferenceError, InvalidRequest

RENDER_SECONDS = 2.0
MAX_PROMPT_CHARACTERS = 64 * 1024 * 1024
MAX_BUILT_CHARACTERS = 16 * 1024 * 1024
MAX_NUMBER = 100_000
MAX_INDENT = 16

# llama.cpp falls back to ChatML for a model that brings no template (common/chat.cpp).
DEFAULT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

# Each builds text or lists whose size is a number in the template.
_SIZED_FILTERS = (
    "batch",
    "center",
    "filesizeformat",
    "format",
    "slice",
    "urlize",
    "wordwrap",
)
_SIZED_METHODS = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "replace", "join"})
# A format's width that is huge, or that comes from a value.
_WIDTH = re.compile(r"\d{6,}|:[^}]*\{")


class TemplateTimeout(Exception):
    """Raised inside a render that takes too long; becomes an `InferenceError`. The interpreter
    makes one without a message, so it is no `MinervaError`."""


class _Timing:
    """One timed block of one thread."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._lock = threading.Lock()
        self._is_over = False
        self.expired = False

    def expire(self) -> None:
        """Raise in the block's thread. Timer thread."""
        with self._lock:
            if not self._is_over:
                self.expired = True
                self._raise_later(ctypes.py_object(TemplateTimeout))

    def end(self) -> None:
        """No more raising; what was not raised yet is taken back."""
        with self._lock:
            self._is_over = True
        if self.expired:
            self._raise_later(None)

    def _raise_later(self, error: ctypes.py_object[type[Exception]] | None) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), error)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TemplateTimeout` in the block when it takes longer than ``seconds``.

    Works for pure Python code, on any thread and every platform: the interpreter can be asked to
    raise in another thread between two of its instructions.
    """
    timing = _Timing(threading.get_ident())
    timer = threading.Timer(seconds, timing.expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timing.end()
    if timing.expired:  # too late to be raised inside
        raise TemplateTimeout


class _GenerationTag(Extension):
    """``{% generation %}`` marks an answer for training; here it only passes its body on."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Any) -> Any:
        parser.stream.expect("name:generation")
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox that also refuses to build huge values from small templates."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError("powers are not available in chat templates")
        if operator == "%" and isinstance(left, str):
            raise SecurityError("text formatting is not available in chat templates")
        if operator == "*":
            _bound_product(left, right)
        sized = isinstance(left, str | list) and isinstance(right, str | list)
        if operator == "+" and sized and len(left) + len(right) > MAX_BUILT_CHARACTERS:
            raise SecurityError("a text is too long")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            _bound_text_method(getattr(obj, "__name__", ""), owner, args)
        return super().call(context, obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and _WIDTH.search(value.__self__):
            raise SecurityError("a formatted text is too wide")
        return wrapped


def _bounded_replace(text: Any, old: str, new: str, count: int = -1) -> str:
    _bound_text_method("replace", str(text), (old, new))
    return str(text).replace(old, new, count)


def _bounded_join(values: Any, separator: str = "", attribute: str | None = None) -> str:
    length = 0
    parts = []
    for value in values:
        part = str(value if attribute is None else value[attribute])
        length += len(part) + len(separator)
        if length > MAX_BUILT_CHARACTERS:
            raise SecurityError("a joined text is too long")
        parts.append(part)
    return separator.join(parts)


def _bounded_indent(text: str, width: int | str = 4, first: bool = False) -> str:
    if isinstance(width, int) and width > MAX_INDENT:
        raise SecurityError("an indent is too wide")
    return do_indent(text, width, first)


def _bound_product(left: Any, right: Any) -> None:
    for value, times in ((left, right), (right, left)):
        repeats = isinstance(value, str | list | tuple) and isinstance(times, int)
        if repeats and len(value) * times > MAX_BUILT_CHARACTERS:
            raise SecurityError("a repeated text is too long")


def _bound_text_method(name: str, owner: str, args: Sequence[Any]) -> None:
    if name not in _SIZED_METHODS:
        return
    if name == "join" and args:
        _bounded_join(args[0], owner)
    if any(isinstance(arg, int) and arg > MAX_NUMBER for arg in args):
        raise SecurityError("a padded text is too long")
    replaces = name == "replace" and len(args) > 1
    if replaces and (owner.count(str(args[0])) + 1) * len(str(args[1])) > MAX_BUILT_CHARACTERS:
        raise SecurityError("a replaced text is too long")


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    # Not Jinja's own, which escapes <, > and & for HTML; models are trained on plain JSON.
    if indent is not None and indent > MAX_INDENT:
        raise SecurityError("an indent is too wide")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _strftime_now(pattern: str) -> str:
    if len(pattern) > 100:
        raise SecurityError("a date format is too long")
    return datetime.now().astimezone().strftime(pattern)


def _environment() -> _Sandbox:
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _GenerationTag]
    )
    for name in _SIZED_FILTERS:
        del environment.filters[name]
    del environment.globals["lipsum"]
    environment.filters["tojson"] = _tojson
    environment.filters["replace"] = _bounded_replace
    environment.filters["join"] = _bounded_join
    environment.filters["indent"] = _bounded_indent
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = _strftime_now
    return environment


class ChatTemplate:
    """A compiled template. `render` may be called on any thread."""

    def __init__(self, source: str | None, *, bos: str, eos: str) -> None:
        """``source`` None takes ChatML. Raises nothing: a broken template fails its renders, so
        that a model with one can still be loaded and used with plain text."""
        self._source = source or DEFAULT_TEMPLATE
        self._variables = {"bos_token": bos, "eos_token": eos}
        self._compiled: jinja2.Template | None = None

    def render(self, turns: Sequence[ChatTurn], *, add_generation_prompt: bool = True) -> str:
        """The prompt text, ending where the assistant's answer begins.

        Raises `InvalidRequest` when the template refuses these messages (roles that must
        alternate, say), `InferenceError` when the template itself is broken or runs away.
        """
        messages = [{"role": turn.role.value, "content": turn.text} for turn in turns]
        return self._guarded(
            lambda template: template.render(
                messages=messages,
                add_generation_prompt=add_generation_prompt,
                **self._variables,
            )
        )

    def _guarded(self, run: Callable[[jinja2.Template], str]) -> str:
        try:
            with time_limit(RENDER_SECONDS):
                if self._compiled is None:
                    self._compiled = _environment().from_string(self._source)
                text = run(self._compiled)
        except TemplateTimeout as error:
            raise InferenceError(
                f"The model's chat template ran longer than {RENDER_SECONDS:.0f} s and was ended"
            ) from error
        except (jinja2.TemplateSyntaxError, SecurityError) as error:
            raise _broken(error) from error
        except jinja2.TemplateError as error:
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {error}", param="messages"
            ) from error
        except (ArithmeticError, LookupError, MemoryError, RecursionError) as error:
            raise _broken(error) from error
        except (AttributeError, TypeError, ValueError) as error:
            raise _broken(error) from error
        if len(text) > MAX_PROMPT_CHARACTERS:
            raise InferenceError(
                f"The model's chat template made a prompt of {len(text):,} characters; "
                f"at most {MAX_PROMPT_CHARACTERS:,} are allowed"
            )
        return text


def _broken(error: BaseException) -> InferenceError:
    return InferenceError(
        "The model's chat template is broken", detail=f"{type(error).__name__}: {error}"
    )
