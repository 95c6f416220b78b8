"""Small chat templates of our own in the shape of each family, for tests."""

from __future__ import annotations

HERMES = r"""
{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}

{% endif %}Tools:{% for tool in tools %}{{ '\n' ~ (tool | tojson) }}{% endfor %}{{ '\n\n' }}
{{- 'Call with <tool_call>{"name": ..., "arguments": ...}</tool_call>' }}<|im_end|>
{% elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\n' }}
{%- if message.reasoning_content is string and loop.index0 >= messages | length - 3 %}
{{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}{% endif %}
{{- message.content }}
{%- for call in message.tool_calls %}
{%- set call = call.function %}
{{- '\n<tool_call>\n{"name": "' + call.name + '", "arguments": ' }}
{{- call.arguments if call.arguments is string else call.arguments | tojson }}
{{- '}\n</tool_call>' }}{% endfor %}
{{- '<|im_end|>\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- endif %}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}
{%- if enable_thinking is defined %}{{ '<think>\n' }}
{%- if not enable_thinking %}{{ '\n</think>\n\n' }}{% endif %}{% endif %}{% endif %}
"""

# Adds the arguments to a text as they are, and takes no empty text for a turn that calls.
DEEPSEEK_R1 = r"""
{%- for message in messages %}
{%- if message.role == 'assistant' and message.content is none %}{{ '<A><｜tool▁calls▁begin｜>' }}
{%- for call in message.tool_calls %}
{{- '<｜tool▁call▁begin｜>' + call.type + '<｜tool▁sep｜>' + call.function.name + '\n```json\n' }}
{{- call.function.arguments + '\n```<｜tool▁call▁end｜>' }}{% endfor %}
{{- '<｜tool▁calls▁end｜>' }}
{%- elif message.role == 'assistant' %}{{ '<A>' + message.content.split('</think>')[-1] }}
{%- else %}{{ '<' + message.role + '>' + message.content }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ '<A><think>\n' }}{% endif %}
"""

# Wants nine letters and digits for an id, and alternating roles.
MISTRAL = r"""
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{%- set ns = namespace(index=0) %}
{%- for message in messages if message.role in ['user', 'assistant'] and not message.tool_calls %}
{%- if (message.role == 'user') != (ns.index % 2 == 0) %}
{{- raise_exception('roles must alternate') }}{% endif %}
{%- set ns.index = ns.index + 1 %}{% endfor %}
{%- set users = messages | selectattr('role', 'equalto', 'user') | list %}
{%- for message in messages %}
{%- if message.role == 'system' %}{{ raise_exception('no system') }}
{%- elif message.role == 'user' %}
{%- if tools is not none and message == users[-1] %}
{{- '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}
{{- '[INST]' + message.content + '[/INST]' }}
{%- elif message.tool_calls is defined %}{{ '[TOOL_CALLS][' }}
{%- for call in message.tool_calls %}
{%- if call.id | length != 9 %}{{ raise_exception('nine!') }}{% endif %}
{{- (call.function | tojson)[:-1] + ', "id": "' + call.id + '"}' }}{% endfor %}{{ ']</s>' }}
{%- elif message.role == 'tool' %}
{{- '[TOOL_RESULTS]' + message.content + ' ' + message.tool_call_id + '[/TOOL_RESULTS]' }}
{%- else %}{{ message.content + '</s>' }}{% endif %}{% endfor %}
"""

# One call at most, and its arguments are looped over.
LLAMA = r"""
{%- for message in messages %}
{%- if 'tool_calls' in message %}
{%- if message.tool_calls | length != 1 %}{{ raise_exception('single tool-calls') }}{% endif %}
{%- set call = message.tool_calls[0].function %}
{{- '<assistant>{"name": "' + call.name + '", "parameters": ' + (call.arguments | tojson) + '}' }}
{%- for key, value in call.arguments | items %}{{ ' ' + key + '=' ~ value }}{% endfor %}
{%- elif message.role == 'tool' %}{{ '<ipython>' + message.content }}
{%- else %}{{ '<' + message.role + '>' + message.content }}{% endif %}{% endfor %}
{%- if tools is defined and tools is not none %}{{ tools | tojson(indent=2) }}{% endif %}
{%- if add_generation_prompt %}{{ '<assistant>' }}{% endif %}
"""

