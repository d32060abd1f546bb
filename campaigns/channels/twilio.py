"""SMS through Twilio's Messages API (twilio.com/docs/messaging/api/message-resource).

``twilio://SID:TOKEN@SENDER``, where the sender is a number in E.164, a name that the country
allows, or a messaging service (MG…).
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from campaigns.channels import gateway
from campaigns.channels.channel import Outgoing, Result, Verdict
from campaigns.channels.gateway import LOCKED_OUT_SECONDS, Address, Rest

API = "https://api.twilio.com"
OPTED_OUT = 21610  # she sent STOP to this sender
# twilio.com/docs/api/errors: no such number, and numbers that cannot take a text at all.
DEAD_NUMBERS = {21211, 21214, 21217, 21614, OPTED_OUT}
UNREACHABLE_FOR_GOOD = {"30005", "30006"}  # of a status callback: unknown number, landline
UNREACHABLE_NOW = {"30003", "30017"}  # switched off or out of reach; network congestion


class Twilio:
    """``report_url`` gives the address to which the fate of a message is told."""

    def __init__(self, address: Address, report_url: Callable[[int], str]) -> None:
        self.name = "Twilio"
        self.base = address.options.get("api", API).rstrip("/")
        self.sender = address.place
        self._account = address.user, address.password
        self._url = f"{self.base}/2010-04-01/Accounts/{address.user}/Messages.json"
        self._report_url = report_url

    def ask(self, client: httpx.Client, outgoing: Outgoing) -> httpx.Response:
        sender = outgoing.sender or self.sender
        field = "MessagingServiceSid" if sender.startswith("MG") else "From"
        form = {"To": outgoing.recipient, field: sender, "Body": outgoing.data.decode()}
        if outgoing.message_id is not None:
            form["StatusCallback"] = self._report_url(outgoing.message_id)
        return client.post(self._url, data=form, auth=self._account)

    def judge(self, outgoing: Outgoing, response: httpx.Response) -> Result | Rest:
        said = _json(response)
        words = f"{said.get('code', '')} {said.get('message', '')}".strip()[:300]
        status, message_id = response.status_code, outgoing.message_id
        if response.is_success:
            return Result(
                message_id, Verdict.ACCEPTED, str(said.get("status", "")),
                provider_id=str(said.get("sid", ""))[:120],
            )  # fmt: skip
        if status == 429:
            return Rest(gateway.retry_after(response, 1), words or "too many requests")
        if status == 401:
            return Rest(LOCKED_OUT_SECONDS, "it does not know SID and token", is_tried=False)
        if status == 503:
            return Result(message_id, Verdict.TRY_LATER, words or "503")
        if status >= 500:
            return Result(message_id, Verdict.AMBIGUOUS, words or str(status))
        is_dead = said.get("code") in DEAD_NUMBERS
        return Result(message_id, Verdict.REFUSED, words or str(status), is_dead)


def signature(token: str, url: str, params: Mapping[str, Sequence[str]]) -> str:
    """What Twilio puts into ``X-Twilio-Signature`` (twilio.com/docs/usage/security).

    The address as it was asked, and each parameter's name and values, sorted, without repeats;
    HMAC-SHA1 by the account's token, in base64.
    """
    text = url + "".join(
        name + value for name in sorted(params) for value in sorted(set(params[name]))
    )
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


def is_signed(token: str, url: str, params: Mapping[str, Sequence[str]], given: str) -> bool:
    return hmac.compare_digest(signature(token, url, params).encode(), given.encode())


def fate(status: str, error_code: str) -> str:
    """The kind of arrival that a status callback tells; empty for those on the way.

    >>> fate("delivered", ""), fate("undelivered", "30005"), fate("sent", "")
    ('delivered', 'hard_bounce', '')
    """
    if status in ("delivered", "read"):
        return "delivered"
    if status not in ("undelivered", "failed"):
        return ""
    if error_code in UNREACHABLE_FOR_GOOD:
        return "hard_bounce"
    return "soft_bounce" if error_code in UNREACHABLE_NOW else "failed"


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
