"""README.md of a folder: what it holds, and how to run it."""

from __future__ import annotations

from reason_cli import Exportable

KINDS = {
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "q8_0": "8 bits, in blocks of 32 with one scale each",
}

TEXT = """# {name}

`{file}` is a Mamba of {parameters:,} parameters for llama.cpp: matrices in {kind}; vectors, the convolution and the
projections of the step size in float32. The tokenizer and the chat template are in the file.

`reason export gguf` wrote it, read it again through transformers and compared its logits with those of the model. What
it found, and what llama.cpp itself said where it was installed, stands in `export.json`.

## llama.cpp

```sh
llama-cli -m {file}{system}
llama-server -m {file} --jinja
```

## Ollama

```sh
ollama create {tag} -f Modelfile
ollama run {tag}
```

## Python

```python
import xllamacpp  # pip install xllamacpp

params = xllamacpp.CommonParams()
params.model.path, params.n_ctx = "{file}", 2048
server = xllamacpp.Server(params)
messages = [{{"role": "user", "content": "What is 17 + 25?"}}]
print(server.handle_chat_completions({{"messages": messages, "temperature": 0}})["choices"][0]["message"])
```

transformers reads it too: `MambaForCausalLM.from_pretrained(".", gguf_file="{file}")`.
"""


def readme(source: Exportable, file: str, kind: str) -> str:
    """Its text."""
    data = source.facts.get("settings", {}).get("data", {})
    system = f" -sys {shell(data['system_prompt'])}" if data.get("system_prompt") else ""
    text = TEXT.format(
        name=source.name,
        file=file,
        parameters=source.model.num_parameters(),
        kind=KINDS[kind],
        system=system,
        tag=source.name.lower(),
    )
    if data.get("prefill"):
        text += (
            f"\nEach of its turns was given {data['prefill']!r} to begin with. The Modelfile writes it; to llama.cpp, "
            "end the prompt with it.\n"
        )
    return text


def shell(text: str) -> str:
    """A text as one word of a shell's."""
    from shlex import quote

    return quote(text)
