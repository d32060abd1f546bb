"""Segments as files for review in git: written out, compared, and applied in one transaction.

One YAML file a segment, named by its key, always the same bytes for the same segment.  Files name
other segments and lists by key.  What belongs to one installation stays there: segments made from
its clusters, and ready-made ones that nobody edited.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from rapport.errors import DomainError
from segments.models import CustomerList, Segment
from segments.rules import explain, language, parse, ready_made
from segments.services import definitions, segments

SUFFIX = ".yaml"
KEYS = ("key", "name", "description", "rule")
KEY = re.compile(r"[-a-zA-Z0-9_]{1,80}")
WIDTH = 100
BYTES_MOST = 1_000_000
PLAIN = {"timestamp", "bool", "value", "merge"}  # what YAML 1.1 makes of words such as NO and =


@dataclass(frozen=True)
class Judged:
    """Whether a rule can be read, and everything that is wrong with it."""

    is_valid: bool
    sentence: str
    faults: tuple[language.Fault, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A segment as its file says it."""

    key: str
    name: str
    description: str
    rule: Any


@dataclass(frozen=True)
class FileFault:
    """What is wrong in which file, and where."""

    file: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path + ': ' if self.path else ''}{self.reason}"


class FilesRefused(DomainError):
    """Files that cannot be applied; ``faults`` has every fault of all of them."""

    code = "files_refused"

    def __init__(self, faults: Iterable[FileFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True)
class Difference:
    """What separates one segment here from its file."""

    key: str
    kind: str  # new, changed, only here
    text: str  # as a reviewer reads it


@dataclass
class Done:
    """What `apply` did, by key."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def judge(raw: Any, *, key: str = "") -> Judged:
    """Read a rule as `segments.create` would, and say all that is wrong; writes nothing."""
    try:
        definitions.check(raw, key=key)
    except definitions.RuleRefused as refused:
        return Judged(False, "", tuple(refused.faults))
    rule = parse.parse(raw)
    warnings = tuple(f"There is no list {one!r}." for one in _unknown_lists(rule))
    return Judged(True, explain.sentence(rule), warnings=warnings)


def export() -> dict[str, str]:
    """The files of all segments that can be elsewhere, by file name."""
    return {f"{one.key}{SUFFIX}": text(one) for one in _here().values()}


def left_out() -> list[Segment]:
    """Segments in use that are no files, for they are of this installation alone or as shipped."""
    here = _here()
    return [one for one in _in_use() if one.key not in here]


def write(folder: Path) -> tuple[list[str], list[str]]:
    """Write the files; returns the names of those written anew and of those removed.

    A file is removed only when it is one of ours, by its content, and its segment is no longer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = export()
    written = []
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8", newline="\n")
            written.append(name)
    removed = [path.name for path in _files(folder) if path.name not in files and _is_ours(path)]
    for name in removed:
        (folder / name).unlink()
    return written, removed


def compare(folder: Path) -> list[Difference]:
    """What `apply` would change, as unified diffs from here to the files; by key.

    Only meaning counts: comments and another layout of a file are no difference.
    """
    wanted = read(folder)
    here = {key: text(one) for key, one in _here().items()}
    found = []
    for key in sorted(here.keys() | wanted.keys()):
        then = text(wanted[key]) if key in wanted else ""
        now = here.get(key, "") or _shipped(key, wanted)
        if now != then:
            kind = "only here" if not then else "changed" if now else "new"
            found.append(Difference(key, kind, _diff(key, now, then)))
    return found


def apply(
    folder: Path, *, now: datetime, user: Any = None, prunes: bool = False, is_dry: bool = False
) -> Done:
    """Make the segments here those of the files, in one transaction; all or nothing.

    Every fault of every file is found before anything is written (`FilesRefused`).  ``prunes``
    archives what has no file.  Safe to repeat: what is the same already is left alone.
    """
    wanted = read(folder)
    _check_references(wanted, prunes=prunes)
    done = Done()
    with transaction.atomic():
        known = {one.key: one for one in _in_use()}
        for key in _ordered_by_need(wanted):
            _apply(wanted[key], known.get(key), done, user=user, now=now)
        if prunes:
            _prune(wanted, done, user=user, now=now)
        if is_dry:
            transaction.set_rollback(True)
    return done


def read(folder: Path) -> dict[str, Written]:
    """What the files say, by key; `FilesRefused` names every fault of every file."""
    if not folder.is_dir():
        raise FilesRefused([FileFault(str(folder), "", "there is no such folder")])
    found: dict[str, Written] = {}
    faults: list[FileFault] = []
    for path in _files(folder):
        try:
            data = _load(path)
        except (yaml.YAMLError, OSError, UnicodeDecodeError, ValueError) as error:
            faults.append(FileFault(path.name, "", " ".join(str(error).split())))
            continue
        wrong = _faults(path, data)
        faults += [FileFault(path.name, where, reason) for where, reason in wrong]
        if not wrong:
            description = data.get("description") or ""
            found[path.stem] = Written(path.stem, data["name"], description, data["rule"])
    if faults:
        raise FilesRefused([*faults, *_reference_faults(found, prunes=False)])
    return found


def text(one: Segment | Written) -> str:
    """A segment as its file, always the same bytes."""
    content: dict[str, Any] = {"key": one.key, "name": one.name}
    if one.description:
        content["description"] = one.description
    content["rule"] = _ordered(one.rule)
    return yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=WIDTH,
    )


