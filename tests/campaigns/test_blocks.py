import pytest

from campaigns.messages import block_reader, drawing, render
from campaigns.messages.blocks import BlocksError, Snippet, references
from campaigns.messages.drawing import Item

EVIL = "<script>alert(1)</script>\"'&"
VALUES = {
    "customer": {"first_name": "Ada", "country": "FR", "traits": {"shoe size": "41"}},
    "shop": {"url": "https://shop.example", "name": "Shop"},
    "offer": {"code": "X1", "name": "A tenth"},
    "event": {"products": [{"name": "Mug", "price": 12.5, "currency": "EUR", "url": "https://a.b/m"}]},
    "picks": {"favourite": [{"name": "Cup", "price": "€3.00", "url": "https://a.b/c"}]},
    "unsubscribe_url": "https://u.example",
}  # fmt: skip


def document(*blocks, **more):
    return block_reader.parse({"version": 1, "blocks": list(blocks), **more})


def shown(*blocks, values=VALUES, snippets=None, products=None, **more):
    mjml = drawing.draw(document(*blocks, **more), snippets=snippets, products=products)
    return render.compile("Subject", "", mjml).render(values)


def test_every_fault_is_named_with_its_path():
    given = {
        "version": 2,
        "style": {"accent": "red", "glow": "#ffffff"},
        "blocks": [
            {"kind": "poem"},
            {"kind": "button", "label": "Go", "href": "javascript:alert(1)"},
            {"kind": "columns", "columns": [{"blocks": [{"kind": "spacer", "height": 9_999}]}]},
            {"kind": "if", "tests": [{"field": "a'b", "op": "is"}], "then": "no"},
            {"kind": "text", "html": "{% if x %"},
            {"kind": "columns", "columns": [{"blocks": [{"kind": "products"}]}]},
            7,
        ],
    }

    with pytest.raises(BlocksError) as caught:
        block_reader.parse(given)

    assert {fault.path for fault in caught.value.faults} == {
        "version",
        "style.accent",
        "style.glow",
        "blocks[0].kind",
        "blocks[1].href",
        "blocks[2].columns[0].blocks[0].height",
        "blocks[3].tests[0].field",
        "blocks[3].then",
        "blocks[4].html",
        "blocks[5].columns[0]",
        "blocks[6]",
    }


@pytest.mark.parametrize("given", [None, [], "x", {"version": 1, "blocks": {}}])
def test_what_is_no_document_is_refused(given):
    with pytest.raises(BlocksError):
        block_reader.parse(given)


def test_blocks_cannot_be_piled_up_without_end():
    nest = {"kind": "text", "html": "x"}
    for _ in range(50):
        nest = {"kind": "if", "tests": [{"field": "customer.country", "op": "exists"}],
                "then": [nest]}  # fmt: skip
    with pytest.raises(BlocksError, match="deep"):
        document(nest)
    with pytest.raises(BlocksError, match="at most 200"):
        document(*[{"kind": "divider"}] * 201)


def test_rich_text_keeps_what_a_message_may_say_and_nothing_that_acts():
    html = (
        '<p onclick="x()">Hi <b>{{ customer.first_name }}</b></p><iframe src="x"></iframe>'
        '<a href="javascript:x()">a</a><a href="{{ shop.url }}">shop</a><img src=x onerror=x>'
    )

    found = shown({"kind": "text", "html": html})

    assert "Hi <b>Ada</b>" in found.html
    assert 'href="https://shop.example"' in found.html
    for bad in ("onclick", "iframe", "javascript", "onerror"):
        assert bad not in found.html


def test_values_of_every_block_are_escaped():
    product = {"name": EVIL, "url": "javascript:x", "image_url": EVIL}
    values = {
        **VALUES,
        "customer": {"first_name": EVIL},
        "event": {"products": [product]},
    }
    name = "{{ customer.first_name }}"

    found = shown(
        {"kind": "text", "html": name},
        {"kind": "button", "label": name, "href": f"https://a.example/{name}"},
        {"kind": "image", "src": f"https://a.example/{name}", "alt": name},
        {"kind": "products", "source": "event", "button": "See"},
        {"kind": "coupon", "title": name},
        values=values,
    )

    assert "<script" not in found.html
    assert "javascript:" not in found.html


