"""The one exception that reaches a user as a sentence instead of a traceback."""

import errno
import importlib
from typing import Any

# What a user can mend about a file: a full or read-only disk, missing rights, a folder in place of a file, a long name.
MENDABLE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EISDIR", "ENOTDIR", "ENAMETOOLONG", "EFBIG", "ENOENT")
    if hasattr(errno, name)
}
MAX_MESSAGE = 2000  # characters


class UserError(Exception):
    """Something that the user can mend: a wrong file, value or name.

    The message is one sentence. It names the file, column and row, or the flag, and says what was expected. The
    command line prints the message and exits with status 2. A page shows it in a red box.
    """

    def __init__(self, message: str) -> None:
        # It may quote a cell of a file, which may have a million characters.
        long = len(message) > MAX_MESSAGE
        super().__init__(f"{message[: MAX_MESSAGE - 300]} … {message[-300:]}" if long else message)


def as_user_error(error: UserError | OSError) -> UserError | None:
    """The sentence for an error of the operating system that a user can mend; None for any other."""
    if isinstance(error, UserError) or error.errno not in MENDABLE:
        return error if isinstance(error, UserError) else None
    place = f"{error.filename}: " if error.filename else ""
    return UserError(f"{place}{error.strerror or error}.")


def load_part(module: str, what: str) -> Any:
    """A module that a fork may have left out. Raises UserError, "`what` needs …", where it is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        file = module.replace(".", "/") + ".py"
        raise UserError(f"{what} needs {file}, which this copy leaves out.") from None
