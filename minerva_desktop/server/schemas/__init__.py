"""The JSON values that cross the HTTP border, a file for each group of endpoints.

Requests are pydantic models, validated strictly ("0.7" is no number); they keep the fields that
they don't name, for `parameters` to judge. Lists fail fast: of two million wrong items only the
first is reported. Answers are msgspec Structs, because a streamed answer encodes one a token.
"""
