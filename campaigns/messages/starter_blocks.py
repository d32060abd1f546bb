"""The blocks that a new message and a new snippet start from."""

from typing import Any

from campaigns.messages import starter

FOOTER = (
    "<p>You receive this because you agreed to hear from {{ shop.name }}.<br />"
    '<a href="{{ unsubscribe_url }}">Unsubscribe</a><br />{{ shop.address }}</p>'
)
BLOCKS: dict[str, Any] = {
    "version": 1,
    "style": {},
    "blocks": [
        {
            "kind": "text",
            "html": "<h1>Hello{% if customer.first_name %} {{ customer.first_name }}{% endif %},"
            "</h1><p>thank you for shopping with us. We picked something for you and hope that "
            "you like it.</p>",
        },
        {"kind": "coupon", "title": "", "note": ""},
        {"kind": "button", "label": "Visit the shop", "href": "{{ shop.url }}", "align": "center"},
        {"kind": "text", "html": FOOTER, "align": "center", "is_small": True},
    ],
}
MESSAGE = {"subject": starter.SUBJECT, "preheader": starter.PREHEADER, "blocks": BLOCKS}
SNIPPET: dict[str, Any] = {"version": 1, "blocks": [{"kind": "text", "html": "<p></p>"}]}
