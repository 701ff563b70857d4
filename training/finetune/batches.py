"""Samples to batches: token ids, and the tensors a model takes (which samples make a batch: plan.py).

Two layouts, both with the loss on answer tokens only and with logits only where an answer is predicted:
`Packed` (packed_attention.py) for models that take an attention function, and `Padded`, similar lengths
together, for the others (BLOOM). A batch of no samples, which completes an update of several processes, is one sample
without labels: it adds nothing to the loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from shopbench import answers
from shopbench.naming import AnswerBy, encode_named, in_stable_random_order
from shopbench.prompts import Tokenizer, clean, encode_answer, encode_prompt, prompt_frame
from shopbench.question import Question
from shopbench.sample import Sample
from shopbench.tasks import TaskType

IGNORED = -100
BY_OPTIONS = (TaskType.MULTIPLE_CHOICE, TaskType.RETRIEVAL, TaskType.RANKING)


@dataclass(frozen=True)
class Encoded:
    """Token ids of one sample.

    Attributes:
        head: what all prompts of its task type begin with.
        body: the rest of the prompt and the answer.
        answer: how many of the last tokens of `body` are the answer, end of turn included.
        names: how many options the answer names, where each name's loss is to be the sum over its tokens; else 0.
    """

    head: tuple[int, ...]
    body: tuple[int, ...]
    answer: int
    names: int = 0

    @property
    def length(self) -> int:
        """Tokens of the whole sample."""
        return len(self.head) + len(self.body)

    @property
    def share(self) -> float:
        """What each answer token weighs in the sample's loss: the mean over tokens, or over names."""
        return 1 / (self.names or self.answer)


def encode(
    tokenizer: Tokenizer,
    samples: Iterable[Sample],
    max_length: int,
    answer_by: AnswerBy = AnswerBy.NUMBER,
    whole_names: bool = False,
) -> tuple[list[Encoded], int]:
    """Encode samples with the prompts that inference uses; also count those over `max_length` tokens, left out."""
    encoded = []
    for sample in tqdm(samples, desc="tokenizing", unit=" samples", leave=False):
        head = tuple(prompt_frame(tokenizer, sample.task_type)[0])
        prompt = encode_prompt(tokenizer, sample.task_type, sample.input_field)
        answer, names = answer_tokens(tokenizer, sample, answer_by)
        encoded.append(Encoded(head, tuple(prompt[len(head) :] + answer), len(answer), names if whole_names else 0))
    short = [item for item in encoded if item.length <= max_length]
    return short, len(encoded) - len(short)


def answer_tokens(tokenizer: Tokenizer, sample: Sample, answer_by: AnswerBy) -> tuple[list[int], int]:
    """What the model is to write, and how many options that names by their words; 0: the answer as it is read."""
    written = answers.write(sample.task_type, sample.output_field)
    if answer_by is AnswerBy.TEXT and sample.task_type in BY_OPTIONS:
        chosen = [int(number) for number in written.split(",")]
        if sample.task_type is TaskType.RETRIEVAL:  # a set: no option is to come first for its place
            chosen = in_stable_random_order(sample.input_field, chosen)
        named = encode_named(tokenizer, Question.read(clean(sample.input_field), sample.is_multiple_choice), chosen)
        if named:
            return named, len(chosen)
    return encode_answer(tokenizer, written), 0


def length_groups(samples: Sequence[Encoded]) -> list[list[int]]:
    """Places of samples whose lengths differ by a factor of two at most, longest first: attention pads within one."""
    groups: list[list[int]] = []
    for place in sorted(range(len(samples)), key=lambda place: -samples[place].length):
        if not groups or 2 * samples[place].length < samples[groups[-1][0]].length:
            groups.append([])
        groups[-1].append(place)
    return groups


