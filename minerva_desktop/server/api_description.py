"""The endpoint's OpenAPI 3.1 description, made from the types that requests and answers have.

Nothing is described twice: requests from their pydantic models, answers from their msgspec
Structs, the rest from `Operation`s. Made when it is first asked for; any thread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from pydantic.json_schema import models_json_schema

from minerva_desktop import __version__
from minerva_desktop.server.operation import EVENT_STREAM, Operation

REFERENCE = "#/components/schemas/"
EVERYWHERE = (403, 431, 505)
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_PHRASES = {499: "Cancelled"}

Json = dict[str, Any]


def describe(operations: Sequence[Operation]) -> Json:
    """The description of ``operations``, where keys are asked for. Raises `ValueError` when two
    types of one name differ."""
    types = _Types(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        described = paths.setdefault(_openapi_path(operation.path), {})
        for method in operation.methods:
            described[method.lower()] = _operation(operation, method, types)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Minerva Desktop",
            "version": __version__,
            "description": "Language models on this machine, for clients of OpenAI's and"
            " Anthropic's APIs.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"x-api-key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": types.schemas,
        },
    }


def without_key(description: Json) -> Json:
    """``description`` of an endpoint that asks for no key; one does no harm."""
    return {**description, "security": [*description["security"], {}]}


class _Types:
    """The schemas of all that goes in and out, by name, and how each type is referred to."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        requests = {each.request for each in operations if each.request is not None}
        answers: set[type[msgspec.Struct]] = set()
        for each in operations:
            answers |= {each.error, *each.events}
            if not isinstance(each.answer, str):
                answers.add(each.answer)
        taken = sorted(requests, key=_full_name)
        given = sorted(answers, key=_full_name)
        references, request_schemas = models_json_schema(
            [(model, "validation") for model in taken], ref_template=REFERENCE + "{model}"
        )
        answer_references, answer_schemas = msgspec.json.schema_components(
            given, ref_template=REFERENCE + "{name}"
        )
        self.schemas: Json = dict(request_schemas.get("$defs", {}))
        for name, schema in answer_schemas.items():
            if self.schemas.setdefault(name, schema) != schema:
                raise ValueError(f"a request and an answer are both called {name}, and differ")
        self._references: dict[type, Json] = {
            **{model: references[model, "validation"] for model in taken},
            **dict(zip(given, answer_references, strict=True)),
        }

    def reference(self, kind: type) -> Json:
        """``{"$ref": …}`` to a type."""
        return self._references[kind]


def _full_name(kind: type) -> str:
    return f"{kind.__name__} {kind.__module__}"


def _openapi_path(template: str) -> str:
    """A route's template as OpenAPI writes it: without converters."""
    return _PARAMETER.sub(r"{\1}", template)


def _operation(operation: Operation, method: str, types: _Types) -> Json:
    described: Json = {
        "operationId": f"{method.lower()}-{operation.anchor.partition('-')[2]}",
        "tags": [operation.group],
        "summary": operation.summary,
        "responses": _responses(operation, method, types),
    }
    if operation.details:
        described["description"] = operation.details
    if operation.is_open:
        described["security"] = []
    parameters = _parameters(operation)
    if parameters:
        described["parameters"] = parameters
    if operation.request is not None:
        content: Json = {"schema": types.reference(operation.request)}
        if operation.example:
            content["example"] = dict(operation.example)
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described


def _parameters(operation: Operation) -> list[Json]:
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]
    if operation.query is not None:
        schema = operation.query.model_json_schema()
        required = schema.get("required", ())
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": field}
            for name, field in schema["properties"].items()
        ]
    return parameters


def _responses(operation: Operation, method: str, types: _Types) -> Json:
    answer = operation.answer
    good: Json = {"description": "OK"}
    if method != "HEAD":
        if isinstance(answer, str):
            good["content"] = {answer: {"schema": {}}}
        else:
            good["content"] = {"application/json": {"schema": types.reference(answer)}}
        if operation.events:
            good["content"][EVENT_STREAM] = {"schema": _event(operation, types)}
    responses: Json = {"200": good}
    everywhere = EVERYWHERE if operation.is_open else (401, *EVERYWHERE)
    for status in sorted({*operation.errors, *everywhere}):
        response: Json = {"description": phrase(status)}
        if method != "HEAD":
            response["content"] = {"application/json": {"schema": types.reference(operation.error)}}
        responses[str(status)] = response
    return responses


def _event(operation: Operation, types: _Types) -> Json:
    """Each event of a stream, as OpenAPI has it: its data is a text, which holds JSON."""
    values = [types.reference(kind) for kind in (*operation.events, operation.error)]
    data: Json = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": values},
    }
    if operation.last_data:
        data = {"anyOf": [data, {"const": operation.last_data}]}
    return {
        "type": "object",
        "properties": {"event": {"type": "string"}, "data": data},
        "required": ["data"],
    }


def phrase(status: int) -> str:
    """A status in words."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase
