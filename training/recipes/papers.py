"""The systems of three other papers on language models for shops, each with its own hyperparameters.

eCeLLM [Peng et al., ICML 2024]: ten tasks, one set of hyperparameters (LoRA on all layers and the LM head), and three
sizes of its data. Of its six bases, Llama-2 13B and 7B, Mistral-7B and Phi-2 run here; Flan-T5 XXL and XL do not: they
are encoder-decoders, which nothing here trains, merges or serves. Rank, alpha, learning rate, warm-up, epochs and the
batch of 128 are the paper's (section 4) and its script's (finetune.sh) alike. Dropout (0.1), weight decay (none, the
library's default), 2,048 tokens and the loss on the answer alone are the script's, as the paper names none of them. The
data are the script's: the setting IND_Diverse_Instruction alone, of the file's two (five instructions a task, as the
paper says). The prompt is neither's: the paper (appendix E.1) and the script have each a system line of their own
("Below is an instruction ...") and the fields under names or headings ("### Instruction:", inside [INST] for Mistral);
here the fields come in that same order, options only where there are some, after this repository's system line and in
the base's own chat template, in training and evaluation alike (`render` in shopbench/ecinstruct.py). The batch of 128
is for one GPU: divide `accumulation` by their number.

EcomGPT [Li et al., AAAI 2024]: all parameters of BLOOMZ, with and without the atomic tasks (Chain-of-Task). Its public
release holds test files only, so its training data cannot be had: `ecomgpt` and `ecomgpt_plain` build from your own
folders in its format (training/data/sources/ecominstruct.py says which).

More-diverse: domains one after another (what its authors trained for track 3 first, then for tracks 1 and 2), then more
sub-tasks of each (subtasks.py), then a higher LoRA rank (its Table 2); the rest as the winners' (it says no more),
packing included.
"""

from __future__ import annotations

from dataclasses import replace

from training.recipes.recipe import Mixture, Recipe, Training
from training.recipes.winners import QWEN2_72B

PUBLISHED_ECINSTRUCT = "ecinstruct_published_*"

ECELLM = Training(
    base="mistralai/Mistral-7B-Instruct-v0.2",
    method="lora",
    rank=16,
    alpha=16,
    dropout=0.1,
    learning_rate=1e-4,
    weight_decay=0.0,
    warmup=0.05,
    epochs=3,
    batch_size=8,
    accumulation=16,
    train_lm_head=True,
)
ECELLM_BASES = {
    "ecellm_l": "meta-llama/Llama-2-13b-chat-hf",
    "ecellm_m": "mistralai/Mistral-7B-Instruct-v0.2",
    "ecellm_m_llama": "meta-llama/Llama-2-7b-chat-hf",
    "ecellm_s": "microsoft/phi-2",
}
ECINSTRUCT_SIZES = {"1k": 100, "10k": 1_000, "47k": 5_000}
"""The study of data sizes (section 6.5): each takes so many samples of each of the ten tasks."""

BLOOMZ = Training(
    base="bigscience/bloomz-7b1",
    method="full",
    learning_rate=2e-5,
    weight_decay=0.0,
    warmup=0.03,
    epochs=3,
    batch_size=4,
    accumulation=8,
    max_length=1024,
)

MORE_DIVERSE = replace(QWEN2_72B, rank=16, alpha=32)
DOMAINS = ("behaviour", "concepts", "knowledge", "multilingual")
SAMPLES_PER_TASK = 2_000
SUBTASKS = (1, 2, 4, 8)
RANKS = (16, 32)


def _domains(count: int = len(DOMAINS), subtasks: int | None = None) -> Mixture:
    first = "" if subtasks is None else f"[:{subtasks}]"
    return {f"domain:{domain}{first}": SAMPLES_PER_TASK for domain in DOMAINS[:count]}


RECIPES = (
    *(Recipe(name, {PUBLISHED_ECINSTRUCT: None}, replace(ECELLM, base=base)) for name, base in ECELLM_BASES.items()),
    *(Recipe(f"ecellm_m_{size}", {PUBLISHED_ECINSTRUCT: limit}, ECELLM) for size, limit in ECINSTRUCT_SIZES.items()),
    Recipe("ecomgpt", {"tag:ecominstruct": 800, "tag:chain_of_task": 800}, BLOOMZ),
    Recipe("ecomgpt_plain", {"tag:ecominstruct": 800}, BLOOMZ),  # without Chain-of-Task
    *(Recipe(f"diverse_stage{number}", _domains(number), MORE_DIVERSE) for number in range(1, len(DOMAINS) + 1)),
    *(Recipe(f"diverse_subtasks{number}", _domains(subtasks=number), MORE_DIVERSE) for number in SUBTASKS),
    *(Recipe(f"diverse_r{rank}", _domains(), replace(MORE_DIVERSE, rank=rank)) for rank in RANKS),
)
