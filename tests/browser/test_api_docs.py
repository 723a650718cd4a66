"""The page of the API's description in a real browser, under the same policy as every page."""


def test_the_page_shows_every_operation_and_the_browser_has_no_complaints(page, live_server, complaints):
    page.goto(f"{live_server.url}/api/docs")
    page.get_by_role("heading", name="The first ten minutes").wait_for()
    page.get_by_text("List an incident's updates", exact=True).click()
    page.get_by_role("button", name="Try it out").first.click()
    page.get_by_role("button", name="Execute").wait_for()
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_text("X-API-Key", exact=False).first.wait_for()
    document = page.request.get(f"{live_server.url}/api/openapi.json").json()
    described = [*document["paths"].values(), *document["webhooks"].values()]
    assert page.locator(".opblock").count() == sum(len(methods) for methods in described) > 14
    assert complaints == []


def test_it_follows_the_readers_choice_of_dark_and_light(page, live_server, complaints):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{live_server.url}/api/docs")
    page.locator("html.dark-mode .opblock").first.wait_for()
    page.emulate_media(color_scheme="light")
    page.locator("html:not(.dark-mode) .opblock").first.wait_for()
    assert complaints == []
