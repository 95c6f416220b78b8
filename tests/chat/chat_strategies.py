"""Random conversations for hypothesis: trees with every kind of part and every field."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from hypothesis import strategies as st

from minerva_desktop.chat.completion import Completion, FinishReason, Timings
from minerva_desktop.chat.context_cut import ContextCut
from minerva_desktop.chat.conversation import (
    Conversation,
    ScrollPosition,
    TitleSource,
    new_id,
)
from minerva_desktop.chat.failure import Failure
from minerva_desktop.chat.message import Message, MessageState, Role
from minerva_desktop.chat.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    ToolCallPart,
    ToolResultPart,
)
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.chat.tools import ToolCall
from minerva_desktop.chat.waiting_message import WaitingMessage

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# What Markdown and HTML are made of, so that it meets in every way.
MARKUP = st.lists(
    st.sampled_from(
        (
            "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<b>", "</details>",
            "<!--", "-->", "<![CDATA[", "<?php", "<a href='javascript:x'>", "`", "``", "```", "~~~",
            "\n", "\n\n", "    ", "\t", "> ", "- ", "1. ", "\\", "|", "---", "# ", "[a](b)", "[",
            "]", "(", "![i](http://x/y)", "<https://a.b>", "](<x>)", "[x]: <b>", "&lt;", "word",
            " ", "*", "</article>", '"', "'", "javascript:alert(1)", "\r", "\0", "é",
        )
    ),
    max_size=14,
).map("".join)  # fmt: skip
NAMES = (
    "a", "b", "parent", "children", "message", "author", "role", "name", "content", "content_type",
    "parts", "text", "thoughts", "metadata", "attachments", "id", "create_time", "recipient",
    "summary", "asset_pointer",
)  # fmt: skip
# JSON of no shape at all, with the names and words that importers look for.
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5) | st.sampled_from(["a", "b", "user", "assistant", "tool", "thoughts"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(NAMES), inner, max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip
_TIMES = st.floats(min_value=0, max_value=4e9, allow_nan=False)
_SIZES = st.integers(min_value=0, max_value=2**40)
_BIASES = st.one_of(st.floats(-100, 100), st.just(-math.inf))


@dataclass(frozen=True)
class ChatWithImages:
    """A conversation, and the bytes of its images by digest."""

    conversation: Conversation
    blobs: dict[str, bytes]


def samplings() -> st.SearchStrategy[SamplingParameters]:
    return st.builds(
        SamplingParameters,
        temperature=st.floats(0, 5),
        top_k=st.integers(0, 100),
        seed=st.none() | st.integers(0, 2**32 - 2),
        stop=st.lists(st.text("ab", min_size=1, max_size=3), max_size=2).map(tuple),
        logit_bias=st.dictionaries(st.integers(0, 99), _BIASES, max_size=2),
    )


def _parts(blobs: dict[str, bytes], texts: st.SearchStrategy[str]) -> st.SearchStrategy[Part]:
    def image(content: bytes, name: str) -> ImagePart:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return ImagePart(name, digest, len(content), "image/png", 3, 4)

    calls = st.builds(ToolCall, texts, texts, texts)
    return st.one_of(
        st.builds(ReasoningPart, texts, st.floats(0, 1e6)),
        st.builds(FilePart, texts, texts, _SIZES),
        st.builds(image, st.binary(max_size=8), texts),
        st.builds(ToolCallPart, calls),
        st.builds(ToolResultPart, texts, texts, texts),
    )


def _waiting(texts: st.SearchStrategy[str]) -> st.SearchStrategy[WaitingMessage]:
    files = st.lists(st.builds(FilePart, texts, texts, _SIZES), max_size=1).map(tuple)
    names = st.sampled_from(["a.gguf", "ö b.gguf"])
    return st.builds(WaitingMessage, texts.filter(str.strip), names, files)


@st.composite
def chats(draw: st.DrawFn, texts: st.SearchStrategy[str] = TEXTS) -> ChatWithImages:
    blobs: dict[str, bytes] = {}
    conversation = Conversation(
        id=new_id(),
        created_at=draw(_TIMES),
        updated_at=0.0,
        title=draw(texts),
        title_source=draw(st.sampled_from(TitleSource)),
        model=draw(st.none() | texts),
        system_prompt=draw(texts),
        sampling=draw(samplings()),
        folder_id=draw(st.none() | st.just("f1")),
        tags=tuple(draw(st.lists(texts, max_size=2))),
        is_pinned=draw(st.booleans()),
        is_archived=draw(st.booleans()),
        draft=draw(texts),
        waiting=tuple(draw(st.lists(_waiting(texts), max_size=2))),
    )
    timings = st.builds(Timings, queue_ms=_TIMES, completion_tokens=_SIZES)
    completions = st.builds(Completion, finish_reason=st.sampled_from(FinishReason),
                            timings=timings, seed=_SIZES, model=texts)  # fmt: skip
    ids: list[str] = []
    for _ in range(draw(st.integers(0, 6))):
        message = Message(
            id=new_id(),
            parent_id=draw(st.sampled_from([None, *ids])),
            role=draw(st.sampled_from(Role)),
            text=draw(texts),
            state=draw(st.sampled_from([s for s in MessageState if s != MessageState.STREAMING])),
            created_at=draw(_TIMES),
            parts=tuple(draw(st.lists(_parts(blobs, texts), max_size=2))),
            model=draw(st.none() | texts),
            sampling=draw(st.none() | samplings()),
            completion=draw(st.none() | completions),
            error=draw(st.none() | texts),
            failure=draw(st.none() | st.builds(Failure, code=texts, param=st.none() | texts)),
            edited_at=draw(st.none() | _TIMES),
        )
        ids.append(message.id)
        conversation.add(message)
    if ids:
        conversation.branch_from(draw(st.sampled_from(ids)))
        conversation.cuts = (ContextCut(first_id=ids[0], created_at=5.0, summary=draw(texts)),)
        conversation.scroll = ScrollPosition(ids[-1], 0.25)
    conversation.updated_at = draw(_TIMES)
    return ChatWithImages(conversation, blobs)
