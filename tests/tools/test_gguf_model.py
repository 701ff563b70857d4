"""A GGUF file becomes a folder that computes and tokenizes alike; what is none, or is in the way, is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.tokenizer import load_tokenizer
from shopbench.errors import exit_code_of
from tools.gguf_model import main

NAME = "Somewhere/Tiny-Instruct"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def random_qwen2(vocabulary: int) -> Any:
    """A model whose weights bfloat16 holds exactly, with biases that are not 0 and a tied head."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Qwen2Config(vocab_size=vocabulary, num_key_value_heads=2, tie_word_embeddings=True, **sizes)
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter).mul_(0.2).bfloat16().float()
    return model


def write_gguf(path: Path, model: Any, tokens: list[str], merges: list[str]) -> None:
    import gguf

    writer, config = gguf.GGUFWriter(str(path), "qwen2"), model.config
    writer.add_context_length(512)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens])
    writer.add_token_merges(merges)
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_chat_template(TEMPLATE)
    weights = model.state_dict()
    names = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    for layer in range(config.num_hidden_layers):
        for theirs, ours in LAYER.items():
            for kind in ("weight", "bias"):
                names[f"blk.{layer}.{theirs}.{kind}"] = f"model.layers.{layer}.{ours}.{kind}"
    for theirs, ours in names.items():
        if ours in weights:
            writer.add_tensor(theirs, weights[ours].numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_folder_computes_and_tokenizes_as_the_file_says(tmp_path: Path) -> None:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, "12", "Ã©", *SPECIAL]
    model = random_qwen2(len(tokens))
    write_gguf(tmp_path / "model.gguf", model, tokens, ["1 2", "Ã ©"])
    output = tmp_path / "out"
    assert main([str(tmp_path / "model.gguf"), "--model", NAME, "--output", str(output)]) == 0
    assert len({file.stat().st_mode for file in output.iterdir()}) == 1, "the umask's, not its owner's"

    ids = torch.arange(0, 40)[None]
    read = AutoModelForCausalLM.from_pretrained(output, dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(read(ids).logits, model.eval()(ids).logits)
    assert read.config.tie_word_embeddings and read.config.dtype == torch.float32

    tokenizer = load_tokenizer(output)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert read.generation_config.eos_token_id == tokenizer.eos_token_id == tokens.index("<|im_end|>")
    spelled = [tokens[number] for number in tokenizer.encode("e\u030112<|im_end|>")]
    assert spelled == ["Ã©", "1", "2", "<|im_end|>"], "an accent joined with its letter, digits one by one"
    assert json.loads((output / "provenance.json").read_text())["model"] == NAME
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "model.gguf", "out"]

    whole = (tmp_path / "model.gguf").read_bytes()
    for share in (0.1, 0.5, 0.95):
        (tmp_path / "part.gguf").write_bytes(whole[: int(share * len(whole))])
        arguments = [str(tmp_path / "part.gguf"), "--model", NAME, "--output", str(tmp_path / "other")]
        assert exit_code_of(main, arguments) == 2, "an end that is missing"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("content", [b"", b"not a model", b"GGUF\x03\x00\x00\x00" + bytes(16)])
def test_what_is_no_whole_gguf_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    assert exit_code_of(main, [str(file), "--model", NAME, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and str(file) in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    assert exit_code_of(main, [str(tmp_path / "model.gguf"), "--model", NAME, "--output", str(tmp_path)]) == 2
    assert "delete it or give another --output" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "precious"
