"""What is written to the log: JSON, one object a line, on stderr; readable lines where somebody looks.

Our own code logs through structlog, straight to stderr (a third of the cost of going through `logging`); what
Django and others log through `logging` comes out in the same form. Every line of a request carries its
`request_id`, bound by `config.middleware`. Before a line is written, whatever looks like a secret in it is
`masked`: tokens appear in no log.
"""

import contextlib
import logging
import re
import sys
from functools import lru_cache
from typing import Any

import structlog
from django.utils.log import CallbackFilter
from structlog.stdlib import ProcessorFormatter

MASK = "***"

_NAMES = r"authorization|cookie|api[-_]?key|signature|password|secret|token|session|csrf"
# What stands before every secret, in text that was put into lower case. Looking for that first, by plain
# words, is what makes masking cheap.
_hint = re.compile("wk_|whi_|whsec_|wlink_|/api/webhooks/|://|auth|cookie|key|sign|pass|secret|token|sess|csrf").search
_secrets = [
    # our API keys, door tokens, signing secrets and links, by how they begin; the few characters by which pages tell
    # keys apart are no secret
    (re.compile(r"\b(wk|whi|whsec|wlink)_[\w+/=-]{8,}"), rf"\1_{MASK}"),
    # the token of a door, which is the last part of its path
    (re.compile(r"(/api/webhooks/[\w-]+/)[^\s/?#\"'\\]+"), rf"\1{MASK}"),
    # the password in the URL of a database
    (re.compile(r"(://[^\s:/@]*:)[^\s/@]+@"), rf"\1{MASK}@"),
    # headers, cookies and fields that are called after what they hold
    (re.compile(rf"((?:{_NAMES})\w*[\\\"']*\s*[:=]\s*[\\\"']*)[^\\\"'\r\n]+", re.IGNORECASE), rf"\1{MASK}"),
]


def masked(text: str) -> str:
    """`text` with everything that looks like a secret of ours replaced."""
    if _hint(text.lower()):
        for pattern, replacement in _secrets:
            text = pattern.sub(replacement, text)
    return text


def configure(as_json: bool, level: str = "INFO") -> dict[str, Any]:
    """Set structlog up and return Django's LOGGING. `as_json=False` is for a terminal."""
    structlog.configure(
        processors=[*_gathered(), *_rendered(as_json)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Logger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": _formatter, "as_json": as_json}},
        "filters": {"faults": {"()": CallbackFilter, "callback": _is_a_fault}},
        "handlers": {"stderr": {"()": Handler, "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django would print these itself, in its own form.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            # How a request was answered is in its own line; only faults are told, with their traceback.
            "django.request": {"level": "ERROR", "filters": ["faults"]},
            # Forms of too many fields, hosts that are not ours: strangers' faults, whose answer has its line.
            "django.security": {"level": "CRITICAL"},
        },
    }


def _is_a_fault(record: logging.LogRecord) -> bool:
    return record.exc_info is not None


# Where lines go


def _write(line: str) -> None:
    """One line to whatever stderr is at the moment. What can't be written, as to a full disk, is lost."""
    with contextlib.suppress(OSError):
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


class _Logger:
    """What structlog writes to."""

    def __init__(self, *args: object) -> None:
        """structlog passes the logger's name, if there is one."""

    def msg(self, line: str) -> None:
        """Write one line."""
        _write(line)

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class Handler(logging.Handler):
    """What `logging` writes to."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            _write(self.format(record))
        except Exception:
            self.handleError(record)


# How a line is made


def _formatter(as_json: bool) -> ProcessorFormatter:
    return ProcessorFormatter(
        foreign_pre_chain=_gathered(),
        processors=[ProcessorFormatter.remove_processors_meta, *_rendered(as_json)],
    )


def _gathered() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _rendered(as_json: bool) -> list[Any]:
    if as_json:
        return [structlog.processors.format_exc_info, _json]
    return [structlog.processors.format_exc_info, _mask, structlog.dev.ConsoleRenderer()]


def _json(logger: object, method: str, event: dict[str, Any]) -> str:
    """The line, made once more without its secrets if it may have some: for most lines one look is enough."""
    line: str = _as_json(logger, method, dict(event))
    return _as_json(logger, method, _mask(logger, method, event)) if _hint(line.lower()) else line


_as_json: Any = structlog.processors.JSONRenderer(ensure_ascii=False)


def _mask(logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {name: _mask_value(name, value) for name, value in event.items()}


def _mask_value(name: str, value: Any) -> Any:
    """`value` without secrets; what is neither text nor number is written as text first."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _mask_value(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_value(name, inner) for inner in value]
    return MASK if _is_secretive(name) else masked(str(value))


@lru_cache(maxsize=1000)
def _is_secretive(name: str) -> bool:
    return re.search(_NAMES, name, re.IGNORECASE) is not None
