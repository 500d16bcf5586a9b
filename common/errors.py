"""The one exception that reaches a user as a sentence instead of a traceback."""


class UserError(Exception):
    """Something the user can mend: a wrong file, value or name.

    The message is one sentence that names the file, column and row (or the flag) and what was expected. The command
    line prints it and exits with status 2; a page shows it in a red box.
    """
