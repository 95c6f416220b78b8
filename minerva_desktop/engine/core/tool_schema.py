"""A tool's parameters as grammar rules: `json_schema` for what must be an object. Pure."""

from __future__ import annotations

from minerva_desktop.engine.core.json_schema import MAX_SCHEMAS, SchemaRules
from minerva_desktop.engine.core.json_schema_objects import members
from minerva_desktop.engine.core.json_schema_values import OBJECT_KEYWORDS, Schema, refused

_KINDS = frozenset({"type", "$ref", "const", "enum", "anyOf", "oneOf", "allOf"})
_OBJECT = frozenset({"type", *OBJECT_KEYWORDS})


class ToolSchema(SchemaRules):
    """The rules of one tool. All methods raise InvalidRequest(param="response_format")."""

    def arguments(self) -> str:
        """The expression of the arguments, a JSON object."""
        return self.visit(self._object_schema(), "#")

    def declared(self) -> tuple[Schema, set[str]]:
        """Schemas of the arguments by name, and which are required. Refuses an object that more
        than its properties decides about."""
        schema = self.resolved(self._object_schema())
        if not isinstance(schema, dict):
            raise refused("#", "a schema of an object should stand here")
        return members(self._only(schema, "#", set(_OBJECT)), "#")

    def resolved(self, schema: object) -> object:
        """``schema``, or what its reference leads to."""
        return self._followed(schema, "#")

    def _object_schema(self) -> Schema:
        """The root; refused unless all that it allows are objects."""
        schema = self._root
        if not isinstance(schema, dict):
            raise refused("#", "a schema of an object should stand here")
        if not schema.keys() & _KINDS:
            return {**schema, "type": "object"}
        waiting: list[object] = [schema]
        for part in waiting:  # grows while it is read
            found = self.resolved(part)
            if not isinstance(found, dict) or len(waiting) > MAX_SCHEMAS:
                raise refused("#", "only objects can be arguments")
            choices = found.get("anyOf", found.get("oneOf", found.get("allOf")))
            if found.get("type") in ("object", ["object"]):
                continue
            if isinstance(choices, list) and "type" not in found:
                waiting.extend(choices)
            elif "type" in found or "properties" not in found:
                raise refused("#", "only objects can be arguments")
        return schema
