"""An outlet holds what may be fetched and nothing else, whatever is killed, refused, lost, or done behind its back."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from licet.dataset.build import build
from licet.model.errors import IntegrityError, Unavailable, UsageError
from licet.model.records import Table
from licet.policy.notice import digest, parse_notice
from licet.protocol.urls import FileClaim
from licet.recall.catch_up import catch_up, tidy
from licet.store import credentials, facts
from licet.store import outlet as module
from licet.store.bucket import Bucket
from licet.store.bucket_probe import require_forgetful
from licet.store.database import transaction
from licet.store.house import open_house
from licet.store.outlet import Outlet
from licet.store.removals import removals_path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "recall"))

from guarded_s3 import GuardedS3, guarded_s3
from recall_world import LICENSE, NOTICE, NOW, World, make_world, usual

NAME = LICENSE.license_id
TABLES = (Table.POSTS, Table.LIKES)


@pytest.fixture(scope="module")
def store() -> Iterator[GuardedS3]:
    with guarded_s3() as running:
        yield running


@pytest.fixture
def url(store: GuardedS3, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket with a prefix, which the environment says how to reach."""
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    yield f"s3://{store.make(f'outlet-{abs(hash(request.node.nodeid))}')}/house a"
    store.refuse()


@pytest.fixture
def world(tmp_path: Path, url: str) -> Iterator[World]:
    """A world with a file for every second post, and an outlet that nothing was copied to."""
    made = make_world(tmp_path / "home", "", *usual(), file_rows=2)
    yield replace(made, house=replace(made.house, outlet=outlet_of(made, url)))
    made.house.database.dispose()


@pytest.fixture
def any_world(tmp_path: Path, url: str, database_url: str) -> World:
    """The same, once on SQLite and once on PostgreSQL."""
    made = make_world(tmp_path / "home", database_url, *usual(), file_rows=2)
    return replace(made, house=replace(made.house, outlet=outlet_of(made, url)))


def outlet_of(world: World, url: str) -> Outlet:
    """Give an outlet that knows nothing yet, as another process would."""
    return Outlet(Bucket.open(url), world.house.database, world.house.shared)


def own(world: World) -> Outlet:
    assert world.house.outlet is not None
    return world.house.outlet


def claims(world: World, *tables: Table, seconds: int = 600) -> list[FileClaim]:
    """Give claims to all files that are listed now."""
    found = []
    for table in tables or TABLES:
        snapshot = world.house.shared.snapshot(NAME, table)
        assert snapshot is not None
        found += [
            FileClaim(
                license_id=NAME,
                table=str(table),
                version=snapshot.version,
                file=file.name,
                expires=int(NOW.timestamp()) + seconds,
            )
            for file in snapshot.files
        ]
    return found


def statuses(addresses: list[str]) -> set[int]:
    return {httpx.get(address).status_code for address in addresses}


def listed(world: World) -> set[str]:
    """Give what the outlet should hold: table and name of every file of the current versions."""
    return {f"{table}/{name}" for table in TABLES for name in world.files(table)}


def there(url: str) -> set[str]:
    """Give what the bucket holds, by the last two parts of each key."""
    return {"/".join(key.split("/")[-2:]) for key in Bucket.open(url).listing("")}


def test_an_address_opens_the_very_bytes_of_the_listed_file(world: World) -> None:
    wanted = claims(world)
    for claim, address in zip(wanted, own(world).addresses(wanted, NOW), strict=True):
        local = world.house.shared.folder(NAME, Table(claim.table)) / claim.file
        assert httpx.get(address).content == local.read_bytes()


def test_a_settled_outlet_holds_what_is_listed_and_nothing_else(world: World, url: str) -> None:
    assert not own(world).is_settled(NAME, NOW)
    own(world).settle(NAME, NOW)
    assert own(world).is_settled(NAME, NOW)
    assert there(url) == listed(world)


def test_what_is_there_already_does_not_go_up_again(world: World, url: str, store: GuardedS3) -> None:
    own(world).settle(NAME, NOW)
    store.refuse("PUT")
    other = outlet_of(world, url)
    other.settle(NAME, NOW)
    assert other.is_settled(NAME, NOW)


