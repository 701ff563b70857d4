"""Getting datasets: recorded revisions, checksums, and words for what must be got by hand. No network."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
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


@pytest.mark.slow
def test_without_a_network_it_is_one_line(tmp_path: Path, repository: Path) -> None:
    """The real Hub client, in a process whose every name lookup fails: the HTTP library has an error of its own."""
    script = (
        "import socket\n"
        "def nowhere(*args, **more): raise socket.gaierror(-2, 'Name or service not known')\n"
        "socket.getaddrinfo = nowhere\n"
        "from shopbench.errors import run_command\n"
        "run_command('training.data.download')\n"
    )
    line = [sys.executable, "-c", script, "alpaca", "--output", str(tmp_path)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "0"}
    for name in ("TRANSFORMERS_OFFLINE", "HF_ENDPOINT"):
        environment.pop(name, None)
    done = subprocess.run(line, cwd=repository, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    error = "error: yahma/alpaca-cleaned: [Errno -2] Name or service not known; run the same command again to go on\n"
    assert done.stderr == error
    assert [path.name for path in (tmp_path / "alpaca").iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n", b"", b"no HTTP at all\r\n\r\n"],
    ids=["500", "cut", "junk"],
)
def test_a_server_that_answers_nonsense_is_one_line(answer: bytes, tmp_path: Path, repository: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(65536)
                        client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        line = [sys.executable, "-m", "training.data.download", "alpaca", "--output", str(tmp_path)]
        environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "0",
            "HF_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}",
        }
        done = subprocess.run(line, cwd=repository, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: yahma/alpaca-cleaned: ") and done.stderr.count("\n") == 1


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


def test_a_full_disk_is_one_line_that_names_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Hub(monkeypatch, "")
    monkeypatch.setattr(downloading, "snapshot_download", full)
    with pytest.raises(UserError) as raised:
        download("alpaca", tmp_path)
    said = "cannot be written (No space left on device); make room, then run the same command again to go on"
    assert str(raised.value) == f"{tmp_path / 'alpaca'}: {said}"


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


@pytest.mark.parametrize("switch", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_is_one_line(switch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Offline:
        def dataset_info(self, *arguments: Any, **options: Any) -> None:
            raise OfflineModeIsEnabled("offline")

    monkeypatch.setattr(downloading, "HfApi", Offline)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(switch, "1")
    with pytest.raises(UserError, match=f"{switch} is set; unset it"):
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
