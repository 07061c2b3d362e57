"""Licenses: what they cover, and the keys that none can leave out."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from licet.model.licenses import COLUMNS, KEYS, License, LicenseId, RecipientId
from licet.model.records import Table
from licet.model.schemas import LAKE, shared_schema

at = datetime(2024, 1, 1, tzinfo=UTC)
chosen = st.sets(st.sampled_from(sorted({name for names in COLUMNS.values() for name in names})))


def covering(columns: set[str]) -> License:
    return License(
        license_id=LicenseId("acme-1"),
        recipient_id=RecipientId("acme"),
        purpose="third_party_training",
        tables=tuple(Table),
        columns=tuple(columns),
        langs=(),
        created_from=at,
        created_until=at,
        starts=at,
        ends=at,
        recall_within_hours=1,
    )


@given(chosen, st.sampled_from(Table))
def test_a_license_covers_what_it_names_and_always_the_keys(columns: set[str], table: Table) -> None:
    found = covering(columns).columns_of(table)
    assert set(found) == (columns & set(COLUMNS[table])) | set(KEYS[table])
    assert list(found) == [name for name in COLUMNS[table] if name in found]


@given(chosen, st.sampled_from(Table))
def test_a_shared_schema_has_the_lakes_types_and_all_but_its_keys_may_be_null(columns: set[str], table: Table) -> None:
    license_ = covering(columns)
    schema = shared_schema(license_, table)
    assert tuple(schema.names) == license_.columns_of(table)
    assert all(field.type == LAKE[table].field(field.name).type for field in schema)
    assert {field.name for field in schema if not field.nullable} == set(KEYS[table])


def test_visibility_and_numbers_of_the_house_are_never_shared() -> None:
    everything = {name for names in COLUMNS.values() for name in names}
    assert not everything & {"visibility", "seq", "platform", "interaction_id"}
