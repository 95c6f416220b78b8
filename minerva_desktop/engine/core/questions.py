"""What is asked of a model's vocabulary and chat template, and answered without a decode.

Pure but for the vocabulary; on the engine child's desk threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.core.prompts import PromptBuilder
from minerva_desktop.engine.messages import (
    Answer,
    ApplyTemplate,
    CountTokens,
    Detokenize,
    Question,
    TextMade,
    Tokenize,
    Tokenized,
    TokensCounted,
)

PREVIEW_CHARACTERS = 50_000  # of what another template makes: nobody reads more


def answer_to(question: Question, builder: PromptBuilder, is_wanted: Callable[[], bool]) -> Answer:
    """The answer; ``is_wanted``, called on any thread, tells whether somebody waits for it. Raises
    `InvalidRequest` for what cannot be asked, and `InferenceError` for a template that is broken or
    a text that llama.cpp cannot tokenise."""
    vocabulary = builder.vocabulary
    match question:
        case CountTokens(request_id, messages, chat):
            chat.check()
            return TokensCounted(request_id, len(builder.chat_tokens(messages, chat)))
        case ApplyTemplate(request_id, messages, chat, end, template):
            chat.check()
            if template is None:
                text = builder.chat_text(messages, chat, end)
            else:
                shown = builder.with_template(template, is_wanted)
                text = shown.chat_text(messages, chat, end)[:PREVIEW_CHARACTERS]
            return TextMade(request_id, text.encode("utf-8", "replace"))
        case Tokenize(request_id, text):
            tokens = vocabulary.tokenize(
                text, special=question.parse_special, add_special=question.add_special
            )
            pieces = tuple(_written_out(tokens, vocabulary.written_out))
            return Tokenized.of(request_id, tokens, pieces)
        case Detokenize(request_id, tokens):
            vocabulary.check(tokens, "tokens")
            return TextMade(request_id, b"".join(_written_out(tokens, vocabulary.written_out)))


def _written_out(tokens: Sequence[int], spell: Callable[[int], bytes]) -> list[bytes]:
    """Each token is asked for once: a text of megabytes has a million of them, but few kinds."""
    known = {token: spell(token) for token in set(tokens)}
    return [known[token] for token in tokens]


def question_characters(question: Question) -> int:
    """How much there is to render and to tokenise."""
    match question:
        case CountTokens(_, messages, chat) | ApplyTemplate(_, messages, chat):
            return chat_characters(messages, chat)
        case Tokenize(_, text):
            return len(text)
        case Detokenize(_, tokens):
            return len(tokens)


def chat_characters(turns: Sequence[ChatTurn], chat: ChatOptions) -> int:
    """Of a conversation and the tools that the model is told of."""
    calls = (call for turn in turns for call in turn.tool_calls)
    return (
        sum(len(turn.text) + len(turn.reasoning) for turn in turns)
        + sum(len(call.arguments) for call in calls)
        + sum(len(tool.description) + len(tool.parameters) for tool in chat.shown_tools)
        + len(chat.variables or "")
    )
