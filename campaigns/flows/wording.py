"""What the recipes say, as MJML with Liquid: words to start from."""

FRAME = """\
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
        <mj-text align="center" font-size="14px" color="#52606d">{{{{ shop.name }}}}</mj-text>
      </mj-column>
    </mj-section>
    <mj-section background-color="#ffffff" border-radius="8px" padding="32px 24px">
      <mj-column>
        <mj-text font-size="28px" line-height="1.25" font-weight="700" color="#102a43">
          Hello{{% if customer.first_name %}} {{{{ customer.first_name }}}}{{% endif %}},
        </mj-text>
        {paragraphs}
        <mj-button href="{{{{ shop.url }}}}" background-color="#0b6e4f" color="#ffffff"
                   font-size="16px" font-weight="700" border-radius="6px"
                   inner-padding="14px 28px">
          {button}
        </mj-button>
      </mj-column>
    </mj-section>
    <mj-section padding="16px 24px 32px">
      <mj-column>
        <mj-text align="center" font-size="12px" line-height="1.5" color="#616e7c">
          You receive this because you agreed to hear from {{{{ shop.name }}}}.<br />
          <a href="{{{{ unsubscribe_url }}}}" style="color:#616e7c">Unsubscribe</a><br />
          {{{{ shop.address }}}}
        </mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""
CODE = """{% if offer.code %}<strong>{{ offer.name }}: {{ offer.code }}</strong>{% if \
offer.expires_at %}, until {{ offer.expires_at | date: "%-d %B %Y" }}{% endif %}.{% endif %}"""
CARE = "If you would rather hear less from us, the last line of this mail lets you choose."

# The words of the button, then one paragraph each.
WELCOME = (
    "See what is new",
    "thank you for joining us. We write when there is something worth your time, and not more.",
    "You know best what you like; we are happy to help where you would like help.",
)
FAVOURITES = (
    "See the favourites",
    "these are the things other customers come back for. Perhaps one of them is for you.",
)
HELP = (
    "Look around",
    "not sure yet? Answer this mail and a person will help you choose.",
    CARE,
)
CART = (
    "Back to the cart",
    "you put something in your cart and did not finish. It is still there, and so are we if "
    "something went wrong.",
)
CART_AGAIN = (
    "Back to the cart",
    "your cart is still waiting. If it was not the right thing after all, just leave it be; this "
    "is our last reminder.",
)
BROWSE = (
    "Look again",
    "you had a look around yesterday. If something stayed on your mind: it is still here.",
)
THANKS = (
    "Visit the shop",
    "thank you for your order. We pack it with care and tell you when it leaves.",
    "Should anything not be as it ought to be, answer this mail.",
)
REVIEW = (
    "Write a review",
    "you have had your order for a while now. How was it?",
    "A short review helps others to choose, and us to get better, whatever it says.",
)
RESTOCK = (
    "Order again",
    "going by your earlier orders it may be time again. If you still have enough, never mind.",
)
RESTOCK_AGAIN = (
    "Order again",
    "shall we send you the same again? It takes a minute.",
)
MISS_CODE = (
    "Use the code",
    "it has been a while, and we would like to see you again. This is yours:",
    CODE,
)
MISS = (
    "See what is new",
    "it has been a while. Much is new since you were here, and some old favourites are back.",
)
TELL_US = (
    "Visit the shop",
    "was there something we could have done better? One line is enough; a person reads it.",
    CARE,
)
BIRTHDAY = (
    "Choose a present",
    "all the best on your birthday!",
    CODE,
)


def mail(subject: str, preheader: str, said: tuple[str, ...]) -> dict[str, str]:
    """The texts of one send step: of an e-mail, and the same in short for other channels."""
    button, *paragraphs = said
    body = FRAME.format(
        paragraphs="\n        ".join(f"<mj-text>{one}</mj-text>" for one in paragraphs),
        button=button,
    )
    return {
        "subject": subject.replace("{{ to }}", " to {{ shop.name }}"),
        "preheader": preheader,
        "body": body,
        "text": f"{paragraphs[0][0].upper()}{paragraphs[0][1:]} {{{{ shop.url }}}}",
    }
