"""Pages: how long each takes to render, what a browser fetches for it, and whether anything moves. `make bench`."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "simulators"), str(ROOT / "tests" / "server")]

from page_tour import TOUR, browsing, enter, visit  # noqa: E402
from platform_history import live  # noqa: E402

from conftest import running  # noqa: E402
from licet.store.house import open_house  # noqa: E402

ROUNDS = 15
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
    print(f"{'page':<22}{'server ms':>10}{'kB fetched':>12}{'of it HTML':>12}{'shift':>8}")
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        platform = live(open_house(Path(folder) / "home"), Path(folder) / "data")
        with running(platform, page_rate=10_000.0, page_burst=10_000) as site:  # type: ignore[arg-type]
            for stop in TOUR:
                context = enter(browser, site, platform, stop, viewport={"width": 400, "height": 800})
                page = context.new_page()
                visit(page, site, stop)
                address, taken = page.url, []
                fetched, moved = page.evaluate(BYTES), page.evaluate(SHIFTS)
                for _ in range(ROUNDS):
                    begun = time.perf_counter()
                    answer = context.request.get(address)
                    size = len(answer.body())
                    taken.append(time.perf_counter() - begun)
                took = 1000 * statistics.median(taken)
                print(f"{stop.name:<22}{took:>10.1f}{fetched / 1000:>12.1f}{size / 1000:>12.1f}{moved:>8.3f}")
                assert fetched < 50_000, "a page is larger than 50 kB"
                assert moved == 0, "something on a page moves while it loads"
                context.close()


if __name__ == "__main__":
    main()
