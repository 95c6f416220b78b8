"""The `anyOf` and `oneOf` keywords as GBNF. Called by json_schema.py on any thread; pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from minerva_desktop.engine.core.json_schema_conditions import is_never
from minerva_desktop.engine.core.json_schema_one_of import (
    Tags,
    are_apart,
    constant_kinds,
    with_tag,
)
from minerva_desktop.engine.core.json_schema_values import (
    Inexpressible,
    Schema,
    distinct,
    keywords,
    pointer,
    refused,
    schema_list,
)
from minerva_desktop.engine.core.json_schema_ways import Option, Ways, shortest
from minerva_desktop.errors import InvalidRequest


class Around(msgspec.Struct, frozen=True):
    """What the rules of choices ask of those of the whole schema.

    ``visit`` writes a schema that stands somewhere, ``reference`` what a reference at some place
    leads to, which has to have a property where one is named; ``follow`` gives what that is,
    ``types`` the names of the types of a schema; ``leave_out`` notes a place, or raises what it is
    given where the schema is strict.
    """

    visit: Callable[[object, str], str]
    reference: Callable[[object, str, str], str]
    follow: Callable[[object, str], object]
    types: Callable[[Schema, str], list[str]]
    leave_out: Callable[[str, Inexpressible], None]


class ChoiceRules:
    """Writes choices. Methods raise InvalidRequest(param="response_format")."""

    def __init__(self, around: Around, ways: Ways) -> None:
        self._around = around
        self._ways = ways
        self._tags = Tags(around.follow)
        # By the identity of a schema of constants, which is kept with them: many references may
        # lead to a large one.
        self._constants: dict[int, tuple[Schema, frozenset[str]]] = {}

    def expressions(self, schema: Schema, keyword: str, where: str) -> list[str]:
        """Those of the schemas of a choice, which stand at ``where``; what is False is none. Those
        of `oneOf` are of different types, or objects that a property tells apart."""
        schemas = [
            False if is_never(each) else each for each in schema_list(schema[keyword], where)
        ]
        live = [each for each in schemas if each is not False]
        if not live:
            raise refused(where, "nothing satisfies one of these schemas")
        if keyword == "anyOf" or len(live) == 1:
            return self._any(schemas, where)
        found = [self._around.follow(each, where) for each in live]
        tag = self._tags.tag_of(schema, found, where)
        if tag and are_apart([_beside_objects(*each) for each in zip(live, found, strict=True)]):
            return self._any(schemas, where, tag)
        try:
            if not are_apart([self._kinds(each, where) for each in live]):
                raise Inexpressible(where, "the schemas may overlap; use “anyOf”")
        except Inexpressible as error:
            self._around.leave_out(where, error)  # a value may satisfy several, as of `anyOf`
        return self._any(schemas, where)

    def _any(self, schemas: list[object], where: str, tag: str = "") -> list[str]:
        """Those of objects that a property tells apart have to have the ``tag``."""
        options = [
            Option(
                partial(self._write, each, pointer(where, index), tag),
                self._firsts(each, where),
                shortest(self._around.follow(each, pointer(where, index, "$ref"))),
            )
            for index, each in distinct(schemas, where)
        ]
        return self._ways.choice(options)

    def _write(self, schema: object, where: str, tag: str) -> str:
        if tag and isinstance(schema, dict) and keywords(schema) == {"$ref"}:
            return self._around.reference(schema["$ref"], pointer(where, "$ref"), tag)
        return self._around.visit(with_tag(schema, tag) if tag else schema, where)

    def _firsts(self, schema: object, where: str) -> frozenset[str] | None:
        """What the first character of its values tells; None where that is not clear."""
        try:
            return frozenset(name.partition(" ")[0] for name in self._kinds(schema, where))
        except InvalidRequest:
            return None

    def _kinds(self, schema: object, where: str) -> frozenset[str]:
        """Names of its types, or with each a value of it, where there are no others."""
        is_null = _is_nullable(schema)
        schema = self._around.follow(schema, where)
        if isinstance(schema, dict) and not schema.keys() & {"anyOf", "oneOf"}:
            null = frozenset({"null"} if is_null or _is_nullable(schema) else ())
            if schema.keys() & {"const", "enum"}:
                if values := self._constant_kinds(schema):
                    return values | null
            elif "type" in schema:
                types = self._around.types(schema, where)
                return null | {"number" if name == "integer" else name for name in types}
        raise Inexpressible(where, "“oneOf” needs schemas of different types, or constants")

    def _constant_kinds(self, schema: Schema) -> frozenset[str]:
        if id(schema) not in self._constants:
            self._constants[id(schema)] = (schema, constant_kinds(schema))
        return self._constants[id(schema)][1]


def _is_nullable(schema: object) -> bool:
    return isinstance(schema, dict) and schema.get("nullable") is True


def _beside_objects(schema: object, found: object) -> set[str]:
    """The types that ``schema``, which leads to ``found``, has beside objects: of these no property
    tells anything."""
    types = found.get("type", []) if isinstance(found, dict) else []
    names = {name for name in types if isinstance(name, str)} if isinstance(types, list) else set()
    if _is_nullable(schema) or _is_nullable(found):
        names.add("null")
    return {"number" if name == "integer" else name for name in names - {"object"}}
