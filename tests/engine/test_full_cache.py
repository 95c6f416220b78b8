"""A KV cache without room for the next step, and nothing to give up."""

from __future__ import annotations

from pathlib import Path

from tests.engine.native_script import said_by

# In a process of its own, for it loads llama.cpp. The scheduler is told of twice the cells that
# there are: who counts right never gets there.
OVERFULL = r"""
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
from minerva_desktop.errors import InferenceError

options, log, flag = LoadOptions(), LlamaLog(), AbortFlag()
model = LlamaModel(Path(sys.argv[1]), options, log=log)
parameters = generation_params(
    options, n_ctx=512, n_batch=200, n_threads=2, n_seq_max=8, n_outputs=1, swa_full=False
)
context = LlamaContext(model, parameters, abort=flag, log=log)
scheduler = Scheduler(SlotTable(n_slots=8, n_cells=1024), n_batch=200, max_running=1)
cache = SequenceCache(context, scheduler, flag, Parking(context, scheduler, None, 1, n_kept=7))
scheduler.add(Sequence(1, list(range(5, 805)), 50, reuse=False))
cache.place(*scheduler.admit())
said = []
while not said:
    (chunks,) = scheduler.schedule().groups
    try:
        if cache.decode(chunks):
            scheduler.advance(chunks)
    except InferenceError as error:
        said = [error.message]
print("\n" + json.dumps(said))
"""


def test_it_is_told_how_much_was_needed_and_there(small_path: Path) -> None:
    (message,) = said_by(OVERFULL, small_path)
    assert message == (
        "llama.cpp found no room in its KV cache for 200 more tokens: 400 of its 512 cells are in"
        " use. A larger context has more of them"
    )