def _apply(one: Written, there: Segment | None, done: Done, *, user: Any, now: datetime) -> None:
    if there is None:
        segments.create(
            name=one.name,
            rule=one.rule,
            description=one.description,
            key=one.key,
            user=user,
            now=now,
        )
        done.created.append(one.key)
    elif text(there) == text(one):
        done.unchanged.append(one.key)
    else:
        segments.edit(
            there, name=one.name, rule=one.rule, description=one.description, user=user, now=now
        )
        done.changed.append(one.key)


def _prune(wanted: Mapping[str, Written], done: Done, *, user: Any, now: datetime) -> None:
    """Archive what has no file; those that name others go before the others."""
    gone = {key: one for key, one in _here().items() if key not in wanted}
    rules = {key: Written(key, one.name, "", one.rule) for key, one in gone.items()}
    for key in reversed(_ordered_by_need(rules)):
        segments.archive(gone[key], user=user, now=now)
        done.archived.append(key)


def _in_use() -> Iterable[Segment]:
    return Segment.objects.exclude(state=Segment.State.ARCHIVED).order_by("key")


def _here() -> dict[str, Segment]:
    """Segments in use that have files, by key."""
    shipped = {one.key: one for one in ready_made.SEGMENTS}
    return {
        one.key: one
        for one in _in_use()
        if one.cluster_id is None and not (one.is_ready_made and _is_as_shipped(one, shipped))
    }


def _is_as_shipped(one: Segment, shipped: Mapping[str, ready_made.ReadyMade]) -> bool:
    born = shipped.get(one.key)
    return born is not None and text(one) == text(Written(**vars(born)))


def _shipped(key: str, wanted: Mapping[str, Written]) -> str:
    """A ready-made segment that has a file is compared although nobody edited it here."""
    there = Segment.objects.filter(key=key).exclude(state=Segment.State.ARCHIVED).first()
    return text(there) if there is not None and key in wanted else ""


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (SUFFIX, ".yml"))


def _is_ours(path: Path) -> bool:
    try:
        data = _load(path)
    except (yaml.YAMLError, OSError, UnicodeDecodeError, ValueError):
        return False
    return isinstance(data, dict) and data.keys() <= set(KEYS) and data.get("key") == path.stem


def _load(path: Path) -> Any:
    if path.stat().st_size > BYTES_MOST:
        raise ValueError(f"has more than {BYTES_MOST} bytes")
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 safe kin


