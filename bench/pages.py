"""Pages: how long each takes to render, what a browser fetches for it, and whether anything moves. `make bench`."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "simulators"), str(ROOT / "tests" / "server")]

from page_tour import TOUR, browsing, enter, visit  # noqa: E402
from platform_history import live  # noqa: E402

from conftest import running  # noqa: E402
from licet.store.house import open_house  # noqa: E402

ROUNDS = 15
PHONE = {"width": 400, "height": 800}
BYTES = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, each) => sum + each.transferSize, 0)"""
SHIFTS = """() => new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => { for (const each of list.getEntries()) sum += each.value; })
    .observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => setTimeout(() => done(sum), 50));
})"""


def main() -> None:
    """Measure every page of a platform with 240 members and a year behind it."""
    print(f"{'page':<22}{'median ms':>10}{'best':>8}{'kB fetched':>12}{'of it HTML':>12}{'shift':>8}")
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        platform = live(open_house(Path(folder) / "home"), Path(folder) / "data")
        with running(platform, page_rate=10_000.0, page_burst=10_000) as site:  # type: ignore[arg-type]
            for stop in TOUR:
                context = enter(browser, site, platform, stop, viewport=PHONE)
                page = context.new_page()
                visit(page, site, stop)
                address, cookies = page.url, {each["name"]: each["value"] for each in context.cookies()}
                # A window that has fetched nothing before.
                fresh = browser.new_context(storage_state=context.storage_state(), viewport=PHONE)
                page = fresh.new_page()
                page.goto(address)
                fetched, moved = page.evaluate(BYTES), page.evaluate(SHIFTS)
                fresh.close()
                context.close()
                median, best, size = _timed(address, cookies)
                figures = f"{median:>10.1f}{best:>8.1f}{fetched / 1000:>12.1f}{size / 1000:>12.1f}{moved:>8.3f}"
                print(f"{stop.name:<22}{figures}", flush=True)
                assert fetched < 50_000, "a page is larger than 50 kB"
                assert moved == 0, "something on a page moves while it loads"


def _timed(address: str, cookies: dict[str, str]) -> tuple[float, float, int]:
    """Give the median and the least time of a page in milliseconds, and its bytes."""
    taken = []
    with httpx.Client(cookies=cookies) as client:
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            size = len(client.get(address).content)
            taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken), min(taken), size


if __name__ == "__main__":
    main()
