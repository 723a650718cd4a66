import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from config.envelope import PIECE, dump, failure, success


def test_success_carries_data():
    answer = success({"at": datetime(2026, 5, 13, tzinfo=UTC), "id": UUID(int=1), "none": None})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert json.loads(answer.content) == {
        "success": True,
        "data": {"at": "2026-05-13T00:00:00.000Z", "id": "00000000-0000-0000-0000-000000000001", "none": None},
    }


@pytest.mark.parametrize("many", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
def test_a_list_of_any_length_is_one_json_array(many):
    rows = [{"n": n, "text": "],[", "at": datetime(2026, 5, 13, tzinfo=UTC)} for n in range(many)]
    assert json.loads(dump(rows)) == [row | {"at": "2026-05-13T00:00:00.000Z"} for row in rows]
    assert b" " not in dump(rows)


def test_failure_carries_code_and_message_and_details_only_if_there_are_any():
    assert json.loads(failure(404, "NOT_FOUND", "Not found").content) == {
        "success": False,
        "error": {"code": "NOT_FOUND", "message": "Not found"},
    }
    answer = failure(409, "CONFLICT", "No", details={"a": 1}, headers={"X-Why": "so"})
    assert answer.status_code == 409
    assert answer["X-Why"] == "so"
    assert json.loads(answer.content)["error"]["details"] == {"a": 1}


def test_text_stays_utf_8_and_what_is_not_json_is_refused():
    assert dump({"a": "é😀"}) == '{"a":"é😀"}'.encode()
    with pytest.raises(TypeError, match="object has no place"):
        dump(object())
    with pytest.raises(ValueError):
        dump(float("nan"))
