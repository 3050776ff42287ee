"""Examples of docstrings on the API pages, and names of code that may be broken in the cells of tables."""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Docstrings say "Example:", and mkdocstrings draws the examples of a section "Examples:" as code: renamed before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class, function and attribute that is read."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)


def on_page_content(html: str, **_: Any) -> str:
    """Called by mkdocs with every page: `--option` and a number with its unit stay on one line, `a.long_name` in cells may be broken."""

    def kept(part: re.Match[str]) -> str:
        return part[0] if part[0].startswith("<") else f'<span class="option">{part[0]}</span>'

    def breakable(cell: re.Match[str]) -> str:
        return re.sub(r"<[^>]*>|(?<=[A-Za-z])[._/](?=[A-Za-z])", lambda part: part[0] if len(part[0]) > 1 else f"{part[0]}<wbr>", cell[0])

    html = re.sub(r"<(t[hd]|h\d)\b.*?</\1>", breakable, html, flags=re.DOTALL)
    html = re.sub(
        r"<pre\b.*?</pre>|<[^>]*>|(?<=\d) (?=(?:px|ms|%)(?!\w))",
        lambda part: "&nbsp;" if part[0] == " " else part[0],
        html,
        flags=re.DOTALL,
    )
    tag_or_option = re.compile(r"<[^>]*>|(?<![\w-])--?[A-Za-z][\w-]*")
    return re.sub(r"<code>.*?</code>", lambda code: tag_or_option.sub(kept, code[0]), html, flags=re.DOTALL)