def test_a_build_copies_what_it_built_and_deletes_what_was_before(world: World, url: str) -> None:
    given = own(world).addresses(claims(world), NOW)
    build(world.house, NAME, NOW)
    assert there(url) == listed(world)
    assert statuses(given) == {404}


def test_a_build_moves_no_watermark_while_the_store_does_not_delete(world: World, url: str, store: GuardedS3) -> None:
    given = own(world).addresses(claims(world), NOW)
    before = world.checked()
    world.say("x:3")
    store.refuse("POST", "DELETE")
    with pytest.raises(Unavailable):
        build(world.house, NAME, NOW)
    assert world.checked() == before
    store.refuse()
    build(world.house, NAME, NOW)
    assert world.checked() >= world.newest()
    assert statuses(given) == {404}
    assert there(url) == listed(world)


@pytest.mark.parametrize("few", [0, 100])
def test_a_store_that_only_says_that_it_deletes_is_not_believed(
    world: World, store: GuardedS3, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(module, "FEW", few)
    given = own(world).addresses(claims(world), NOW)
    before = world.checked()
    world.say("x:3")
    with store.pretending(), pytest.raises(Unavailable, match="keeps what it was told to delete"):
        catch_up(world.house, NOW)
    assert world.checked() == before
    catch_up(world.house, NOW)
    assert world.checked() > before
    assert 404 in statuses(given)


def test_an_address_is_private_expires_and_opens_nothing_else(world: World) -> None:
    first, second = own(world).addresses(claims(world, Table.POSTS), NOW)[:2]
    (short, *_) = own(world).addresses(claims(world, Table.POSTS, seconds=1), NOW)
    assert statuses([first.split("?")[0], first.replace("bucket-", "bucket-0")]) == {403}
    assert statuses([f"{first.split('?')[0]}?{second.split('?')[1]}"]) == {403}
    while (answer := httpx.get(short)).status_code == 200:
        assert answer.content
    assert answer.status_code == 403
    assert statuses([first]) == {200}


def test_the_address_of_what_left_is_dead_before_the_watermark_moves(
    any_world: World, url: str, store: GuardedS3
) -> None:
    """While the store does not delete, no query is let through; the version is committed all the same."""
    world = any_world
    wanted = claims(world)
    given = dict(zip([f"{c.table}/{c.file}" for c in wanted], own(world).addresses(wanted, NOW), strict=True))
    before = world.checked()
    world.say("x:3")
    store.refuse("POST", "DELETE")
    with pytest.raises(Unavailable):
        catch_up(world.house, NOW)
    gone = sorted(set(given) - listed(world))
    assert gone
    assert world.checked() == before
    assert statuses([given[name] for name in gone]) == {200}
    store.refuse()
    catch_up(world.house, NOW)
    assert world.checked() >= world.newest()
    assert statuses([given[name] for name in gone]) == {404}
    assert statuses([given[name] for name in sorted(listed(world) & set(given))]) <= {200}
    own(world).settle(NAME, NOW)
    assert there(url) == listed(world)


def test_a_recall_in_a_store_that_hangs_moves_no_watermark(
    world: World, url: str, store: GuardedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    from licet.store import bucket  # noqa: PLC0415 # only here

    monkeypatch.setattr(bucket, "ASKING_S", 1)
    outlet = outlet_of(world, url)
    outlet.settle(NAME, NOW)
    before = world.checked()
    world.say("x:3")
    with store.hung(), pytest.raises(Unavailable):
        catch_up(replace(world.house, outlet=outlet), NOW)
    assert world.checked() == before


def test_many_files_that_leave_at_once_are_gone(world: World, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", 1)
    given = own(world).addresses(claims(world), NOW)
    world.say(*(f"x:{n}" for n in range(12)))
    catch_up(world.house, NOW)
    assert statuses(given) == {404}
    assert there(url) == set()


def test_a_recall_by_somebody_who_knows_of_no_outlet_is_made_up_for_before_the_next_address(world: World) -> None:
    wanted = claims(world)
    given = own(world).addresses(wanted, NOW)
    world.say("x:3")
    catch_up(replace(world.house, outlet=None), NOW)
    assert statuses(given) == {200}
    with pytest.raises(Unavailable):
        own(world).addresses(wanted, NOW)
    fresh = own(world).addresses(claims(world), NOW)
    assert statuses(fresh) == {200}
    files = {f"/{name}?" for name in listed(world)}
    assert statuses([each for each in given if not any(file in each for file in files)]) == {404}


def test_two_processes_never_undo_each_others_work(any_world: World, url: str) -> None:
    world = any_world
    one, other = own(world), outlet_of(world, url)
    one.settle(NAME, NOW)
    for n in range(3):
        world.say(f"x:{n}")
        catch_up(replace(world.house, outlet=(one, other)[n % 2]), NOW)
        (other, one)[n % 2].settle(NAME, NOW)
        assert there(url) == listed(world)


def test_a_version_that_a_process_never_saw_leaves_nothing_behind(world: World, url: str) -> None:
    own(world).settle(NAME, NOW)
    first = there(url)
    world.say("x:0")
    other = outlet_of(world, url)
    catch_up(replace(world.house, outlet=other), NOW)
    other.settle(NAME, NOW)
    assert there(url) - first
    world.say(*(f"x:{n}" for n in range(12)))
    catch_up(replace(world.house, outlet=None), NOW)
    own(world).clear(NAME, NOW)
    assert there(url) == set()


def test_a_file_on_its_way_up_while_it_is_taken_out_does_not_outlive_the_recall(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy holds the lease: the recall waits for it, then deletes what it brought."""
    slow = outlet_of(world, url)
    slow.clear(NAME, NOW)
    begun, goes_on = threading.Event(), threading.Event()
    put = Bucket.put

    def dawdle(self: Bucket, key: str, path: Path, size: int) -> None:
        begun.set()
        assert goes_on.wait(30)
        put(self, key, path, size)

    monkeypatch.setattr(Bucket, "put", dawdle)
    copying = threading.Thread(target=slow.fill, args=(NAME, NOW))
    copying.start()
    assert begun.wait(30)
    world.say(*(f"x:{n}" for n in range(12)))
    recall = threading.Thread(target=catch_up, args=(world.house, NOW))
    recall.start()
    while world.files(Table.POSTS):
        pass  # until the recall has committed
    goes_on.set()
    copying.join()
    recall.join()
    assert world.checked() >= world.newest()
    assert there(url) == set()


def test_strays_are_deleted_and_nothing_else(world: World, url: str, tmp_path: Path) -> None:
    own(world).settle(NAME, NOW)
    bucket, path = Bucket.open(url), tmp_path / "some"
    path.write_bytes(b"some")
    mine = next(iter(bucket.listing(NAME))).rsplit("/", 1)[0]
    strays = [f"{mine}/bucket-00000-dead.parquet", f"{NAME}/posts/old.parquet", f"{mine}/a/b.parquet"]
    foreign = [f"{NAME}/readme.txt", "another-license/0/posts/bucket-0.parquet", f"{NAME}2/0/posts/x.parquet"]
    for key in (*strays, *foreign):
        bucket.put(key, path, 4)
    own(world).clear(NAME, NOW)
    assert set(strays) < set(bucket.listing(""))  # nothing changed, so nothing is looked for
    own(world).clear(NAME, NOW, anew=True)
    own(world).settle(NAME, NOW)
    left = set(bucket.listing(""))
    assert left.isdisjoint(strays)
    assert set(foreign) < left
    assert len(left) == len(listed(world)) + len(foreign)


def test_an_outlet_that_lost_everything_is_filled_again(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(world).settle(NAME, NOW)
    bucket = Bucket.open(url)
    bucket.delete(list(bucket.listing("")))
    assert own(world).is_settled(NAME, NOW)  # a moment ago it was
    monkeypatch.setattr(module, "FRESH_S", -1)
    own(world).settle(NAME, NOW)
    assert statuses(own(world).addresses(claims(world), NOW)) == {200}


def test_all_is_gone_with_a_license_that_ended(world: World, url: str) -> None:
    asked = claims(world)
    given = own(world).addresses(asked, NOW)
    with transaction(world.house.database) as conn:
        facts.change_license(conn, LICENSE, "ended", NOW)
    catch_up(world.house, NOW)
    assert statuses(given) == {404}
    with pytest.raises(Unavailable):
        own(world).addresses(asked, NOW)
    assert there(url) == listed(world) == set()


def test_an_address_rests_with_its_license(world: World, url: str) -> None:
    given = own(world).addresses(claims(world), NOW)
    with transaction(world.house.database) as conn:
        facts.change_license(conn, LICENSE, "suspended", NOW)
    catch_up(world.house, NOW)
    assert statuses(given) == {404}
    with pytest.raises(Unavailable):
        own(world).addresses(claims(world), NOW)
    with transaction(world.house.database) as conn:
        facts.change_license(conn, LICENSE, "active", NOW)
    assert statuses(own(world).addresses(claims(world), NOW)) == {200}
    assert there(url) == listed(world)


def test_an_address_ends_with_the_licenses_term(world: World) -> None:
    given = own(world).addresses(claims(world), NOW)
    own(world).clear(NAME, LICENSE.ends)
    assert statuses(given) == {404}


def test_an_address_given_out_before_access_was_revoked_opens_nothing(world: World) -> None:
    given = own(world).addresses(claims(world), NOW)
    with transaction(world.house.database) as conn:
        credentials.revoke(conn, LICENSE.recipient_id, NOW)
    assert not own(world).is_clear(NAME, NOW)
    fresh = own(world).addresses(claims(world), NOW)
    assert statuses(given) == {404}
    assert statuses(fresh) == {200}


def test_an_address_ends_when_other_rules_take_effect(world: World) -> None:
    given = own(world).addresses(claims(world), NOW)
    text = NOTICE.replace('"x-2024-11-15"', '"later"').replace("effective = 2024-11-15", "effective = 2040-03-02")
    notice = parse_notice(text, "later")
    with transaction(world.house.database) as conn:
        facts.publish_notice(conn, "later", digest(notice), notice.effective, text, NOW)
    catch_up(world.house, NOW)
    assert statuses(given) == {200}
    world.say("x:3")  # so that a recall looks at all
    catch_up(world.house, notice.effective)
    assert statuses(given) == {404}


def test_fewer_columns_end_the_addresses_of_files_with_more(world: World) -> None:
    given = own(world).addresses(claims(world, Table.POSTS), NOW)
    kept = own(world).addresses(claims(world, Table.LIKES), NOW)
    with transaction(world.house.database) as conn:
        facts.change_license(conn, replace(LICENSE, columns=("created_at",)), "active", NOW)
    catch_up(world.house, NOW)
    assert statuses(given) == {404}
    assert statuses(kept) == {200}


def test_keys_and_removals_are_copied_when_they_are_asked_for_and_stay(world: World) -> None:
    own(world).settle(NAME, NOW)
    world.say("x:3")
    catch_up(world.house, NOW)
    snapshot = world.house.shared.snapshot(NAME, Table.POSTS)
    assert snapshot is not None
    listing = removals_path(world.house.shared, NAME, "removals-1.parquet")
    listing.parent.mkdir()
    listing.write_bytes(b"keys")
    wanted = claims(world, Table.POSTS)[:1]
    keys = replace(wanted[0], file=snapshot.facts.keys[0].name)
    gone = replace(wanted[0], table="removals", file=listing.name)
    given = own(world).addresses([keys, gone], NOW)
    assert httpx.get(given[0]).content == (world.folder(Table.POSTS) / "_keys" / keys.file).read_bytes()
    assert httpx.get(given[1]).content == b"keys"
    own(world).clear(NAME, NOW, anew=True)
    assert statuses(given) == {200}
    with transaction(world.house.database) as conn:
        facts.change_license(conn, LICENSE, "suspended", NOW)
    catch_up(world.house, NOW)
    assert statuses([given[0]]) == {404}
    assert statuses(own(world).addresses([gone], NOW)) == {200}
    with pytest.raises(Unavailable):
        own(world).addresses([keys], NOW)


@pytest.mark.parametrize("file", ["../x.parquet", "keys-none.parquet", "bucket-00000-none.parquet"])
def test_there_is_no_address_of_what_is_not_there(world: World, file: str) -> None:
    with pytest.raises(Unavailable):
        own(world).addresses([replace(claims(world)[0], file=file)], NOW)


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_a_bucket_that_keeps_versions_is_refused(store: GuardedS3, versioning: str) -> None:
    name = store.make(f"versions-{versioning.lower()}", versioning)
    with pytest.raises(UsageError, match="versions"):
        require_forgetful(Bucket.open(f"s3://{name}/here"))


def test_a_store_that_shows_only_by_its_deeds_that_it_keeps_versions_is_refused(
    url: str, store: GuardedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials of a role stand in no environment, so the store is not asked, but watched."""
    name = store.make("versions-by-deed", "Enabled")
    bucket, plain = Bucket.open(f"s3://{name}/here"), Bucket.open(url)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageError, match="versions"):
        require_forgetful(bucket)
    require_forgetful(plain)


def test_versioning_switched_on_later_is_found_out_by_the_next_copy(world: World, url: str, store: GuardedS3) -> None:
    store.make(url.split("/")[2], "Enabled")
    with pytest.raises(UsageError, match="versions"):
        own(world).settle(NAME, NOW)


def test_a_fit_bucket_is_accepted_and_left_as_it_was(world: World, url: str) -> None:
    own(world).require_forgetful()
    assert there(url) == set()


@pytest.mark.usefixtures("url")
def test_a_bucket_that_is_not_there_or_not_ours_is_refused(
    url: str, store: GuardedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="404"):
        require_forgetful(Bucket.open("s3://nowhere/here"))
    bucket = Bucket.open(url)
    store.refuse("DELETE")
    with pytest.raises(UsageError, match="503"):
        require_forgetful(bucket)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(UsageError, match="403"):
        require_forgetful(bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unavailable):
        require_forgetful(Bucket.open(url))


@pytest.mark.parametrize("said", ["", "bucket", "file:///tmp", "s3://", "s3:///prefix", "s3://b/p?x=1", "gs://b/p"])
def test_an_url_that_names_no_bucket_is_refused(said: str) -> None:
    with pytest.raises(UsageError):
        Bucket.open(said)


def test_an_error_names_no_object(world: World, store: GuardedS3) -> None:
    """Whoever reads a log must not learn half of an address."""
    store.refuse("PUT")
    with pytest.raises(Unavailable) as refused:
        own(world).settle(NAME, NOW)
    assert str(refused.value) == "the object store does not do what it was asked (SlowDown); try again in a moment"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_local_file_that_was_cut_is_not_copied(world: World, url: str) -> None:
    path = world.folder(Table.POSTS) / min(world.files(Table.POSTS))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        own(world).settle(NAME, NOW)
    assert f"posts/{path.name}" not in there(url)


def test_a_local_file_that_was_lost_is_told_of(world: World) -> None:
    (world.folder(Table.POSTS) / min(world.files(Table.POSTS))).unlink()
    with pytest.raises(IntegrityError, match="lost"):
        own(world).settle(NAME, NOW)


def test_few_large_files_go_up_at_a_time(world: World, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAVE_BYTES", 1)
    own(world).clear(NAME, NOW)
    waves: list[int] = []
    bring = Outlet._bring

    def counted(self: Outlet, license_id: str, keys: list[str], at: datetime) -> bool:
        waves.append(len(keys))
        return bring(self, license_id, keys, at)

    monkeypatch.setattr(Outlet, "_bring", counted)
    own(world).fill(NAME, NOW)
    assert waves == [1] * len(listed(world))
    assert there(url) == listed(world)


def test_a_large_file_goes_up_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from licet.store import bucket  # noqa: PLC0415 # only here

    monkeypatch.setattr(bucket, "ONE_PUT", 100)
    assert statuses(own(world).addresses(claims(world), NOW)) == {200}


_CHILD = """
import os, signal, sys
from datetime import datetime
from pathlib import Path

def die(*_args, **_more):
    os.kill(os.getpid(), signal.SIGKILL)

from licet.recall import catch_up
from licet.store import parties, shared
from licet.store.bucket import Bucket
from licet.store.house import open_house
from licet.store.outlet import Outlet

where, home, url, license_id, now = sys.argv[1:]
house = open_house(Path(home), outlet_url=url)
at = datetime.fromisoformat(now)
put, delete = Bucket.put, Bucket.delete
if where == "before the commit":
    shared.SharedTables.commit = die
elif where == "before the deletion":
    Outlet.clear = die
elif where == "after the deletion":
    Bucket.delete = lambda self, keys: (delete(self, keys), die())
elif where == "before the watermark":
    parties.set_checked_seq = die
elif where == "after an upload":
    Bucket.put = lambda self, *rest: (put(self, *rest), die())
catch_up.catch_up(house, at)
house.outlet.settle(license_id, at)
print("done", flush=True)
"""


@pytest.mark.parametrize(
    "where",
    ["before the commit", "before the deletion", "after the deletion", "before the watermark", "after an upload"],
)
def test_whatever_step_is_killed_the_next_process_makes_it_good(
    world: World, url: str, tmp_path: Path, where: str
) -> None:
    wanted = claims(world)
    given = dict(zip([f"{c.table}/{c.file}" for c in wanted], own(world).addresses(wanted, NOW), strict=True))
    before = world.checked()
    world.say("x:3", "x:7")
    command = [sys.executable, "-c", _CHILD, where, str(tmp_path / "home"), url, NAME, NOW.isoformat()]
    killed = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (killed.returncode, killed.stdout) == (-9, "")
    if where == "after an upload":
        assert world.checked() > before  # the copy comes last
    else:
        assert world.checked() == before
    again = open_house(tmp_path / "home", outlet_url=url)
    assert again.outlet is not None
    tidy(again, NAME, NOW)
    catch_up(again, NOW)
    again.outlet.settle(NAME, NOW)
    assert world.checked() >= world.newest()
    gone = sorted(set(given) - listed(world))
    assert gone
    assert statuses([given[name] for name in gone]) == {404}
    assert there(url) == listed(world)
    again.database.dispose()


STEPS = ("out", "recall by one", "recall by other", "recall by none", "copy by one", "copy by other", "stop", "go on")


@example(["copy by one", "stop", "copy by other", "go on", "copy by one"])
@given(st.lists(st.sampled_from(STEPS), min_size=3, max_size=14))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_law_whatever_happens_in_whatever_order_who_clears_leaves_only_what_is_offered(
    tmp_path_factory: pytest.TempPathFactory, url: str, steps: list[str]
) -> None:
    made = make_world(tmp_path_factory.mktemp("law") / "home", "", *usual(), file_rows=2)
    bucket = Bucket.open(url)
    bucket.delete(list(bucket.listing("")))
    who = {"one": outlet_of(made, url), "other": outlet_of(made, url), "none": None}
    members, active = iter(f"x:{n}" for n in range(12)), True
    for step in steps:
        what, _, name = step.rpartition(" by ")
        lags = made.checked() < made.newest()
        if step == "out":
            made.say(next(members, "x:0"))
        elif step in {"stop", "go on"}:
            active = step == "go on"
            with transaction(made.house.database) as conn:
                facts.change_license(conn, LICENSE, "active" if active else "suspended", NOW)
        elif what == "recall":
            catch_up(replace(made.house, outlet=who[name]), NOW)
        else:
            copier = who[name]
            assert copier is not None
            copier.settle(NAME, NOW)
            assert there(url) == (listed(made) if active else set())
        if what == "recall" and name != "none" and lags:
            assert there(url) <= (listed(made) if active else set())
    made.house.database.dispose()
