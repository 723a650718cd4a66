"""
What the inbound door and the deliveries endpoint say of themselves in the API's schema.
"""

from typing import Any

RECEIVE: dict[str, Any] = {
    "summary": "Take in an event, or an array of events",
    "request": None,
    "responses": {202: None},
}
