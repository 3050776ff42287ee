"""Fields of frozen dataclasses with types, ranges and choices: checked when set, and overridden by name from a file or a command."""

import dataclasses
import difflib
import reprlib
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from wsprites.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    _Spec = TypeVar("_Spec", bound=DataclassInstance)


class SpecError(UserError):
    """A number of a world or of a model is of the wrong type or outside its range; names the field, the value and the range."""


def number(default: Any, low: float, high: float) -> Any:
    """A field that lies between two numbers, both possible."""
    return field(default=default, metadata={"low": low, "high": high})


def choice(default: Any, *choices: Any) -> Any:
    """A field that has one of the given values."""
    return field(default=default, metadata={"choices": choices})


def check(spec: Any) -> None:
    """Raise SpecError unless every field of a dataclass has its declared type and lies in its declared range."""
    types = get_type_hints(type(spec))
    for f in dataclasses.fields(spec):
        value, want = getattr(spec, f.name), types[f.name]
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
    """Exact type, but for whole numbers where a float is wanted; a bool is not a number."""
    return type(value) is want or (want is float and type(value) is int)


def _plain(key: str) -> str:
    """A key as it is, unless it would break the line or fill it."""
    return key if key.isprintable() and len(key) < 80 else show(key)


def show(value: Any) -> str:
    """A value as text, never long: it may come from a stranger's file."""
    short = reprlib.Repr()
    short.maxother = short.maxstring = 200
    try:
        return short.repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:
        return "a number of thousands of digits"


def build(base: "_Spec", values: Any, prefix: str = "") -> "_Spec":
    """`base` with the fields in the nested dict `values` replaced; unknown keys are refused with the nearest known one."""
    if not isinstance(values, dict):
        raise SpecError(f"{prefix.rstrip('.') or 'the world'} = {show(values)} must be a table of fields")
    known = {f.name for f in dataclasses.fields(base)}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise SpecError(f"there is no key {prefix}{_plain(key)}; the nearest is {prefix}{near[0]}")
        old = getattr(base, key)
        if dataclasses.is_dataclass(old) and not isinstance(old, type):
            changes[key] = build(old, value, f"{prefix}{key}.")
        else:
            changes[key] = tuple(value) if isinstance(value, list) else value
    try:
        return dataclasses.replace(base, **changes)
    except SpecError as error:
        raise SpecError(f"{prefix}{error}") from None
