"""What stands in a slot cannot act, whatever was written and whatever customers call themselves."""

import doctest
import re
from html import escape
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from campaigns.messages import pieces
from campaigns.messages.render import RenderError, TemplateError

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg onload=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<form action='https://evil.example'><input name=card></form>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example>",
    "<object data=x></object><embed src=x>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><img src=x onerror=alert(1)></template>",
    "<p style='position:fixed;top:0;background:url(javascript:alert(1))'>x</p>",
    "<div id=cart name=cart>x</div>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'>",
]
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


class Reader(HTMLParser):
    """Collects what a browser would obey: tags and attributes, not text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in pieces.TAGS:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            allowed = pieces.ATTRIBUTES["*"] | pieces.ATTRIBUTES.get(tag, set()) | {"rel"}
            is_wrong = name not in allowed
            scheme = SCHEME.match(re.sub(r"[\x00-\x20]", "", value or ""))
            if name in ("href", "src") and scheme:
                is_wrong |= scheme[1].lower() not in pieces.SCHEMES
            if name == "style":
                bare = QUOTED.sub("", value)
                is_wrong |= "url(" in bare or bool(re.search(r"(^|;)\s*position\s*:", bare))
            if is_wrong:
                self.faults.append(f"{tag} {name}={value}")


def shown(body: str, title: str = "", **values) -> str:
    return pieces.compile(title, body).render(values).html


def faults(html: str) -> list[str]:
    return Reader(html).faults


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(pieces).failed == 0


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_the_content_comes_out_inert(attack):
    assert not faults(shown(attack))


@pytest.mark.parametrize(
    "body",
    [
        "<p>{{ customer.traits.nick }}</p>",
        "<a href='{{ customer.traits.nick }}'>x</a>",
        '<img src="{{ customer.traits.nick }}">',
        "<p class={{ customer.traits.nick }}>x</p>",
        "<p style='color:{{ customer.traits.nick }}'>x</p>",
        "{% assign it = customer.traits.nick %}{{ it }}",
        "{% capture it %}{{ customer.traits.nick }}{% endcapture %}{{ it }}",
        "{{ '<b>' | append: customer.traits.nick }}",
        "{{ customer.traits.nick | url_decode }}",
        "<!-- {{ customer.traits.nick }} --><p>x</p>",
    ],
)
def test_an_attack_in_a_trait_comes_out_inert(body):
    piece = pieces.compile("", body)
    for attack in (*ATTACKS, "javascript:alert(1)", "x onmouseover=alert(1)"):
        for nick in (attack, quote(attack), escape(attack)):
            html = piece.render({"customer": {"traits": {"nick": nick}}}).html
            assert not faults(html), f"{nick!r} made {html!r}"


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_the_title_comes_out_as_text(attack):
    html = shown("", title="{{ customer.first_name }}", customer={"first_name": attack})

    assert html.startswith('<p class="rapport-title">')
    assert html.count("<") == 2


@pytest.mark.parametrize("planted", ["<script>x</script>", "<p onclick=x>", "<a href=vbs:x>"])
def test_the_reader_sees_what_it_is_for(planted):
    assert faults(planted)


def test_what_a_shop_needs_stays():
    body = (
        '<a href="https://shop.example/x?a=1&amp;b=2" class="button" data-rapport-product="mug">'
        '<img src="https://shop.example/mug.png" alt="Mug" width="40"></a>'
        '<p style="color:red;text-align:center"><strong>-15 %</strong></p><ul><li>One</li></ul>'
    )

    assert shown(body) == body.replace('"mug">', '"mug" rel="noopener">')


def test_all_faults_are_named_at_once():
    with pytest.raises(TemplateError) as error:
        pieces.compile("{{ customer.email }}", "{{ nobody }}{{ 1 | safe }}{% include 'x' %}")

    text = str(error.value)
    assert "customer.email" in text
    assert len(error.value.faults) == 2


def test_unknown_variables_and_filters_are_named():
    with pytest.raises(TemplateError) as error:
        pieces.compile("", "{{ nobody }}{{ 1 | safe }}")

    assert len(error.value.faults) == 2


def test_a_piece_that_grows_too_large_is_not_shown():
    body = "{% for i in (1..9000) %}longlong{% endfor %}"

    with pytest.raises(RenderError, match="at most 50,000"):
        shown(body)


def test_a_body_too_long_is_refused():
    with pytest.raises(TemplateError, match="at most 20,000"):
        pieces.compile("", "x" * 20_001)
