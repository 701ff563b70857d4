"""What is added to TRL's SFTTrainer: the answer-only loss, tokens per second, and a stop at the first bad loss."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ProgressCallback, TrainerState
from transformers.trainer import Trainer
from trl import SFTTrainer

from shopbench.errors import UserError
from training.finetune.batches import IGNORED
from training.finetune.checkpoints import is_whole


class AnswerTrainer(SFTTrainer):
    """SFTTrainer for the batches of training.finetune.batches, whose labels stand at `logits_to_keep` only.

    TRL's own loss makes logits for every token where there is no Triton (on a CPU, 49,152 of them a token for
    SmolLM2); the model's own loss makes them where an answer token is predicted, a tenth of the tokens.
    """

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean loss over the answer tokens of the whole update; where the batch has `shares`, over its samples."""
        inputs["use_cache"] = False
        shares: Tensor | None = inputs.pop("shares", None)
        if shares is None:
            # One level above SFTTrainer: Trainer's loss, which is the model's.
            loss, outputs = Trainer.compute_loss(self, model, inputs, True, num_items_in_batch)
        else:
            outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
            self.loss_is_scaled_for_ga = True  # by the number of batches, below
            loss = _sum_of_shares(outputs.logits, inputs["shift_labels"], shares)
            if num_items_in_batch is not None:
                loss = loss * self.accelerator.num_processes / num_items_in_batch
        labels = inputs["shift_labels"]
        answered = labels != IGNORED
        right = (outputs.logits.argmax(-1) == labels) & answered
        mode = "train" if self.model.training else "eval"
        self._metrics[mode]["token_accuracy"].append((right.sum() / answered.sum().clamp(min=1)).item())
        return (loss, outputs) if return_outputs else loss

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """As the Trainer's, but what is trained keeps its type.

        PEFT loads every adapter in float32, and on a 4-bit base TRL trains one in bfloat16.
        """
        types = {name: weight.dtype for name, weight in self.model.named_parameters() if weight.requires_grad}
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if model is None:  # FSDP's is loaded in place
            for name, weight in self.model.named_parameters():
                if name in types:
                    weight.data = weight.data.to(types[name])

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """As the Trainer's, but of a checkpoint that could not be written (a full disk, say) nothing stays."""
        try:
            super()._save_checkpoint(model, trial)
        except BaseException:
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            # Of several processes the others may still be writing there.
            if self.args.world_size == 1 and not is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """As the Trainer's, but a sharded optimizer gets back its moments, too."""
        if checkpoint and self.is_fsdp_enabled:
            _make_moments(self.optimizer.optimizer)
        super()._load_optimizer_and_scheduler(checkpoint)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: Any) -> Any:
        """What an update's loss is divided by: its answer tokens, or its batches (of all processes) with `shares`."""
        if not batch_samples or "shares" not in batch_samples[0]:
            return super()._get_num_items_in_batch(batch_samples, device)
        batches = torch.tensor(sum(bool(batch["shares"].any()) for batch in batch_samples), device=device)
        return self.accelerator.gather(batches).sum()


def _sum_of_shares(logits: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
    """Sum over tokens of share x loss; shares of a batch add up to 1, so it is each batch's mean over samples."""
    losses = nn.functional.cross_entropy(
        logits.flatten(0, -2).float(), labels.flatten(), reduction="none", ignore_index=IGNORED
    )
    return (losses * shares.flatten()).sum()


def _make_moments(optimizer: torch.optim.Optimizer) -> None:
    """Have a new optimizer make its state, by a step with gradients and learning rates of 0: no weight changes.

    Accelerate 1.15 reads back of a sharded checkpoint what the optimizer has already, which without a step is nothing.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
        for weight in group["params"]:
            weight.grad = torch.zeros_like(weight)
    optimizer.step()
    optimizer.zero_grad()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


class Throughput(ProgressCallback):
    """Progress bar with time left, and prompt and answer tokens per second; `tokens` are those of every update."""

    def __init__(self, tokens: Sequence[int]) -> None:
        super().__init__()
        self.tokens = tokens
        self.started = 0.0
        self.first_step = 0

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Start the clock; a resumed run begins at its checkpoint's step."""
        super().on_train_begin(args, state, control, **kwargs)
        self.first_step = self.current_step = state.global_step
        self.started = time.perf_counter()
        if self.training_bar is not None:
            self.training_bar.update(state.global_step)
            # A bar that was last printed before its start would end without a new line.
            self.training_bar.start_t = self.training_bar.last_print_t = time.time()
            self.training_bar.initial = state.global_step

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Move the bar."""
        super().on_step_end(args, state, control, **kwargs)
        if self.training_bar is not None:
            tokens = sum(self.tokens[self.first_step : state.global_step])
            speed = tokens / (time.perf_counter() - self.started)
            self.training_bar.set_postfix_str(f"{speed:.0f} tokens/s", refresh=False)

    def close(self) -> None:
        """Leave the bars as they stand, of a run that ends early: what is said next has a line of its own."""
        for bar in filter(None, (self.training_bar, self.prediction_bar)):
            bar.close()

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Print the log line; a loss that is no number ends the run (its last good checkpoint stays)."""
        logs = logs or {}
        loss = logs.get("loss", logs.get("eval_loss", 0.0))
        if not math.isfinite(loss):
            raise UserError(f"step {state.global_step}: the loss is {loss}; lower the learning rate or check the base")
        super().on_log(args, state, control, logs=logs, **kwargs)
