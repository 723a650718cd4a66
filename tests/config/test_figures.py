import pytest

from config.figures import percentage, rounded

DAY = 86_400
YEARS = 90 * DAY


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (DAY, DAY, 100), (DAY - 1, DAY, 99.999), (YEARS - 0.001, YEARS, 99.999), (0, DAY, 0), (0.001, YEARS, 0.001),
        (1, 3, 33.333), (2, 3, 66.667), (0, 0, None), (1e18 - 256, 1e18, 99.999), (99_999.5, 100_000, 99.999),
    ],
)  # fmt: skip
def test_a_percentage_is_100_or_0_only_where_it_is_exactly_that(part, whole, expected):
    assert percentage(part, whole) == expected


@pytest.mark.parametrize(
    ("figure", "expected"), [(0, 0), (0.0001, 0.001), (-0.0001, -0.001), (0.0016, 0.002), (12.34567, 12.346)]
)
def test_a_figure_is_0_only_where_it_is_exactly_that(figure, expected):
    assert rounded(figure) == expected