# Writes the ids of calls, and nothing of their names.
KIMI = r"""
{%- if tools %}<tools>{{ tools | tojson }}{% endif %}
{%- for message in messages %}<|im_{{ message.role }}|>
{%- if message.role == 'tool' %}{{ 'Return of ' + message.tool_call_id + '\n' }}{% endif %}
{{- message.content }}
{%- if message.tool_calls %}<|tool_calls_section_begin|>
{%- for call in message.tool_calls %}
{{- '<|tool_call_begin|>' + call.id + '<|tool_call_argument_begin|>' }}
{{- (call.function.arguments | tojson) + '<|tool_call_end|>' }}{% endfor %}
{{- '<|tool_calls_section_end|>' }}{% endif %}<|im_end|>{% endfor %}
{%- if add_generation_prompt %}<|im_assistant|>{% endif %}
"""

HARMONY = r"""
{%- for message in messages %}
{%- if message.tool_calls %}
{%- if message.content and message.thinking %}{{ raise_exception('both') }}{% endif %}
{%- if message.thinking %}
{{- '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + '<|end|>' }}{% endif %}
{%- set call = message.tool_calls[0].function %}
{{- '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>' }}
{{- (call.arguments | tojson) + '<|call|>' }}
{%- elif message.role == 'tool' %}
{{- '<|start|>functions.' + message.name + '<|message|>' + message.content + '<|end|>' }}
{%- else %}{{ '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}
{%- endif %}{% endfor %}
{%- if tools %}{{ tools | map(attribute='function') | list | tojson }}{% endif %}
{%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}
"""

# Puts what came of a call into the turn that called, and behind it what that turn said.
GEMMA4 = r"""
{%- if tools or messages[0].role == 'system' %}{{ '<|turn>system\n' }}
{%- if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}
{%- for tool in tools or () %}
{{- '<|tool>declaration:' + tool.function.name + '<tool|>' }}{% endfor %}{{ '<turn|>\n' }}
{%- endif %}
{%- set ns = namespace(last='') %}
{%- for message in messages if message.role not in ('system', 'tool') %}
{%- set ns.last = message.role %}
{{- '<|turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}
{%- if message.tool_calls %}{% set ns.last = 'called' %}
{%- for call in message.tool_calls %}
{{- '<|tool_call>call:' + call.function.name + '{' }}
{%- for key, value in call.function.arguments | dictsort %}
{{- key ~ ':' }}{{ '<|"|>' + value + '<|"|>' if value is string else value }}
{{- ',' if not loop.last }}{% endfor %}{{ '}<tool_call|>' }}{% endfor %}
{%- for result in messages if result.role == 'tool' %}
{{- '<|tool_response>response:' + result.name + '{value:<|"|>' + result.content }}
{{- '<|"|>}<tool_response|>' }}{% endfor %}{% endif %}
{%- if message.content or not message.tool_calls %}{{ message.content + '<turn|>\n' }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt and ns.last != 'called' %}{{ '<|turn>model\n' }}{% endif %}
"""

# Writes whatever role there is, and leaves calls to the text that came from the model.
LFM = r"""
{%- for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}
{%- if loop.first and tools %}{{ 'List of tools: [' }}
{%- for tool in tools %}{{ tool | tojson }}{{ ', ' if not loop.last }}{% endfor %}{{ ']' }}
{%- endif %}
{%- if message.thinking %}{{ '<think>' + message.thinking + '</think>' }}{% endif %}
{{- message.content + '<|im_end|>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
"""

# Is told of tools by a text of another name, and is broken without it, and without the day.
FIREFUNCTION = r"""
{%- set about = 'Write functools[...] to call.\n' + functions + '\nToday is ' + datetime + '.' %}
{%- for message in messages %}{{ '<' + message.role + '>' + message.content }}
{{- about if loop.first }}
{%- if message.tool_calls %}{{ ' functools[' }}
{%- for call in message.tool_calls %}
{{- '{"name": "' + call.function.name + '", "arguments": ' }}
{{- (call.function.arguments | tojson) + '}' }}
{%- endfor %}{{ ']' }}{% endif %}{% endfor %}
{{- '<assistant>' }}
"""

# Knows no tools, and refuses a system's turn and roles that do not alternate.
GEMMA = r"""
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('Conversation roles must alternate') }}{% endif %}
{{- '<start_of_turn>' + message.role + '\n' + message.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
"""

# Leaves a system's turn out without a word.
NO_SYSTEM = r"""
{%- for message in messages if message.role != 'system' %}
{{- '[' + message.role + ']' + message.content }}{% endfor %}
"""
