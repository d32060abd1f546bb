"""Who is who, decided in memory: which handles count, and which profiles belong together.

Nothing here reads or writes a table: `customers.services.identity` brings what is known, and
carries out what `Decisions` says.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

EXTERNAL, EMAIL, PHONE, ANONYMOUS = "external", "email", "phone", "anonymous"
KINDS = (EXTERNAL, EMAIL, PHONE, ANONYMOUS)  # the strongest first
VALUE_MAX = 254  # characters

# Values that programs send when they have nothing to say; any of them would join strangers.
BLOCKED = (
    r"[0-]*",
    r"-1",
    r"(null|undefined|nil|none|nan|n/a|na|true|false|\(null\)|\[object object\])",
    r"(anonymous|guest|unknown|visitor|user|userid|user_id|customer|default|empty)",
    r"(test|testing|demo|example|foo|bar|abc|asdf|xxx*|x)",
    r"(test|noemail|no-email|none|null|noreply|no-reply)@.*",
    r"\+?(0+|1+|9+|1?234567890*)",
)
_EMAIL = re.compile(r"[^@\s\x00-\x1f<>]+@[^@\s\x00-\x1f<>]+\.[^@\s\x00-\x1f<>.]{2,}")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_PHONE_MARKS = re.compile(r"[\s().\-/]")


class Handle(NamedTuple):
    """One way to know somebody again; ordered, so that all writers write in one order."""

    kind: str
    source: str  # empty for e-mail and phone
    value: str


class Refusal(NamedTuple):
    """A handle that was claimed and not given; ``reason`` is a word of `RefusedClaim.Reason`."""

    handle: Handle
    reason: str
    claimant: "Profile | None" = None
    holder: "Profile | None" = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Who somebody says to be, as one message tells it."""

    user_id: str = ""
    anonymous_id: str = ""
    email: str = ""
    phone: str = ""
    happened_at: datetime = field(kw_only=True)
    email_is_verified: bool = field(default=False, kw_only=True)  # by the shop, not by a browser


@dataclass(frozen=True)
class Limits:
    """How many handles of a kind one profile may hold, and what never identifies anybody."""

    most: Mapping[str, int]  # by kind; ids of a shop and of browsers are counted by source
    blocked: re.Pattern[str]
    merges_an_hour: int
    merges_same_email: bool
    has_anonymous_profiles: bool


@dataclass(eq=False)
class Profile:
    """One customer while it is decided who is who; ``id`` is None until it is created."""

    id: int | None
    since: datetime
    held: set[Handle] = field(default_factory=set)
    email: str = ""
    phone: str = ""
    merges_lately: int = 0
    apart: frozenset[int] = frozenset()  # customers whom a person took out of this one again
    into: "Profile | None" = None

    @property
    def is_known(self) -> bool:
        return any(handle.kind != ANONYMOUS for handle in self.held)

    @property
    def last(self) -> "Profile":
        """Who this one turned out to be."""
        found = self
        while found.into is not None:
            found = found.into
        return found


@lru_cache(maxsize=8)
def blocked_pattern(more: tuple[str, ...] = ()) -> re.Pattern[str]:
    """All patterns of values that say nothing, as one that must match the whole value."""
    return re.compile("|".join(f"(?:{one})" for one in (*BLOCKED, *more)), re.IGNORECASE)


def handles(claim: Claim, source: str, limits: Limits) -> tuple[list[Handle], list[Refusal]]:
    """The usable handles of one claim, the strongest first, and what is wrong with the others.

    >>> limits = Limits({}, blocked_pattern(), 20, False, True)
    >>> claim = Claim("null", "b-1", " Ada@Example.com", happened_at=datetime(2026, 6, 1))
    >>> found, refused = handles(claim, "shop", limits)
    >>> [handle.value for handle in found], refused[0].reason
    (['ada@example.com', 'b-1'], 'blocked')
    """
    names = (claim.user_id, claim.email, claim.phone, claim.anonymous_id)
    found, refused = _handles(names, source, limits.blocked)
    return list(found), list(refused)


@lru_cache(maxsize=20_000)  # the same people come again and again
def _handles(
    names: tuple[str, ...], source: str, blocked: re.Pattern[str]
) -> tuple[tuple[Handle, ...], tuple[Refusal, ...]]:
    found: list[Handle] = []
    refused: list[Refusal] = []
    for kind, given in zip(KINDS, names, strict=True):
        value = given.strip()
        if not value:
            continue
        if kind == EMAIL:
            value = value.lower()
        elif kind == PHONE:
            value = _PHONE_MARKS.sub("", value)
        handle = Handle(kind, "" if kind in (EMAIL, PHONE) else source, value)
        if blocked.fullmatch(value):
            refused.append(Refusal(_shown(handle), "blocked"))
        elif not _is_readable(kind, value):
            refused.append(Refusal(_shown(handle), "unclear"))
        else:
            found.append(handle)
    return tuple(found), tuple(refused)


def _is_readable(kind: str, value: str) -> bool:
    if len(value) > VALUE_MAX or "\x00" in value:
        return False
    if kind == EMAIL:
        return _EMAIL.fullmatch(value) is not None
    return kind != PHONE or _PHONE.fullmatch(value) is not None


def _shown(handle: Handle) -> Handle:
    return handle._replace(value=handle.value.replace("\x00", "�")[:VALUE_MAX])


class Decisions:
    """Takes claims one after the other and works out what has to be written for all of them."""

    def __init__(self, owners: Mapping[Handle, Profile], limits: Limits) -> None:
        self.limits = limits
        self.created: list[Profile] = []
        self.merges: list[tuple[Profile, Profile, str]] = []  # merged, survivor, rule
        self.refused: list[Refusal] = []
        self.replaced: list[tuple[Handle, Profile]] = []  # former addresses, let go
        self.addressed: set[Profile] = set()  # existing ones whose e-mail or phone is set
        self._before = dict(owners)
        self._owners = dict(owners)

    def owner(self, handle: Handle) -> Profile | None:
        found = self._owners.get(handle)
        return found.last if found else None

    def place(self, claim: Claim, found: Sequence[Handle]) -> Profile | None:
        """Say who this is, and note what follows from it."""
        target = self._target(claim, found)
        if target is None:
            return None
        for handle in found:
            holder = self.owner(handle)
            if holder is None:
                self._add(handle, target, found)
            elif holder is not target:
                target = self._dispute(handle, holder, target, claim)
        return target

    def added(self) -> list[tuple[Handle, Profile]]:
        """Handles that nobody had, with who has them now, in one order for all writers."""
        new = [(h, p.last) for h, p in self._owners.items() if h not in self._before]
        return sorted(new, key=lambda pair: pair[0])

    def moved_on(self) -> list[tuple[Handle, Profile, Profile]]:
        """Handles that went from one profile to another that is somebody else."""
        return sorted(
            (
                (handle, before, now.last)
                for handle, before in self._before.items()
                if (now := self._owners.get(handle)) and before.last is not now.last
            ),
            key=lambda moved: moved[0],
        )

    # --- the rules ----------------------------------------------------------------------------

    def _target(self, claim: Claim, found: Sequence[Handle]) -> Profile | None:
        """The owner of the strongest handle that somebody has, if the stronger ones fit him."""
        stronger: list[Handle] = []
        for handle in found:
            holder = self.owner(handle)
            if holder is None:
                stronger.append(handle)
            elif self._trusts(handle, claim) or all(self._fits(holder, h) for h in stronger):
                return holder
        if not found or (
            all(handle.kind == ANONYMOUS for handle in found)
            and not self.limits.has_anonymous_profiles
        ):
            return None
        target = Profile(None, claim.happened_at)
        self.created.append(target)
        return target

    def _trusts(self, handle: Handle, claim: Claim) -> bool:
        return handle.kind == EMAIL and claim.email_is_verified and self.limits.merges_same_email

    def _fits(self, profile: Profile, handle: Handle) -> bool:
        most = self.limits.most.get(handle.kind, 1)
        same = sum(h.kind == handle.kind and h.source == handle.source for h in profile.held)
        return same < most

    def _add(self, handle: Handle, target: Profile, found: Sequence[Handle]) -> None:
        """Give a handle that nobody has; an address of somebody named by the shop is the newest."""
        if not self._fits(target, handle):
            is_named = found[0].kind == EXTERNAL and self.owner(found[0]) is target
            if handle.kind not in (EMAIL, PHONE) or not is_named:
                self.refused.append(Refusal(handle, "limit", target, target))
                return
            self._let_go(handle.kind, target)
        self._owners[handle] = target
        target.held.add(handle)
        if handle.kind == EMAIL and not target.email:
            target.email = handle.value
            self.addressed.add(target)
        elif handle.kind == PHONE and not target.phone:
            target.phone = handle.value
            self.addressed.add(target)

    def _let_go(self, kind: str, target: Profile) -> None:
        """Make room for a newer address: the one that is written to goes first."""
        shown = target.email if kind == EMAIL else target.phone
        mine = sorted(handle for handle in target.held if handle.kind == kind)
        former = next((handle for handle in mine if handle.value == shown), mine[0])
        target.held.discard(former)
        self._owners.pop(former, None)
        self._before.pop(former, None)
        self.replaced.append((former, target))
        if kind == EMAIL:
            target.email = ""
        else:
            target.phone = ""

    def _dispute(self, handle: Handle, holder: Profile, target: Profile, claim: Claim) -> Profile:
        """Somebody else has the handle.  Returns who the claim is about after all."""
        if handle.kind == ANONYMOUS and holder.is_known:
            # A shared device: from now on it is hers, and what was his stays his.
            if self._fits(target, handle):
                holder.held.discard(handle)
                target.held.add(handle)
                self._owners[handle] = target
            else:
                self.refused.append(Refusal(handle, "limit", target, holder))
        elif handle.kind == ANONYMOUS:
            self._join(handle, holder, target, "anonymous")
        elif self._trusts(handle, claim):
            older, younger = sorted((holder, target), key=lambda p: (p.id is None, p.since))
            return older if self._join(handle, younger, older, "same_email") else target
        else:
            self.refused.append(Refusal(handle, "taken", target, holder))
        return target

    def _join(self, handle: Handle, merged: Profile, survivor: Profile, rule: str) -> bool:
        """Let one profile become part of another, unless that is refused; say whether it did."""
        if merged.id is not None:
            if merged.id in survivor.apart or survivor.id in merged.apart:
                self.refused.append(Refusal(handle, "apart", survivor, merged))
                return False
            if survivor.merges_lately >= self.limits.merges_an_hour:
                self.refused.append(Refusal(handle, "too_many", survivor, merged))
                return False
            survivor.merges_lately += 1
            self.merges.append((merged, survivor, rule))
        else:  # not even created: it just vanishes
            self.created.remove(merged)
            survivor.since = min(survivor.since, merged.since)
        merged.into = survivor
        survivor.held |= merged.held
        return True


def held_by(rows: Iterable[tuple[int, str, str, str]]) -> dict[int, set[Handle]]:
    """Handles by customer, from rows of (customer, kind, source, value)."""
    found: dict[int, set[Handle]] = {}
    for pk, kind, source, value in rows:
        found.setdefault(pk, set()).add(Handle(kind, source, value))
    return found