@pytest.mark.parametrize(
    ("match", "country", "size", "expected"),
    [
        ("all", "FR", "41", True),
        ("all", "FR", "39", False),
        ("all", "fr", 41, True),
        ("any", "DE", 41, True),
        ("any", "DE", "none", False),
        ("any", None, None, False),
    ],
)
def test_a_conditional_block_is_shown_where_its_tests_hold(match, country, size, expected):
    block = {
        "kind": "if",
        "match": match,
        "tests": [
            {"field": "customer.country", "op": "is", "value": "FR"},
            {"field": "customer.traits.shoe size", "op": "more_than", "value": "40"},
        ],
        "then": [{"kind": "text", "html": "Yes"}],
        "otherwise": [{"kind": "text", "html": "No"}],
    }
    values = {**VALUES, "customer": {"country": country, "traits": {"shoe size": size}}}

    assert shown(block, values=values).text.strip().startswith("Yes") is expected


def test_columns_lists_and_coupons_are_in_both_parts():
    found = shown(
        {"kind": "columns", "columns": [
            {"width": 60, "blocks": [{"kind": "text", "html": "<p>Left</p>"}]},
            {"width": 40, "blocks": [{"kind": "button", "label": "Go", "href": "https://a.b/"}]},
        ]},
        {"kind": "products", "source": "event"},
        {"kind": "products", "source": "favourite", "button": "Look"},
        {"kind": "products", "source": "bought_with"},
        {"kind": "coupon"},
    )  # fmt: skip

    for words in ("Left", "Go (https://a.b/)", "Mug", "12.5 EUR", "Cup", "€3.00", "X1", "A tenth"):
        assert words in found.text, words
    assert found.html.count("<strong>") == 2, "nothing was bought with it"


def test_products_chosen_by_hand_stand_in_rows_and_carry_no_liquid():
    products = {
        1: Item("Mug & co", "€10.00", "https://a.b/m.png", "https://a.b/m"),
        2: Item("{{ customer.email }}{% raw %}"),
    }

    block = {"kind": "products", "ids": [1, 2, 3], "button": "See"}
    found = shown(block, products=products)

    assert "Mug &amp; co" in found.html
    assert "{ { customer.email }}" in found.text
    assert 'alt="Mug &amp; co"' in found.html


def test_a_snippet_stands_where_it_is_named():
    footer = document({"kind": "text", "html": "<p>Bye, {{ customer.first_name }}</p>"})
    inner = document({"kind": "snippet", "snippet": 2})

    found = shown({"kind": "snippet", "snippet": 1}, snippets={1: inner, 2: footer})

    assert "Bye, Ada" in found.text
    assert references(inner) == ({2}, set())


@pytest.mark.parametrize(
    ("snippets", "words"),
    [
        ({}, "no snippet 1"),
        ({1: [1]}, "holds itself"),
        ({1: [2], 2: [1]}, "holds itself"),
        ({1: [2], 2: [3], 3: [4], 4: []}, "more than 3 deep"),
    ],
)
def test_snippets_that_are_unknown_or_have_no_end_are_refused(snippets, words):
    made = {
        key: document(*[{"kind": "snippet", "snippet": one} for one in within])
        for key, within in snippets.items()
    }
    with pytest.raises(BlocksError, match=words):
        drawing.draw(document({"kind": "snippet", "snippet": 1}), snippets=made)
    assert Snippet(1) in document({"kind": "snippet", "snippet": 1}).blocks


def test_the_page_has_a_dark_mode_and_a_way_out():
    found = shown({"kind": "text", "html": "Hi"}, style={"accent": "#aa0000"})

    assert "prefers-color-scheme: dark" in found.html
    assert "https://u.example" in found.html
    assert "a{color:#aa0000}" in found.html.replace(" ", "")


def test_raw_markup_is_held_to_the_rules_of_every_body():
    assert (
        "Raw Shop" in shown({"kind": "mjml", "mjml": "<mj-text>Raw {{ shop.name }}</mj-text>"}).text
    )
    with pytest.raises(render.TemplateError, match="mj-include"):
        shown({"kind": "mjml", "mjml": "<mj-include path='/etc/passwd' />"})
