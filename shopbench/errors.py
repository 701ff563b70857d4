"""Errors that a user can mend, and the one way in which every command ends.

    UserError      what, where and the remedy, in one line; every such error of this repository derives from it
    run_command    runs a command's `main` and ends the process with one of the exit codes below

An error that is no UserError is a fault of ours: it keeps its traceback.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from shopbench import ROOT
from shopbench.requirements import how_to_install

DONE, NOT_GOOD, BAD_INPUT, KILLED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: done; done, and the answer is no (a check failed, a score is missing, a track is too slow); input that
cannot be used (argparse's own code, too); stopped where the evaluator would kill the run, or at a ceiling of tokens or
cost; Ctrl-C."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No room on the disk, in the user's share of it, or under the limit on a file's size."""
_REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a path that you may use",
    errno.EPERM: "choose a path that you may use",
    errno.ENOENT: "give a path that exists",
    errno.ENOTDIR: "give a path that exists",
    errno.EISDIR: "give a file",
    errno.EBUSY: "give another path",
    errno.ELOOP: "give a path that exists",
    errno.EEXIST: "delete it or give another path",
    errno.ENAMETOOLONG: "give a shorter path",
}
"""What the user can do about an OSError with a path; other OSErrors are faults of ours."""

_OS_ERROR = re.compile(r"\(os error (\d+)\)")
"""How libraries in Rust (safetensors, tokenizers) give an errno, in error classes of their own."""
_TORCH_STOPPED = re.compile(r"unexpected pos \d+ vs \d+|PytorchStreamWriter failed writing|basic_ios::clear")
"""How torch.save says that not all of a file was taken, as it comes to notice; it does not say why."""


class UserError(Exception):
    """A problem that the user can mend; the message is one line: what, where and the remedy."""

    exit_code = BAD_INPUT
    prefix = "error"


def no_room(error: BaseException) -> tuple[str, str] | None:
    """(What was said, the remedy) where an exception of any library means that a file found no room; else None.

    >>> no_room(RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"))
    ('No space left on device', 'make room')
    """
    if isinstance(error, UserError):  # is a line for the user already
        return None
    found = _OS_ERROR.search(str(error))
    code = error.errno if isinstance(error, OSError) else int(found[1]) if found else None
    if code in DISK_FULL:
        return os.strerror(code), _REMEDIES[code]
    if isinstance(error, RuntimeError) and _TORCH_STOPPED.search(str(error)):
        return "PyTorch could not write a whole file", f"{_REMEDIES[errno.ENOSPC]}, or {_REMEDIES[errno.EFBIG]}"
    return None


def nearest(name: str, known: Iterable[str]) -> str:
    """Words for a UserError: the known names that look most like this unknown one."""
    names = list(known)
    found = difflib.get_close_matches(name, names, n=3, cutoff=0.3)
    return f"nearest: {', '.join(found or sorted(names)[:3])}"


def run_command(main: Callable[[], int] | str) -> NoReturn:
    """Run a command and exit: with its own code, or with one line on stderr and the code of what went wrong.

    A module that is named, not its `main`, is imported here: where a package is missing, that too is one line. A file
    of a command that needs packages names itself, before it imports them.

    Asked to end (SIGTERM), a command stops as for Ctrl-C: what it began to write is deleted, its processes end.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(exit_code_of(main if callable(main) else lambda: importlib.import_module(main).main()))


def exit_code_of(main: Callable[..., int], *arguments: Sequence[str]) -> int:
    """What `run_command` exits with, its line printed; what is no problem of the user's is raised."""
    try:
        return main(*arguments)
    except UserError as error:
        return _say(f"{error.prefix}: {error}", error.exit_code)
    except KeyboardInterrupt as error:  # a command may say what that brings
        return _say(f"interrupted: {str(error) or 'give the same command again'}", INTERRUPTED)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        # A module that is not in its package, ours or another's, is a fault of ours.
        if not package or package in sys.stdlib_module_names or importlib.util.find_spec(package):
            raise
        return _say(f"error: the package {package} is not installed; {how_to_install(package)}", BAD_INPUT)
    except Exception as error:
        line = _refused(error)
        if line is None:
            raise
        return _say(f"error: {line}", BAD_INPUT)


def _refused(error: Exception) -> str | None:
    """What the machine refused, and the remedy; None for a fault of ours."""
    if isinstance(error, OSError) and error.filename is not None:
        remedy = None if _is_part_of_us(str(error.filename)) else _REMEDIES.get(error.errno or 0)
        return remedy and f"{error.filename}: {error.strerror}; {remedy}"
    full = no_room(error)
    return full and f"a file cannot be written ({full[0]}); {full[1]}"


_OURS = (
    Path(sys.prefix),
    *(ROOT / name for name in ("shopbench", "models", "evaluation", "training", "tools", "benchmarks", "prompts")),
)


def _is_part_of_us(path: str) -> bool:
    """Whether a path lies in our own code or prompts, or in an installed package: that it is missing is our fault."""
    return any(Path(path).absolute().is_relative_to(folder) for folder in _OURS)


def _say(message: str, code: int) -> int:
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(line, file=sys.stderr)
    return code
