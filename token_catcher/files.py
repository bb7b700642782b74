"""Local files as this program keeps them: private, synced, locked, and replaced only as a whole.

What goes wrong is an OSError, but for a file system without locks, which is a StateError.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

from token_catcher.errors import StateError

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
"""The mode bits of everybody but the owner: none of them is set on a file of ours."""
PIECE: Final = 64 * 1024
"""Bytes that are copied at once."""
WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
LOCKLESS: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
"""What flock(2) says on a file system that has no locks:
NFS mounted with `nolock`, some FUSE mounts."""


def may_exist(path: Path) -> bool:
    """Whether something has this name, or that cannot be known: who opens it is told why.

    `Path.exists` raises what its directory says to somebody who may not enter it."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True


def make_directory(path: Path) -> None:
    """Create the directory, for its owner alone, and the ones above it, where they are missing."""
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(path.parent)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[FileIO]:
    """Open a regular file, without a buffer, and never through a symbolic link."""
    try:
        # O_NOFOLLOW: whoever may write the directory must not lead us elsewhere.
        # O_NONBLOCK: nor wait for the other end of a FIFO before finding out that it is one.
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _plainer(error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    mode = "rb" if flags & os.O_ACCMODE == os.O_RDONLY else "r+b"
    with FileIO(descriptor, mode) as file:
        yield file


def kind_of(status: os.stat_result) -> str:
    """What is there in place of a regular file, for messages."""
    if stat.S_ISDIR(status.st_mode):
        return "a directory"
    if stat.S_ISFIFO(status.st_mode):
        return "a pipe"
    return "a device"  # a socket cannot be opened


def excess(status: os.stat_result, forbidden: int = OTHERS) -> str | None:
    """The mode, as `0644`, where it gives one of the forbidden rights; None: it does not.

    To be asked of an open file, so that it is the mode of what is read."""
    if status.st_mode & forbidden:
        return f"{stat.S_IMODE(status.st_mode):04o}"
    return None


def lock(file: FileIO, path: Path, *, shared: bool = False) -> bool:
    """Lock the open file until it is closed (flock(2)), without waiting.

    False: somebody else has it. StateError: the file system of `path` has no locks."""
    how = fcntl.LOCK_EX
    if shared:
        how = fcntl.LOCK_SH
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise
        problem = (
            f"{path}: got a file system without locks ({error.strerror}), expected flock to work"
        )
        raise StateError(problem, code="locks") from None
    return True


def unlock(file: FileIO) -> None:
    """Give the lock back before the file is closed."""
    fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock file, made where it is missing. False: somebody else has it."""
    with opened(path, os.O_RDWR | os.O_CREAT) as file:
        yield lock(file, path)


def replace(path: Path, content: bytes, *, durable: bool = True, synced: bool = True) -> None:
    """Put new content in place of the old: one of the two is there whole, whatever happens.

    One writer at a time: callers hold a lock.
    `durable`: not even a power cut brings the old content back.
    `synced`: not even a power cut loses both; False for what is written often and can be lost."""
    replace_by(path, [content], durable=durable, synced=synced)


def replace_by(
    path: Path, pieces: Iterable[bytes], *, durable: bool = True, synced: bool = True
) -> None:
    """As `replace`, with content that comes in pieces and is never in memory as a whole."""
    _put(_written_beside(path, pieces, synced=synced), path)
    if synced and durable:  # the content is synced by now, its name is not
        sync_directory(path.parent)


def try_replacing(path: Path, size: int) -> None:
    """Do what `replace` does with so many bytes, and put what is there in its own place.

    OSError: it would fail. That a file was mounted by itself shows at the last step alone, so that
    is done as well; the file keeps its content and its time."""
    _written_beside(path, [bytes(size)], synced=True).unlink()
    try:
        with opened(path) as file:
            status = os.fstat(file.fileno())
            new = _written_beside(path, iter(partial(file.read, PIECE), b""), synced=True)
    except FileNotFoundError:
        return
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    _put(new, path)


def _put(new: Path, path: Path) -> None:
    """In place of what is there; nothing is left behind where that fails."""
    try:
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


def _written_beside(path: Path, pieces: Iterable[bytes], *, synced: bool) -> Path:
    """The new file; none is left behind where that fails."""
    new = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        new.unlink()  # what a crash left behind
    try:
        with opened(new, os.O_RDWR | os.O_CREAT | os.O_EXCL) as file:
            for piece in pieces:
                _write_all(file, piece)
            if synced:
                os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
    return new


def write(file: FileIO, content: bytes) -> None:
    """Write all of it, and make it durable."""
    _write_all(file, content)
    os.fsync(file.fileno())


def _write_all(file: FileIO, content: bytes) -> None:
    left = memoryview(content)
    while left:  # a disk that is almost full takes a part
        left = left[os.write(file.fileno(), left) :]


def sync_directory(path: Path) -> None:
    """Make names durable: until then a power cut loses a file that was created or renamed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plainer(error: OSError) -> OSError:
    """What O_NOFOLLOW means by "too many levels of symbolic links"."""
    if error.errno == errno.ELOOP:
        return OSError(errno.ELOOP, "it is a symbolic link")
    return error
