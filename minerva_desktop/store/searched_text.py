"""What of a message the search looks at: its words, and the names of the files that came with it.

SQL, for `search_index` and `search_sources`.
"""

from __future__ import annotations

# Of an older answer without the thought before it (`chat.old_thoughts`).
SAID = """
    CASE WHEN substr(messages.text, 1, 7) = '<think>' AND messages.role = 'assistant'
        AND messages.parts IS NULL AND instr(messages.text, '</think>') > 0
    THEN ltrim(substr(messages.text, instr(messages.text, '</think>') + 8), char(10, 13, 32))
    ELSE messages.text END
"""
# Most messages have no parts, and then nothing is read of them.
SEARCHED_TEXT = f"""
    ({SAID}) || iif(instr(ifnull(messages.parts, ''), '"file"') = 0, '', (
        SELECT ifnull(group_concat(char(10) || json_extract(value, '$.name'), ''), '')
        FROM json_each(iif(json_valid(messages.parts), messages.parts, '[]'))
        WHERE json_extract(value, '$.type') = 'file'))
"""
