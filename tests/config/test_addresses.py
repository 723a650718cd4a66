import pytest
from django.core.exceptions import ValidationError

from config.addresses import WEB_ADDRESS


@pytest.mark.parametrize(
    "address",
    [
        "https://www.example.com",
        "HTTP://EXAMPLE.com.",
        "http://localhost:8000/health?deep=1#top",
        "http://my_service:3000/",
        "http://127.0.0.1:65535",
        "http://[::1]:8080/",
        "http://[2001:db8:1:2:3:4:5:6]",
        "http://[2001:db8::6]/",
        "https://xn--mller-kva.example/stra%C3%9Fe",
        "https://example.com?mail=a@b.example",
        "https://" + "a" * 63 + ".example",
    ],
)
def test_an_address_that_can_be_asked_is_taken(address):
    WEB_ADDRESS(address)


@pytest.mark.parametrize(
    "address",
    [
        "example.com",
        "//example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user@example.com",
        "https://user:password@example.com/",
        "https://example.com\\@elsewhere.example/",
        "https://exa mple.com",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://example.com\n",
        "https://example.com/straße",
        "https://müller.example",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:port",
        "https://-example.com",
        "https://example..com",
        "https://" + "a" * 64 + ".example",
        "http://999.1.1.1",
        "http://1.2.3",
        "http://2130706433",
        "http://[::1",
        "http://[1::2::3]",
        "http://[1:2:3]",
    ],
)
def test_any_other_is_refused(address):
    with pytest.raises(ValidationError):
        WEB_ADDRESS(address)
