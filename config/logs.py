"""What is written to the log: one JSON object a line on stderr, or readable lines where somebody looks at a
terminal.

Our own code logs through structlog, straight to stderr (a third of the cost of going through `logging`); what
Django and others log through `logging` comes out in the same form. Every line of a request carries its
`request_id`, bound by `config.middleware`. The last thing that happens to each line is `masked`: secrets
appear in no log.
"""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter

MASK = "***"

_secrets = [
    # our API keys
    (re.compile(r"\bwk_[\w-]{6,}"), f"wk_{MASK}"),
    # a door's token, the last part of its path
    (re.compile(r"(/api/webhooks/[\w-]+/)[^\s/?#\"'\\]+"), rf"\1{MASK}"),
    # the password in a database's URL
    (re.compile(r"(://[^\s:/@]*:)[^\s/@]+@"), rf"\1{MASK}@"),
    # headers and fields that are called after what they hold
    (
        re.compile(
            r"((?:authorization|cookie|x[-_]api[-_]key|signature|password|secret|token|session|csrf)\w*[\\\"']*\s*[:=]\s*[\\\"']*)"
            r"[^\\\"'\r\n]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
]


def masked(line: str) -> str:
    """`line` with everything that looks like a secret of ours replaced."""
    for pattern, replacement in _secrets:
        line = pattern.sub(replacement, line)
    return line


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
        "handlers": {"stderr": {"()": Handler, "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django would print these itself, in its own form.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            # Refusals are in the request's own line; only faults (5xx) are told with their traceback.
            "django.request": {"level": "ERROR"},
            "django.security": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
        },
    }


def _write(line: str) -> None:
    """One line to whatever stderr is at the moment."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class _Logger:
    """Where structlog's lines go."""

    def __init__(self, *args: object) -> None:
        """structlog passes the logger's name, if there is one."""

    def msg(self, line: str) -> None:
        """Write one line."""
        _write(line)

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


class Handler(logging.Handler):
    """Where the lines of `logging` go."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            _write(self.format(record))
        except Exception:
            self.handleError(record)


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
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
            _mask,
        ]
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback), _mask]


def _mask(logger: object, method: str, line: str) -> str:
    return masked(line)
