"""A base small enough to be tuned in a test: a Llama of two layers, saved as any is."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def save_llama(tokenizer, folder):
    """Save one, always the same, with its tokenizer; gives the folder."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
