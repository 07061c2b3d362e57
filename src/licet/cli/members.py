"""`licet member` and `licet why`: a member's state and choices, and the reason for any decision."""

from datetime import datetime
from typing import Any

import click
from sqlalchemy import Connection

from licet.cli.configuration import configuration, now
from licet.cli.terminal import LicetGroup, Moment, day, emit, errors
from licet.model.errors import NotFound, UsageError
from licet.model.licenses import License
from licet.model.members import Choice, MemberId, SettingChange
from licet.model.records import Table, Visibility, interaction_key
from licet.policy.decide import Explanation, RecordFacts, Subject, SubjectTrace, Terms, explain
from licet.policy.reasons import sentence
from licet.policy.rules import Notice
from licet.store import asof, facts, parties
from licet.store.database import reading, transaction
from licet.store.house import House


@click.group(cls=LicetGroup)
def member() -> None:
    """Look at a member's state, or record a choice they made elsewhere.

    Example: licet member show x:12
    """


@member.command(name="show")
@click.argument("member_id")
@click.option("--purpose", default="third_party_training", show_default=True)
def show_member(member_id: str, purpose: str) -> None:
    """Show what decisions see of a member.

    Example: licet member show x:12
    """
    with reading(configuration().open().database) as conn:
        seq = facts.last_seq(conn)
        found = asof.member_as_of(conn, member_id, seq)
        choice, source = asof.setting_as_of(conn, member_id, purpose, seq)
    if found is None:
        raise NotFound("no such member", "members come in by `licet ingest`")
    values = {
        "region": found.region,
        "age band": str(found.age_band),
        "protection": str(found.protection),
        "status": str(found.status),
        purpose: f"{choice} ({source})" if source else choice,
    }
    emit({"member": member_id, **values}, [f"{name}: {value}" for name, value in values.items()])


@member.command()
@click.argument("member_id")
@click.argument("choice", type=click.Choice([str(choice) for choice in Choice]))
@click.option("--purpose", default="third_party_training", show_default=True)
@click.option("--recipient", default="", help="Only for this recipient.")
def choose(member_id: str, choice: str, purpose: str, recipient: str) -> None:
    """Record a member's choice that reached you another way, by letter say.

    Example: licet member choose x:12 deny
    """
    change = SettingChange(
        member_id=MemberId(member_id), purpose=purpose, choice=Choice(choice), recipient_id=recipient, source="operator"
    )
    with transaction(configuration().open().database) as conn:
        _check(conn, change)
        seq = facts.record_settings(conn, [change], now())
        known = asof.member_as_of(conn, member_id, seq) is not None
    if not known:
        # Kept all the same: who opts out before their data came in must find it holds.
        errors.print(
            f"nobody is known as {member_id} so far: check the id, or the choice holds once they are",
            markup=False,
            soft_wrap=True,
        )
    emit({"seq": seq, "choice": choice}, [f"recorded as {seq}: {choice} {purpose}"])


def _check(conn: Connection, change: SettingChange) -> None:
    """Refuse a choice that would bind nobody: mistyped, it would be kept and change nothing."""
    known = {name for notice in asof.notices_as_of(conn, facts.last_seq(conn)) for name in notice.purposes}
    if known and change.purpose not in known:
        raise UsageError(f"no notice knows a purpose `{change.purpose}`", f"choose from {', '.join(sorted(known))}")
    if change.recipient_id and parties.recipient_name(conn, change.recipient_id) is None:
        raise NotFound(f"no recipient `{change.recipient_id}`", "`licet recipient list` shows those there are")


@click.command()
@click.argument("record_or_member")
@click.option("--license", "license_id", required=True)
@click.option("--at", type=Moment(), default=None, help="As it was at this time; now by default.")
@click.option(
    "--table",
    type=click.Choice([str(table) for table in Table]),
    default="posts",
    help="The record's table; an interaction is named `ACTOR POST`.",
)
def why(record_or_member: str, license_id: str, at: datetime | None, table: str) -> None:
    """Explain why a record, or a member's public posts, are in or out, rule by rule.

    Example: licet why x:901656910939770881 --license acme_1a2b3c
    """
    moment = at or now()
    house = configuration().open()
    with reading(house.database) as conn:
        seq = asof.seq_at(conn, moment)
        license_, state = _license_at(conn, license_id, seq)
        notice = asof.notice_in_force(conn, seq, moment)
        ids, record = _find(house, conn, record_or_member, Table(table), seq)
        subjects = _subjects(conn, license_, notice, seq, ids)
    terms = Terms(purpose=license_.purpose, channel="third_party", recipient_id=license_.recipient_id, at=moment)
    found = explain([subjects.get(member_id) for member_id in ids], record, terms, notice)
    outside = outside_license(license_, state, record, moment)
    emit(_facts(found, outside, notice), _lines(found, outside, notice))


