"""What a request brings in its URL. Called by the GET routes."""

from __future__ import annotations

from starlette.requests import Request

from minerva_desktop.errors import InvalidRequest


def query_fields(request: Request) -> dict[str, str]:
    """The query, by name. Raises `InvalidRequest` for a name that comes more than once."""
    pairs = request.query_params.multi_items()
    query = dict(pairs)
    if len(query) != len(pairs):
        raise InvalidRequest("The query gives a name more than once")
    return query
