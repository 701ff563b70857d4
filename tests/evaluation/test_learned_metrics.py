"""BERTScore with the real library on a tiny random model; BLEURT's process; what is said where models are missing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluation import learned_metrics
from evaluation.learned_metrics import BERT_LAYERS, bert_scores, bleurt_scores
from shopbench.metrics import ModelMissing


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of metric models."""
    monkeypatch.setenv("SHOPBENCH_METRIC_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("SHOPBENCH_BLEURT_PYTHON", raising=False)
    learned_metrics._bert_scorer.cache_clear()
    yield tmp_path
    learned_metrics._bert_scorer.cache_clear()


def make_roberta(folder: Path) -> None:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    folder.mkdir()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    words = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġt"]
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\nĠ t\n")
    tokenizer = RobertaTokenizer(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=64
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": BERT_LAYERS + 1}
    ends = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    RobertaModel(RobertaConfig(vocab_size=len(words), max_position_embeddings=70, **sizes, **ends)).save_pretrained(
        folder
    )


def test_bert_score_is_one_for_the_same_text_and_zero_for_none(models: Path) -> None:
    make_roberta(models / "roberta-large")
    answers = ["two cups", "it holds three", "  ", "two cups " * 60]
    same, other, empty, long = bert_scores(answers, ["two cups", "two cups of tea", "two cups", "two cups"])
    assert same == pytest.approx((1.0, 1.0, 1.0), abs=1e-5)
    assert empty == (0.0, 0.0, 0.0)
    for precision, recall, f in (other, long):
        assert 0 < f < 1 and f == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-5)
    assert len(learned_metrics._bert_scorer()._model.encoder.layer) == BERT_LAYERS


def test_bert_score_puts_a_blank_before_the_text(models: Path) -> None:
    make_roberta(models / "roberta-large")
    tokenizer = learned_metrics._bert_scorer()._tokenizer
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("two"))[1] == "Ġt"


def test_missing_models_say_how_to_get_them(models: Path) -> None:
    with pytest.raises(
        ModelMissing, match=r"roberta-large is not on this machine; .*hf download FacebookAI/roberta-large"
    ):
        bert_scores(["a"], ["b"])
    with pytest.raises(ModelMissing, match=r"BLEURT-20-D12 is not .*hf download lucadiliello/BLEURT-20-D12"):
        bleurt_scores(["a"], ["b"])


STUB = """
import torch, types
class BleurtTokenizer:
    @classmethod
    def from_pretrained(cls, folder): return cls()
    def __call__(self, truths, answers, **options):
        assert options == {"padding": True, "truncation": True, "max_length": 512, "return_tensors": "pt"}
        return {"lengths": torch.tensor([[len(t), len(a.split())] for t, a in zip(truths, answers)])}
class BleurtForSequenceClassification:
    @classmethod
    def from_pretrained(cls, folder): return cls()
    def eval(self): return self
    def __call__(self, lengths): return types.SimpleNamespace(logits=(lengths[:, :1] + lengths[:, 1:] / 1000))
"""


@pytest.mark.slow
def test_bleurt_runs_in_another_python(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (models / "BLEURT-20-D12").mkdir()
    (models / "BLEURT-20-D12/config.json").write_text("{}")
    with pytest.raises(ModelMissing, match=r"cannot run bleurt-pytorch .*SHOPBENCH_BLEURT_PYTHON"):
        monkeypatch.setenv("SHOPBENCH_BLEURT_PYTHON", str(tmp_path / "no python"))
        bleurt_scores(["a"], ["b"])
    (tmp_path / "stub/bleurt_pytorch").mkdir(parents=True)
    (tmp_path / "stub/bleurt_pytorch/__init__.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'stub'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("SHOPBENCH_BLEURT_PYTHON", sys.executable)
    answers = ["one", "", "word " * 400, *["two words"] * 20]
    scores = bleurt_scores(answers, ["abc", "abc", "ab", *["a"] * 20])
    assert scores == pytest.approx([3.001, 0.0, 2.3, *[1.002] * 20])
