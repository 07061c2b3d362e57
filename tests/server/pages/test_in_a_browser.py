"""The pages in a real browser: nothing that assistive technology stumbles over, small, still, and all by keyboard."""

import json
from collections.abc import Iterator
from importlib import resources

import page_tour
import pytest
from page_tour import TOUR, Stop, enter, visit
from platform_history import ADA, PURPOSE
from playwright.sync_api import Browser, Page, expect

from licet.store import asof, facts, tables
from licet.store.database import reading, transaction
from licet.store.parties import recipients

MOST_BYTES = 50_000
SHIFTS = """() => new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => { for (const each of list.getEntries()) sum += each.value; })
    .observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => setTimeout(() => done(sum), 50));
})"""
BYTES = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, each) => sum + each.transferSize, 0)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with page_tour.browsing() as started:
            yield started
    except LookupError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="module")
def axe() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


def named(stop: Stop) -> str:
    return stop.name


@pytest.mark.parametrize("stop", TOUR, ids=named)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 320)])
def test_every_page_is_accessible_small_and_still(browser, site, platform, axe, stop, scheme, width) -> None:
    context = enter(browser, site, platform, stop, color_scheme=scheme, viewport={"width": width, "height": 800})
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    visit(page, site, stop)
    # A browser notes every answer of 400 and above.
    assert [text for text in said if "404 (Not Found)" not in text] == []
    assert {url[: len(site)] for url in asked} == {site}
    assert page.evaluate(BYTES) < MOST_BYTES
    assert page.evaluate(SHIFTS) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "all => all.filter(each => each.scrollWidth > each.clientWidth).map(each => each.textContent)"
    assert page.locator(".figure-number").evaluate_all(wide) == []
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(found => found.violations)")
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    context.close()


UNWIELDY = "Gesellschaftfürkünstlicheintelligenz" * 5 + " شركة البيانات والذكاء الاصطناعي <b>&"
NAMING = {
    "member-choice",
    "member-data",
    "member-receipts",
    "recipient-licenses",
    "recipient-usage",
    "recipient-invoice",
}
NAMING |= {"operator-overview", "operator-licenses", "operator-license", "operator-recalls", "operator-recall"}


def test_no_name_breaks_a_page(browser, site, platform) -> None:
    with transaction(platform.house.database) as conn:
        before = dict(recipients(conn))
        conn.execute(tables.recipient.update().values(name=UNWIELDY))
    widths = {}
    for stop in (each for each in TOUR if each.name in NAMING):
        context = enter(browser, site, platform, stop, viewport={"width": 320, "height": 800})
        page = context.new_page()
        visit(page, site, stop)
        widths[stop.name] = page.evaluate("document.documentElement.scrollWidth")
        context.close()
    with transaction(platform.house.database) as conn:
        for recipient_id, each in before.items():
            which = tables.recipient.c.recipient_id == recipient_id
            conn.execute(tables.recipient.update().where(which).values(name=each))
    assert {stop: width for stop, width in widths.items() if width > 320} == {}


def test_a_page_in_french_is_accessible_too(browser, site, platform, axe) -> None:
    stop = TOUR[2]
    context = enter(browser, site, platform, stop, locale="fr-FR")
    page = context.new_page()
    visit(page, site, stop)
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.evaluate(axe)
    assert page.evaluate("axe.run().then(found => found.violations.map(each => each.id))") == []
    context.close()


def position(platform, member_id: str) -> str:
    with reading(platform.house.database) as conn:
        return asof.setting_as_of(conn, member_id, PURPOSE, facts.last_seq(conn))[0]


@pytest.fixture
def somebody(platform) -> Stop:
    free = [m for m in platform.members if m != ADA and position(platform, m) == "none"]
    return Stop(name="somebody", role="member", who=free[-1], path="/member")


def tab_to(page: Page, text: str) -> None:
    """Press the tabulator until something is focused that reads so."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText?.trim()") == text:
            return
    pytest.fail(f"the keyboard does not reach `{text}`")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_to_refuse_and_to_undo_it_takes_no_mouse(browser, site, platform, somebody, scripts) -> None:
    context = enter(browser, site, platform, somebody, java_script_enabled=scripts)
    page = context.new_page()
    visit(page, site, somebody)
    if scripts:
        page.evaluate("window.stayed = true")
        tab_to(page, "Skip to the content")
        tab_to(page, "Don\N{RIGHT SINGLE QUOTATION MARK}t allow")
        page.keyboard.press("Enter")
    else:
        # Without scripts the browser answers no questions about its focus.
        page.locator('button[value="deny"]').first.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved: not allowed.")
    assert position(platform, somebody.who) == "deny"
    if scripts:
        assert page.evaluate("window.stayed") is True
        expect(page.get_by_role("status")).to_be_focused()
        tab_to(page, "Undo")
        page.keyboard.press("Enter")
    else:
        page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved: allowed.")
    assert position(platform, somebody.who) == "allow"
    context.close()


def test_the_page_looks_the_same_to_a_signal_as_to_the_facts(browser, site, platform, somebody) -> None:
    context = enter(browser, site, platform, somebody, extra_http_headers={"Sec-GPC": "1"})
    page = context.new_page()
    visit(page, site, somebody)
    expect(page.locator("main")).to_contain_text("Your browser sends Global Privacy Control.")
    expect(page.locator('button[value="deny"]').first).to_have_attribute("aria-pressed", "true")
    assert position(platform, somebody.who) == "deny"
    context.close()


def test_a_profile_and_everything_of_a_member_come_down_as_files(browser, site, platform, tmp_path) -> None:
    stops = {stop.name: stop for stop in TOUR}
    context = enter(browser, site, platform, stops["member-data"], accept_downloads=True)
    page = context.new_page()
    visit(page, site, stops["member-data"])
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download everything").click()
    assert waiting.value.suggested_filename.endswith(".zip")
    context.close()
    context = enter(browser, site, platform, stops["recipient-access"], accept_downloads=True)
    page = context.new_page()
    visit(page, site, stops["recipient-access"])
    page.get_by_label("Rotate").uncheck()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download a new profile").click()
    waiting.value.save_as(tmp_path / "acme.share")
    assert json.loads((tmp_path / "acme.share").read_text())["shareCredentialsVersion"] == 1
    context.close()
