"""The message a new campaign starts from: good to look at before a word of it is changed."""

SUBJECT = (
    "{% if customer.first_name %}{{ customer.first_name }}, something{% else %}Something{% endif %}"
    " for you"
)
PREHEADER = (
    "{% if offer.code %}Your personal code is inside."
    "{% else %}News from {{ shop.name }}.{% endif %}"
)

# Figures and code stand in the offer's box only where the campaign has an offer.
BODY = """\
<mjml>
  <mj-head>
    <mj-attributes>
      <mj-all font-family="Helvetica, Arial, sans-serif" />
      <mj-text font-size="16px" line-height="1.6" color="#1f2933" />
      <mj-section padding="0" />
    </mj-attributes>
  </mj-head>
  <mj-body background-color="#f3f4f6" width="600px">
    <mj-section padding="24px 0 12px">
      <mj-column>
        <mj-text align="center" font-size="14px" color="#52606d">{{ shop.name }}</mj-text>
      </mj-column>
    </mj-section>

    <mj-section background-color="#ffffff" border-radius="8px 8px 0 0" padding="32px 24px 8px">
      <mj-column>
        <mj-text font-size="28px" line-height="1.25" font-weight="700" color="#102a43">
          Hello{% if customer.first_name %} {{ customer.first_name }}{% endif %},
        </mj-text>
        <mj-text>
          thank you for shopping with us. We picked something for you and hope that you like it.
        </mj-text>
      </mj-column>
    </mj-section>

    {% if offer.code %}
    <mj-section background-color="#ffffff" padding="8px 24px">
      <mj-column background-color="#f0f4f8" border-radius="8px" padding="12px 0">
        <mj-text align="center" font-size="18px" font-weight="700" color="#102a43">
          {{ offer.name }}
        </mj-text>
        <mj-text align="center" font-size="13px" color="#52606d" padding-bottom="0">
          Your personal code
        </mj-text>
        <mj-text align="center" font-size="26px" font-weight="700" letter-spacing="2px"
                 font-family="Menlo, Consolas, monospace" color="#0b6e4f" padding-top="4px">
          {{ offer.code }}
        </mj-text>
        {% if offer.expires_at %}
        <mj-text align="center" font-size="13px" color="#52606d" padding-top="0">
          Valid until {{ offer.expires_at | date: "%-d %B %Y" }}
        </mj-text>
        {% endif %}
      </mj-column>
    </mj-section>
    {% endif %}

    <mj-section background-color="#ffffff" border-radius="0 0 8px 8px" padding="8px 24px 32px">
      <mj-column>
        <mj-button href="{{ shop.url }}" background-color="#0b6e4f" color="#ffffff"
                   font-size="16px" font-weight="700" border-radius="6px" inner-padding="14px 28px">
          Visit the shop
        </mj-button>
      </mj-column>
    </mj-section>

    <mj-section padding="16px 24px 32px">
      <mj-column>
        <mj-text align="center" font-size="12px" line-height="1.5" color="#616e7c">
          You receive this because you agreed to hear from {{ shop.name }}.<br />
          <a href="{{ unsubscribe_url }}" style="color:#616e7c">Unsubscribe</a><br />
          {{ shop.address }}
        </mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""