def _license_at(conn: Connection, license_id: str, seq: int) -> tuple[License, str]:
    """Give a license as of then; the error tells one that came later from one that never was."""
    try:
        return asof.license_as_of(conn, license_id, seq)
    except NotFound:
        later, _ = asof.license_as_of(conn, license_id, facts.last_seq(conn))
        raise NotFound(
            f"license `{license_id}` was not there yet", f"ask about {later.starts:%Y-%m-%dT%H:%M:%SZ} or later"
        ) from None


def outside_license(license_: License, state: str, record: RecordFacts, at: datetime) -> str:
    """Give why the license itself leaves a record out, or nothing."""
    if state != "active" or not license_.starts <= at < license_.ends:
        return f"the license is {state if state != 'active' else 'outside its term'}"
    if record.table not in license_.tables:
        return f"the license does not cover {record.table}"
    created = record.created_at
    if created and not license_.created_from <= created < license_.created_until:
        return "the record was created outside the license's range"
    return ""


def _find(house: House, conn: Connection, name: str, table: Table, seq: int) -> tuple[list[str], RecordFacts]:
    row = _row(house, name, table)
    if row is None:
        if asof.member_as_of(conn, name, seq) is None:
            raise NotFound(f"neither a record of {table} nor a member has this id", "check the id and --table")
        return [name], RecordFacts(table=str(table), visibility=Visibility.PUBLIC, created_at=None, deleted=False)
    ids = [row["author_id"]] if table is Table.POSTS else [row["actor_id"], row["post_author_id"]]
    visibility = row.get("visibility", Visibility.PUBLIC)
    deleted = _deleted(conn, row, table, seq)
    return ids, RecordFacts(table=str(table), visibility=visibility, created_at=row["created_at"], deleted=deleted)


def _row(house: House, name: str, table: Table) -> dict[str, Any] | None:
    actor, _, post = name.rpartition(" ")
    condition = "post_id = $post" if table is Table.POSTS else "post_id = $post AND actor_id = $actor"
    values = {"post": post} if table is Table.POSTS else {"post": post, "actor": actor}
    with house.engine.session() as session:
        relation = house.lake.relation(session, table)
        query = f"SELECT * FROM {relation} WHERE {condition} ORDER BY seq DESC LIMIT 1"
        rows = session.sql(query, params=values).to_arrow_table().to_pylist()
    return rows[0] if rows else None


def _deleted(conn: Connection, row: dict[str, Any], table: Table, seq: int) -> bool:
    names = {(str(Table.POSTS), row["post_id"])}
    if table is not Table.POSTS:
        names |= {(str(table), interaction_key(row["actor_id"], row["post_id"])), (str(table), row["interaction_id"])}
    deletions = asof.deletions_as_of(conn, seq, [record_id for _, record_id in names]).to_pylist()
    return any((d["record_table"], d["record_id"]) in names and row["seq"] < d["before_seq"] for d in deletions)


def _subjects(
    conn: Connection, license_: License, notice: Notice | None, seq: int, ids: list[str]
) -> dict[str, Subject]:
    version = notice.version if notice else ""
    rows = asof.subjects(conn, seq, license_.purpose, license_.recipient_id, version, ids).to_pylist()
    return {row.pop("member_id"): Subject(**row) for row in rows}


def _facts(found: Explanation, outside: str, notice: Notice | None) -> dict[str, Any]:
    decision = found.decision
    return {
        "in": decision.permit and not outside,
        "reason": decision.reason,
        "sentence": sentence(decision.reason, notice),
        "license": outside,
        "notice": notice.version if notice else None,
        "subjects": [
            [{"rule": step.rule.code, "holds": step.truth} for step in subject.rules] for subject in found.subjects
        ],
    }


def _lines(found: Explanation, outside: str, notice: Notice | None) -> list[str]:
    verdict = "IN" if found.decision.permit and not outside else "OUT"
    lines = [f"{verdict}: {found.decision.reason}. {sentence(found.decision.reason, notice)}"]
    if outside:
        lines.append(f"OUT: {outside}")
    if notice:
        lines.append(f"notice {notice.version}, in force from {day(notice.effective)}")
    for number, subject in enumerate(found.subjects, 1):
        lines += [f"subject {number}:", *_trace_lines(subject)]
    return lines


def _trace_lines(subject: SubjectTrace) -> list[str]:
    words = {True: "yes", False: "no", None: "unknown"}
    lines = []
    for step in subject.rules:
        lines.append(f"  {step.rule.code} ({step.rule.effect}): {words[step.truth]}")
        lines += [
            f"    {c.condition.attribute}: saw {c.seen if c.seen is not None else 'nothing'}: {words[c.truth]}"
            for c in step.conditions
        ]
    return [*lines, f"  decided: {subject.decision.reason}"]
