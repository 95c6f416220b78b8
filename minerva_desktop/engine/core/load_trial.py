"""Whether a model would load, found out without its weights: what `loading` refuses is refused here
in the same words, and what it could not have is told. Engine child, main thread.

Not known before a real load are the weights themselves (numbers that are none, a file that is cut
off behind its header), and whether the system gives the memory, or locks it. Adapters are small:
they are really loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from minerva_desktop.devices.cores import physical_cores
from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.adapters import load_adapter
from minerva_desktop.engine.core.chat_template import ask_template
from minerva_desktop.engine.core.context_params import (
    ContextPlan,
    context_plan,
    draft_options,
    draft_params,
)
from minerva_desktop.engine.core.draft_model import check_can_guess, check_vocabulary
from minerva_desktop.engine.core.dry_run import simulated
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.load_checks import (
    check_devices,
    check_embedding_options,
    check_own_template,
    check_pooling,
    check_writes,
)
from minerva_desktop.engine.core.load_log import layers_on_gpus
from minerva_desktop.engine.core.model_parts import check_file
from minerva_desktop.engine.core.not_had import not_had, not_had_by_embeddings
from minerva_desktop.engine.core.own_memory import give_back_freed
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.engine.template_words import no_chats
from minerva_desktop.errors import InferenceError, InvalidRequest


def try_load(path: Path, options: LoadOptions, *, log: LlamaLog) -> tuple[str, ...]:
    """What to beware of with the model at ``path`` though it loads, in sentences. Raises what
    loading raises; a file that makes llama.cpp abort ends the process."""
    check_devices(options)
    if options.chat_template is not None:
        check_own_template(path, options.chat_template)
    with simulated(path, options, log) as model:
        check_pooling(path, model)
        if model.pooling is not None:
            check_embedding_options(path, options)
        n_threads = options.n_threads or physical_cores()
        plan = context_plan(model, options, n_threads)
        context = LlamaContext(model, plan.params, abort=AbortFlag(), log=log)
        try:
            warnings = (*_not_had(model, options, plan, log.text()), *_template_warning(model))
            if model.pooling is None:
                check_writes(path, model, context, plan)
                _try_beside(model, options, plan, log)
        finally:
            context.free()
    give_back_freed()
    log.clear()
    return warnings


def _not_had(
    model: LlamaModel, options: LoadOptions, plan: ContextPlan, text: str
) -> Iterator[str]:
    """``text``: llama.cpp's log up to here."""
    yield from not_had(options, text, layers_on_gpus(text))
    if model.pooling is not None:
        yield from not_had_by_embeddings(options, plan.n_ctx)


def _try_beside(model: LlamaModel, options: LoadOptions, plan: ContextPlan, log: LlamaLog) -> None:
    """Adapters and a draft model."""
    for adapter in options.lora:  # freed with the model
        load_adapter(Path(os.fsdecode(adapter.path)), model, log)
    draft = None if options.speculation is None else options.speculation.draft_path
    if draft is None:
        return
    check_file(draft, f"The draft model “{draft.name}”")
    own = draft_options(options)
    with simulated(draft, own, log) as small:
        check_vocabulary(small, model, draft.name)
        params = draft_params(own, plan, plan.n_ctx, options.n_threads or physical_cores())
        context = LlamaContext(small, params, abort=AbortFlag(), log=log)
        try:
            check_can_guess(small, context, draft.name)
        finally:
            context.free()


def _template_warning(model: LlamaModel) -> Iterator[str]:
    """A model with a broken one loads, for text without a chat."""
    template = model.chat_template()
    if model.pooling is not None or template is None:
        return
    try:
        ask_template(template)
    except (InferenceError, InvalidRequest) as error:
        yield no_chats(error)
