"""Base models by folder and by Hub name: found and never downloaded, named in provenance, merged onto."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config

from shopbench.errors import BAD_INPUT, UserError, exit_code_of
from shopbench.sample import Sample, write_samples
from shopbench.tasks import TaskType
from training import merge
from training.finetune import command
from training.weights import download as downloading
from training.weights import folders
from training.weights.folders import base_folder, base_name, base_revision
from training.weights.tensors import fingerprint

NAME, REVISION = "Some-Org/Tiny-Model", "a" * 40


@pytest.fixture
def tiny(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model("qwen2", tie_word_embeddings=False)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder in place of the repository's, and an empty Hugging Face cache."""
    monkeypatch.setattr(folders, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "weights"


def put_into_cache(model: Path, hub: Path) -> Path:
    """A model as huggingface_hub caches it: files are links into blobs, and `main` names the commit."""
    repository = hub / "models--Some-Org--Tiny-Model"
    snapshot = repository / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    for number, file in enumerate(model.iterdir()):
        shutil.copyfile(file, repository / "blobs" / str(number))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(number))
    return snapshot


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    made = [
        Sample(f"Is {n} even? 0. no 1. yes", n % 2, "m", TaskType.MULTIPLE_CHOICE, "accuracy", True) for n in range(6)
    ]
    write_samples(folder / "train.jsonl", made)
    (folder / "manifest.json").write_text(json.dumps({"recipe": "v9b"}))
    return folder


def train(data: Path, output: Path, base: str) -> int:
    arguments = ["--recipe", "v9b", "--data", str(data), "--output", str(output), "--base", base]
    return exit_code_of(command.main, arguments)


@pytest.mark.slow
def test_a_recipe_trains_on_a_hub_name_from_the_cache_and_is_merged_onto_it(
    tiny: Path, weights: Path, data: Path, tmp_path: Path
) -> None:
    snapshot = put_into_cache(tiny, tmp_path / "hub")
    assert base_folder("Qwen/Qwen2-72B-Instruct", Path(NAME)) == snapshot
    adapter = weights / "adapters" / "v9b"
    assert train(data, adapter, NAME) == 0
    facts = json.loads((adapter / "provenance.json").read_text())
    assert (facts["base"], facts["base_revision"]) == (NAME, REVISION) == (facts["training"]["base"], REVISION)
    assert facts["base_fingerprint"] == fingerprint(tiny)
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == NAME
    # The adapter knows its base, so `--base` may be left out, or name the same model another way.
    for number, extra in enumerate([[], ["--base", NAME], ["--base", str(tiny)]]):
        merged = tmp_path / f"merged{number}"
        assert (
            exit_code_of(merge.main, ["--recipe", "v9b", "--adapters", f"{adapter}:1", "--output", str(merged), *extra])
            == 0
        )
        assert json.loads((merged / "provenance.json").read_text())["base"] == NAME
        assert load_file(merged / "model.safetensors").keys() == load_file(tiny / "model.safetensors").keys()


@pytest.mark.slow
def test_a_folder_that_says_nothing_lends_its_own_name(tiny: Path, weights: Path, data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "my-model")
    assert train(data, tmp_path / "adapter", str(folder)) == 0
    facts = json.loads((tmp_path / "adapter" / "provenance.json").read_text())
    assert (facts["base"], facts["base_revision"]) == ("my-model", None), "not the recipe's Qwen/Qwen2-72B-Instruct"


def test_a_name_is_found_under_weights_base_before_the_cache(tiny: Path, weights: Path, tmp_path: Path) -> None:
    snapshot = put_into_cache(tiny, tmp_path / "hub")
    other = shutil.copytree(tiny, weights / "base" / "tiny-model")
    assert base_folder(NAME) == other
    note = other / ".cache" / "huggingface" / "download" / "config.json.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{REVISION}\netag\n1.0\n")
    assert base_name(other) is None and base_revision(other) == REVISION, "as `hf download --local-dir` leaves it"
    (other / "provenance.json").write_text(json.dumps({"model": "Another-Org/Tiny-Model"}))
    assert base_folder(NAME) == snapshot, "the folder holds another model of that name"


def test_nothing_is_downloaded_in_passing(
    weights: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "adapter", NAME) == BAD_INPUT
    said = capsys.readouterr().err
    assert f"python -m training.weights.download {NAME}" in said and said.count("\n") == 1


class Hub:
    """Stands for the Hub: one model, whose files are copied instead of fetched."""

    def __init__(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.model, self.asked = model, []  # type: Path, list[str | None]
        monkeypatch.setattr(downloading, "HfApi", lambda: self)
        monkeypatch.setattr(downloading, "snapshot_download", self.fetch)

    def model_info(self, name: str, revision: str | None) -> Any:
        self.asked.append(revision)
        names = [file.name for file in self.model.iterdir()]
        extra = ["pytorch_model.bin", "modeling_code.py", "original/consolidated.safetensors"]
        return SimpleNamespace(sha=REVISION, siblings=[SimpleNamespace(rfilename=name) for name in names + extra])

    def fetch(self, name: str, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        local_dir.mkdir(parents=True, exist_ok=True)
        for file in allow_patterns:
            shutil.copyfile(self.model / file, local_dir / file)  # what is no weight or tokenizer is not there


def test_a_download_is_a_command_of_its_own(tiny: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(tiny, monkeypatch)
    folder = weights / "base" / "tiny-model"
    assert exit_code_of(downloading.main, [NAME]) == 0
    assert base_folder(NAME) == folder and (base_name(folder), base_revision(folder)) == (NAME, REVISION)
    assert exit_code_of(downloading.main, [NAME]) == 0
    assert hub.asked == [None, REVISION], "the recorded commit again"
    with pytest.raises(UserError, match=f"holds {NAME}; give another --output"):
        downloading.download("Another-Org/Tiny-Model", folder)
    with pytest.raises(UserError, match="is no Hub name"):
        downloading.download("tiny-model", folder)


def test_an_encoder_decoder_is_refused_in_one_line(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "flan-t5-xl"
    T5Config(num_layers=1).save_pretrained(folder)
    save_file({"shared.weight": torch.zeros(1)}, folder / "model.safetensors")
    assert train(data, tmp_path / "adapter", str(folder)) == BAD_INPUT
    said = capsys.readouterr().err
    assert "t5 is an encoder-decoder; only decoder models are trained here" in said and said.count("\n") == 1


def test_arguments_are_checked_before_torch_is_imported(repository: Path, tmp_path: Path) -> None:
    """Help and refusals come at once: torch, transformers and PEFT are imported for a training only."""
    code = (
        "import sys\n"
        "from shopbench.errors import exit_code_of\n"
        "from training.finetune.command import main\n"
        "for arguments in ([], ['--base', 'nowhere/at-all'], ['--base', 'weights']):\n"
        "    assert exit_code_of(main, ['--recipe', 'v8', '--data', 'x', '--output', 'y', *arguments]) == 2\n"
        "print({'torch', 'transformers', 'peft', 'accelerate'} & {*sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n" and done.stderr.count("\n") == 3
