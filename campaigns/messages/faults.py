"""What is wrong with a finished message: what filters dislike, what readers miss.

Every function here looks at words alone; who reads them is asked in `campaigns.services.checking`.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

HTML_BYTES_MOST = 102_000  # Gmail clips what is longer, its way out and its pixel with it
SUBJECT_LEAST, SUBJECT_MOST = 6, 60  # characters: phones show some 40, desktops some 60
IMAGE_BYTES_MOST = 1_000_000  # of all images together
TEXT_LEAST = 120  # characters beside images: less is a picture with a link

# Mailboxes that tell receivers to refuse mail in their name from anywhere else (DMARC p=reject, or
# soon to be).
_FREE_MAIL = """
    gmail.com googlemail.com yahoo.com yahoo.fr yahoo.de aol.com outlook.com hotmail.com live.com
    icloud.com me.com gmx.de gmx.net gmx.at web.de mail.ru t-online.de orange.fr free.fr"""
FREE_MAIL = frozenset(_FREE_MAIL.split())
_SHORTENERS = """
    bit.ly tinyurl.com t.co goo.gl ow.ly is.gd buff.ly rebrand.ly cutt.ly rb.gy"""
SHORTENERS = frozenset(_SHORTENERS.split())
_SHOUTED = re.compile(
    r"100 ?% free|act now|risk[- ]free|click here|earn money|free money|winner|congratulations|"
    r"no obligation|urgent|limited time only|buy now!|\$\$\$|€€€|viagra|casino|guaranteed",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALT = re.compile(r'\balt="\s*([^"]*?)\s*"', re.IGNORECASE)
_SOURCE = re.compile(r'\bsrc="([^"]*)"', re.IGNORECASE)
_TINY = re.compile(r'\b(width|height)="1"')


@dataclass(frozen=True)
class Picture:
    """One image of a page."""

    src: str
    alt: str


def pictures(page: str) -> list[Picture]:
    """The images of a page, but the pixel that counts opens.

    >>> pictures('<img src="a.png" alt="A mug"><img width="1" height="1" src="o">')
    [Picture(src='a.png', alt='A mug')]
    """
    found = []
    for tag in _IMAGE.findall(page):
        if not _TINY.search(tag):
            src, alt = _SOURCE.search(tag), _ALT.search(tag)
            found.append(Picture(src.group(1) if src else "", alt.group(1) if alt else ""))
    return found


def shouts(subject: str, text: str) -> list[str]:
    """What filters take for spam, a few words each.

    >>> shouts("BUY NOW!!! IT IS FREE", "Nothing")
    ['the subject is in capitals', 'the subject has 3 exclamation marks', '“BUY NOW!”']
    """
    found = []
    letters = [one for one in subject if one.isalpha()]
    if len(letters) > 8 and sum(one.isupper() for one in letters) > 0.7 * len(letters):
        found.append("the subject is in capitals")
    if (marks := subject.count("!")) > 1:
        found.append(f"the subject has {marks} exclamation marks")
    said = {one.group() for one in _SHOUTED.finditer(f"{subject}\n{text}")}
    return found + [f"“{one}”" for one in sorted(said)]


def is_shortened(address: str) -> bool:
    """Whether a link hides where it leads behind a public shortener, which spam does."""
    try:
        return (urlsplit(address).hostname or "").removeprefix("www.") in SHORTENERS
    except ValueError:
        return False


def is_free_mail(address: str) -> bool:
    """Whether a sender's domain is one in whose name nobody else may send.

    >>> is_free_mail("shop@gmail.com"), is_free_mail("news@shop.example")
    (True, False)
    """
    return address.rpartition("@")[2].strip().lower() in FREE_MAIL


def handles_absence(source: str, path: str) -> bool:
    """Whether a text says something else where a value is missing.

    >>> handles_absence("Hi {{ customer.first_name | default: 'you' }}", "customer.first_name")
    True
    >>> handles_absence("Hi {{ customer.first_name }}", "customer.first_name")
    False
    """
    name = re.escape(path)
    return bool(
        re.search(rf"{name}\s*\|\s*default\b", source)
        or re.search(rf"\{{%-?\s*(if|unless|assign|case)\b[^%]*{name}\b", source)
    )
