"""Make the small form of ``rapport.js``: no comments, no space, short names of its own variables.

``python -m customers.snippet.minify`` writes it; a test holds that it belongs to the source.  No
library, for the source keeps to a small part of the language, and what lies outside is refused.
"""

import re
import string
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path

SOURCE = Path(__file__).with_name("rapport.js")
SMALL = Path(__file__).with_name("rapport.min.js")

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:\\.|[^"\\\n])*")
    |(?P<regex>(?<=[(,=])/(?:\\.|[^/\\\n])+/[a-z]*)
    |(?P<number>\d[\w.]*)
    |(?P<name>[A-Za-z_$][\w$]*)
    |(?P<sign>\.\.\.|=>|===|!==|==|!=|>>|&&|\|\||\+\+|--|[^`'])""",
    re.VERBOSE | re.DOTALL,
)
_RESERVED = """
    break case catch const continue else false finally for function if in let new null of return
    switch this throw true try typeof undefined var void while"""
_WORDS = set(_RESERVED.split())


def small(source: str) -> str:
    """The same program in fewer bytes.

    Raises
    ------
    ValueError
        Where the source leaves the part of the language that this understands.

    >>> small('const long = (word) => ({ key: word });\\nlong("a b");  // said')
    'let a=b=>({key:b});a("a b");'
    """
    tokens = _merged(list(_tokens(source)))
    names = _short(tokens)
    made: list[str] = []
    for at, (kind, text) in enumerate(tokens):
        if kind == "name" and text in names and not _is_property(tokens, at):
            text = names[text]
        made.append(text)
    return _tidy("".join(_joined(made)))


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        if not found:
            line = source.count("\n", 0, at) + 1
            raise ValueError(f"line {line}: {source[at : at + 20]!r} is not understood")
        at = found.end()
        if found.lastgroup != "space":
            yield str(found.lastgroup), found.group()


def _merged(tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """With one ``let`` for declarations that follow each other, and !0 for true."""
    made: list[tuple[str, str]] = []
    starts = [""]  # of the present statement, in each open bracket
    is_new = True
    spelt = {"true": ("number", "!0"), "false": ("number", "!1"), "const": ("name", "let")}
    for kind, text in tokens:
        token = spelt.get(text, (kind, text)) if kind == "name" else (kind, text)
        if is_new:
            if token[1] == starts[-1] == "let" and made[-1][1] == ";":
                made[-1] = ("sign", ",")
                is_new = False
                continue
            starts[-1] = token[1]
        is_new = text in ("{", ";", "}")
        if text in ("{", "(", "["):
            starts.append("")
        elif text in ("}", ")", "]"):
            starts.pop()
            # A block ends its statement; an object or a function within one does not.
            is_new = text == "}" and starts[-1] != "let"
        made.append(token)
    return made


def _is_property(tokens: list[tuple[str, str]], at: int) -> bool:
    """Whether the name at this place is one that others see: ``.name`` or ``{name: …}``."""
    before, after = tokens[at - 1][1], tokens[at + 1][1]
    if before == "{" and after in (",", "}"):
        raise ValueError(f"{tokens[at][1]!r}: shorthand properties cannot be made small")
    return before == "." or (before in "{," and after == ":")


def _declared(tokens: list[tuple[str, str]]) -> Iterator[str]:
    """Names after const and let, and parameters of arrows."""
    texts = [text for _kind, text in tokens]
    for at, (kind, text) in enumerate(tokens):
        if kind == "name" and text == "let":
            yield from _names(texts, at + 1)
        elif text == "catch" and texts[at + 1] == "(" and texts[at - 1] != ".":
            yield texts[at + 2]
        elif text == "=>":
            inside = at - 1
            if texts[inside] != ")":
                yield texts[inside]
                continue
            while texts[inside] != "(":
                if tokens[inside][0] == "name":
                    yield texts[inside]
                inside -= 1


def _names(texts: list[str], at: int) -> Iterator[str]:
    """The names that one ``let`` declares: those after it, and after its commas."""
    depth, is_name = 0, True
    for text in texts[at:]:
        if is_name:
            yield text
        is_name = False
        if text in ("{", "(", "["):
            depth += 1
        elif text in ("}", ")", "]"):
            depth -= 1
        elif depth == 0 and text == ",":
            is_name = True
        if depth < 0 or (depth == 0 and text == ";"):
            return


def _short(tokens: list[tuple[str, str]]) -> dict[str, str]:
    """A short name for each of our own, the shortest for the most used."""
    taken = {text for kind, text in tokens if kind == "name"}
    own = set(_declared(tokens)) - _WORDS
    uses = {
        name: sum(
            text == name and not _is_property(tokens, at) for at, (_, text) in enumerate(tokens)
        )
        for name in own
    }
    letters = string.ascii_letters + "$_"
    spelt = ("".join(signs) for length in count(1) for signs in product(letters, repeat=length))
    free = (name for name in spelt if name not in taken and name not in _WORDS)
    return {name: next(free) for name in sorted(own, key=lambda name: (-uses[name], name))}


def _joined(texts: list[str]) -> Iterator[str]:
    """Tokens, with a space where two would run together."""
    before = ""
    for text in texts:
        if before and re.match(r"[\w$]", text) and re.search(r"[\w$]$", before):
            yield " "
        yield text
        before = text


def _tidy(text: str) -> str:
    """Without brackets around one parameter, and without what stands before a closing one."""
    strings: list[str] = []

    def keep(found: re.Match) -> str:
        strings.append(found.group())
        return f'"{len(strings) - 1}"'

    text = re.sub(r'"(?:\\.|[^"\\\n])*"', keep, text)
    text = re.sub(r"\(([A-Za-z_$][\w$]*)\)=>", r"\1=>", text)
    text = re.sub(r"[;,]}", "}", text)
    text = text.replace("new Date()", "new Date")
    return re.sub(r'"(\d+)"', lambda found: strings[int(found.group(1))], text)


def main() -> None:
    SMALL.write_text(small(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{SMALL.name}: {SMALL.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
