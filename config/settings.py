"""
Watchkeeper's settings: one file, driven by the environment.

What may be said there is config.environment's knowledge, and the README's table of settings shows it. Nothing else in
the project reads the environment for configuration.
"""

import os
import sys
from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError, conninfo

from config import logs
from config.environment import Wrong, value_of
from config.networks import Network, Opening

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("WATCHKEEPER_DATA") or BASE_DIR / "var")
TESTING = "pytest" in sys.modules


def setting(name: str) -> Any:
    """What an environment variable says. Raises ImproperlyConfigured."""
    try:
        return value_of(name)
    except Wrong as wrong:
        raise ImproperlyConfigured(str(wrong)) from None


# How a connection is made unless DATABASE_URL says otherwise. A server that fell silent is given up after some seconds.
CONNECTION: dict[str, object] = {
    "application_name": "watchkeeper",
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}


def database(url: str) -> dict[str, object]:
    """Django's DATABASES entry for a libpq URL. Raises ImproperlyConfigured when it can't be read."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"DATABASE_URL can't be read: {error}") from None
    named = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    settings: dict[str, object] = {ours: str(parts.pop(theirs, "")) for theirs, ours in named.items()}
    return settings | {
        "ENGINE": "config.postgresql",
        "OPTIONS": CONNECTION | parts,
        # One connection per thread, kept: a new one for each request would cost more than the request.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # A cursor that outlives its transaction is lost where a pooler gives each transaction another connection.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "TEST": {"NAME": os.environ.get("TEST_DB_NAME") or None},
    }


DEBUG: bool = setting("WATCHKEEPER_DEBUG")

# A secret that everybody can read is good for tests only; `./watchkeeper` makes real ones and keeps them in the data
# folder.
_TEST_SECRET = "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ" if TESTING else ""
SECRET_KEY = setting("WATCHKEEPER_SECRET_KEY") or _TEST_SECRET
# The first key seals; all of them open, so that a key can be changed without losing what the old one sealed.
ENCRYPTION_KEYS: list[str] = setting("WATCHKEEPER_ENCRYPTION_KEY") or [SECRET_KEY]

ALLOWED_HOSTS: list[str] = setting("WATCHKEEPER_HOSTS")
CSRF_TRUSTED_ORIGINS: list[str] = setting("WATCHKEEPER_ORIGINS")
# How many reverse proxies stand before us, and in which header they say who calls; what they say there, and in
# X-Forwarded-Proto, is believed, nobody else's: config.forwarded.
TRUSTED_PROXIES: int = setting("WATCHKEEPER_TRUSTED_PROXIES")
FORWARDED_HEADER: str = setting("WATCHKEEPER_FORWARDED_HEADER")

INSTALLED_APPS = [
    "config",
    "teams",
    "timeline",
    "monitors",
    "incidents",
    "integrations",
    "dashboard",
    "config.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.forms",  # for the templates of its widgets
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "config.middleware.RequestLog",
    "config.middleware.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "config.forpages.SecurityPolicy",
    "config.middleware.Compressed",
    # Below the headers, so that its refusals carry them too; above all that reads a path or a form.
    "config.middleware.WholeBodies",
    "config.middleware.CleanText",
    "config.middleware.ErrorAnswers",
    "config.forpages.StaticFiles",
    "config.forpages.Sessions",
    "config.middleware.Hosts",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.forpages.Users",
    "dashboard.access.LocalTime",
    "config.forpages.Messages",
    "config.forpages.Htmx",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# The inbound door. What comes to it has a lane of its own (config.front); webhooks that wait there at the same time are
# received together by this function, past Django's handlers (config.together).
DOOR_PATH = "/api/webhooks/incident-log"
RECEIVED_TOGETHER = "integrations.ingest_view.receive_together"
# Which of all that middleware they pass, in the same order; `check` holds that each of it stands here or below.
MIDDLEWARE_TOGETHER = [
    "config.middleware.RequestLog",
    "config.middleware.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.Compressed",
    "config.middleware.CleanText",
    "config.middleware.Hosts",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# And which they don't, each with its reason.
MIDDLEWARE_NOT_TOGETHER = {
    "config.forpages.SecurityPolicy": "for pages only: JSON has the policy of SecurityHeaders",
    "config.middleware.WholeBodies": "for pages' forms only: what was not read whole is left to Django",
    "config.middleware.ErrorAnswers": "what goes wrong is left to Django, which answers each request alone",
    "config.forpages.StaticFiles": "for pages only",
    "config.forpages.Sessions": "for pages only: a cookie lets nobody in at the door",
    "django.middleware.csrf.CsrfViewMiddleware": "guards forms of those who are logged in; the door's view is exempt",
    "config.forpages.Users": "for pages only",
    "dashboard.access.LocalTime": "for pages only: in whose time zone they show times",
    "config.forpages.Messages": "for pages only",
    "config.forpages.Htmx": "for pages only",
}

# What the storeys add to each other in Django admin.
COMPOSITION = "dashboard.composition.COMPOSITION"

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
# Paths have no trailing slash (the admin's own have); nothing is redirected to a guess.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]

# Widgets are drawn by templates like all else, of which one is ours.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# How many processes serve, and how many threads each has for pages, and as many again for the API.
PROCESSES: int = setting("WATCHKEEPER_PROCESSES")
THREADS: int = setting("WATCHKEEPER_THREADS")

DATABASE_URL = os.environ.get("DATABASE_URL", "")
DATABASES = {"default": database(DATABASE_URL)}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "teams.User"
# E-mail addresses are unique without case, through a constraint that this check does not know.
SILENCED_SYSTEM_CHECKS = ["auth.E003"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = ["config.hashing.GivingWay"]
# Where a form's password is looked at, whoever sends it: config.front gives these a lane of their own.
PASSWORD_PATHS = "/(login|password|link/[^/]+)"  # noqa: S105
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
# What Django admin writes by itself, such as a record's history.
DATE_FORMAT, DATETIME_FORMAT = "Y-m-d", "Y-m-d H:i:s"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]
# In tests and with DEBUG the files are served from where they are, without a collectstatic before.
_STATIC_BACKEND = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
    if TESTING or DEBUG
    else "whitenoise.storage.CompressedManifestStaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _STATIC_BACKEND},
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

# What the pages may load: their own files, and scripts and styles that carry the request's nonce. Nothing from
# elsewhere.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

# WATCHKEEPER_HTTPS=1 is the documented production setting: everything that only makes sense behind TLS.
HTTPS: bool = setting("WATCHKEEPER_HTTPS")
SECURE_SSL_REDIRECT = HTTPS
# Health checks come from inside, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|workz)$"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SESSION_ENGINE = "teams.sessions"
SESSION_COOKIE_NAME = "watchkeeper_session"
CSRF_COOKIE_NAME = "watchkeeper_csrf"
CSRF_FAILURE_VIEW = "dashboard.views.entrance.csrf_failure"
# What answers a form of Django admin whose sender is logged in no more.
LOGGED_OUT_VIEW = "dashboard.access.to_login"

# Forms are small; what vendors and API users send is read and bounded by config.api.read_body.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "config.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "dashboard.schema.Operation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Watchkeeper",
    "VERSION": "1",
    "DEFAULT_GENERATOR_CLASS": "dashboard.schema.Generator",
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "IncidentStatus": "incidents.models.Status",
        "IncidentType": "incidents.models.Type",
        "Severity": "incidents.models.Severity",
        "TargetType": "incidents.bodies.TARGETS",
        "Effect": "timeline.models.Effect",
        "ResourceStatus": "monitors.models.Status",
        "MonitorType": "monitors.models.Type",
        "DeliveryStatus": "integrations.models.Verdict",
        "MessageStatus": "timeline.outbound.models.Standing",
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SCHEMA_PATH_PREFIX": "/api",
}

# How often a minute: requests of one API key; failed logins and wrong keys of one address.
API_REQUESTS_PER_MINUTE: int = setting("WATCHKEEPER_API_RATE")
FAILED_LOGINS_PER_MINUTE: int = setting("WATCHKEEPER_LOGIN_RATE")

# Networks, besides the public internet, to which webhooks are sent (config.egress) and which monitors look at
# (config.dialing).
WEBHOOK_NETWORKS: tuple[Network, ...] = setting("WATCHKEEPER_WEBHOOK_NETWORKS")
MONITOR_NETWORKS: tuple[Opening, ...] = setting("WATCHKEEPER_MONITOR_NETWORKS")
# A file of authorities (PEM) that are trusted by monitors besides the system's.
CA_BUNDLE: str = setting("WATCHKEEPER_CA_BUNDLE")

LOGGING = logs.configure(as_json=not sys.stderr.isatty(), level=setting("WATCHKEEPER_LOG_LEVEL"))

# The worker's loops, and after how many seconds without a report /workz calls one stopped.
WORKER_LOOPS = {
    "renumber": 60, "refold": 600, "reword": 60, "apply": 30, "waiting": 30, "recognize": 60, "send": 30,
    "listen": 60, "sessions": 60,
}  # fmt: skip
# Loop → the function that says since when what it has to do next has been waiting.
WORKER_QUEUES = {"apply": "integrations.turns.oldest_waiting", "send": "timeline.outbound.engine.oldest_waiting"}
