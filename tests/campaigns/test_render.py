import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.messages import render, starter
from campaigns.messages.render import Rendered, TemplateError
from campaigns.messages.sandbox import Sandbox

ADA = {
    "customer": {"first_name": "Ada", "country": "FR", "traits": {"cups": [{"name": "Mug"}]}},
    "scores": {"churn_90d": 0.71},
    "offer": {"code": "VIP-7", "percent": "20", "expires_at": "2026-06-15T00:00:00+00:00"},
    "shop": {"name": "Cups & Co", "url": "https://shop.example"},
    "unsubscribe_url": "https://r.example/m/u/x",
}


def mjml(inside: str) -> str:
    return (
        f"<mjml><mj-body><mj-section><mj-column>{inside}</mj-column></mj-section></mj-body></mjml>"
    )


def text(inside: str) -> str:
    return mjml(f"<mj-text>{inside}</mj-text>")


def rendered(body: str, values: dict | None = None, *, subject: str = "Hi", link=None) -> Rendered:
    return render.compile(subject, "", body, footer="1 Street").render(values or ADA, link)


def faults(body: str, subject: str = "Hi") -> tuple[str, ...]:
    with pytest.raises(TemplateError) as caught:
        render.compile(subject, "", body)
    return caught.value.faults


def test_a_message_says_what_the_template_says_in_html_and_in_text():
    body = text(
        "Hello {{ customer.first_name }}, <b>{{ offer.percent }} %</b> with {{ offer.code }}"
    )

    found = rendered(body, subject="For {{ customer.first_name }}")

    assert found.subject == "For Ada"
    assert "Hello Ada, <b>20 %</b> with VIP-7" in found.html
    assert "Hello Ada, 20 % with VIP-7" in found.text


@pytest.mark.parametrize(
    "condition",
    ['{% if customer.country == "FR" %}oui{% endif %}', "{% if 3 < 4 %}oui{% endif %}"],
)
def test_any_liquid_may_stand_in_mjml(condition):
    assert "oui" in rendered(text(condition)).html
    assert "oui" in rendered(mjml(f"{condition}<mj-text>x</mj-text>")).html


def test_quotes_in_an_attribute_stay_quotes():
    body = mjml("""<mj-button href='{{ shop.url | append: "/sale" }}'>Go</mj-button>""")

    assert 'href="https://shop.example/sale"' in rendered(body).html


def test_a_loop_around_table_rows_stays_around_them():
    row = "{% for cup in customer.traits.cups %}<tr><td>{{ cup.name }}</td></tr>{% endfor %}"
    values = {**ADA, "customer": {"traits": {"cups": [{"name": "Mug"}, {"name": "Bowl"}]}}}

    found = rendered(mjml(f"<mj-table><tr><th>Cups</th></tr>{row}</mj-table>"), values)

    assert found.html.count("<td") - rendered(mjml("<mj-table></mj-table>")).html.count("<td") == 2
    assert found.html.index("Mug") < found.html.index("Bowl") < found.html.rindex("</table>")
    assert "Cups\nMug\nBowl" in found.text


def test_the_starter_reads_well_with_and_without_an_offer():
    compiled = render.compile(starter.SUBJECT, starter.PREHEADER, starter.BODY)

    with_offer, without = compiled.render(ADA), compiled.render({**ADA, "offer": {}})

    assert "VIP-7" in with_offer.text and "15 June 2026" in with_offer.text
    assert "Your personal code is inside." in with_offer.html
    assert "personal code" not in without.html.lower()


def test_unknown_names_are_all_reported_at_once():
    body = mjml("<mj-texxt>{{ custmer.name }} {{ customer.shoe }} {{ 1 | sparkle }}</mj-texxt>")

    found = faults(body, subject="{{ offer.cod }}")

    assert [fault.split("”")[0].split("“")[-1] for fault in found if "“" in fault] == [
        "offer.cod",
        "sparkle",
        "custmer.name",
        "customer.shoe",
    ]
    assert "Unknown tag <mj-texxt> in the body." in found


@pytest.mark.parametrize(
    "body",
    ["", "hello", "<mjml>", text("<b>open"), text("{% if x %}"), text("{{ ")],
)
def test_what_cannot_be_read_is_a_template_error(body):
    assert faults(body)


