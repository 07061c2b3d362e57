"""Members as a build joins them: the same secrets and places as one member asked for alone."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from licet.dataset.members import with_pseudonyms
from licet.model.schemas import SUBJECTS
from licet.protocol.pseudonyms import member_secrets, spread_of


@given(key=st.binary(min_size=1, max_size=64), names=st.lists(st.text(max_size=9), max_size=9))
def test_many_members_get_what_each_gets_alone(key: bytes, names: list[str]) -> None:
    names = [name.encode(errors="replace").decode() for name in names]
    empty = {field.name: pa.nulls(len(names), field.type) for field in SUBJECTS}
    asked = pa.RecordBatch.from_pydict({**empty, "member_id": pa.array(names, pa.string())}, schema=SUBJECTS)
    wanted = [(*member_secrets(key, name), spread_of(member_secrets(key, name)[0])) for name in names]
    found = with_pseudonyms(asked, key).select(["pseudonym", "secret", "spread"]).to_pylist()
    assert [tuple(row.values()) for row in found] == wanted
