"""The functions of ``POST /v1/responses``: those among its tools, and those of its namespaces.

Codex sends both without being asked, and beside them tools that OpenAI runs itself, as a search of
the web. Those are left out where there are functions, and named in a response header: the model
does without. Where there is nothing else they are refused by name, as is what nobody knows: who
asks for a search alone must not get an answer that looks like one. Any thread.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple

from minerva_desktop.chat.tools import Tool
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.errors import UnsupportedParameter
from minerva_desktop.server.parameters.parser import MAX_FIELD_NAME, NeutralValues, ParameterParser
from minerva_desktop.server.parameters.tools import function_tool
from minerva_desktop.server.schemas.chat import MAX_FUNCTION_NAME, MAX_TOOLS
from minerva_desktop.server.schemas.responses import FunctionTool, ResponseTool

FUNCTION = "function"
NAMESPACE = "namespace"
_OTHERS = re.compile(
    "apply_patch|code_interpreter|computer(_use_preview)?|custom|file_search|image_generation"
    "|local_shell|mcp|programmatic_tool_calling|shell|tool_search"
    r"|web_search(_preview)?(_\d{4}_\d\d_\d\d)?"
)
_DEFERRED = "defer_loading"
_LONGEST_MARK = 8  # characters that tell apart names that are cut, or alike
_NOTHING: NeutralValues = MappingProxyType({})
_NEUTRAL: NeutralValues = MappingProxyType({"allowed_callers": (["direct"],), "async": (False,)})
# No tool is searched for here, so that all of a namespace are told at once.
_OWN_NEUTRAL: NeutralValues = MappingProxyType({**_NEUTRAL, _DEFERRED: (False,)})

FullName = tuple[str | None, str]  # of a function: its namespace, and its own name


class GivenFunction(NamedTuple):
    """A function, where it stands in the request, and what it is in, if anything."""

    where: str
    tool: FunctionTool
    namespace: ResponseTool | None


def given_functions(given: Sequence[ResponseTool] | None) -> list[GivenFunction]:
    """All but those that are left out."""
    return [each for each in _all(given) if not _OTHERS.fullmatch(each.tool.type)]


def flat_names(functions: Sequence[GivenFunction]) -> dict[FullName, str]:
    """What the model calls the functions of namespaces: by their own names, unless others have the
    same."""
    n_named = Counter(each.tool.name for each in functions)
    taken: set[str | None] = {*n_named}
    names: dict[FullName, str] = {}
    for _, tool, namespace in functions:
        if namespace is None or tool.name is None:
            continue
        full = namespace.name, tool.name
        if full not in names:
            names[full] = tool.name if n_named[tool.name] == 1 else _flat_name(*full, taken)
            taken.add(names[full])
    return names


def chosen_name(
    functions: Sequence[GivenFunction], namespace: str | None, name: str | None, where: str
) -> str | None:
    """What the model calls the function that is chosen ``where``, None where there is none. One in
    no namespace comes first. Raises `InvalidRequest` where several namespaces have one."""
    alike = [each for each in functions if each.tool.name == name]
    if name is None or (namespace is None and any(each.namespace is None for each in alike)):
        return name
    known = {each.namespace.name for each in alike if each.namespace is not None}
    found = [each for each in known if namespace in {None, each}]
    if len(found) > 1:
        raise InvalidRequest(
            f"{where}.namespace is required: more than one has a function {name!r}",
            param=f"{where}.namespace",
        )
    return flat_names(functions)[found[0], name] if found else None


def function_tools(
    parser: ParameterParser, given: Sequence[ResponseTool] | None
) -> tuple[Tool, ...]:
    """The functions as the model is told of them; ``parser`` is told what is left out."""
    functions = given_functions(given)
    if len(functions) > MAX_TOOLS:
        raise InvalidRequest(f"tools hold more than {MAX_TOOLS} functions", param="tools")
    kept = {function.where for function in functions}
    for where, tool, _ in _all(given):
        if where not in kept and not kept:
            check_function(tool.type, where)
        elif where not in kept:
            parser.ignore(where)
    for index, tool in enumerate(given or ()):
        if tool.type == NAMESPACE:
            _name(tool, f"tools[{index}]")
            parser.judge(tool, _NOTHING, f"tools[{index}].")
    names = flat_names(functions)
    return tuple(_tool(parser, function, names) for function in functions)


def check_function(kind: str, where: str) -> None:
    """Refuse a tool at ``where`` that is of another ``kind``."""
    if kind != FUNCTION:
        raise UnsupportedParameter(
            f"{where}.type: only functions are supported, not {kind[:MAX_FIELD_NAME]!r}",
            param=f"{where}.type",
        )


def _flat_name(namespace: str | None, name: str, taken: Container[str | None]) -> str:
    """A name of both that is none of ``taken``, as long as a function's may be."""
    flat = f"{namespace}__{name}"
    if len(flat) <= MAX_FUNCTION_NAME and flat not in taken:
        return flat
    mark = sha256(f"{namespace} {name}".encode()).hexdigest()[:_LONGEST_MARK]  # no name has a space
    return f"{flat[: MAX_FUNCTION_NAME - len(mark) - 1]}_{mark}"


def _all(given: Sequence[ResponseTool] | None) -> list[GivenFunction]:
    """Tools of all kinds, with those of namespaces in the place of these."""
    found: list[GivenFunction] = []
    for index, tool in enumerate(given or ()):
        where = f"tools[{index}]"
        if tool.type != NAMESPACE:
            found.append(GivenFunction(where, tool, None))
            continue
        found += (
            GivenFunction(f"{where}.tools[{at}]", inner, tool)
            for at, inner in enumerate(tool.tools or ())
        )
    return found


def _tool(parser: ParameterParser, function: GivenFunction, names: dict[FullName, str]) -> Tool:
    where, tool, namespace = function
    check_function(tool.type, where)
    name, about = _name(tool, where), tool.description or ""
    if namespace is None:
        parser.judge(tool, _OWN_NEUTRAL, f"{where}.")
    else:
        name = names[namespace.name, name]
        about = "\n".join(filter(None, (namespace.description, about)))
        parser.judge(tool, _NEUTRAL, f"{where}.")
    if isinstance(tool, ResponseTool) and tool.tools is not None:
        parser.ignore(f"{where}.tools")
    schema = (tool.parameters, f"{where}.parameters")
    return function_tool(parser, name, about, schema, tool.strict)


def _name(tool: FunctionTool, where: str) -> str:
    if tool.name is None:
        raise InvalidRequest(f"{where}.name is required", param=f"{where}.name")
    return tool.name
