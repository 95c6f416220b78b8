"""What of a message the search looks at: its words, and the names of the files that came with it.

Of a very long message it looks at the beginning: the index takes the database's thread for 2 s with
four million characters of prose, and for 9 s with base64, while answers that stream in are to reach
the disk once a second.

SQL, for `search_index` and `search_sources`.
"""

from __future__ import annotations

SEARCHED_CHARACTERS = 100_000  # of a message: 0.03 s of prose, 0.2 s of base64 or Chinese

# Of an older answer without the thought before it (`chat.old_thoughts`).
SAID = """
    CASE WHEN substr(messages.text, 1, 7) = '<think>' AND messages.role = 'assistant'
        AND messages.parts IS NULL AND instr(messages.text, '</think>') > 0
    THEN ltrim(substr(messages.text, instr(messages.text, '</think>') + 8), char(10, 13, 32))
    ELSE messages.text END
"""
# What has no more bytes has no more characters, either, and these need not be counted.
BEGINNING = f"""
    iif(octet_length(messages.text) <= {SEARCHED_CHARACTERS}, {SAID},
        substr({SAID}, 1, {SEARCHED_CHARACTERS}))
"""
# Most messages have no parts, and then nothing is read of them.
SEARCHED_TEXT = f"""
    ({BEGINNING}) || iif(instr(ifnull(messages.parts, ''), '"file"') = 0, '', (
        SELECT ifnull(group_concat(char(10) || json_extract(value, '$.name'), ''), '')
        FROM json_each(iif(json_valid(messages.parts), messages.parts, '[]'))
        WHERE json_extract(value, '$.type') = 'file'))
"""
