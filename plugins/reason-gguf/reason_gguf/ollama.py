"""The Modelfile by which Ollama takes the file: `ollama create NAME -f Modelfile`."""

from __future__ import annotations

from typing import Any

from reason_cli import Exportable

TURNS = (("system", "S"), ("user", "U"), ("assistant", "A"), ("user", "V"))
CHATML = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in TURNS) + "<|im_start|>assistant\n"

# As the chat template, in Go's: a conversation that ends with the assistant's turn is gone on with.
TEMPLATE = """{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 -}}
<|im_start|>{{ .Role }}
{{ .Content }}{{ if not (and $last (eq .Role "assistant")) }}<|im_end|>
{{ end }}
{{- if and $last (ne .Role "assistant") }}<|im_start|>assistant
PREFILL{{ end }}
{{- end }}"""


def modelfile(source: Exportable, name: str) -> str:
    """Its text. Without ChatML, Ollama is left to find the template itself."""
    data = source.facts.get("settings", {}).get("data", {})
    lines = [f"FROM ./{name}"]
    if is_chatml(source.tokenizer):
        lines.append(f"TEMPLATE {quoted(TEMPLATE.replace('PREFILL', literal(data.get('prefill', ''))))}")
    if data.get("system_prompt"):
        lines.append(f"SYSTEM {quoted(data['system_prompt'])}")
    lines += [f'PARAMETER stop "{end}"' for end in ends(source)]
    return "\n".join([*lines, "PARAMETER temperature 0", ""])


def is_chatml(tokenizer: Any) -> bool:
    """Whether the chat template writes ChatML."""
    if not tokenizer.chat_template:
        return False
    messages = [{"role": role, "content": text} for role, text in TURNS]
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == CHATML
    except Exception:  # what a template raises that refuses, as some do a system message, is its own choice
        return False


def ends(source: Exportable) -> list[str]:
    """The texts of the tokens that end an answer."""
    named = getattr(source.model.generation_config, "eos_token_id", None)
    ids = [source.tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])]
    texts = [source.tokenizer.convert_ids_to_tokens(number) for number in dict.fromkeys(ids) if number is not None]
    return [str(text) for text in texts]


def literal(text: str) -> str:
    """A text in a template of Go's, as it is."""
    return text.replace("{{", '{{ "{{" }}')


def quoted(text: str) -> str:
    """A text in a Modelfile; three quotes cannot stand in one."""
    return '"""' + text.replace('"""', "'''") + '"""'