def _faults(path: Path, data: Any) -> list[tuple[str, str]]:
    """What is wrong with one file by itself: (path inside, reason)."""
    if not isinstance(data, dict):
        return [("", f"holds {_kind(data)}, expected {', '.join(KEYS)}")]
    faults = [(str(key), "is not known here") for key in data if key not in KEYS]
    if not KEY.fullmatch(path.stem):
        faults.append(("", "the file's name is no key: letters, digits, “-” and “_”, at most 80"))
    if data.get("key", path.stem) != path.stem:
        faults.append(("key", f"is {data['key']!r}, but the file is called {path.name!r}"))
    if Segment.objects.filter(key=path.stem, state=Segment.State.ARCHIVED).exists():
        faults.append(("key", f"segment {path.stem!r} is archived here; use another key"))
    name = data.get("name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 120:
        faults.append(("name", f"expected text of 1 to 120 characters, found {name!r}"))
    elif name != name.strip():
        faults.append(("name", "begins or ends with a space"))
    if not isinstance(data.get("description", ""), str | None):
        faults.append(("description", f"expected text, found {_kind(data['description'])}"))
    if "rule" not in data:
        return [*faults, ("rule", "is missing")]
    try:
        parse.parse(data["rule"])
    except language.RuleError as error:
        faults += [(f"rule.{one.path}" if one.path else "rule", one.reason) for one in error.faults]
    return faults


def _check_references(wanted: Mapping[str, Written], *, prunes: bool) -> None:
    faults = _reference_faults(wanted, prunes=prunes)
    if faults:
        raise FilesRefused(faults)


def _reference_faults(wanted: Mapping[str, Written], *, prunes: bool) -> list[FileFault]:
    """Segments that are neither in a file nor here, circles, and lists that are not here."""
    rules = {key: parse.parse(one.rule) for key, one in wanted.items()}
    staying = _here() if prunes else {}
    for one in _in_use():
        if one.key not in rules and one.key not in staying:
            try:
                rules[one.key] = parse.parse(one.rule)
            except language.RuleError:
                continue
    faults = []
    for key in sorted(wanted):
        name = f"{key}{SUFFIX}"
        try:
            parse.resolve(rules[key], rules)
        except language.RuleError as error:
            faults += [FileFault(name, f"rule.{f.path}", f.reason) for f in error.faults]
        for unknown in _unknown_lists(rules[key]):
            faults.append(FileFault(name, "rule", f"there is no list {unknown!r} here"))
    return faults


def _unknown_lists(rule: language.Rule) -> list[str]:
    named = {node.key for node in language.walk(rule.where) if isinstance(node, language.List)}
    known = set(CustomerList.objects.filter(key__in=named).values_list("key", flat=True))
    return sorted(named - known)


def _ordered_by_need(wanted: Mapping[str, Written]) -> list[str]:
    """Keys so that each comes after those its rule names; by key where it does not matter."""
    needs = {key: _named(one.rule) & wanted.keys() for key, one in wanted.items()}
    order: list[str] = []
    while len(order) < len(needs):
        ready = [key for key in sorted(needs) if key not in order and needs[key] <= set(order)]
        order += ready or [key for key in sorted(needs) if key not in order]  # a circle, refused
    return order


def _named(raw: Any) -> set[str]:
    try:
        return definitions.mentioned(parse.parse(raw))
    except language.RuleError:
        return set()


def _diff(key: str, now: str, then: str) -> str:
    lines = difflib.unified_diff(
        now.splitlines(keepends=True),
        then.splitlines(keepends=True),
        fromfile=f"here/{key}{SUFFIX}" if now else "/dev/null",
        tofile=f"files/{key}{SUFFIX}" if then else "/dev/null",
    )
    return "".join(lines)


def _ordered(value: Any) -> Any:
    """The same data in one order: the kind of a node first, then plain values, then its parts."""
    if isinstance(value, list):
        return [_ordered(one) for one in value]
    if not isinstance(value, dict):
        return value
    first = {"version": 0, "type": 1}

    def place(item: tuple[str, Any]) -> tuple[int, int, str]:
        key, inner = item
        depth = 2 if isinstance(inner, dict) else 1 if isinstance(inner, list) else 0
        return first.get(key, 9) if depth == 0 else 9, depth, key

    return {key: _ordered(inner) for key, inner in sorted(value.items(), key=place)}


def _kind(value: Any) -> str:
    words = {dict: "names with values", list: "a list", str: "text", type(None): "nothing"}
    return words.get(type(value), repr(value))


class _Dumper(yaml.SafeDumper):
    """Lists indented under their key, and long words in blocks, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Loader(yaml.SafeLoader):
    """Plain words stay words: a date, the country NO and the sign = are text.

    A name given twice is refused, and so are references, with which few bytes become many.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1
            raise ValueError(f"line {line}: a reference to another place (*) is not taken")
        return super().compose_node(parent, index)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _value in node.value]
    line = node.start_mark.line + 1
    for key in keys:
        if not isinstance(key, str):
            raise ValueError(f"line {line}: expected a name, found {key!r}")
        if keys.count(key) > 1:
            raise ValueError(f"line {line}: {key} is given twice")
    return loader.construct_mapping(node, deep=True)


_Dumper.add_representer(str, _text)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] not in PLAIN]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
