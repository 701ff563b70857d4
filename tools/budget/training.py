"""What a training would take on GPUs, before anything starts: memory of each, and hours, from first principles.

Memory of one GPU, which holds a whole copy of the model (data parallel):

    base          4-bit (NF4, block 64, its scales 8-bit again): 0.516 bytes a weight of a linear layer; else 2;
                  embeddings and head 2
    trained       weight, gradient and AdamW's two moments in float32: 16 bytes a weight
    activations   what each layer is given, kept for the way back (the rest is computed again): layers * hidden * 2
                  bytes a token; all of one layer, forward and backward
    logits        of answer tokens: 2 + 4 bytes, and as many for their gradients

Operations a token, P weights of linear layers: forward 2P, forward again for what was not kept 2P, backward to the
activations 2P, and 2P more for weights that are trained. Attention: 4 * layers * heads * head_dim a pair of tokens for
each forward, twice that for the backward. 4-bit weights are made 16-bit anew in each of the three passes of a step.

A training is taken to reach 14 to 40% of a GPU's peak, and the hours carry that range. Its slow end is the one
published figure: the winners trained Qwen2-72B on half a million samples (150 tokens each, as counted in what public
sources give) in about 24 hours on eight A100s (their paper, section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shopbench.answers import write
from shopbench.errors import UserError
from shopbench.files import ROOT, read_json
from shopbench.prompts import encode_answer, encode_prompt
from shopbench.sample import Sample
from tools.budget.devices import CASES, GIB, Gpu
from tools.budget.roofline import RESERVED, Shape
from training.recipes import Training

NF4_BYTES = 0.5 + (1 + 4 / 256) / 64
TRAINED_BYTES = 16
_SHARES = (0.14, 0.25, 0.40)
_PASSES = 3
"""Forward, forward again, backward."""
_FREE = 0.92
"""Share of a GPU's memory that a training can fill: the rest goes to pieces that are too small to be used."""


