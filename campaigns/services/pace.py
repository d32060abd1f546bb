"""How much a sender takes at once, and when it had better stop.  Writes nothing."""

from campaigns.channels.channel import Result, Verdict

GROUP_SECONDS = 0.05  # a crash leaves at most what is handed over in this time
IN_A_ROW_MOST = 50
JUDGED_LEAST = 500
REFUSED_SHARE_MOST = 0.10  # above it providers doubt the sender's lists
BOUNCED_LEAST, COMPLAINED_LEAST = 25, 5  # fewer may be chance
# Large mailbox providers ask senders of bulk mail to stay below 0.3 %.
COMPLAINED_SHARE_MOST = 0.003


class GroupSize:
    """As many messages as fit into `GROUP_SECONDS`, up to a limit: a crash leaves them unknown."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.least = 1  # fewer would leave a session that asks several at once half idle
        self.now = min(4, most)

    def learn(self, size: int, seconds: float) -> None:
        """Grow by doubling at most, so that one lucky group does not make a huge one."""
        if not size:
            return
        fitting = int(size * GROUP_SECONDS / max(seconds, 1e-6))
        self.now = max(self.least, min(self.most, self.now * 2, fitting))


class Breaker:
    """Says why a campaign had better be paused, once it should be."""

    def __init__(self) -> None:
        self.reason = ""
        self._in_a_row = self._judged = self._refused = 0

    def note(self, result: Result) -> None:
        if result.verdict is Verdict.NOT_TRIED:
            return
        self._judged += 1
        self._refused += result.verdict is Verdict.REFUSED
        self._in_a_row = 0 if result.verdict is Verdict.ACCEPTED else self._in_a_row + 1
        if self._in_a_row >= IN_A_ROW_MOST:
            self.reason = f"{self._in_a_row} messages in a row failed; the last: {result.detail}"
        elif self._judged >= JUDGED_LEAST and self._refused > self._judged * REFUSED_SHARE_MOST:
            self.reason = (
                f"{self._refused} of {self._judged} messages were refused; "
                f"the last: {result.detail}"
            )


def is_worth_judging(*, bounced: int, complained: int) -> bool:
    return bounced >= BOUNCED_LEAST or complained >= COMPLAINED_LEAST


def returned(sent: int, *, bounced: int, complained: int) -> str:
    """Why a campaign had better be paused for what came back of it; empty: it need not be."""
    if bounced >= BOUNCED_LEAST and bounced > sent * REFUSED_SHARE_MOST:
        return f"{bounced} of {sent} messages came back as undeliverable."
    if complained >= COMPLAINED_LEAST and complained > sent * COMPLAINED_SHARE_MOST:
        return f"{complained} of {sent} recipients complained of spam."
    return ""
