"""Every setting, and every environment variable, read once."""

import importlib.util
import re
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from rapport import embedded, env

BASE_DIR = Path(__file__).resolve().parents[2]
PACKAGE_DIR = Path(__file__).resolve().parent


def _version() -> str:
    """The newest release in CHANGELOG.md, so that the version exists once."""
    for home in (BASE_DIR, PACKAGE_DIR):
        log = home / "CHANGELOG.md"
        if log.exists():
            found = re.search(r"(?m)^## (\d+\.\d+\.\d+)", log.read_text(encoding="utf-8"))
            if found:
                return found.group(1)
    return "0.0.0"


VERSION = _version()
ENVIRONMENT = env.choice("ENVIRONMENT", "development", ("development", "production", "test"))
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.boolean("DEBUG", False)

DEVELOPMENT_SECRET_KEY = "development-only-and-refused-in-production"
SECRET_KEY = env.text("SECRET_KEY", DEVELOPMENT_SECRET_KEY)
if PRODUCTION and SECRET_KEY == DEVELOPMENT_SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Production needs a private one: set SECRET_KEY or SECRET_KEY_FILE "
        "to at least 50 random characters."
    )
# Older keys: sessions and sealed secrets made with them are still read.
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG is on in production, where it shows secrets: unset DEBUG.")

SITE_URL = env.url("SITE_URL", "http://127.0.0.1:8000", ("http", "https")).rstrip("/")
SHOP_URL = env.url("SHOP_URL", SITE_URL, ("http", "https")).rstrip("/")  # where messages lead
ALLOWED_HOSTS = env.names(
    "ALLOWED_HOSTS", "" if PRODUCTION else "localhost,127.0.0.1,[::1],testserver"
)
if PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS is empty: name the host people will open.")
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")

# --- where data lives -------------------------------------------------------------------------

TESTING = "pytest" in sys.modules
_home = BASE_DIR / ".rapport"
if TESTING:  # each process of theirs has servers of its own
    _home = _home / "test" / env.text("PYTEST_XDIST_WORKER")
RAPPORT_HOME = Path(env.text("RAPPORT_HOME") or _home).absolute()
SERVICES = embedded.Services(RAPPORT_HOME)
DATABASE_URL = env.url("DATABASE_URL", "", ("postgres", "postgresql", "psql"))
REDIS_URL = env.url("REDIS_URL", "", ("redis", "rediss", "redis+socket"))
if PRODUCTION and not (DATABASE_URL and REDIS_URL):
    raise ImproperlyConfigured("Production needs DATABASE_URL and REDIS_URL.")

DATABASES = {
    "default": {
        **(env.database(DATABASE_URL or SERVICES.database_url)),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }
}
BROKER_URL = REDIS_URL or SERVICES.redis_url
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- what runs --------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",  # before django.contrib.admin, whose templates it replaces
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "rapport",
    "customers",
    "segments",
    "campaigns",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "rapport.urls"
WSGI_APPLICATION = "rapport.wsgi.application"
ASGI_APPLICATION = "rapport.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates", PACKAGE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"

USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "UTC")  # how pages show moments; inside, all is UTC
LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_THOUSAND_SEPARATOR = False
CURRENCY = env.text("CURRENCY", "EUR")
# Left of an order after the cost of its goods.  1: nobody said, and revenue is taken for it.
MARGIN_SHARE = env.number("MARGIN_SHARE", 1.0, least=0.01, most=1.0)

# --- static files -----------------------------------------------------------------------------

STATIC_URL = "/static/"
# Elsewhere than in production files are served from where they lie, and nothing is collected.
STATIC_ROOT = env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")) if PRODUCTION else None
_plotly = importlib.util.find_spec("plotly")
assert _plotly and _plotly.submodule_search_locations
STATICFILES_DIRS = [
    ("plotly", Path(_plotly.submodule_search_locations[0]) / "package_data"),
]
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- safety -----------------------------------------------------------------------------------

HTTPS = env.boolean("HTTPS", PRODUCTION)
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PRODUCTION else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health/"]  # the container's own check speaks plain HTTP
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
# Hosts, "name" or "name:port", that outgoing requests may reach although they are private or
# without TLS: a receiver on this machine or in this network.  See rapport/outgoing.py.
OUTGOING_ALLOWED_HOSTS = env.names("OUTGOING_ALLOWED_HOSTS")
SECURE_REFERRER_POLICY = "same-origin"

# --- who is who -------------------------------------------------------------------------------

