"""One virtual environment: what is in it, what is missing, and pip to bring that; resumed where it was stopped."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shopbench import ROOT
from shopbench.errors import UserError
from shopbench.files import write_json
from shopbench.requirements import requirement_lines
from tools.setup.interpreter import last_line
from tools.setup.progress import Failed, PipOutput, run_visibly

_SIZE = re.compile(r"^# Size: ([\d,]+) MB to download, ([\d,]+) MB on disk", re.MULTILINE)


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

    def _save(self) -> None:
        write_json(self.folder / "setup.json", {"device": self.device, "done": self.done})

    def install(self, file: str) -> None:
        """Bring what a requirements file asks for; what is there already stays.

        Raises:
            UserError: pip fails; the line says where all its words are.
        """
        self.mend()
        try:
            self.pip(["--requirement", str(ROOT / file)], file, count=len(pins(file)))
        except Failed as error:
            faults = [line for line in error.output.splitlines() if line.startswith("ERROR")]
            raise UserError(
                f"{file}: {last_line(faults[-1] if faults else error.output)}; give the same command again to go on "
                f"(all that pip said: {self.log})"
            ) from None
        self.mark(file)

    def pip(self, arguments: Sequence[str], label: str, count: int) -> None:
        """Run `pip install`; Failed if that fails."""
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-deps"]
        command += ["--no-compile", "--progress-bar", "off", *arguments]  # what is never imported need not be compiled
        before = self._count()
        run_visibly(command, label, self.log, status=PipOutput(count, lambda: self._count() - before))

    @property
    def log(self) -> Path:
        """All that pip said."""
        return self.folder / "setup.log"

    def mend(self) -> None:
        """Remove the records of packages that a killed pip left half unpacked, which it would take for whole ones."""
        for record in self._site().glob("*.dist-info"):
            if not (record / "INSTALLER").is_file():
                shutil.rmtree(record)

    def _count(self) -> int:
        return sum(1 for _ in self._site().glob("*.dist-info"))

    def _site(self) -> Path:
        return next(iter((self.folder / "lib").glob("python3*/site-packages")))


def _digest(file: str) -> str:
    return hashlib.sha256("\n".join(pins(file)).encode()).hexdigest()