@dataclass(frozen=True)
class Tokens:
    """What is trained on in one pass over the data: all tokens, those of answers, and the pairs of attention."""

    samples: int
    all: int
    answers: int
    pairs: int

    @classmethod
    def of(cls, samples: Iterable[Sample], tokenizer: Any, longest: int) -> Tokens:
        """Count samples; those over `longest` tokens are left out, as training leaves them out."""
        lengths = []
        for sample in samples:
            prompt = len(encode_prompt(tokenizer, sample.task_type, sample.input_field))
            answer = len(encode_answer(tokenizer, write(sample.task_type, sample.output_field)))
            if prompt + answer <= longest:
                lengths.append((prompt + answer, answer))
        pairs = sum(length * (length + 1) // 2 for length, _ in lengths)
        return cls(len(lengths), sum(length for length, _ in lengths), sum(answer for _, answer in lengths), pairs)


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes on one GPU."""

    base: float
    trained: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """With what CUDA takes for itself."""
        return self.base + self.trained + self.activations + self.logits + RESERVED


@dataclass(frozen=True)
class TrainingTarget:
    """A recipe's training of a base of this shape (16 bits a weight) on `count` GPUs of a kind."""

    training: Training
    shape: Shape
    gpu: Gpu
    count: int

    @property
    def trained_weights(self) -> int:
        """All of a full fine-tuning; else rank * (inputs + outputs) of every linear layer (and of the head)."""
        shape, full = self.shape, self.training.method == "full"
        if full:
            return int(shape.weight_bytes / shape.value_bytes)
        queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        sizes = 2 * (shape.hidden + queries) + 2 * (shape.hidden + keys) + 3 * (shape.hidden + shape.intermediate)
        head = shape.hidden + shape.vocabulary if self.training.train_lm_head else 0
        return self.training.rank * (shape.layers * sizes + head)

    @property
    def step_tokens(self) -> int:
        """Tokens of a GPU's step at most."""
        training = self.training
        return training.tokens_per_batch or training.batch_size * training.max_length

    def memory(self) -> TrainingMemory:
        """What each GPU holds, a step full and all of it answers."""
        shape, tokens = self.shape, self.step_tokens
        linear = NF4_BYTES if self.training.method == "qlora" else shape.value_bytes
        frozen = shape.layer_parameters * linear + shape.head_bytes * (1 if shape.tied else 2)
        wide = 6 * shape.intermediate + 12 * shape.hidden + 2 * shape.head_dim * (shape.heads + shape.kv_heads)
        largest = shape.hidden * shape.intermediate * shape.value_bytes if linear == NF4_BYTES else 0
        return TrainingMemory(
            base=0 if self.training.method == "full" else frozen,
            trained=self.trained_weights * TRAINED_BYTES,
            activations=tokens * shape.value_bytes * (shape.layers * shape.hidden + 2 * wide) + largest,
            logits=tokens * shape.vocabulary * 2 * (2 + 4),
        )

    @property
    def fits(self) -> bool:
        """Whether each GPU holds it."""
        return self.memory().total <= self.gpu.memory_gib * GIB * _FREE

    def hours(self, tokens: Tokens, case: str) -> float:
        """Hours of all epochs on all GPUs together."""
        shape, full = self.shape, self.training.method == "full"
        share = _SHARES[CASES.index(case)]
        adapter = 0 if full else self.trained_weights
        operations = tokens.all * (2 * shape.layer_parameters * (_PASSES + full) + 2 * adapter * (_PASSES + 1))
        operations += 4 * 4 * shape.layers * shape.heads * shape.head_dim * tokens.pairs
        operations += tokens.answers * 2 * shape.hidden * shape.vocabulary * (2 + full)
        seconds = operations / (self.gpu.teraflops * 1e12 * share)
        if self.training.method == "qlora":
            written = shape.layer_parameters * (NF4_BYTES + 2 * shape.value_bytes)
            seconds += tokens.all / self.step_tokens * _PASSES * written / self.gpu.sustained(case).bandwidth
        return seconds * self.training.epochs / self.count / 3600


def base_folder(training: Training) -> Path:
    """Where training looks for the base model."""
    return ROOT / "weights" / "base" / training.base.split("/")[-1].lower()


def base_config(training: Training, given: Path | None) -> dict[str, Any]:
    """The base model's config.json: the file given, else that of its folder, else ours."""
    folder = base_folder(training)
    places = [folder / "config.json", ROOT / "tools" / "model_configs" / f"{folder.name}.json"]
    found = given or next((place for place in places if place.is_file()), None)
    if found is None:
        raise UserError(f"the sizes of {training.base} are not known here; give its config.json with --config")
    return read_json(found, "base model's configuration", "give a Hugging Face config.json")


def training_text(recipe: str, base: str, target: TrainingTarget, tokens: Tokens | None) -> str:
    """Memory and hours as they are shown; without `tokens`, hours of a million of them."""
    training, gpu, plan = target.training, target.gpu, target.memory()
    parts = {**vars(plan), "CUDA": RESERVED}
    lines = [
        f"Projected (from first principles, not measured): recipe {recipe} ({training.method}) on {base}, "
        f"{target.count} x {gpu.name}",
        f"  each GPU         {plan.total / GIB:.0f} of {gpu.memory_gib:.0f} GiB: "
        + ", ".join(f"{part} {size / GIB:.1f}" for part, size in parts.items()),
        f"  trained          {target.trained_weights / 1e6:.0f} million weights; {target.step_tokens} tokens a step",
    ]
    if not target.fits:
        sharded = " or shard them over the GPUs (training/accelerate)" if target.count > 1 else ""
        remedy = f"take a larger GPU, a smaller base, fewer tokens a step{sharded}"
        lines.append(f"  does not fit     {_FREE:.0%} of the memory can be filled; {remedy}")
    shown = tokens or Tokens(0, 10**6, 10**6, 10**6 * training.max_length // 2)
    slow, middle, fast = (target.hours(shown, case) for case in CASES)
    what = f"{tokens.samples} samples, {tokens.all / 1e6:.1f} million tokens" if tokens else "a million tokens"
    epochs = f", {training.epochs:g} times" if training.epochs != 1 else ""
    lines.append(f"  {what}{epochs}: {middle:.2g} ({fast:.2g} to {slow:.2g}) hours")
    return "\n".join(lines)


def target_of(training: Training, config: dict[str, Any], gpu: Gpu, count: int) -> TrainingTarget:
    """The target for a base of this config; one that is quantized is taken as the float model it was."""
    shape = Shape.from_config(config)
    return TrainingTarget(training, replace(shape, layer_weight_bytes=shape.value_bytes), gpu, count)
