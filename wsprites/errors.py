"""Errors caused by bad input, which the user can fix."""


class UserError(ValueError):
    """Bad input. The message is one line: what is wrong, where, and how to fix it; the command line prints it and exits with code 2.

    A message may suggest an argument of the function, as in "pass overwrite=True"; the command line writes its option instead.
    """


class ArgumentError(UserError):
    """A value that an argument cannot take. The command line puts the option in place of the argument's name.

    Example:
        >>> str(ArgumentError("n", "0 is outside the range 1 to 10"))
        'n: 0 is outside the range 1 to 10'
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument}: {problem}")
        self.argument, self.problem = argument, problem

    def __reduce__(self) -> tuple[type["ArgumentError"], tuple[str, str]]:
        return type(self), (self.argument, self.problem)
