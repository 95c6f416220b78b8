"""What of a message the search looks at: its words, and the names of the files that came with it.

SQL, for `search_index` and `search_sources`.
"""

from __future__ import annotations

# Most messages have no parts, and then nothing is read of them.
SEARCHED_TEXT = """
    messages.text || iif(instr(ifnull(messages.parts, ''), '"file"') = 0, '', (
        SELECT ifnull(group_concat(char(10) || json_extract(value, '$.name'), ''), '')
        FROM json_each(iif(json_valid(messages.parts), messages.parts, '[]'))
        WHERE json_extract(value, '$.type') = 'file'))
"""
