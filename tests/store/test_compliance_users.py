"""A user is told of if and only if they withdrew and everything of theirs left for it."""

import itertools
import pathlib
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "recall"))

import recall_world
from recall_world import KEY, LICENSE, NOW, PURPOSE, World, make_world, member, usual

from licet.dataset.build import build
from licet.model.members import AccountStatus, Choice, MemberId, Protection, SettingChange
from licet.model.recalls import Cause
from licet.model.records import Table
from licet.protocol.pseudonyms import member_secrets
from licet.recall.catch_up import catch_up
from licet.store import facts
from licet.store.compliance import Cursor, Left
from licet.store.compliance_users import users_who_left
from licet.store.database import reading, transaction

NAMES = [f"x:{n}" for n in range(8)]
CAUSES = {AccountStatus.SUSPENDED: Cause.SUSPENDED, AccountStatus.DELETED: Cause.DELETED}
_homes = itertools.count()

acts = st.tuples(
    st.sampled_from(["deny", "allow", "deny one", "allow one", "suspended", "deleted", "active", "protect"]),
    st.sampled_from(NAMES),
) | st.tuples(st.sampled_from(["unpost", "edit", "unlike"]), st.sampled_from(NAMES))
batches = st.lists(st.tuples(st.lists(acts, max_size=4), st.sampled_from(["recall", "recall", "build"])), max_size=4)


class Account:
    """What a member said last."""

    def __init__(self) -> None:
        """Begin as everybody does."""
        self.general, self.specific, self.status, self.protection = "", "", AccountStatus.ACTIVE, Protection.OPEN

    def cause(self) -> Cause | None:
        """Give why the rules let nothing of them out, if they do not."""
        if self.specific == "deny" or (self.general == "deny" and self.specific != "allow"):
            return Cause.OPTED_OUT
        if self.protection is Protection.PROTECTED:
            return Cause.PROTECTED
        return CAUSES.get(self.status)


def act(world: World, accounts: dict[str, Account], what: str, who: str) -> None:
    account, n = accounts[who], NAMES.index(who)
    if what.split(maxsplit=1)[0] in {"deny", "allow"}:
        choice, one = what.split(maxsplit=1)[0], what.endswith("one")
        if one:
            account.specific = choice
        else:
            account.general = choice
            # A newer denial of all outweighs an older permission of one.
            account.specific = "" if choice == "deny" and account.specific == "allow" else account.specific
        change = SettingChange(
            member_id=MemberId(who), purpose=PURPOSE, choice=Choice(choice), recipient_id="acme" if one else ""
        )
        with transaction(world.house.database) as conn:
            facts.record_settings(conn, [change], NOW)
    elif what in {"unpost", "edit"}:
        world.delete(Table.POSTS, f"p:{n}", who, superseded=what == "edit")
    elif what == "unlike":
        world.delete(Table.LIKES, f"{who} p:{(n + 1) % 8}", who)
    else:
        if what == "protect":
            account.protection = Protection.PROTECTED
        else:
            account.status, account.protection = AccountStatus(what), Protection.OPEN
        world.change(replace(member(who), status=account.status, protection=account.protection))


def named(world: World) -> set[str]:
    posts, likes = world.shared(Table.POSTS), world.shared(Table.LIKES)
    return {str(row[1]) for row in posts} | {str(row[n]) for row in likes for n in (0, 2)}


def told(world: World, lefts: list[Left]) -> dict[str, Cause]:
    found = [pair for users in users_who_left(world.house, lefts) for pair in users] if lefts else []
    assert len(dict(found)) == len(found)
    return dict(found)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_exactly_those_are_told_of_who_withdrew_and_were_there(tmp_path, history) -> None:
    world = make_world(tmp_path / f"home-{next(_homes)}", "", *usual(8), 5)
    pseudonyms = {name: member_secrets(KEY, name)[0] for name in NAMES}
    accounts = {name: Account() for name in NAMES}
    cursor = Cursor(recipient_id="acme", tables=tuple(Table), since=NOW)
    try:
        with reading(world.house.database) as conn:
            cursor.advance(conn, world.house.shared)
        for deeds, how in history:
            before = named(world)
            for what, who in deeds:
                act(world, accounts, what, who)
            if how == "build":
                build(world.house, LICENSE.license_id, NOW)
            else:
                catch_up(world.house, NOW)
            with reading(world.house.database) as conn:
                lefts = cursor.advance(conn, world.house.shared)
            expected = {
                pseudonyms[name]: cause
                for name, account in accounts.items()
                if (cause := account.cause()) and pseudonyms[name] in before
            }
            assert told(world, lefts) == expected
            assert not set(expected) & named(world)
    finally:
        world.house.database.dispose()


@pytest.mark.parametrize("table", ["posts", "likes"])
def test_whoever_is_still_shared_in_one_table_is_not_told_of(tmp_path, table) -> None:
    """Rules may look at protection in one table only: then rows leave, and the user stays."""
    rule = 'when = { protection = "protected" }'
    assert recall_world.NOTICE.count(rule) == 1
    narrow = recall_world.NOTICE.replace(rule, rule.replace(" }", f', table = "{table}" }}'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recall_world, "NOTICE", narrow)
        world = make_world(tmp_path / "home", "", *usual(8))
    cursor = Cursor(recipient_id="acme", tables=tuple(Table), since=NOW)
    with reading(world.house.database) as conn:
        cursor.advance(conn, world.house.shared)
    world.change(replace(member("x:3"), protection=Protection.PROTECTED))
    assert catch_up(world.house, NOW) > 0
    with reading(world.house.database) as conn:
        lefts = cursor.advance(conn, world.house.shared)
    assert [str(left.table) for left in lefts] == [table]
    assert told(world, lefts) == {}
    world.house.database.dispose()
