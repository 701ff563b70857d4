"""Errors that a user can mend, and the one way in which every command ends.

    UserError      what, where and the remedy, in one line; every such error of this repository derives from it
    run_command    runs a command's `main` and ends the process with one of the exit codes below

An error that is no UserError is a fault of ours: it keeps its traceback.
"""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

DONE, NOT_GOOD, BAD_INPUT, KILLED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: done; done, and the answer is no (a check failed, a score is missing, a track is too slow); input that
cannot be used (argparse's own code, too); stopped where the evaluator would kill the run; Ctrl-C."""
_OF_THE_MACHINE = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a path that you may use",
    errno.EPERM: "choose a path that you may use",
    errno.ENOENT: "give a path that exists",
    errno.ENOTDIR: "give a path that exists",
    errno.EISDIR: "give a file",
}
"""What the user can do about an OSError with a path; other OSErrors are faults of ours."""
_INSTALLED_BY = "make setup-all"


class UserError(Exception):
    """A problem that the user can mend; the message is one line: what, where and the remedy."""

    exit_code = BAD_INPUT


def run_command(main: Callable[[], int] | str) -> NoReturn:
    """Run a command and exit: with its own code, or with one line on stderr and the code of what went wrong.

    Args:
        main: the function, or the name of the module that has it, which is then imported here: where a package is
            missing, that too is one line.
    """
    sys.exit(exit_code_of(_main_of(main) if isinstance(main, str) else main))


def _main_of(module: str) -> Callable[[], int]:
    def main() -> int:
        code: int = importlib.import_module(module).main()
        return code

    return main


def exit_code_of(main: Callable[..., int], *arguments: Sequence[str]) -> int:
    """What `run_command` exits with, its line printed; what is no problem of the user's is raised.

    Args:
        arguments: for `main`; the command line's where there are none.
    """
    try:
        return main(*arguments)
    except UserError as error:
        return _say(f"error: {error}", error.exit_code)
    except KeyboardInterrupt as error:  # a command may say what that brings
        return _say(f"interrupted: {error or 'give the same command again'}", INTERRUPTED)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if not missing or missing in _OURS or missing in sys.stdlib_module_names:
            raise
        return _say(f"error: the package {missing} is not installed; run `{_INSTALLED_BY}`", BAD_INPUT)
    except OSError as error:
        remedy = _OF_THE_MACHINE.get(error.errno or 0)
        if remedy is None or error.filename is None:
            raise
        return _say(f"error: {error.filename}: {error.strerror}; {remedy}", BAD_INPUT)


_OURS = ("shopbench", "models", "evaluation", "training", "tools", "benchmarks", "local_evaluation")


def _say(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code
