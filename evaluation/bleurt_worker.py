"""Scores pairs with BLEURT: `python bleurt_worker.py FOLDER`, [[truth, answer], ...] on stdin, scores on stdout (JSON).

Run by evaluation/learned_metrics.py with a Python that has bleurt-pytorch, and hence none of this repository.
"""

from __future__ import annotations

import json
import sys

import torch
from bleurt_pytorch import BleurtForSequenceClassification, BleurtTokenizer

BATCH = 16


def main() -> None:
    torch.set_grad_enabled(False)
    tokenizer = BleurtTokenizer.from_pretrained(sys.argv[1])
    model = BleurtForSequenceClassification.from_pretrained(sys.argv[1]).eval()
    pairs = json.load(sys.stdin)
    scores: list[float] = []
    for start in range(0, len(pairs), BATCH):
        truths, answers = map(list, zip(*pairs[start : start + BATCH], strict=True))
        inputs = tokenizer(truths, answers, padding=True, truncation=True, max_length=512, return_tensors="pt")
        scores += model(**inputs).logits.flatten().tolist()
    json.dump(scores, sys.stdout)


if __name__ == "__main__":
    main()
