"""How fast decisions are: one against Cedar, sets in DuckDB against a bare expression; prints ratios of one run."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files

import cedarpy
import duckdb

from licet.policy.compile import compile_rules
from licet.policy.decide import RecordFacts, Subject, Terms, decide
from licet.policy.notice import parse_notice

ROWS = 5_000_000
CALLS = 20_000
ROUNDS = 5
_NAME = "x-2024-11-15.toml"
NOTICE = parse_notice(files("licet.policy").joinpath("notices", _NAME).read_text(encoding="utf-8"), _NAME)
AT = datetime(2025, 1, 1, tzinfo=UTC)
TERMS = Terms(purpose="third_party_training", channel="third_party", recipient_id="acme", at=AT)
CEDAR = """
forbid (principal, action, resource) when {
  context.purpose == "first_party_training" && context.europe.contains(principal.region) };
forbid (principal, action, resource) when { principal.age_band == "minor" };
forbid (principal, action, resource) when { ["deactivated", "suspended", "deleted"].contains(principal.status) };
forbid (principal, action, resource) when { principal.protection == "protected" };
forbid (principal, action, resource) when { ["unlisted", "followers", "private"].contains(resource.visibility) };
forbid (principal, action, resource) when { principal.setting == "deny" };
permit (principal, action, resource) when {
  context.purpose == "third_party_training" && context.channel == "third_party" && principal.setting == "allow" };
permit (principal, action, resource) when {
  context.purpose == "third_party_training" && context.channel == "third_party" && principal.setting == "none" };
permit (principal, action, resource) when {
  context.purpose == "first_party_training" && context.channel == "first_party" && principal.setting == "allow" };
permit (principal, action, resource) when {
  context.purpose == "first_party_training" && context.channel == "first_party" && principal.setting == "none" };
"""


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Give the seconds of the fastest of some rounds."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def point() -> None:
    """Compare single decisions with Cedar's, in its batch call, which is its faster one."""
    member = {"region": "US", "age_band": "adult", "protection": "open", "status": "active", "setting": "none"}
    subject = Subject(**member, setting_source="none")
    record = RecordFacts(table="posts", visibility="public", created_at=AT)
    europe = sorted(NOTICE.regions["europe"])
    request = {
        "principal": 'Member::"m"',
        "action": 'Action::"share"',
        "resource": 'Record::"r"',
        "context": {"purpose": TERMS.purpose, "channel": TERMS.channel, "europe": europe},
    }
    entities = [
        {"uid": {"type": "Member", "id": "m"}, "attrs": member, "parents": []},
        {"uid": {"type": "Record", "id": "r"}, "attrs": {"visibility": "public"}, "parents": []},
    ]
    requests = [request] * (CALLS // 10)
    assert all(answer.allowed for answer in cedarpy.is_authorized_batch(requests[:10], CEDAR, entities))
    assert decide([subject], record, TERMS, NOTICE).permit
    cedar = len(requests) / best(lambda: cedarpy.is_authorized_batch(requests, CEDAR, entities))
    ours = CALLS / best(lambda: [decide([subject], record, TERMS, NOTICE) for _ in range(CALLS)])
    print(f"point decision: licet {ours:,.0f}/s, cedarpy {cedar:,.0f}/s, ratio {ours / cedar:.1f} (reach >= 2)")


def sets() -> None:
    """Compare the decision of joined member and record columns with the hand-written expression over the same."""
    engine = duckdb.connect()
    engine.execute("SET threads = 2")
    engine.execute(
        f"""CREATE TABLE joined AS SELECT 'm' || (i % 200000) AS member_id,
        CASE WHEN hash(i, 1) % 100 < 3 THEN 'minor' WHEN hash(i, 1) % 100 < 4 THEN 'unknown' ELSE 'adult' END age_band,
        CASE WHEN hash(i, 2) % 100 < 8 THEN 'protected' ELSE 'open' END protection,
        CASE WHEN hash(i, 3) % 100 < 4 THEN 'suspended' ELSE 'active' END status,
        CASE WHEN hash(i, 4) % 100 < 9 THEN 'deny' WHEN hash(i, 4) % 100 < 12 THEN 'allow' ELSE 'none' END setting,
        CASE WHEN hash(i, 5) % 100 < 5 THEN 'unlisted' ELSE 'public' END visibility,
        hash(i, 6) % 100 < 2 AS deleted FROM range({ROWS}) t(i)"""
    )
    compiled = compile_rules(NOTICE, TERMS, "posts")
    ours = compiled.permits(("j",), "j")
    bare = """CASE WHEN j.deleted OR j.member_id IS NULL THEN 0 WHEN j.age_band <> 'adult' THEN 1
        WHEN j.status <> 'active' THEN 2 WHEN j.protection <> 'open' THEN 3 WHEN j.visibility <> 'public' THEN 4
        WHEN j.setting = 'deny' THEN 5 WHEN j.setting = 'allow' THEN 6 WHEN j.setting = 'none' THEN 7 ELSE 8
        END IN (6, 7)"""
    counts = [engine.execute(f"SELECT count(*) FROM joined j WHERE {each}").fetchall() for each in (ours, bare)]
    assert counts[0] == counts[1]
    texts = [f"SELECT count(*) FROM joined j WHERE {each}" for each in (ours, bare)]
    taken = [best(lambda text=text: engine.execute(text).fetchall()) for text in texts]
    rates = [ROWS / each / 1e6 for each in taken]
    print(
        f"set decision: licet {rates[0]:.1f} M rows/s, bare hand-written expression {rates[1]:.1f} M rows/s, "
        f"time ratio {taken[0] / taken[1]:.2f} (reach <= 1.2)"
    )


if __name__ == "__main__":
    point()
    sets()
