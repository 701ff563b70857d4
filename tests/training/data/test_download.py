"""Getting datasets: recorded revisions, checksums, and words for what must be got by hand. No network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from shopbench.errors import UserError, exit_code_of
from training.data import download as downloading
from training.data.catalogue import all_datasets, all_tasks
from training.data.download import download, main
from training.data.formats import MissingDataset, SourceFolder
from training.synthesize.tasks.catalogue import SYNTHESIS_TASKS

CONTENT = b'[{"instruction": "x"}]'


class Hub:
    """Stands for the Hub: one dataset of one file, and what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sha256: str) -> None:
        self.asked: list[Any] = []
        self.fetched: list[dict[str, Any]] = []
        self._sha256 = sha256
        monkeypatch.setattr(downloading, "HfApi", lambda: self)
        monkeypatch.setattr(downloading, "snapshot_download", self.fetch)

    def dataset_info(self, repo: str, revision: str | None, files_metadata: bool) -> SimpleNamespace:
        self.asked.append(revision)
        data = SimpleNamespace(
            rfilename="alpaca_data_cleaned.json", size=len(CONTENT), lfs=SimpleNamespace(sha256=self._sha256)
        )
        other = SimpleNamespace(rfilename="README.md", size=3, lfs=None)
        return SimpleNamespace(sha=revision or "c0ffee", siblings=[data, other])

    def fetch(self, repo: str, *, local_dir: Path, **options: Any) -> None:
        self.fetched.append(options)
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / "alpaca_data_cleaned.json").write_bytes(CONTENT)


def test_the_first_download_is_recorded_and_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    hub = Hub(monkeypatch, right)
    folder = download("alpaca", tmp_path)
    record = json.loads((folder / "download.json").read_text())
    assert record["revision"] == "c0ffee" and record["sha256"] == {"alpaca_data_cleaned.json": right}
    assert hub.fetched[0]["allow_patterns"] == ["alpaca_data_cleaned.json"]
    download("alpaca", tmp_path)
    download("alpaca", tmp_path, revision="beef")
    assert hub.asked == [None, "c0ffee", "beef"]
    assert [options["revision"] for options in hub.fetched] == ["c0ffee", "c0ffee", "beef"]


def test_a_wrong_checksum_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Hub(monkeypatch, "0" * 64)
    with pytest.raises(UserError, match="checksum is wrong"):
        download("alpaca", tmp_path)
    assert not (tmp_path / "alpaca/alpaca_data_cleaned.json").exists()
    assert not (tmp_path / "alpaca/download.json").exists()


def test_what_is_got_by_hand_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(main, ["amazon_m2", "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "products_train.csv" in said and "login" in said and said.count("\n") == 1
    assert exit_code_of(main, ["amazon_m3", "--output", str(tmp_path)]) == 2
    assert "nearest: amazon_m2" in capsys.readouterr().err


def test_offline_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Offline:
        def dataset_info(self, *arguments: Any, **options: Any) -> None:
            raise OfflineModeIsEnabled("offline")

    monkeypatch.setattr(downloading, "HfApi", Offline)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        download("esci", tmp_path)


def test_every_dataset_that_a_builder_misses_can_be_asked_for(tmp_path: Path) -> None:
    """The remedy that a builder prints names a dataset that the download knows, or a synthesis task that makes it."""
    for task in all_tasks().values():
        with pytest.raises(MissingDataset) as caught:
            next(iter(task.rows(SourceFolder(tmp_path))))
        module, name = str(caught.value).split("python -m training.")[1].split()[:2]
        assert (
            name.strip(".;,") in {"data.download": set(all_datasets()), "synthesize": set(SYNTHESIS_TASKS)}[module]
        ), task.name
