"""Words that people text to stop, to start again and to ask for help, in ten languages."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass

STOP, START, HELP, OTHER = "stop", "start", "help", "other"

# Those of the industry (CTIA, Messaging Principles) first; whole texts of one of these words count.
WORDS: dict[str, dict[str, str]] = {
    STOP: {
        "en": "stop stopall unsubscribe end quit cancel revoke optout",
        "fr": "arret arreter desabonner desinscrire desinscription fin",
        "de": "stopp abmelden abbestellen ende",
        "es": "alto baja parar cancelar",
        "it": "ferma fermare cancella disiscrivi",
        "nl": "afmelden stoppen uitschrijven",
        "pt": "pare sair cancelar",
        "sv": "sluta avsluta avregistrera",
        "pl": "rezygnuje koniec",
        "da": "afmeld",
    },
    START: {
        "en": "start unstop yes",
        "fr": "oui reprendre",
        "de": "ja anmelden",
        "es": "si alta iniciar",
        "it": "si inizia",
        "nl": "aanmelden",
        "pt": "sim iniciar",
    },
    HELP: {
        "en": "help info",
        "fr": "aide",
        "de": "hilfe",
        "es": "ayuda",
        "it": "aiuto",
        "nl": "hulp",
        "pt": "ajuda",
        "sv": "hjalp",
        "pl": "pomoc",
        "da": "hjaelp",
    },
}
# Before others these mean it too ("stop texting me"); "cancel my order" does not.
BEFORE_OTHERS = {"stop", "stopall", "unsubscribe", "stopp", "arret", "desabonner", "abbestellen"}
WORDS_MOST = 5
# A yes to some question of the shop's; it starts again only what was stopped.
PLAIN_YES = {"yes", "oui", "ja", "si", "sim"}

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Meaning:
    """What a text asks for; ``language`` is that of its word, empty where several have it."""

    kind: str
    word: str = ""
    language: str = ""


def meaning(text: str, more: Mapping[str, Collection[str]] | None = None) -> Meaning:
    """What somebody means who texts this.

    Parameters
    ----------
    text : str
        As it came.
    more : dict, optional
        Further words of ``STOP``, ``START`` and ``HELP``.

    Examples
    --------
    >>> meaning(" Stop! "), meaning("ARRÊT").language, meaning("stop it").kind
    (Meaning(kind='stop', word='stop', language='en'), 'fr', 'stop')
    >>> meaning("Cancel my order, please").kind, meaning("When do you stop?").kind
    ('other', 'other')
    """
    words = _WORD.findall(plain(text))
    if not words or len(words) > WORDS_MOST:
        return Meaning(OTHER)
    # "opt out" and "stop all" are written apart as well.
    whole = "".join(words)
    for kind in (STOP, HELP, START):
        own = {plain(word) for word in (more or {}).get(kind, ())}
        languages = [name for name, known in WORDS[kind].items() if whole in known.split()]
        if whole in own or languages:
            return Meaning(kind, whole, languages[0] if len(languages) == 1 else "")
    if words[0] in BEFORE_OTHERS:
        return meaning(words[0], more)
    return Meaning(OTHER)


def plain(text: str) -> str:
    """Lower case without accents.

    >>> plain("Désinscrire")
    'desinscrire'
    """
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))
