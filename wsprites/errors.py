"""Errors caused by bad input, which the user can fix."""


class UserError(ValueError):
    """Bad input. The message is one line: what is wrong, where, and how to fix it.

    A message may suggest an argument of the function, as in "pass overwrite=True". The command line prints the message with its options in
    place of arguments, "pass --overwrite", and exits with code 2.
    """


class ArgumentError(UserError):
    """A value that an argument cannot take. The command line puts its option in place of the argument's name.

    Args:
        argument: name of the function's argument.
        problem: the value, what is wrong with it, and possible values.

    Example:
        >>> str(ArgumentError("n", "0 is outside the range 1 to 10"))
        'n: 0 is outside the range 1 to 10'
    """

    def __init__(self, argument: str, problem: str) -> None:
        super().__init__(f"{argument}: {problem}")
        self.argument, self.problem = argument, problem

    def __reduce__(self) -> tuple[type["ArgumentError"], tuple[str, str]]:
        return type(self), (self.argument, self.problem)
