"""Tell programs that load pictures and follow links from the people who do.

Everything here is a rule of thumb: a wrong "person" makes a report too kind, a wrong "machine"
takes a click from somebody.  What is certain is judged at once; what only its company gives away,
such as a scanner that follows every link of a message and says that it is a browser, is judged
together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

OPEN_SOONEST_SECONDS = 2.0  # a mail has to travel, to be shown, and to be touched
PROXY_SOONEST_SECONDS = 15.0  # image proxies also fetch ahead, right after the delivery
CLICK_SOONEST_SECONDS = 3.0  # and to be read
BURST_SECONDS = 2.0  # nobody follows two links of one message within it

_PROGRAMS = re.compile(
    r"bot\b|crawl|spider|scan|preview|monitor|barracuda|proofpoint|mimecast|trend ?micro|sophos|"
    r"fireeye|symantec|messagelabs|forcepoint|cloudmark|ironport|zscaler|checkpoint|"
    r"safelinks|urldefense|microsoft office|ms-?office|"
    r"python|curl|wget|java/|go-http|okhttp|libwww|httpclient|axios|node-fetch|undici|ruby|php/|"
    r"headless|phantom|selenium|puppeteer|playwright|facebookexternalhit|slack|whatsapp|telegram",
    re.IGNORECASE,
)
# Google's and Yahoo's proxies load when a person opens, but sometimes ahead of her.
_PROXIES = re.compile(r"GoogleImageProxy|YahooMailProxy|ggpht\.com", re.IGNORECASE)
# What Gmail calls itself when it loads pictures ahead: a browser that never was.
_GMAIL_AHEAD = re.compile(r"Chrome/42\.0\.2311\.135 Safari/537\.36 Edge/12\.246 Mozilla/5\.0$")
# Apple's mail privacy protection loads every picture of every message, and says only this.
_APPLE = "Mozilla/5.0"


@dataclass(frozen=True)
class Visit:
    """One request of a pixel or a link.

    Attributes
    ----------
    method, agent : str
        As in the request.
    purpose : str
        The headers Purpose, Sec-Purpose, X-Purpose and X-Moz, joined.
    seconds : float, optional
        Since the message was handed over; None where it has not been.
    is_delivered : bool, optional
        Whether the other side reported the delivery before this; None where it reports none.
    """

    method: str = "GET"
    agent: str = ""
    purpose: str = ""
    seconds: float | None = None
    is_delivered: bool | None = None


def is_program(visit: Visit) -> bool:
    """Whether the request itself says that no person made it.

    Examples
    --------
    >>> is_program(Visit(agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"))
    False
    >>> is_program(Visit(method="HEAD", agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"))
    True
    """
    agent = visit.agent.strip()
    return (
        visit.method != "GET"
        or "prefetch" in visit.purpose.lower()
        or "preview" in visit.purpose.lower()
        or agent in ("", _APPLE)
        or bool(_GMAIL_AHEAD.search(agent))
        or bool(_PROGRAMS.search(agent) and not _PROXIES.search(agent))
    )


def is_machine_open(visit: Visit) -> bool:
    """Whether a pixel was loaded by a program, or too early for a person."""
    is_proxy = bool(_PROXIES.search(visit.agent))
    soonest = PROXY_SOONEST_SECONDS if is_proxy else OPEN_SOONEST_SECONDS
    return is_program(visit) or _too_soon(visit, soonest)


def is_machine_click(visit: Visit) -> bool:
    """Whether a link was followed by a program, too early, or before the message was delivered."""
    return (
        is_program(visit) or visit.is_delivered is False or _too_soon(visit, CLICK_SOONEST_SECONDS)
    )


def bursts(visits: Sequence[tuple[str, float]]) -> list[bool]:
    """Of each visit of one message, whether it is part of a scan.

    Parameters
    ----------
    visits : sequence of (link, seconds)
        In any order; seconds on any clock.

    Returns
    -------
    list of bool
        In the same order.  True where another link was followed within `BURST_SECONDS`, or where
        the same one stands between such: a scanner that tries one link again goes with its scan.

    Examples
    --------
    >>> bursts([("1", 0.0), ("2", 0.4), ("2", 60.0)])
    [True, True, False]
    """
    order = sorted(range(len(visits)), key=lambda i: visits[i][1])
    is_scan = [False] * len(visits)
    run: list[int] = []
    for i in [*order, None]:
        if i is not None and (not run or visits[i][1] - visits[run[-1]][1] <= BURST_SECONDS):
            run.append(i)
            continue
        if len({visits[j][0] for j in run}) > 1:
            for j in run:
                is_scan[j] = True
        run = [i] if i is not None else []
    return is_scan


def _too_soon(visit: Visit, soonest: float) -> bool:
    return visit.seconds is None or visit.seconds < soonest
