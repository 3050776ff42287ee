"""The one kind of error that the user can mend."""


class UserError(ValueError):
    """Bad input. The message is one line: what is wrong, where, and how to mend it; the command line prints it and exits with 2."""
