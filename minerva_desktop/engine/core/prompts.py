"""From what a request brings, turns or text, to the tokens of its prompt. A desk thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from minerva_desktop.chat.limits import Overflow
from minerva_desktop.chat.message import ChatTurn, Role, without_oldest
from minerva_desktop.chat.tools import ChatOptions
from minerva_desktop.engine.answer_format import AnswerFormat
from minerva_desktop.engine.begun_answer import goes_on, open_thought, thought_marks
from minerva_desktop.engine.call_syntax import SYNTAXES, THOUGHTS
from minerva_desktop.engine.core.chat_renderer import ChatRenderer
from minerva_desktop.engine.core.detokenizer import begun_character
from minerva_desktop.engine.core.tool_calls import answer_format
from minerva_desktop.engine.core.vocabulary import Vocabulary
from minerva_desktop.engine.load_options import (
    CHATML_END,
    CHATML_TEMPLATE,
    check_template_text,
)
from minerva_desktop.engine.messages import Generate, PromptEnd
from minerva_desktop.errors import ContextLimitExceeded, InvalidRequest

# Where an answer that goes on ends so far. Private-use characters: no template knows them.
_MARK = "\uf8ff\ue000\uf8ff"
_LONGEST_CHARACTER = 4  # bytes, and so tokens
MAX_SHIFTED_TOKENS = 10_000_000  # of an answer that no context ends; days of work
ANSWER_ROOM = 4  # a truncated prompt leaves a fourth of the context for the answer


class Templates(msgspec.Struct, frozen=True):
    """The chat templates of a GGUF, as far as it brings them, and what they are for."""

    chat: str | None
    tools: str | None
    answer_format: AnswerFormat


class Prompt(msgspec.Struct, frozen=True):
    """Token ids, and how many turns were left out to make them fit.

    ``opening`` is the end of the prompt where the answer's text begins with it: the mark of a
    train of thought that the template has opened, and the white space behind it. ``begun``: of a
    character, where tokens end inside of one, which the answer's text begins with then.
    """

    tokens: list[int]
    n_dropped_turns: int = 0
    opening: str = ""
    begun: bytes = b""


class PromptBuilder:
    """Renders and tokenises for one model.

    ``end_mark``: what ends a turn of its chats, where that is text to the model; else empty.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        templates: Templates,
        n_ctx: int,
        is_wanted: Callable[[], bool] | None = None,
    ) -> None:
        """``n_ctx`` in tokens; ``is_wanted`` as `ChatTemplate` has it."""
        self.vocabulary = vocabulary
        self.answer_format = templates.answer_format
        self.end_mark = _end_mark(vocabulary, templates.chat)
        self._n_ctx = n_ctx
        self._bos_text = vocabulary.text(vocabulary.bos)
        self._openings = _openings(templates.answer_format)
        self._renderer = ChatRenderer(
            templates.chat,
            templates.tools,
            answer_format=templates.answer_format,
            bos=self._bos_text,
            eos=vocabulary.text(vocabulary.eos),
            is_wanted=is_wanted,
        )

    def with_template(self, template: str, is_wanted: Callable[[], bool]) -> PromptBuilder:
        """The same for another chat template, which is tried for as long as ``is_wanted`` says.
        Raises `InvalidRequest` for what is none."""
        check_template_text(template)
        templates = Templates(template, None, answer_format(template))
        return PromptBuilder(
            self.vocabulary, templates=templates, n_ctx=self._n_ctx, is_wanted=is_wanted
        )

    def build(self, request: Generate) -> Prompt:
        """The prompt of a request.

        Raises `InvalidRequest` (empty, an overflow that needs more, chat options without messages,
        a suffix with them), `ContextLimitExceeded`, or `InferenceError` from a broken template.
        """
        overflow, max_tokens = request.limits.overflow, request.sampling.max_tokens
        is_endless = max_tokens is None or max_tokens > MAX_SHIFTED_TOKENS
        if overflow is Overflow.SHIFT and is_endless:
            raise InvalidRequest(
                f"overflow “shift” needs max_tokens, {MAX_SHIFTED_TOKENS:,} at most: the answer"
                " might never end",
                param="overflow",
            )
        if request.messages is not None and request.suffix is not None:
            raise InvalidRequest("A suffix goes with a text, not with messages", param="suffix")
        if request.messages is None:
            if request.chat != ChatOptions():
                raise InvalidRequest("Tools and template variables need messages", param="tools")
            tokens = self._plain_tokens(request)
            prompt = Prompt(tokens, begun=self._begun_character(request.tokens or ()))
        elif overflow is Overflow.TRUNCATE_MIDDLE:
            prompt = self._truncated(request.messages, request.chat, max_tokens)
        else:
            prompt = self._prompt(request.messages, request.chat)
        param = "prompt" if request.messages is None else "messages"
        if not prompt.tokens:
            raise InvalidRequest("The prompt is empty", param=param)
        self.check_length(prompt.tokens, param, n_more=0 if max_tokens == 0 else 1)
        return prompt

    def check_length(self, tokens: list[int], param: str, n_more: int = 0) -> None:
        """Raise `ContextLimitExceeded`, naming ``param``, unless ``tokens`` and ``n_more`` of an
        answer fit."""
        if len(tokens) + n_more > self._n_ctx:
            raise ContextLimitExceeded.of(self._n_ctx, len(tokens) + n_more, param=param)

    def _infill_tokens(self, request: Generate, suffix: str) -> list[int]:
        """As code models are trained (Qwen, DeepSeek, Granite, Code Llama): what is in front of the
        gap, what is behind it, then the gap. Control tokens that the texts spell are text."""
        marks = self.vocabulary.infill
        if marks is None:
            raise InvalidRequest(
                "suffix needs a model that fills in the middle; this one has no tokens for that",
                param="suffix",
            )
        if request.tokens is None:
            prefix = self._text_alone(request.text or "")
        else:
            self.vocabulary.check(request.tokens, "prompt")
            prefix = list(request.tokens)
        begin = [self.vocabulary.bos] if self.vocabulary.adds_bos else []
        behind = self._text_alone(suffix)
        return [*begin, marks.prefix, *prefix, marks.suffix, *behind, marks.middle]

    def _begun_character(self, tokens: Sequence[int]) -> bytes:
        last = tokens[-_LONGEST_CHARACTER:]
        return begun_character(b"".join(self.vocabulary.written_out(token) for token in last))

    def _text_alone(self, text: str) -> list[int]:
        return self.vocabulary.tokenize(text, special=False, add_special=False)

    def _plain_tokens(self, request: Generate) -> list[int]:
        if request.limits.overflow is Overflow.TRUNCATE_MIDDLE:
            raise InvalidRequest(
                "overflow “truncate_middle” needs messages, not a text", param="overflow"
            )
        if request.suffix is not None:
            return self._infill_tokens(request, request.suffix)
        if request.tokens is None:
            return self.vocabulary.tokenize(request.text or "", special=True)
        self.vocabulary.check(request.tokens, "prompt")
        return list(request.tokens)

    def chat_tokens(self, turns: tuple[ChatTurn, ...], chat: ChatOptions) -> list[int]:
        """Tokens of a conversation, as `chat_text` writes it."""
        return self._prompt(turns, chat).tokens

    def chat_text(
        self,
        turns: tuple[ChatTurn, ...],
        chat: ChatOptions,
        end: PromptEnd = PromptEnd.GENERATION,
    ) -> str:
        """A conversation as one text, without the beginning-of-sequence token that the tokeniser
        adds. In a generation a last turn of the assistant is one that goes on, unless it calls
        tools."""
        if end is PromptEnd.GENERATION and goes_on(turns):
            text = self._continued(turns, chat)
        else:
            opens = end is not PromptEnd.CLOSED
            text = self._renderer.render(turns, chat, add_generation_prompt=opens)
        # Many templates write the token that the tokeniser adds as well.
        if self.vocabulary.adds_bos and self._bos_text:
            text = text.removeprefix(self._bos_text)
        return text

    def _prompt(self, turns: tuple[ChatTurn, ...], chat: ChatOptions) -> Prompt:
        text = self.chat_text(turns, chat)
        tokens = self.vocabulary.tokenize(text, special=True)
        # An answer that goes on has its opening in the turn that it continues.
        return Prompt(tokens, opening="" if goes_on(turns) else self._opening(text))

    def _opening(self, text: str) -> str:
        end = len(text.rstrip())
        for mark in self._openings:
            if text.endswith(mark, 0, end):
                return text[end - len(mark) :]
        return ""

    def _continued(self, turns: tuple[ChatTurn, ...], chat: ChatOptions) -> str:
        """The conversation, cut right behind the last turn's text: no end of turn, no new turn."""
        thought = open_thought(turns[-1], self.answer_format.reasoning)
        if thought is not None and len(turns) > 1:
            return self._thinking_on(turns[:-1], thought, chat)
        last = msgspec.structs.replace(turns[-1], text=turns[-1].text + _MARK)
        text = self._renderer.render((*turns[:-1], last), chat, add_generation_prompt=False)
        head, mark, _ = text.rpartition(_MARK)
        if not mark:
            raise InvalidRequest(
                "The model's chat template leaves out the answer that is to go on, so it cannot be "
                "continued",
                param="messages",
            )
        return head

    def _thinking_on(self, turns: tuple[ChatTurn, ...], thought: str, chat: ChatOptions) -> str:
        """The prompt that the answer was begun behind, then all that was thought so far. As a turn
        of the past templates would close the thought, or leave it out."""
        text = self._renderer.render(turns, chat, add_generation_prompt=True)
        marks = thought_marks(self.answer_format.reasoning)
        if marks is None or self._opening(text).startswith(marks.opening):
            return text + thought
        return f"{text}{marks.opening}{marks.space}{thought}"

    def _truncated(
        self, turns: tuple[ChatTurn, ...], chat: ChatOptions, max_tokens: int | None
    ) -> Prompt:
        room = max(1, self._n_ctx // ANSWER_ROOM)
        limit = self._n_ctx - (room if max_tokens is None else min(room, max_tokens))
        n_system = 1 if turns and turns[0].role is Role.SYSTEM else 0
        rest = turns[n_system:]
        # Whole exchanges go: what is left begins with a turn of the user.
        starts = [0, *(i for i, turn in enumerate(rest) if i and turn.role is Role.USER)]

        def prompt_from(start: int) -> Prompt:
            return replace(self._prompt(without_oldest(turns, start), chat), n_dropped_turns=start)

        fewest = prompt_from(starts[-1])
        if len(fewest.tokens) > limit:
            return fewest  # it leaves less room than wanted; `build` sees whether it leaves any
        # Bisected, for each try renders and tokenises: 400 exchanges take nine of them.
        low, high = 0, len(starts) - 1
        while low < high:
            middle = (low + high) // 2
            tried = prompt_from(starts[middle])
            if len(tried.tokens) <= limit:
                fewest, high = tried, middle
            else:
                low = middle + 1
        return fewest


def _end_mark(vocabulary: Vocabulary, template: str | None) -> str:
    """A template that the model brings was chosen for its vocabulary, in which the mark is a token
    that ends the answer. Ours is guessed: a base model spells out what it read in the prompt."""
    if template not in (None, CHATML_TEMPLATE):
        return ""
    tokens = vocabulary.tokenize(CHATML_END, special=True, add_special=False)
    return "" if len(tokens) == 1 else CHATML_END


def _openings(answer_format: AnswerFormat) -> tuple[str, ...]:
    """What a template may open for the answer: a train of thought, or a recipient (`>>>`)."""
    found = []
    if answer_format.reasoning in THOUGHTS:
        found.append(THOUGHTS[answer_format.reasoning].opening)
    syntax = SYNTAXES.get(answer_format.tools)
    if syntax is not None and syntax.content_name:
        found.append(syntax.call[0])
    return tuple(found)