# How many handles of one kind one profile may hold, ids of a shop and browsers counted by source.
IDENTITY_MAX_USER_IDS = env.integer("IDENTITY_MAX_USER_IDS", 1, least=1, most=100)
IDENTITY_MAX_EMAILS = env.integer("IDENTITY_MAX_EMAILS", 1, least=1, most=100)
IDENTITY_MAX_PHONES = env.integer("IDENTITY_MAX_PHONES", 1, least=1, most=100)
IDENTITY_MAX_BROWSERS = env.integer("IDENTITY_MAX_BROWSERS", 100, least=1, most=10_000)
# More patterns, separated by commas, of values that identify nobody; each must match the whole.
IDENTITY_BLOCKED = env.patterns("IDENTITY_BLOCKED")
IDENTITY_MERGES_AN_HOUR = env.integer("IDENTITY_MERGES_AN_HOUR", 20, least=1, most=10_000)
IDENTITY_MERGE_SAME_EMAIL = env.boolean("IDENTITY_MERGE_SAME_EMAIL", False)
IDENTITY_ANONYMOUS_PROFILES = env.boolean("IDENTITY_ANONYMOUS_PROFILES", True)
IDENTITY_UNDO_DAYS = env.integer("IDENTITY_UNDO_DAYS", 90, least=1, most=3_650)

# --- mail -------------------------------------------------------------------------------------

# smtp://user:password@host:port, smtp+tls:// (STARTTLS), smtp+ssl:// or anymail+postmark://token@;
# several with a space between, each with ?weight=3 for its share.  Empty: the inbox page.
EMAIL_URL = env.urls("EMAIL_URL", ("smtp", "smtp+tls", "smtp+ssl", "anymail+"))
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "shop@example.com")
# What comes back. Bounces reach us at bounce+<token>@BOUNCE_DOMAIN; "": at the sender's address.
BOUNCE_DOMAIN = env.text("BOUNCE_DOMAIN")
MAIL_REPORT_KEY = env.text("MAIL_REPORT_KEY")  # of POST /v1/returns/mail; "": closed
ESP_WEBHOOK_PASSWORDS = env.names("ESP_WEBHOOK_PASSWORDS")  # user:password, as in the address
MAILGUN_WEBHOOK_KEY = env.text("MAILGUN_WEBHOOK_KEY")
SENDGRID_WEBHOOK_KEY = env.text("SENDGRID_WEBHOOK_KEY")  # the public key of its signed webhook
SENDER_NAME = env.text("SENDER_NAME", "Your shop")
SENDER_ADDRESS_LINE = env.text("SENDER_ADDRESS_LINE", "Your shop, 1 Example Street, Example")
# A sender that dies leaves at most so many messages unknown; more are faster.
DELIVERY_BATCH_SIZE = env.integer("DELIVERY_BATCH_SIZE", 50, least=1, most=5_000)
DELIVERY_STUCK_SECONDS = env.integer("DELIVERY_STUCK_SECONDS", 120, least=1, most=86_400)

# --- other channels ---------------------------------------------------------------------------

# twilio://SID:TOKEN@SENDER, kannel://user:password@host:port/?from=SENDER or
# smpp://user:password@host:port/?from=SENDER; empty: the inbox page.
SMS_URL = env.url("SMS_URL", "", ("twilio", "kannel", "smpp"))
SMS_OPT_OUT_WORDS = env.text("SMS_OPT_OUT_WORDS")  # put below each text, as "Reply STOP to end"
# More words that stop, start again and ask for help, beside those of ten languages.
SMS_STOP_WORDS = env.names("SMS_STOP_WORDS")
SMS_START_WORDS = env.names("SMS_START_WORDS")
SMS_HELP_WORDS = env.names("SMS_HELP_WORDS")
SMS_REPLIES = env.boolean("SMS_REPLIES", True)  # false where the provider confirms STOP itself
VAPID_PRIVATE_KEY = env.text("VAPID_PRIVATE_KEY")  # of web push, by `manage.py vapid`; empty: inbox
PUSH_ICON_URL = env.url("PUSH_ICON_URL", "", ("https", "http"))

# From so many customers on, everybody is asked through columns in files instead of plain SQL.
MIRROR_FROM_CUSTOMERS = env.integer("MIRROR_FROM_CUSTOMERS", 50_000, least=1, most=10**9)

# Whether campaigns may address people by what a model learnt before a person approved its kind.
TARGET_UNAPPROVED_MODELS = env.boolean("TARGET_UNAPPROVED_MODELS", False)

# --- Celery: each line answers a trap that was reproduced on Redis -----------------------------

CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 7_200,  # longer than twice the longest task, or it runs twice
    "socket_timeout": 30,  # a publish on a dead link fails instead of waiting for ever
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True  # kill -9 of a child hands the task on
CELERY_TASK_IGNORE_RESULT = True  # our Run row tells the progress
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True  # a short task does not wait behind a long one
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "segments.tasks.refresh_customers": {"queue": "realtime"},
    "segments.tasks.sweep": {"queue": "realtime"},
    "segments.tasks.score_touched": {"queue": "realtime"},
    # Long, so away from what sends: a rebuild never holds up a campaign.
    "segments.tasks.refresh_all": {"queue": "train"},
    "segments.tasks.refresh_new": {"queue": "train"},
    "segments.tasks.refresh_segment": {"queue": "train"},
    "segments.tasks.verify": {"queue": "train"},
    "segments.tasks.keep_mirror": {"queue": "train"},
    "campaigns.tasks.deliver": {"queue": "dispatch"},
    "campaigns.tasks.launch": {"queue": "dispatch"},
    "campaigns.tasks.sweep": {"queue": "dispatch"},
    "segments.tasks.retrain": {"queue": "train"},
    "segments.tasks.rescore": {"queue": "train"},
    "segments.tasks.split_cluster": {"queue": "train"},
    "segments.tasks.score_everybody": {"queue": "train"},
    "segments.tasks.watch": {"queue": "train"},
    "campaigns.tasks.learn_uplift": {"queue": "train"},
}
CELERY_TIMEZONE = "UTC"

# --- API --------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rapport.api.auth.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rapport.api.auth.HasScope"],
    "DEFAULT_PAGINATION_CLASS": "rapport.api.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_standardized_errors.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "rapport.api.errors.handle",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["rapport.api.throttles.PerKeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"api_key": env.text("API_RATE", "600/min")},
    "PAGE_SIZE": 100,
}
# Questions a minute from one visitor's address; a program may ask 50 times as often.
DECIDE_RATE = env.integer("DECIDE_RATE", 600, least=1, most=1_000_000)

# --- tracking ---------------------------------------------------------------------------------

TRACKING_ORIGINS = env.names("TRACKING_ORIGINS", "*")  # sites whose pages may read the answers
TRACKING_BATCH_KB = env.integer("TRACKING_BATCH_KB", 500, least=32, most=10_000)
TRACKING_CALLS_PER_SECOND = env.integer("TRACKING_CALLS_PER_SECOND", 1_000, least=0, most=10**6)
# Answer a wrong write key with 200 and drop what it sent, as the service does that we speak like.
TRACKING_ACCEPTS_WRONG_KEYS = env.boolean("TRACKING_ACCEPTS_WRONG_KEYS", False)

SPECTACULAR_SETTINGS = {
    "TITLE": "Rapport",
    "DESCRIPTION": "Customers, segments, scores and measured campaigns of one shop.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rapport.api.auth.IsStaffOrKey"],
    "SERVE_AUTHENTICATION": [
        "rapport.api.auth.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    # Fields of one name and different choices get names of their own in generated clients.
    "ENUM_NAME_OVERRIDES": {
        "IdentityKind": "customers.models.people.Identity.Kind",
        "ProductKind": "customers.models.catalogue.Product.Kind",
        "OrderKind": "customers.models.orders.Order.Kind",
        "ListKind": "segments.models.lists.CustomerList.Kind",
        "ChangeKind": "segments.models.segments.MembershipChange.Kind",
        "ModelKind": "segments.models.learning.ModelRun.Kind",
        "OfferKind": "campaigns.models.offers.Offer.Kind",
        "SlotState": "campaigns.models.slots.Slot.State",
        "MessageState": "campaigns.models.messages.Message.State",
        "MessageReason": "campaigns.models.messages.Message.Reason",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": embedded.cache_url(BROKER_URL),
        "KEY_PREFIX": "rapport",
    }
}

# --- the shell --------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Rapport",
    "SITE_HEADER": "Rapport",
    "SITE_SUBHEADER": "Know your customers, and prove it",
    "SITE_URL": "/",
    "SITE_SYMBOL": "handshake",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {  # one accent everywhere: the blue of rapport.css
        "primary": {
            "50": "#f0f8fe",
            "100": "#ddeffb",
            "200": "#b9dff6",
            "300": "#86c8ee",
            "400": "#63bdf0",
            "500": "#2b96d4",
            "600": "#0067a3",
            "700": "#005a8f",
            "800": "#064b75",
            "900": "#0b3f61",
            "950": "#08283f",
        }
    },
    "STYLES": ["rapport.web.navigation.stylesheet"],
    "SCRIPTS": [],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "rapport.web.navigation.sidebar",
    },
}

# --- logs -------------------------------------------------------------------------------------

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
}

if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast logins in tests
