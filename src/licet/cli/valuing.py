"""`licet value`: whether more data still helps, and what each member's is worth."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pyarrow as pa
import pyarrow.compute as pc

from licet.cli.configuration import configuration, now
from licet.cli.terminal import emit, progress
from licet.model.errors import InputError, UsageError
from licet.store import asof, facts
from licet.store.database import reading
from licet.store.values import licensed_posts, posts_in, sampled, save_values

if TYPE_CHECKING:
    from licet.ledger.valuation import Curve, Posts

FEWEST = 10
"""Members below which nothing can be said."""


@click.command()
@click.argument("source")
@click.option("--label", default="", help="The column that a model learns to tell, such as lang.")
@click.option("--labels", type=click.Path(path_type=Path, dir_okay=False), help="A CSV of post_id,label instead.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("value"), show_default=True)
@click.option("--sample", default=20_000, type=click.IntRange(0), show_default=True, help="Posts at most; 0 for all.")
@click.option("--splits", default=20, type=click.IntRange(2, 1000), show_default=True)
@click.option("--neighbors", default=5, type=click.IntRange(1, 1000), show_default=True)
@click.option("--seed", default=1, show_default=True, help="The same seed draws the same splits.")
@click.option("--save", is_flag=True, help="Keep the values as the basis `value` of `licet ledger set`.")
def value(source: str, label: str, labels: Path | None, out: Path, **options: Any) -> None:  # noqa: ANN401 # click hands options over by name
    """Measure what posts are worth to a model: a license's, or those of a folder of Parquet files.

    Writes charts of accuracy against posts and against members, and each member's exact KNN-Shapley value.

    Example: licet value acme_1a2b3c --label lang --out value
    """
    try:
        import licet.ledger.valuation  # noqa: F401, PLC0415 # numpy is an extra
    except ImportError as error:
        raise UsageError("`licet value` needs numpy", "pip install 'licet[value]'") from error
    folder = Path(source)
    if options["save"] and folder.is_dir():
        raise UsageError("--save keeps the values of a license", "name a license instead of a folder")
    if bool(label) == (labels is not None):
        raise UsageError("one of --label and --labels is needed", "licet value LICENSE --label lang")
    paths = posts_in(folder) if folder.is_dir() else _of_license(source)
    names = ["author_id", "text", label or "post_id"]
    table = _labeled(sampled(paths, names, options["sample"], options["seed"]), labels)
    _require_enough(table)
    _measure(source, table, out, options)


def _of_license(license_id: str) -> list[Path]:
    house = configuration().open()
    with reading(house.database) as conn:
        asof.license_as_of(conn, license_id, facts.last_seq(conn))
    return licensed_posts(house.shared, license_id)


def _labeled(table: pa.Table, labels: Path | None) -> pa.Table:
    """Give author, text and label of the posts that have one."""
    table = table.rename_columns(["author_id", "text", "label"])
    if labels is not None:
        known = _read_labels(labels)
        found = [known.get(post_id) for post_id in table["label"].to_pylist()]
        table = table.set_column(2, "label", pa.array(found, pa.string()))
    text = pc.and_(pc.is_valid(table["text"]), pc.is_valid(table["label"]))
    return table.filter(text)


def _read_labels(path: Path) -> dict[str, str]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if not {"post_id", "label"} <= set(rows.fieldnames or ()):
                raise InputError(f"`{path}` has no columns post_id and label", "name them in its first line")
            return {row["post_id"]: row["label"] for row in rows}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"`{path}` cannot be read", "check the path; it is UTF-8 text") from error


def _require_enough(table: pa.Table) -> None:
    if pc.count_distinct(table["author_id"]).as_py() < FEWEST:
        raise InputError(f"fewer than {FEWEST} members have labeled posts", "choose another label, or a larger sample")
    if pc.count_distinct(table["label"]).as_py() < 2:  # noqa: PLR2004 # one class is known beforehand
        raise InputError("all posts have the same label", "choose another label")


def _measure(source: str, table: pa.Table, out: Path, options: dict[str, Any]) -> None:
    from licet.ledger.chart import as_svg, verdict  # noqa: PLC0415 # numpy is an extra
    from licet.ledger.valuation import learning_curve, member_values  # noqa: PLC0415 # likewise

    posts, members = _posts(table)
    curves = {}
    for unit in ("posts", "members"):
        with progress(f"accuracy by {unit}", options["splits"]) as told:
            same = {"splits": options["splits"], "sizes": 8, "seed": options["seed"]}
            curves[unit] = learning_curve(posts, by_members=unit == "members", told=told, **same)
    with progress("values") as told:
        values = member_values(posts, k=options["neighbors"], most_tests=1000, seed=options["seed"], told=told)
    worth = {member: float(values[n]) for n, member in enumerate(members)}
    counts = pc.value_counts(table["author_id"]).to_pylist()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for unit, curve in curves.items():
            (out / f"{unit}.svg").write_text(as_svg(curve, unit), encoding="utf-8")
        _write_curves(out / "curves.csv", curves)
        _write_members(out / "members.csv", worth, {each["values"]: each["counts"] for each in counts})
    except OSError as error:
        raise InputError(f"`{out}` cannot be written: {error.strerror}", "choose another folder") from error
    if options["save"]:
        save_values(configuration().open(), source, worth, now())
    said = {unit: verdict(curve, unit) for unit, curve in curves.items()}
    told_curves = {unit: [(p.size, p.accuracy, p.band) for p in curve.points] for unit, curve in curves.items()}
    lines = [*said.values(), f"charts and values in {out}"]
    emit({"curves": told_curves, "members": len(members), "out": str(out)}, lines)


def _posts(table: pa.Table) -> tuple["Posts", list[str]]:
    from licet.ledger.valuation import Posts  # noqa: PLC0415 # numpy is an extra

    owners = table["author_id"].cast(pa.string()).combine_chunks().dictionary_encode()
    labels = table["label"].cast(pa.string()).combine_chunks().dictionary_encode()
    numbers = (each.indices.cast(pa.int64()).to_numpy() for each in (owners, labels))
    first, second = numbers
    return Posts(owners=first, labels=second, texts=table["text"].to_pylist()), owners.dictionary.to_pylist()


def _write_curves(path: Path, curves: dict[str, "Curve"]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("unit", "size", "accuracy", "band"))
        for unit, curve in curves.items():
            writer.writerows((unit, p.size, f"{p.accuracy:.6f}", f"{p.band:.6f}") for p in curve.points)


def _write_members(path: Path, worth: dict[str, float], counts: dict[str, int]) -> None:
    """Write members by their pseudonyms, the most valuable first; only the owner may read it."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("member", "posts", "value"))
        ranked = sorted(worth.items(), key=lambda each: (-each[1], each[0]))
        writer.writerows((member, counts[member], f"{found:.9f}") for member, found in ranked)
