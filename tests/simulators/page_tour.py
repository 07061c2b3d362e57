"""Go through the pages: without scripts, or in the browser that this machine has."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from platform_history import ADA, GRACE, NOTICE, Platform
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
INSTALL = "no browser is installed: run `apt-get install chromium`, or name one in LICET_BROWSER"
DRAFT = (
    NOTICE.replace('version = "x-2024-11-15"', 'version = "europe-2025-10"')
    .replace("effective = 2024-11-15", "effective = 2025-10-01")
    .replace('when = { purpose = "first_party_training", region = "europe" }', 'when = { region = "europe" }')
)


class Visitor(httpx.Client):
    """A browser without scripts: keeps cookies, follows redirects, sends the forms of the page it is at."""

    def __init__(self, site: str, **options: object) -> None:
        """Open at a site."""
        super().__init__(base_url=site, follow_redirects=True, timeout=30, **options)  # type: ignore[arg-type]

    def token(self, path: str) -> str:
        """Give the form token of a page."""
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.get(path).text)
        assert found, f"no form on {path}"
        return found[1]

    def submit(self, page: str, action: str, **fields: object) -> httpx.Response:
        """Send a form of a page."""
        return self.post(action, data={"form_token": self.token(page), **fields})


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A page of the tour: its name, who looks at it, and where it is."""

    name: str
    role: str
    who: str
    path: str


TOUR = (
    Stop(name="sign-in", role="", who="", path="/sign-in?as=member"),
    Stop(name="sign-in-recipient", role="", who="", path="/sign-in?as=recipient"),
    Stop(name="member-choice", role="member", who=ADA, path="/member"),
    Stop(name="member-data", role="member", who=ADA, path="/member/data"),
    Stop(name="member-receipts", role="member", who=GRACE, path="/member/receipts"),
    Stop(name="member-earnings", role="member", who=ADA, path="/member/earnings"),
    Stop(name="recipient-licenses", role="recipient", who="acme", path="/recipient"),
    Stop(name="recipient-offer", role="recipient", who="vela", path="/recipient"),
    Stop(name="recipient-access", role="recipient", who="acme", path="/recipient/access"),
    Stop(name="recipient-recalls", role="recipient", who="acme", path="/recipient/recalls"),
    Stop(name="recipient-recall", role="recipient", who="acme", path="/recipient/recalls/*"),
    Stop(name="recipient-usage", role="recipient", who="acme", path="/recipient/usage"),
    Stop(name="recipient-invoice", role="recipient", who="acme", path="/recipient/usage/*"),
    Stop(name="operator-overview", role="operator", who="", path="/operator"),
    Stop(name="operator-notices", role="operator", who="", path="/operator/notices"),
    Stop(name="operator-what-if", role="operator", who="", path="/operator/notices/drafts/*"),
    Stop(name="operator-licenses", role="operator", who="", path="/operator/licenses"),
    Stop(name="operator-license", role="operator", who="", path="/operator/licenses/vela_2025"),
    Stop(name="operator-recalls", role="operator", who="", path="/operator/recalls"),
    Stop(name="operator-recall", role="operator", who="", path="/operator/recalls/*"),
    Stop(name="operator-audit", role="operator", who="", path="/operator/audit"),
    Stop(name="operator-log", role="operator", who="", path="/operator/log"),
    Stop(name="not-found", role="member", who=ADA, path="/member/receipts/1"),
)


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """Start the browser that is installed.

    Raises:
        LookupError: there is none; the message says how to get one.
    """
    named = os.environ.get("LICET_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if named is None:
        raise LookupError(INSTALL)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=named, args=["--no-sandbox"])
        yield browser
        browser.close()


def enter(browser: Browser, site: str, platform: Platform, stop: Stop, **options: Any) -> BrowserContext:  # noqa: ANN401 # Playwright's options mix kinds
    """Open a browser window for whoever looks at a page, signed in."""
    context = browser.new_context(**options)
    if stop.role == "recipient":
        profile = json.dumps({"bearerToken": platform.tokens[stop.who]}).encode()
        file = {"name": "a.share", "mimeType": "application/json", "buffer": profile}
        context.request.post(f"{site}/sign-in/recipient", multipart={"profile": file})
    elif stop.role:
        form = {"role": stop.role, "member_id": stop.who}
        context.request.post(f"{site}/sign-in/development", form=form)
    return context


def visit(page: Page, site: str, stop: Stop) -> None:
    """Go to a page of the tour; a star stands for the first of its kind."""
    if stop.path.endswith("/drafts/*"):
        page.goto(f"{site}/operator/notices")
        page.set_input_files("#file", files=[{"name": "d.toml", "mimeType": "text/plain", "buffer": DRAFT.encode()}])
        page.get_by_role("button").filter(has_text=re.compile("See what|Voir ce qui")).click()
        page.wait_for_url("**/drafts/*")
        page.wait_for_selector("table")
    elif stop.path.endswith("/*"):
        page.goto(site + stop.path.removesuffix("/*"))
        first = page.locator("tbody th a").first.get_attribute("href")
        page.goto(f"{site}{first}")
    else:
        page.goto(site + stop.path)
