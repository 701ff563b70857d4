"""Small tokenizers of the kinds that differ in how they cut numbers, made here so that no weights are needed."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from models.spaces.vocabulary import _byte_stand_ins

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_level(merges: list[tuple[str, str]]) -> Any:
    """A GPT-2-style tokenizer: every byte a token, and the merged pieces ("Ġ" is a blank)."""
    words = sorted(_byte_stand_ins()) + [left + right for left, right in merges]
    core = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, merges))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    return _wrapped(core)


def sentence_piece(merges: list[tuple[str, str]]) -> Any:
    """A Llama-2-style tokenizer: a blank is "▁", unknown characters are spelled in <0x..> bytes."""
    letters = [chr(code) for code in range(33, 127)] + ["▁", "\n"]
    words = [f"<0x{byte:02X}>" for byte in range(256)] + letters + [left + right for left, right in merges]
    core = Tokenizer(
        models.BPE({word: place for place, word in enumerate(words)}, merges, byte_fallback=True, fuse_unk=True)
    )
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return _wrapped(core)


def _wrapped(core: Tokenizer) -> Any:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=SPECIAL[1:2]
    )
    tokenizer.chat_template = CHAT
    return tokenizer


KINDS = {
    "single digits": lambda: byte_level([]),
    "two digits in a token": lambda: byte_level([("1", "0"), ("1", "1"), ("1", "2"), ("Ġ", "1"), ("Ġ", "10")]),
    "comma and digit in a token": lambda: byte_level([(",", "1"), (",", "2"), ("2", ","), ("1", "0"), (",1", "0")]),
    "sentence piece": lambda: sentence_piece([("▁", "1"), ("1", "0"), ("▁", "a"), (",", "▁")]),
}
