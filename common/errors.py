"""The one exception that reaches a user as a sentence instead of a traceback."""


class UserError(Exception):
    """Something that the user can mend: a wrong file, value or name.

    The message is one sentence. It names the file, column and row, or the flag, and says what was expected. The
    command line prints the message and exits with status 2. A page shows it in a red box.
    """
