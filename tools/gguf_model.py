"""A model that is at hand as one GGUF file, as a Hugging Face folder: to be fine-tuned, quantized and served.

    python -m tools.gguf_model FILE --model Qwen/Qwen2.5-Coder-0.5B-Instruct

The weights are dequantized to bfloat16: as precise as the file, so a model of the same name from the Hub is another
one, and what was trained on one of them is refused on the other. Without --output the folder is where recipes look for
a base of that name.
"""

from __future__ import annotations

from shopbench.errors import DONE, UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("tools.gguf_model")

import argparse
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shopbench.files import ROOT, file_hash, usual_modes, write_json
from shopbench.outputs import check_free, locked

MAGIC = b"GGUF"


def read_gguf(gguf: Path) -> tuple[Any, Any]:
    """The model of a GGUF file in bfloat16, and its tokenizer; UserError for what transformers cannot read."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from tokenizers import normalizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with open(gguf, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UserError(f"{gguf}: is no GGUF file; where it comes in slices, join them in their order")
    where = {"pretrained_model_name_or_path": str(gguf.absolute().parent), "gguf_file": gguf.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where)
        model = AutoModelForCausalLM.from_pretrained(
            **where, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
    except ValueError as error:
        raise UserError(f"{gguf}: cannot be read ({str(error).splitlines()[0]}); fetch it again, or another") from None
    if model.config.model_type == "qwen2":  # GGUF does not say that Qwen normalizes texts first
        tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    return model, tokenizer


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write weights, configurations and tokenizer; which tokens begin, end and pad, the tokenizer says."""
    from transformers import GenerationConfig

    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    for name, number in ids.items():
        setattr(model.config, name, number)
    model.generation_config = GenerationConfig(**ids)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@contextmanager
def replacement(output: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `output` when the block ends well."""
    beside = output.with_name(f".{output.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        usual_modes(beside)
        shutil.rmtree(output, ignore_errors=True)
        os.replace(beside, output)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.gguf_model", description="GGUF to a Hugging Face folder")
    parser.add_argument("gguf", type=Path, metavar="FILE")
    parser.add_argument("--model", required=True, help="its name on the Hugging Face Hub, for provenance.json")
    parser.add_argument("--output", type=Path, help="folder to write (default: weights/base/<last part of the name>)")
    given = parser.parse_args(argv)
    output: Path = given.output or ROOT / "weights" / "base" / given.model.split("/")[-1].lower()
    output.parent.mkdir(parents=True, exist_ok=True)
    with locked(output):
        check_free(output)
        model, tokenizer = read_gguf(given.gguf)
        with replacement(output) as folder:
            save(model, tokenizer, folder)
            facts = {"model": given.model, "gguf_sha256": file_hash(given.gguf), "note": "dequantized to bf16"}
            write_json(folder / "provenance.json", facts)
    print(output)
    return DONE
