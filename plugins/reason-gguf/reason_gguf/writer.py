"""The file: what llama.cpp must know of the model, its tokenizer, its tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reason_cli import Exportable, __version__
from reason_gguf.tensors import stored, tensors
from reason_gguf.vocabulary import PRE, template, vocabulary

if TYPE_CHECKING:
    from gguf import GGUFWriter

CONTEXT = 2**20  # a Mamba has no limit; llama.cpp wants one to be named, and keeps no more for it
FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0"}


def write(source: Exportable, path: Path, kind: str) -> None:
    """Write a model as a GGUF file with matrices of this type."""
    from gguf import GGUFWriter, LlamaFileType

    writer = GGUFWriter(path, "mamba")
    try:
        describe(writer, source)
        writer.add_file_type(LlamaFileType[FILE_TYPES[kind]])
        shape(writer, source.model.config)
        tokens(writer, source)
        for name, tensor in tensors(source.model):
            values, stored_as = stored(name, tensor, kind)
            writer.add_tensor(name, values, raw_dtype=stored_as)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def describe(writer: GGUFWriter, source: Exportable) -> None:
    """What a person sees of it."""
    writer.add_type("model")
    writer.add_name(source.name)
    writer.add_description(f"a Mamba of {source.model.num_parameters():,} parameters, by reason {__version__}")
    writer.add_size_label(f"{source.model.num_parameters() / 1e6:.3g}M")
    writer.add_tags(["reason", "mamba", "text-generation"])


def shape(writer: GGUFWriter, config: Any) -> None:
    """The sizes. There is no attention and no feed-forward layer, of which llama.cpp wants to know that."""
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_ssm_conv_kernel(config.conv_kernel)
    writer.add_ssm_inner_size(config.intermediate_size)
    writer.add_ssm_state_size(config.state_size)
    writer.add_ssm_time_step_rank(int(config.time_step_rank))
    writer.add_ssm_dt_b_c_rms(False)
    writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)
    writer.add_vocab_size(config.vocab_size)


def tokens(writer: GGUFWriter, source: Exportable) -> None:
    """The tokenizer. A text gets no token in front that the chat template did not write."""
    tokenizer: Any = source.tokenizer
    found = vocabulary(tokenizer, source.model.config.vocab_size)  # type: ignore[attr-defined]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list(found.tokens)
    writer.add_token_types(found.types)
    writer.add_token_merges(found.merges)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    bos = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    for number, add in (
        (bos, writer.add_bos_token_id),
        (tokenizer.eos_token_id, writer.add_eos_token_id),
        (tokenizer.pad_token_id, writer.add_pad_token_id),
    ):
        if number is not None:
            add(number)
    if tokenizer.chat_template:
        writer.add_chat_template(template(tokenizer))
