"""Errors caused by bad input, which the user can fix."""

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the possible name that is most like it; empty if none is like it.

    Example:
        >>> nearest("papr", ["paper", "factorial"]), nearest("paper", ["wsprites-paper-v1"]), nearest("x", ["paper"])
        ("; did you mean 'paper'?", "; did you mean 'wsprites-paper-v1'?", '')
    """
    possible = list(names)
    near = difflib.get_close_matches(name, possible, n=1) or [one for one in possible if len(name) > 2 and name in one]
    return f"; did you mean {near[0]!r}?" if near else ""


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
