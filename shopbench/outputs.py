"""What a command writes: checked before its work, and no other run's until it ends.

    with outputs(given.output, given.report, inputs=[given.questions]):
        ...

The lock is an empty file ".NAME.lock" beside the output, which a killed run may leave and the next one takes. Making it
is also the proof that the folder can be written, which permissions alone do not tell.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from shopbench.errors import UserError, no_room


@contextmanager
def outputs(*paths: Path | None, inputs: Iterable[Path | None] = (), make_folders: bool = False) -> Iterator[None]:
    """Files that the block will write (None: not asked for), which stay this run's until it ends.

    Args:
        inputs: files and folders that the command reads: none of them is written, and nothing inside these folders.
        make_folders: make the folders of the files, which must be there otherwise.
    Raises:
        UserError: one of them is an input, no regular file, cannot be written, or another run is writing it.
    """
    given, read = [path for path in paths if path], [path for path in inputs if path]
    if len({path.resolve() for path in given}) < len(given):
        raise UserError(f"{given[0]}: is named for two outputs; give each a path of its own")
    with ExitStack() as held:
        for path in given:
            _check(path, read)
        for path in given:
            if make_folders:
                path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(path))
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other runs from a file or folder, which need not be there yet; UserError if one is at it already."""
    lock = path.absolute()  # "." has no name
    lock = lock.with_name(f".{lock.name}.lock")
    try:
        file = _open_locked(lock, path)
    except OSError as error:
        full, elsewhere = no_room(error), "name one in a folder that exists and can be written"
        raise UserError(f"{path}: cannot be written ({error.strerror}); {full[1] if full else elsewhere}") from None
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        file.close()


@contextmanager
def room_for(output: Path, then: str = "") -> Iterator[None]:
    """What any library raises in the block because a file found no room, as a UserError that says where.

    That is `output`: a library names a file of its own at best, often one that is gone by then. Only what lies in
    another folder (a temporary file) is named itself.

    Args:
        then: what follows the remedy in the message.
    """
    try:
        yield
    except Exception as error:
        full = no_room(error)
        if full is None:
            raise
        # A copy's error names its source first.
        named = getattr(error, "filename2", None) or getattr(error, "filename", None)
        file = Path(os.fsdecode(named)) if named else output
        where = output if _lies_in(file, output.absolute().parent) else file
        raise UserError(f"{where}: cannot be written ({full[0]}); {full[1]}{then}") from None


def check_free(output: Path) -> None:
    """UserError unless a folder can be made at `output`: nothing is there, or an empty one."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output}: exists; delete it or give another --output")


def hold(file: IO[bytes], path: Path) -> None:
    """Lock an open file until it is closed; UserError that another run is writing `path` if it is locked already.

    Where a disk has no locks, the run goes on without.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{path}: another run is writing it; wait for it or give another --output") from None
    except OSError:
        pass


def _open_locked(lock: Path, path: Path) -> IO[bytes]:
    while True:
        file = open(lock, "ab")  # noqa: SIM115 (held open, and locked, for the run)
        try:
            hold(file, path)
            # The run before may have deleted the file between our opening it and its letting go.
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()


_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a pipe"}


def _check(path: Path, inputs: Iterable[Path]) -> None:
    for read in inputs:
        if read.exists() and (_same(path, read) or (read.is_dir() and _lies_in(path, read))):
            raise UserError(f"{path}: cannot be written, it is read by this command ({read}); give another path")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another path") from None
    in_dev = path.absolute().parent == Path("/dev")  # /dev/stdout may lead to a regular file, and would be replaced
    if in_dev or not stat.S_ISREG(mode):
        kind = "a device" if in_dev else _KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise UserError(f"{path}: cannot be written, it is {kind}; name a file")
    if not os.access(path, os.W_OK):
        raise UserError(f"{path}: cannot be written, it is write-protected; delete it or give another path")


def _same(path: Path, read: Path) -> bool:
    return path.exists() and path.samefile(read)


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
