"""Texts or the tokens of texts, one or many, as completions and embeddings take them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from minerva_desktop.server.schemas.common import WRONG_JSON_TYPE, Text, Texts, branch_of

# As they appear in pydantic's error locations; no field has such a name.
TOKENS_BRANCH = "<tokens>"
TOKEN_LISTS_BRANCH = "<token lists>"

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
Tokens = Annotated[list[TokenId], Field(fail_fast=True)]


def input_branch_of(value: object) -> str | None:
    """The branch of `Inputs` that ``value`` belongs to; the first item says which list it is."""
    if isinstance(value, list) and not (value and isinstance(value[0], str)):
        return TOKEN_LISTS_BRANCH if value and isinstance(value[0], list) else TOKENS_BRANCH
    return branch_of(value)


# A text, several, the tokens of one, or those of several.
Inputs = Annotated[
    Text
    | Texts
    | Annotated[list[TokenId], Tag(TOKENS_BRANCH), Field(fail_fast=True)]
    | Annotated[list[Tokens], Tag(TOKEN_LISTS_BRANCH), Field(fail_fast=True)],
    Discriminator(
        input_branch_of,
        custom_error_type=WRONG_JSON_TYPE,
        custom_error_message="a string, a list of tokens, or a list of either",
    ),
]
