"""Frozen dataclasses whose fields have types, ranges and choices: checked when set, overridden by name, stored as JSON.

Every configuration of the project is one: worlds, models, training. Nested dataclasses are tables of fields, lists become tuples.
"""

import dataclasses
import difflib
import json
import operator
import reprlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_args, get_type_hints

from wsprites.errors import ArgumentError, UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    _Spec = TypeVar("_Spec", bound=DataclassInstance)


class SpecError(UserError):
    """A field has the wrong type or a value outside its range; the message names the field, the value and the range."""


def number(default: Any, low: float, high: float, *, added: bool = False) -> Any:
    """A field with a value from `low` to `high`, both included.

    `added` marks a field that files have existed without: `to_json` leaves it out where it has its default, so that the JSON of whatever
    does not use the field stays the same.
    """
    return field(default=default, metadata={"low": low, "high": high, "added": added})


def choice(default: Any, *choices: Any) -> Any:
    """A field with one of the given values."""
    return field(default=default, metadata={"choices": choices})


def flag(default: bool, *, added: bool = False) -> Any:
    """A field that is true or false; `added` as for `number`."""
    return field(default=default, metadata={"added": added})


@dataclass(frozen=True)
class Checked:
    """Base of dataclasses of checked fields. A subclass that checks more calls `super().__post_init__()` first.

    Raises:
        SpecError: a value of another type than its field declares, or outside the range of the field.
    """

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for f in dataclasses.fields(self):
            _check(f, getattr(self, f.name), types[f.name])

    def override(self, **values: Any) -> Self:
        """A copy with other values for some fields; a nested dataclass takes a dict. Raises SpecError as `build` does."""
        return build(self, values)


def _check(f: "dataclasses.Field[Any]", value: Any, want: Any) -> None:
    """Raise SpecError unless a value has the type and is in the range of its field."""
    is_list = bool(get_args(want))
    values = value if is_list and isinstance(value, tuple) else (value,)
    item = get_args(want)[0] if is_list else want
    if (is_list and not isinstance(value, tuple)) or not all(_is(v, item) for v in values):
        raise SpecError(f"{f.name} = {show(value)} must be {'a list of' if is_list else 'of type'} {item.__name__}")
    if "choices" in f.metadata and value not in f.metadata["choices"]:
        raise SpecError(f"{f.name} = {show(value)} is not one of {', '.join(map(repr, f.metadata['choices']))}")
    if "low" in f.metadata:
        low, high = f.metadata["low"], f.metadata["high"]
        if not all(low <= v <= high for v in values):  # false for NaN as well
            raise SpecError(f"{f.name} = {show(value)} is outside the range {low} to {high}")


def _is(value: Any, want: type) -> bool:
    """Whether a value has exactly the wanted type; an int may stand for a float, but a bool is not a number."""
    return type(value) is want or (want is float and type(value) is int)


def _plain(key: str) -> str:
    """A key as it is, unless it is unprintable or too long for a message."""
    return key if key.isprintable() and len(key) < 80 else show(key)


def show(value: Any) -> str:
    """A value as short text for a message; the value may come from an untrusted file."""
    short = reprlib.Repr()
    short.maxother = short.maxstring = 200
    try:
        return short.repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:
        return "a number of thousands of digits"


def whole(argument: str, value: object, low: int, high: int) -> int:
    """An argument of a function that is a whole number from `low` to `high`, of Python or numpy, as an int of Python.

    Raises:
        ArgumentError: it is none; True and False are no numbers.

    Example:
        >>> whole("seed", -1, 0, 9)
        Traceback (most recent call last):
        wsprites.errors.ArgumentError: seed: -1 is outside the range 0 to 9
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise ArgumentError(argument, f"{show(value)} is not a whole number")
    if not low <= number <= high:
        raise ArgumentError(argument, f"{show(number)} is outside the range {low} to {high}")
    return number


def build(base: "_Spec", values: Any, *, prefix: str = "") -> "_Spec":
    """A copy of `base` with the fields in the nested dict `values` replaced.

    Args:
        base: a dataclass of checked fields.
        values: from names of fields to values; a nested dataclass takes a dict of its own.
        prefix: path of `base` in messages, such as "sprite.".

    Raises:
        SpecError: a field that does not exist (the message names the nearest one), or a value that its field cannot have.
    """
    if not isinstance(values, dict):
        raise SpecError(f"{prefix.rstrip('.') or type(base).__name__} = {show(values)} must be a table of fields")
    names = {f.name for f in dataclasses.fields(base)}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.0)
            raise SpecError(f"there is no field {prefix}{_plain(key)}; the nearest is {prefix}{near[0]}")
        old = getattr(base, key)
        if dataclasses.is_dataclass(old) and not isinstance(old, type):
            changes[key] = build(old, value, prefix=f"{prefix}{key}.")
        else:
            changes[key] = tuple(value) if isinstance(value, list) else value
    try:
        return dataclasses.replace(base, **changes)
    except SpecError as error:
        raise SpecError(f"{prefix}{error}") from None


def to_json(spec: "DataclassInstance") -> str:
    """The fields of a dataclass as JSON, without those that were `added` and have their defaults; `from_json` reads it."""
    return json.dumps(_table(spec))


def _table(spec: Any) -> dict[str, Any]:
    values = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec) if not _is_unused(spec, f)}
    return {name: _table(value) if dataclasses.is_dataclass(value) else value for name, value in values.items()}


def _is_unused(spec: Any, f: "dataclasses.Field[Any]") -> bool:
    return bool(f.metadata.get("added")) and getattr(spec, f.name) == f.default


def from_json(base: "_Spec", text: str) -> "_Spec":
    """The dataclass that `to_json` wrote. Fields that the text does not have keep the values of `base`.

    Raises:
        SpecError: not JSON, or a field or value that is not possible.

    Example:
        >>> from wsprites.world.spec import WalkSpec
        >>> from_json(WalkSpec(), '{"step": 5}')
        WalkSpec(p_inertia=0.9, step=5, policy=0.0)
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"not JSON: {error}") from None
    return build(base, values)
