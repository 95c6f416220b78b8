"""`ParameterParser`: validates one request's body, and judges the fields that no schema names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from minerva_desktop.engine.core.json_schema import inexpressible_keywords
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.complaints import complaint
from minerva_desktop.server.parameters.files import RequestFiles
from minerva_desktop.server.schemas.common import RequestModel

IGNORED_FIELDS_HEADER = "X-Minerva-Ignored-Fields"
MAX_IGNORED_FIELDS = 32
MAX_FIELD_NAME = 64
MAX_SCHEMA_PATH = 200  # characters of where a keyword stands in a schema
MAX_HEADER = 4_000  # characters; some clients take 8,190
_IDLE = (
    "how long an idle model stays loaded is chosen in the window, or by minerva serve"
    " --idle-seconds"
)
_FORM = "grammar, in llama.cpp's GBNF, tells what form an answer has to have"
# Fields that all APIs here have.
_SCHEMA = "json_schema takes a JSON schema, and grammar what is no JSON, in llama.cpp's GBNF"
_THINKS = "enable_thinking false in chat_template_kwargs asks for no thinking"

# Names of fields that cannot be honoured, with the values (besides null) that ask for nothing.
NeutralValues = Mapping[str, tuple[Any, ...]]
RequestT = TypeVar("RequestT", bound=RequestModel)
# What helps instead, where the request is not the place for it.
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "ebnf": _FORM,
        "guided_choice": _FORM,
        "guided_grammar": _FORM,
        "guided_json": _SCHEMA,
        "guided_regex": _FORM,
        "input_prefix": "prompt takes the text before the gap, and suffix that behind it",
        "input_suffix": "suffix takes the text behind the gap",
        "keep_alive": _IDLE,
        "n_cmpl": "n asks for several answers",
        "n_probs": "logprobs asks for log-probabilities, in chats with top_logprobs",
        "num_ctx": "the context is chosen when a model is loaded, in its load options or by"
        " minerva serve --n-ctx",
        "reasoning_budget_tokens": _THINKS,
        "regex": _FORM,
        "structured_outputs": _SCHEMA,
        "thinking_budget_tokens": _THINKS,
        "ttl": _IDLE,
        "verbosity": "say in the messages how long the answer is to be",
    }
)


class ParameterParser:
    """Parses one request's ``body``, and keeps the names of the fields that nothing comes of.

    Attributes:
        files: those that the request may bring, with their text.
    """

    def __init__(self, body: Mapping[str, Any], files: RequestFiles | None = None) -> None:
        self._body = body
        self.files = RequestFiles() if files is None else files
        self._ignored: list[str] = []

    def validated(self, schema: type[RequestT]) -> RequestT:
        """The body as ``schema`` has it; raises `InvalidRequest` for the first field that is
        wrong."""
        try:
            return schema.model_validate(self._body)
        except ValidationError as error:
            raise complaint(error.errors(include_url=False)[0]) from None

    def judge(
        self,
        value: RequestModel,
        neutral: NeutralValues,
        prefix: str = "",
        without_effect: frozenset[str] = frozenset(),
    ) -> None:
        """Refuse the fields of ``value`` that ask for what is not to be had, and note those that
        nobody knows. ``without_effect`` may say anything: nothing comes of them elsewhere either.
        """
        for name, given in (value.model_extra or {}).items():
            if name in neutral:
                if given is not None and not _among(given, neutral[name]):
                    raise _unsupported(f"{prefix}{name}", neutral[name])
            elif name not in without_effect:
                self._ignored.append(f"{prefix}{name}"[:MAX_FIELD_NAME])

    def refuse_other_names(self, value: RequestModel, names: Mapping[str, str]) -> None:
        """Refuse what other APIs here call otherwise: ``names`` are theirs, with those of this one.
        Its clients would have it done."""
        for name, given in (value.model_extra or {}).items():
            if name in names and given is not None and given is not False:
                message = f"{name} is not supported here, where it is called {names[name]}"
                raise UnsupportedParameter(message, param=name)

    def ignore(self, name: str) -> None:
        """Note a field that is known and that nothing comes of here."""
        self._ignored.append(name)

    def leave_out(self, schema: object, where: str) -> None:
        """Note the keywords of a JSON schema that nothing comes of where it is not strict: no
        grammar can express them. ``where`` it stands begins their names."""
        for keyword in inexpressible_keywords(schema):
            self._ignored.append(schema_path(schema, keyword, where)[:MAX_SCHEMA_PATH])

    def headers(self) -> dict[str, str]:
        """Response headers that tell what was ignored."""
        if not self._ignored:
            return {}
        # Names come from outside: percent-encoding keeps line breaks out of the header, in which an
        # empty one would leave white space at the end, and that is no HTTP.
        shown = [
            quote(name, safe="[]$", errors="replace") or '""'
            for name in self._ignored[:MAX_IGNORED_FIELDS]
        ]
        while sum(map(len, shown)) > MAX_HEADER:
            shown.pop()
        more = len(self._ignored) - len(shown)
        return {IGNORED_FIELDS_HEADER: ", ".join([*shown, f"and {more} more"] if more else shown)}


def schema_path(schema: object, keyword: str, where: str) -> str:
    """Where the JSON pointer ``keyword`` leads to in ``schema``, as fields are called that stand
    at ``where``."""
    found = schema
    for step in keyword.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            # Of schemas that hold together, a keyword may stand elsewhere than in the whole.
            is_place = key.isdecimal() and int(key) < len(found)
            where, found = f"{where}[{key}]", found[int(key)] if is_place else None
        else:
            where, found = f"{where}.{key}", found.get(key) if isinstance(found, dict) else None
    return where


def _among(given: Any, values: tuple[Any, ...]) -> bool:
    # To Python 0 is False and 1 is True; to JSON they are not.
    return any(
        given == value and isinstance(given, bool) == isinstance(value, bool) for value in values
    )


def _unsupported(param: str, neutral: tuple[Any, ...]) -> UnsupportedParameter:
    message = f"{param} is not supported"
    if neutral:
        message += f", except as {' or '.join(json.dumps(value) for value in neutral)}"
    if instead := _INSTEAD.get(param.rpartition(".")[2]):
        message += f": {instead}"
    return UnsupportedParameter(message, param=param)
