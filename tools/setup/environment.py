"""One virtual environment: what is in it, what is missing, and pip to bring that; resumed where it was stopped."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shopbench import ROOT
from shopbench.errors import UserError
from shopbench.files import write_json
from shopbench.requirements import requirement_lines
from tools.setup.interpreter import find_uv, last_line
from tools.setup.progress import Failed, InstallStatus, run_visibly

_SIZE = re.compile(r"^# Size: ([\d,]+) MB to download, ([\d,]+) MB on disk", re.MULTILINE)

_SETTING = re.compile(r"^(:env:|install|global)\.index-url='(.*)'$", re.MULTILINE)


def pins(file: str) -> list[str]:
    """What a requirements file asks for."""
    return requirement_lines((ROOT / file).read_text(encoding="utf-8"))


def sizes(file: str) -> tuple[int, int]:
    """Megabytes that a requirements file downloads and fills, as its head says."""
    found = _SIZE.search((ROOT / file).read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{file} has no line '# Size:'")
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


class Environment:
    """A folder such as .venv; `setup.json` in it says for which device it is and which steps are complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.device, self.done = "", {}  # type: str, dict[str, str]
        if self.python.exists():  # not where the Python it was made from is gone
            if (folder / "cpu.installed").exists():  # made before there was a setup.json
                self.device = "cpu"
            with suppress(OSError, ValueError, KeyError, TypeError):
                state = json.loads((folder / "setup.json").read_text(encoding="utf-8"))
                self.device, self.done = str(state["device"]), dict(state["done"])

    def has(self, file: str) -> bool:
        """Whether all that a requirements file asks for today was installed."""
        return self.done.get(file) == _digest(file)

    def start(self, device: str) -> None:
        """Note what the new environment is for, so that an interrupted set-up goes on in it."""
        self.device = device
        self._save()

    def mark(self, step: str, value: str = "") -> None:
        """Note that a step is complete: a requirements file as it is today, or what `value` says."""
        self.done[step] = value or _digest(step)
        self._save()

    def install(self, file: str) -> None:
        """Bring what a requirements file asks for, by uv, which takes a fraction of pip's time, or else by pip.

        Raises:
            UserError: neither can; the line says where all their words are.
        """
        self.mend()
        asked = ["--no-deps", "--requirement", str(ROOT / file)]
        size, count = sizes(file)[0], len(pins(file))
        try:
            command = [find_uv(str(self.python)), "pip", "install", "--python", str(self.python)]
            command += [*self._index(), *asked]
            self.run(command, file, size, count)
        except (Failed, UserError) as error:
            print(f"uv cannot install {file} ({last_line(str(error))}): pip does, more slowly", flush=True)
            self.pip(asked, file, size, count)
        self.mark(file)

    def pip(self, arguments: Sequence[str], label: str, megabytes: int, packages: int) -> None:
        """Run `pip install`; UserError if that fails."""
        self.mend()
        command = [*self.pip_command, "install", "--no-compile", "--progress-bar", "off", *arguments]
        try:
            self.run(command, label, megabytes, packages)
        except Failed as error:
            faults = "\n".join(line for line in error.output.splitlines() if line.startswith("ERROR"))
            raise UserError(
                f"{label}: {last_line(faults or error.output)}; give the same command again to go on "
                f"(all that pip said: {self.log})"
            ) from None

    def run(self, command: Sequence[str], label: str, megabytes: int, packages: int) -> None:
        """Run an installer; Failed if it does."""
        before = self._count()
        run_visibly(command, label, self.log, status=InstallStatus(megabytes, packages, lambda: self._count() - before))

    @property
    def pip_command(self) -> list[str]:
        """Its pip, which asks and warns of nothing."""
        return [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]

    @property
    def log(self) -> Path:
        """All that pip said."""
        return self.folder / "setup.log"

    def mend(self) -> None:
        """Remove the records of packages that a killed pip left half unpacked, which it would take for whole ones."""
        for record in self._site().glob("*.dist-info"):
            if not (record / "INSTALLER").is_file():
                shutil.rmtree(record)

    def _index(self) -> list[str]:
        """For uv, which does not read pip's configuration: the index that it names in place of PyPI."""
        done = subprocess.run([*self.pip_command, "config", "list"], capture_output=True, text=True, check=False)
        named = dict(_SETTING.findall(done.stdout))
        address = named.get(":env:") or named.get("install") or named.get("global")
        return ["--default-index", address] if address else []

    def _save(self) -> None:
        write_json(self.folder / "setup.json", {"device": self.device, "done": self.done})

    def _count(self) -> int:
        return sum(1 for _ in self._site().glob("*.dist-info"))

    def _site(self) -> Path:
        return next(iter((self.folder / "lib").glob("python3*/site-packages")))


def _digest(file: str) -> str:
    return hashlib.sha256("\n".join(pins(file)).encode()).hexdigest()