def test_names_that_the_template_makes_itself_are_known():
    body = text("{% assign a = customer.traits.cups %}{% for b in a %}{{ b.name }}{% endfor %}")

    assert "Mug" in rendered(body).html


def test_a_body_without_a_way_out_gets_one_and_one_with_it_gets_no_second():
    assert 'href="https://r.example/m/u/x"' in rendered(text("hello")).html
    assert "1 Street" in rendered(text("hello")).text
    own = rendered(text('<a href="{{ unsubscribe_url }}">Leave</a>'))
    assert own.html.count("https://r.example/m/u/x") == 1


def test_the_preheader_is_hidden_in_the_page_and_absent_from_the_text():
    compiled = render.compile("Hi", "For {{ customer.first_name }} & <co>", text("hello"))

    found = compiled.render(ADA)

    assert "For Ada &amp; &lt;co&gt;" in found.html
    assert "For Ada" not in found.text


@pytest.mark.parametrize("autoescape", [True, False])
@given(
    value=st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(-1e9, 1e9)
    | st.text(max_size=20)
    | st.lists(st.text(max_size=5), max_size=3)
)
def test_the_quick_places_say_what_the_interpreter_says(autoescape, value):
    source = (
        "{{ customer.first_name }}|{{ customer.traits.a.b }}|{{ customer.none.none }}|{{ x }}|"
        "{% assign x = customer.first_name %}{{ x }}|{{ customer.traits.size }}|{{ scores }}"
    )
    template = Sandbox(autoescape=autoescape).from_string(source)
    values = {"customer": {"first_name": value, "traits": {"a": {"b": value}}}, "scores": 0.5}

    slots = render.Slots(template)
    quick = slots.join(slots.fill(values, None))

    spelled = html.unescape(template.render(values)).replace("\r\n", "\n").replace("\r", "\n")
    assert html.unescape(quick).replace("\r\n", "\n").replace("\r", "\n") == spelled


# --- links ------------------------------------------------------------------------------------


def track(number: int, address: str) -> str:
    return f"https://r.example/{number}?{address}"


def test_links_are_tracked_in_html_and_text_but_not_the_way_out():
    body = text(
        '<a href="https://a.example/?x=1&amp;y=2">one</a> <a href="mailto:a@b.example">two</a> '
        '<a href="{{ shop.url }}/{{ customer.country }}">three</a> '
        '<a href="{{ unsubscribe_url }}">four</a>'
    )

    found = rendered(body, link=track)

    assert 'href="https://r.example/1?https://a.example/?x=1&amp;y=2"' in found.html
    assert 'href="mailto:a@b.example"' in found.html
    assert 'href="https://r.example/2?https://shop.example/FR"' in found.html
    assert 'href="https://r.example/m/u/x"' in found.html
    assert "one (https://r.example/1?https://a.example/?x=1&y=2)" in found.text


def test_a_link_in_a_loop_leads_each_time_to_its_own_address():
    link = '<a href="{{ shop.url }}/{{ cup.name }}">see</a>'
    values = {**ADA, "customer": {"traits": {"cups": [{"name": "mug"}, {"name": "bowl"}]}}}

    found = rendered(
        text(f"{{% for cup in customer.traits.cups %}}{link}{{% endfor %}}"), values, link=track
    )

    assert "1?https://shop.example/mug" in found.html
    assert "1?https://shop.example/bowl" in found.html


def test_every_link_that_is_tracked_is_listed_as_written():
    compiled = render.compile("Hi", "", text('<a href="{{ shop.url }}/x">a</a>'))

    assert compiled.links == ("{{ shop.url }}/x",)


def test_the_open_pixel_is_there_only_for_messages_that_count():
    assert "<img" not in rendered(text("hello")).html
    found = rendered(text("hello"), {**ADA, "open_url": "https://r.example/m/o/x"})
    assert '<img src="https://r.example/m/o/x" alt="" width="1"' in found.html


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_a_body_as_a_browser_sends_it_is_the_same_body(newline):
    sent = starter.BODY.replace("\n", newline)

    here = render.compile("s", "", starter.BODY).render({})
    there = render.compile("s", "", sent).render({})

    assert there.html == here.html
