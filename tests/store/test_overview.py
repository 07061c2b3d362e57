"""Figures over everybody are what the facts say when they are counted one by one."""

from datetime import UTC, datetime, timedelta

from licet.model.members import Choice, Member, MemberId, SettingChange
from licet.store import facts, overview
from licet.store.database import reading, transaction

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
PURPOSE = "third_party_training"


def choose(house, at: datetime, **choices: str) -> None:
    made = [
        SettingChange(member_id=MemberId(name), purpose=PURPOSE, choice=Choice(choice))
        for name, choice in choices.items()
    ]
    with transaction(house.database) as conn:
        facts.record_settings(conn, made, at)


def test_denials_are_counted_by_region_and_by_day(any_house) -> None:
    regions = {"a": "US", "b": "US", "c": "FR", "d": "unknown"}
    with transaction(any_house.database) as conn:
        members = [Member(member_id=MemberId(name), platform="x", region=region) for name, region in regions.items()]
        facts.record_members(conn, members, NOW)
    choose(any_house, NOW, a="deny", c="deny", b="allow")
    choose(any_house, NOW + timedelta(days=1), a="deny", d="deny")
    choose(any_house, NOW + timedelta(days=3), c="allow")
    until = NOW + timedelta(days=5)
    with reading(any_house.database) as conn:
        found = overview.by_region(conn, PURPOSE)
        days = overview.denials_by_day(conn, PURPOSE, until)
        assert overview.by_region(conn, "another")[0].denied == 0
        assert overview.denials_by_day(conn, "another", until) == []
    assert [(each.region, each.members, each.denied) for each in found] == [
        ("US", 2, 1),
        ("FR", 1, 0),
        ("unknown", 1, 1),
    ]
    midnight = NOW.replace(hour=0)
    assert [((each.at - midnight).days, each.value) for each in days] == [(0, 2), (1, 3), (3, 2), (5, 2)]


def test_a_long_line_is_thinned_to_its_ends_and_what_lies_between() -> None:
    points = [overview.Point(at=NOW + timedelta(days=n), value=n) for n in range(500)]
    kept = overview.thinned(points)
    assert (len(kept), kept[0], kept[-1]) == (60, points[0], points[-1])
    assert overview.thinned(points[:60]) == points[:60]
