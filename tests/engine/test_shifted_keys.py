"""Keys that llama.cpp has to turn for their new positions, once tokens were shifted."""

from __future__ import annotations

from pathlib import Path

from tests.engine.native_script import said_by

# In a process of its own, for it loads llama.cpp: no request tells when exactly it is aborted.
TURNED = r"""
import json, sys
from pathlib import Path
from minerva_desktop.engine.core.abort_flag import AbortFlag
from minerva_desktop.engine.core.context_params import generation_params
from minerva_desktop.engine.core.llama import LlamaContext, LlamaModel
from minerva_desktop.engine.core.llama_log import LlamaLog
from minerva_desktop.engine.core.parking import Parking
from minerva_desktop.engine.core.scheduler import Scheduler
from minerva_desktop.engine.core.sequence import Sequence
from minerva_desktop.engine.core.sequence_cache import SequenceCache
from minerva_desktop.engine.core.slots import SlotTable
from minerva_desktop.engine.load_options import LoadOptions

options, log, flag = LoadOptions(), LlamaLog(), AbortFlag()
model = LlamaModel(Path(sys.argv[1]), options, log=log)
parameters = generation_params(
    options, n_ctx=512, n_batch=512, n_threads=2, n_seq_max=8, n_outputs=1, swa_full=False
)
context = LlamaContext(model, parameters, abort=flag, log=log)
scheduler = Scheduler(SlotTable(n_slots=8, n_cells=512), n_batch=512, max_running=1)
cache = SequenceCache(context, scheduler, flag, Parking(context, scheduler, None, 1, n_kept=7))

def likeliest(sequence):
    (chunks,) = scheduler.schedule().groups
    if not cache.decode(chunks):
        return None
    scheduler.advance(chunks)
    logits = context.logits(chunks[0].row, model.n_vocab).tolist()
    return sorted((logit, token) for token, logit in enumerate(logits))[-9:]

found = []
for n_aborts in (0, 1):
    sequence = Sequence(n_aborts, list(range(5, 505)), 50, reuse=False)
    scheduler.add(sequence)
    cache.place(*scheduler.admit())
    while (before := likeliest(sequence)) is None or sequence.is_prompt:
        pass
    sequence.tokens.append(7)
    cache.shift(sequence)
    for _ in range(n_aborts):
        flag.set()
        assert likeliest(sequence) is None
        flag.clear()
    found.append(likeliest(sequence))
    cache.forget([sequence.slot])
    scheduler.lost(sequence)
    scheduler.remove(n_aborts)
print("\n" + json.dumps(found))
"""


def test_an_abort_while_keys_are_turned_leaves_no_others_behind(small_path: Path) -> None:
    """It is mostly one of another request, whose prompt is in the same decode."""
    undisturbed, aborted = said_by(TURNED, small_path)
    assert aborted == undisturbed
