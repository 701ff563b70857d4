"""eCeLLM [Peng et al., ICML 2024]: ten tasks, one set of hyperparameters, six bases, and three sizes of its data.

The hyperparameters are the paper's: LoRA on all layers and the LM head, three epochs.
"""

from __future__ import annotations

from dataclasses import replace

from training.recipes.recipe import Recipe, Training

PUBLISHED_ECINSTRUCT = "ecinstruct_published_*"

TRAINING = Training(
    base="mistralai/Mistral-7B-Instruct-v0.2",
    method="lora",
    rank=16,
    alpha=16,
    learning_rate=1e-4,
    warmup=0.05,
    epochs=3,
    batch_size=8,
    accumulation=16,
    train_lm_head=True,
)
BASES = {
    "ecellm_l": "meta-llama/Llama-2-13b-chat-hf",
    "ecellm_l_flan": "google/flan-t5-xxl",
    "ecellm_m": "mistralai/Mistral-7B-Instruct-v0.2",
    "ecellm_m_llama": "meta-llama/Llama-2-7b-chat-hf",
    "ecellm_s": "microsoft/phi-2",
    "ecellm_s_flan": "google/flan-t5-xl",
}
SAMPLES_PER_TASK = {"1k": 100, "10k": 1_000, "47k": 5_000}
"""The study of data sizes: each takes so many samples of each of the ten tasks."""

RECIPES = (
    *(Recipe(name, {PUBLISHED_ECINSTRUCT: None}, replace(TRAINING, base=base)) for name, base in BASES.items()),
    *(Recipe(f"ecellm_m_{size}", {PUBLISHED_ECINSTRUCT: limit}, TRAINING) for size, limit in SAMPLES_PER_TASK.items()),
)
