"""SMS through Kannel's sendsms interface (kannel.org, user's guide, "Using the SMS gateway").

``kannel://user:password@host:port/?from=SENDER``; ``&tls=1`` where a proxy before it speaks TLS,
``&smsc=ID`` to choose a line.
"""

from collections.abc import Callable

import httpx

from campaigns.channels import gateway
from campaigns.channels.channel import Outgoing, Result, Verdict
from campaigns.channels.gateway import LOCKED_OUT_SECONDS, Address, Rest
from campaigns.messages import sms

DELIVERED, FAILED, BUFFERED, SUBMITTED, REJECTED = 1, 2, 4, 8, 16  # of a delivery report
MASK = DELIVERED | FAILED | REJECTED
CODING_GSM, CODING_UCS2 = "0", "2"


class Kannel:
    """``report_url`` gives the address to which the fate of a message is told."""

    def __init__(self, address: Address, report_url: Callable[[int], str]) -> None:
        self.name = "Kannel"
        scheme = "https" if address.options.get("tls") else "http"
        self.base = f"{scheme}://{address.place}/"
        self._fixed = {"username": address.user, "password": address.password, "charset": "UTF-8"}
        if "smsc" in address.options:
            self._fixed["smsc"] = address.options["smsc"]
        self.sender = address.options.get("from", "")
        self._report_url = report_url

    def ask(self, client: httpx.Client, outgoing: Outgoing) -> httpx.Response:
        text = outgoing.data.decode()
        asked = {
            **self._fixed,
            "from": outgoing.sender or self.sender,
            "to": outgoing.recipient,
            "text": text,
            "coding": CODING_UCS2 if sms.size(text).foreign else CODING_GSM,
        }
        if outgoing.message_id is not None:
            asked["dlr-mask"] = str(MASK)
            # Kannel fills in what begins with %; its own report of the answer comes along.
            asked["dlr-url"] = f"{self._report_url(outgoing.message_id)}?status=%d&said=%A"
        return client.get(f"{self.base}cgi-bin/sendsms", params=asked)

    def judge(self, outgoing: Outgoing, response: httpx.Response) -> Result | Rest:
        status, message_id = response.status_code, outgoing.message_id
        words = response.text[:300].replace("\x00", "")
        if status == 202:  # "0: Accepted for delivery", "3: Queued for later delivery"
            return Result(message_id, Verdict.ACCEPTED, words)
        if status == 403:
            return Rest(LOCKED_OUT_SECONDS, "it does not know user and password", is_tried=False)
        if status == 503:  # "Temporal failure, try again later"
            return Rest(gateway.retry_after(response, 2), words)
        if status >= 500:
            return Result(message_id, Verdict.AMBIGUOUS, words or str(status))
        return Result(message_id, Verdict.REFUSED, words or str(status))


def fate(status: str) -> str:
    """The kind of arrival that a report tells; empty for those on the way.

    >>> fate("1"), fate("2"), fate("16"), fate("8")
    ('delivered', 'soft_bounce', 'failed', '')
    """
    return {str(DELIVERED): "delivered", str(FAILED): "soft_bounce", str(REJECTED): "failed"}.get(
        status, ""
    )