@dataclass(frozen=True)
class Packed:
    """Collator: one batch of sample numbers -> one packed row, each shared head computed once.

    Attributes:
        per_sample: also give `shares` (1, answers), what each answer token weighs so that all samples weigh the same:
            those of a batch add up to 1, unless whole names weigh more (Encoded.names).
    """

    encoded: Sequence[Encoded]
    per_sample: bool = False

    def __call__(self, features: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors: input_ids, position_ids (1, tokens); rows, take (see packed_attention); logits_to_keep
        (answers,), the tokens that predict answer tokens; labels, shift_labels (1, answers), what they predict."""
        numbers = [number for feature in features for number in feature["samples"]]
        samples = [self.encoded[number] for number in numbers or [0]]
        rows: list[Tensor] = []  # one block for each group of lengths
        places: dict[int, tuple[Tensor, int]] = {}  # sample -> its row, and where the row begins in all blocks
        begin = 0
        for group in length_groups(samples):
            rows.append(torch.zeros(len(group), samples[group[0]].length, dtype=torch.long))
            for number, row in zip(group, rows[-1], strict=True):
                places[number] = row, begin
                begin += len(row)
        ids: list[int] = []
        positions: list[int] = []
        take: list[int] = []
        keep: list[int] = []
        targets: list[int] = []
        heads: dict[tuple[int, ...], range] = {}

        def append(tokens: Sequence[int], position: int, begin: int) -> range:
            """Add tokens that begin at `position` of the row that begins at `begin`; return their places in `ids`."""
            place = begin + position
            ids.extend(tokens)
            positions.extend(range(position, position + len(tokens)))
            take.extend(range(place, place + len(tokens)))
            return range(len(ids) - len(tokens), len(ids))

        for number, sample in enumerate(samples):
            row, begin = places[number]
            if sample.head not in heads:
                heads[sample.head] = append(sample.head, 0, begin)
            head = heads[sample.head]
            body = append(sample.body, len(head), begin)
            row[: sample.length] = torch.tensor([*head, *body])
            keep += range(body.stop - sample.answer - 1, body.stop - 1)
            targets += sample.body[-sample.answer :]
        labels = torch.tensor([targets if numbers else [IGNORED] * len(targets)])
        weight = 1 / len(samples) if numbers else 0.0
        shares = [weight * sample.share for sample in samples for _ in range(sample.answer)]
        return {
            **({"shares": torch.tensor([shares])} if self.per_sample else {}),
            "input_ids": torch.tensor([ids]),
            "position_ids": torch.tensor([positions]),
            "rows": tuple(rows),
            "take": torch.tensor(take),
            "logits_to_keep": torch.tensor(keep),
            "labels": labels,
            "shift_labels": labels,
        }


@dataclass(frozen=True)
class Padded:
    """Collator: one batch of sample numbers -> rows padded on the left, so that all answers end together.

    Attributes:
        per_sample: as for Packed; `shares` is (samples, places), 0 before a sample's answer.
    """

    encoded: Sequence[Encoded]
    pad: int
    per_sample: bool = False

    def __call__(self, features: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Tensors: input_ids, attention_mask (samples, longest); logits_to_keep, the last places; labels,
        shift_labels (samples, places), with -100 before a sample's answer."""
        numbers = [number for feature in features for number in feature["samples"]]
        samples = [self.encoded[number] for number in numbers or [0]]
        longest, places = max(s.length for s in samples), max(s.answer for s in samples)
        ids = torch.full((len(samples), longest), self.pad)
        mask = torch.zeros_like(ids)
        labels = torch.full((len(samples), places), IGNORED)
        shares = torch.zeros(len(samples), places)
        for row, sample in enumerate(samples):
            ids[row, -sample.length :] = torch.tensor([*sample.head, *sample.body])
            mask[row, -sample.length :] = 1
            if numbers:
                labels[row, -sample.answer :] = torch.tensor(sample.body[-sample.answer :])
                shares[row, -sample.answer :] = sample.share / len(samples)
        keep = torch.arange(longest - 1 - places, longest - 1)
        return {
            **({"shares": shares} if self.per_sample else {}),
            "input_ids": ids,
            "attention_mask": mask,
            "logits_to_keep": keep,
            "labels": labels,
            "shift_labels": labels,
        }
