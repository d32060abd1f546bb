"""What the pages that people outside see say, in their languages."""

# ruff: noqa: E501

from django.conf import settings
from django.http import HttpRequest
from django.utils import formats, translation

LANGUAGES = {"en": "English", "fr": "Français", "de": "Deutsch"}
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "sign_up_title": "Hear from us",
        "sign_up_lead": "We send you a mail with a button; only then are you on the list. You can leave it at any time.",
        "sign_up_email": "Your e-mail address",
        "sign_up_button": "Sign up",
        "sign_up_done": "Please look into your mailbox: there is a mail with a button to press.",
        "sign_up_wrong": "This does not look like an e-mail address.",
        "sign_up_slow": "That was too often; please try again in a minute.",
        "channel_email": "By e-mail",
        "channel_sms": "By text message",
        "channel_push": "In the browser",
        "channel_in_app": "In the shop",
        "channel_webhook": "Other",
        "unsubscribe_title": "Stop these messages?",
        "unsubscribe_ask": "Press the button and we will not send you messages of this kind any more.",
        "unsubscribe_button": "Unsubscribe",
        "unsubscribed_title": "You are unsubscribed",
        "unsubscribed": "We will not send you messages of this kind any more. One that is already on its way may still arrive.",
        "choose": "Choose what you hear of instead",
        "preferences_title": "What would you like to hear of?",
        "preferences_lead": "Messages to {hint}. What is ticked we send you; nothing else.",
        "nothing": "There is nothing to choose at the moment.",
        "language": "Language of our messages",
        "save": "Save",
        "saved": "Saved. This is what you hear of from now on.",
        "pause_title": "Take a break",
        "pause_lead": "Hear nothing for a while; then what is ticked above goes on.",
        "pause_days": "{days} days",
        "pause_button": "Take a break",
        "paused": "You hear nothing until {day}.",
        "resume_button": "End the break",
        "all_title": "Nothing at all",
        "all_lead": "We send you no messages of any kind any more, except about your orders.",
        "all_button": "Unsubscribe from everything",
        "proof": "Ticked in the preference centre: “{name}”",
        "proof_no": "Not ticked any more in the preference centre: “{name}”",
        "opt_in_title": "Please confirm",
        "opt_in_ask": "Press the button, and we will send messages to {hint}:",
        "opt_in_button": "Yes, I would like that",
        "opt_in_ignore": "It was not you? Then do nothing, and nothing will be sent.",
        "confirmed_title": "Thank you",
        "confirmed": "You are on the list now. Each message has a link to leave it.",
        "expired_title": "This link is too old",
        "expired": "Please sign up again, and we send you a new one.",
        "opt_in_subject": "Please confirm: messages from {shop}",
        "opt_in_mail": "Somebody, hopefully you, asked {shop} to send messages to this address. If it was you, please confirm on this page:",
        "opt_in_mail_foot": "If it was not you, do nothing: without the confirmation nothing is sent. The link works until {day}.",
    },
    "fr": {
        "sign_up_title": "Recevoir nos nouvelles",
        "sign_up_lead": "Nous vous envoyons un e-mail avec un bouton ; vous n’êtes inscrit qu’ensuite. Vous pouvez vous désinscrire à tout moment.",
        "sign_up_email": "Votre adresse e-mail",
        "sign_up_button": "S’inscrire",
        "sign_up_done": "Regardez votre boîte de réception : un e-mail avec un bouton vous y attend.",
        "sign_up_wrong": "Cela ne ressemble pas à une adresse e-mail.",
        "sign_up_slow": "C’était trop souvent ; réessayez dans une minute.",
        "channel_email": "Par e-mail",
        "channel_sms": "Par SMS",
        "channel_push": "Dans le navigateur",
        "channel_in_app": "Dans la boutique",
        "channel_webhook": "Autre",
        "unsubscribe_title": "Ne plus recevoir ces messages ?",
        "unsubscribe_ask": "Appuyez sur le bouton et nous ne vous enverrons plus de messages de ce type.",
        "unsubscribe_button": "Se désabonner",
        "unsubscribed_title": "Vous êtes désabonné",
        "unsubscribed": "Nous ne vous enverrons plus de messages de ce type. Un message déjà parti peut encore arriver.",
        "choose": "Choisir plutôt ce que vous recevez",
        "preferences_title": "Que souhaitez-vous recevoir ?",
        "preferences_lead": "Messages à {hint}. Nous envoyons ce qui est coché, et rien d’autre.",
        "nothing": "Il n’y a rien à choisir pour le moment.",
        "language": "Langue de nos messages",
        "save": "Enregistrer",
        "saved": "Enregistré. Voici ce que vous recevrez désormais.",
        "pause_title": "Faire une pause",
        "pause_lead": "Ne rien recevoir pendant un temps ; ensuite, ce qui est coché ci-dessus reprend.",
        "pause_days": "{days} jours",
        "pause_button": "Faire une pause",
        "paused": "Vous ne recevez rien jusqu’au {day}.",
        "resume_button": "Terminer la pause",
        "all_title": "Plus rien du tout",
        "all_lead": "Nous ne vous enverrons plus aucun message, sauf au sujet de vos commandes.",
        "all_button": "Se désabonner de tout",
        "proof": "Coché dans le centre de préférences : « {name} »",
        "proof_no": "Décoché dans le centre de préférences : « {name} »",
        "opt_in_title": "Merci de confirmer",
        "opt_in_ask": "Appuyez sur le bouton et nous enverrons des messages à {hint} :",
        "opt_in_button": "Oui, je le souhaite",
        "opt_in_ignore": "Ce n’était pas vous ? Alors ne faites rien, et rien ne sera envoyé.",
        "confirmed_title": "Merci",
        "confirmed": "Vous êtes inscrit. Chaque message contient un lien pour se désinscrire.",
        "expired_title": "Ce lien est trop ancien",
        "expired": "Inscrivez-vous à nouveau et nous vous en enverrons un autre.",
        "opt_in_subject": "Merci de confirmer : messages de {shop}",
        "opt_in_mail": "Quelqu’un, vous sans doute, a demandé à {shop} d’envoyer des messages à cette adresse. Si c’était vous, confirmez sur cette page :",
        "opt_in_mail_foot": "Si ce n’était pas vous, ne faites rien : sans confirmation, rien n’est envoyé. Le lien fonctionne jusqu’au {day}.",
    },
    "de": {
        "sign_up_title": "Von uns hören",
        "sign_up_lead": "Wir senden Ihnen eine E-Mail mit einem Knopf; erst danach stehen Sie auf der Liste. Sie können sich jederzeit abmelden.",
        "sign_up_email": "Ihre E-Mail-Adresse",
        "sign_up_button": "Anmelden",
        "sign_up_done": "Bitte sehen Sie in Ihr Postfach: Dort ist eine E-Mail mit einem Knopf.",
        "sign_up_wrong": "Das sieht nicht nach einer E-Mail-Adresse aus.",
        "sign_up_slow": "Das war zu oft; bitte in einer Minute noch einmal.",
        "channel_email": "Per E-Mail",
        "channel_sms": "Per SMS",
        "channel_push": "Im Browser",
        "channel_in_app": "Im Shop",
        "channel_webhook": "Sonstiges",
        "unsubscribe_title": "Diese Nachrichten abbestellen?",
        "unsubscribe_ask": "Mit dem Knopf bestellen Sie Nachrichten dieser Art ab.",
        "unsubscribe_button": "Abbestellen",
        "unsubscribed_title": "Sie sind abgemeldet",
        "unsubscribed": "Wir senden Ihnen keine Nachrichten dieser Art mehr. Eine, die schon unterwegs ist, kann noch ankommen.",
        "choose": "Lieber auswählen, wovon Sie hören",
        "preferences_title": "Wovon möchten Sie hören?",
        "preferences_lead": "Nachrichten an {hint}. Was angekreuzt ist, senden wir; sonst nichts.",
        "nothing": "Im Augenblick gibt es nichts auszuwählen.",
        "language": "Sprache unserer Nachrichten",
        "save": "Speichern",
        "saved": "Gespeichert. Davon hören Sie von jetzt an.",
        "pause_title": "Eine Pause machen",
        "pause_lead": "Eine Weile nichts hören; danach geht weiter, was oben angekreuzt ist.",
        "pause_days": "{days} Tage",
        "pause_button": "Pause machen",
        "paused": "Bis zum {day} hören Sie nichts.",
        "resume_button": "Pause beenden",
        "all_title": "Gar nichts mehr",
        "all_lead": "Wir senden Ihnen keinerlei Nachrichten mehr, außer zu Ihren Bestellungen.",
        "all_button": "Alles abbestellen",
        "proof": "In den Einstellungen angekreuzt: „{name}“",
        "proof_no": "In den Einstellungen nicht mehr angekreuzt: „{name}“",
        "opt_in_title": "Bitte bestätigen",
        "opt_in_ask": "Mit dem Knopf stimmen Sie Nachrichten an {hint} zu:",
        "opt_in_button": "Ja, das möchte ich",
        "opt_in_ignore": "Sie waren das nicht? Dann tun Sie nichts, und es wird nichts gesendet.",
        "confirmed_title": "Danke",
        "confirmed": "Sie stehen jetzt auf der Liste. Jede Nachricht hat einen Link zum Abmelden.",
        "expired_title": "Dieser Link ist zu alt",
        "expired": "Bitte melden Sie sich noch einmal an, dann senden wir einen neuen.",
        "opt_in_subject": "Bitte bestätigen: Nachrichten von {shop}",
        "opt_in_mail": "Jemand, hoffentlich Sie, hat {shop} gebeten, Nachrichten an diese Adresse zu senden. Wenn Sie es waren, bestätigen Sie bitte auf dieser Seite:",
        "opt_in_mail_foot": "Wenn Sie es nicht waren, tun Sie nichts: Ohne Bestätigung wird nichts gesendet. Der Link gilt bis zum {day}.",
    },
}  # fmt: skip


def chosen(*wished: str) -> str:
    """The first of these languages that the pages are translated into."""
    for language in wished:
        if language[:2].lower() in WORDS:
            return language[:2].lower()
    return "en"


def asked(request: HttpRequest) -> list[str]:
    """What the browser asks for, the most wanted first."""
    header = request.headers.get("Accept-Language", "")[:200]
    parts = [part.strip().partition(";q=") for part in header.split(",") if part.strip()]
    return [part[0] for part in sorted(parts, key=lambda part: part[2] or "1", reverse=True)]


def day(moment, language: str) -> str:
    with translation.override(language):
        return formats.date_format(moment, "j. F Y" if language == "de" else "j F Y")


def opt_in_mail(language: str, *, until) -> dict[str, str]:
    """The words of the mail that asks; it can be answered until then."""
    words, shop = WORDS[language], settings.SENDER_NAME
    return {
        "subject": words["opt_in_subject"].format(shop=shop),
        "ask": words["opt_in_mail"].format(shop=shop),
        "button": words["opt_in_button"],
        "foot": words["opt_in_mail_foot"].format(day=day(until, language)),
    }
