"""`licet train fit`, `forget` and `verify`, for models by algebra."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from licet.cli.terminal import counted, emit, progress, read_text, show
from licet.cli.train_chain import (
    attest_lines,
    fit_chain,
    forget_chain,
    is_chain,
    settings_of,
    show_checks,
    verify_chain,
)
from licet.cli.train_demo import demo
from licet.cli.train_probe import probe
from licet.cli.train_profile import data_path
from licet.cli.train_publish import publish
from licet.model.errors import InputError, IntegrityError, UsageError
from licet.protocol.certificate import Certificate, read_certificate
from licet.protocol.signing_keys import read_private_key, read_public_key

if TYPE_CHECKING:
    from licet.train.algebra_store import AlgebraStore
    from licet.train.algebra_verify import Check
    from licet.train.sources import Source

COLUMN_NAMES: Final = ("member", "record", "text", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Where examples lie and how their columns are called, as the caller says it."""

    data: Path
    columns: str
    labels_from: Path | None

    def source(self, *, labelled: bool) -> "Source":
        """Give the source of examples.

        Raises:
            UsageError: a column is not one that is known, or labels are needed and not there.
        """
        from licet.train.sources import Columns, Source

        pairs = [part.partition("=")[::2] for part in self.columns.split(",") if part]
        unknown = [name for name, column in pairs if name not in COLUMN_NAMES or not column]
        if unknown:
            raise UsageError(f"`{unknown[0]}` is no column of examples", "write --columns member=author_id,text=text")
        named = dict(pairs)
        if labelled and not named.get("label") and self.labels_from is None:
            raise UsageError("a classifier needs labels", "write --columns label=COLUMN, or --labels-from FILE")
        if not labelled:
            named.pop("label", None)
        return Source(path=self.data, columns=Columns(**named), labels=self.labels_from if labelled else None)


def data_options(command: Any) -> Any:  # noqa: ANN401 # a decorator of click
    """Add the options that say where examples lie."""
    path = click.Path(path_type=Path, exists=True)
    for option in (
        click.option("--labels-from", type=path, help="Parquet file of labels by record, where posts have none."),
        click.option("--columns", default="", help="Names of columns: member=…,record=…,text=…,label=…"),
        click.option(
            "--data", type=path, callback=data_path, help="Profile, folder that `licet sync` keeps, or any Parquet."
        ),
    ):
        command = option(command)
    return command


def labelled(told: Mapping[str, Any]) -> bool:
    """Tell whether the caller says where labels are."""
    return "label=" in told["columns"] or told["labels_from"] is not None


def _store(path: Path) -> "AlgebraStore":
    from licet.train.algebra_store import AlgebraStore

    return AlgebraStore(root=path)


@click.command()
@click.argument("store", type=click.Path(path_type=Path))
@click.option("--learner", default="ridge", show_default=True, help="How to learn; a wrong name lists all.")
@click.option("--labels", default="", help="All labels, fixed beforehand: negative,neutral,positive")
@click.option("--set", "settings", multiple=True, help="With a plan: a setting of the learner, rate=0.01.")
@click.option("--aggregate", default="probabilities", show_default=True, help="With a plan: probabilities or weights.")
@click.option("--workers", default=0, help="With a plan: shards trained at once; all cores by default.")
@data_options
def fit(store: Path, learner: str, labels: str, data: Path | None, **told: Any) -> None:  # noqa: ANN401 # by click
    """Train a model that can forget, or add new records to one; a run that was killed goes on where it was.

    In a folder made by `licet train plan` it trains shards and slices, with --learner torch-gpt, torch-head,
    sklearn-head, ridge-head, hf-trainer, peft-lora or package.module:Class.

    Example: licet train fit model --data ./data --learner ngram
    """
    chain = {name: told.pop(name) for name in ("settings", "aggregate", "workers")}
    if is_chain(store):
        if data is None:
            raise UsageError("there is nothing to learn from", "name the folder that `licet sync` keeps: --data DIR")
        source = Told(data=data, **told).source(labelled=bool(labels))
        settings = settings_of(chain["settings"], labels)
        fit_chain(store, source, learner, settings, chain["aggregate"], chain["workers"])
        return
    from licet.train.algebra_fit import fit as fit_model
    from licet.train.algebras import MADE, WITHOUT_LABELS, make_algebra
    from licet.train.public_base import PublicFolder

    if learner not in MADE:
        raise UsageError(f"`{learner}` is no learner", f"choose from {', '.join(MADE)}")
    if data is None:
        raise UsageError("there is nothing to learn from", "name the folder that `licet sync` keeps: --data DIR")
    opened = _store(store)
    if learner == "hybrid":
        PublicFolder(root=opened.public).base(progress)
    names = [label.strip() for label in labels.split(",") if label.strip()]
    made = make_algebra(learner, names, PublicFolder(root=opened.public))
    source = Told(data=data, **told).source(labelled=learner not in WITHOUT_LABELS)
    with progress("encoding", source.count()) as step:
        current = fit_model(opened, made, source.examples(), step)
    emit(
        {"records": current.records, "members": current.members, "statistics": current.statistics},
        [
            f"{counted(current.records, 'records')} of {counted(current.members, 'members')}",
            f"statistics  {current.statistics}",
            f"model       {opened.objects / current.model_file}",
        ],
    )


@click.command()
@click.argument("store", type=click.Path(path_type=Path, exists=True))
@click.option("--member", "members", multiple=True, help="Forget all records of a member, by pseudonym.")
@click.option("--record", "records", multiple=True, help="Forget one record, by pseudonym.")
@click.option("--recall", default="", help="Forget what left the share; the certificate names the recall.")
@click.option("--key", type=click.Path(path_type=Path), help="Ed25519 private key that signs; else the store's own.")
@click.option(
    "--sample",
    type=click.FloatRange(0, 1),
    default=0.25,
    show_default=True,
    help="With a plan: share of shards audited from scratch.",
)
@click.option("--missing", is_flag=True, help="With a plan: forget whatever --data no longer holds.")
@click.option("--cost", is_flag=True, help="With a plan: quarantine, and only say what the replay will cost.")
@click.option("--if-due", is_flag=True, help="With a plan: replay only what waits for 24 hours or in 8 shards.")
@click.option(
    "--budget",
    type=click.FloatRange(0, 1),
    default=1.0,
    help="With a plan: replay at most this share of all records now, the oldest requests first; others wait.",
)
@click.option("--workers", default=0, help="With a plan: shards trained at once; all cores by default.")
@data_options
def forget(  # by click
    store: Path,
    members: Sequence[str],
    records: Sequence[str],
    recall: str,
    data: Path | None,
    key: Path | None,
    **told: Any,  # noqa: ANN401 # by click
) -> None:
    """Forget members or records exactly, destroy what saw them, and sign a certificate.

    Without names it finishes a request that was interrupted.

    Example: licet train forget model --recall r_12 --data ./data
    """
    from licet.train.algebra_forget import finish_pending, last_certificate
    from licet.train.algebra_forget import forget as forget_rows
    from licet.train.sources import removed_records

    opened = _store(store)
    signer = _signer(opened, key)
    if recall and data is None:
        raise UsageError("what left the share is written in the synced folder", "name it: --data DIR")
    left = removed_records(data) if recall and data else frozenset()
    if is_chain(store):
        parts = {name: told[name] for name in ("columns", "labels_from")}
        source = Told(data=data, **parts).source(labelled=labelled(told)) if data else None
        forget_chain(store, source, signer, (members, [*records, *sorted(left)]), recall=recall, told=told)
        return
    learner = _learner_of(opened)
    some, few = frozenset(members), left | frozenset(records)
    if not some and not few and not recall:
        made = finish_pending(opened, learner, signer)
    else:
        made = forget_rows(opened, learner, signer, lambda who, what: who in some or what in few, recall)
    if made is None:
        emit({"forgotten": 0}, ["nothing to forget: the model knows none of these records"])
        return
    _tell(opened, made)
    if last_certificate(opened) != made:
        raise IntegrityError("the certificate on disk is not the one that was signed", "run `licet train verify`")


def _tell(store: "AlgebraStore", made: Certificate) -> None:
    path = max(store.certificates.glob("*.json"))
    lines = [
        f"forgotten: {counted(made.removed.records, 'records')} of {counted(made.removed.members, 'members')}",
        f"checked:   {made.level}, recomputed from the rows that are left; every byte equal",
        f"destroyed: {len(made.destroyed)} artefacts that had seen them",
        f"signed:    {path}",
        *attest_lines([made.recall] if made.recall else [], made.digest),
    ]
    emit({"forgotten": made.removed.records, "certificate": str(path), "digest": made.digest}, lines)


def _signer(store: "AlgebraStore", key: Path | None) -> Ed25519PrivateKey:
    from licet.train.durable import write_durably

    own = store.root / "signing.pem"
    if key is None and not own.exists():
        made = Ed25519PrivateKey.generate()
        write_durably(own, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return read_private_key(read_text(str(key or own)))


def _learner_of(store: "AlgebraStore") -> Any:  # noqa: ANN401 # the protocol lives in the extra
    from licet.train.algebras import same_algebra
    from licet.train.public_base import PublicFolder

    return same_algebra(store.current().frozen, PublicFolder(root=store.public))


@click.command()
@click.argument("certificate", type=click.Path(path_type=Path, exists=True))
@click.option("--store", type=click.Path(path_type=Path, exists=True), help="Check the model that is served, too.")
@click.option("--public", type=click.Path(path_type=Path), help="Folder of public parts; that of the store by default.")
@click.option("--records", type=click.Path(path_type=Path), help="List of records; beside the certificate by default.")
@click.option("--member", "members", multiple=True, help="A removed member, where you know who it was.")
@click.option(
    "--removed",
    type=click.Path(path_type=Path, exists=True),
    help="Parquet of the removed keys, where you have it: that they, and no others, were removed.",
)
@click.option("--all", "everything", is_flag=True, help="With a plan: train every shard again, not only replayed ones.")
@click.option("--key", help="Public key that you trust, as PEM file or in base64.")
@data_options
def verify(certificate: Path, store: Path | None, key: str | None, **told: Any) -> None:  # noqa: ANN401 # by click
    """Compute the model again from the data and compare it, byte by byte, with what a certificate says.

    With --data everything is encoded anew; with --store alone the rows that the store keeps are summed again.

    Example: licet train verify model/certificates/000001.json --data ./data
    """
    trusted = read_public_key(read_text(key) if Path(key).exists() else key) if key else b""
    read = read_certificate(certificate.read_bytes(), trusted)
    if read.tier in {"chain", "replay"}:
        _verify_chain(store or certificate.absolute().parents[1], read, told)
        return
    checks = _recomputed(certificate, read, store, told)
    rows = [(check.name, "yes" if check.passed else "NO", check.said) for check in checks]
    signed = ("signature", "yes", "by the key that you named" if trusted else f"by {read.key_id}, which it carries")
    show(f"certificate {read.digest[:16]}", ("what", "holds", "found"), [signed, *rows])
    if not all(check.passed for check in checks):
        raise IntegrityError("the certificate does not fit the data", "ask the signer what was done since")


def _verify_chain(folder: Path, read: Certificate, told: Mapping[str, Any]) -> None:
    if told["data"] is None:
        raise UsageError("there is nothing to compute from", "name the data: --data DIR")
    parts = {name: told[name] for name in ("columns", "labels_from")}
    source = Told(data=told["data"], **parts).source(labelled=labelled(told))
    removed = Told(data=told["removed"], **parts).source(labelled=False) if told["removed"] else None
    show_checks(read, verify_chain(folder, read, source, removed, told))


def _recomputed(path: Path, read: Certificate, store: Path | None, told: dict[str, Any]) -> list["Check"]:
    from licet.train.algebra_verify import check_removed, check_rows, check_store, encode_examples
    from licet.train.algebras import same_algebra
    from licet.train.public_base import PublicFolder

    if read.tier != "algebra":
        raise UsageError(f"this certificate is of the tier `{read.tier}`", "give one of a model by algebra")
    opened = _store(store or path.absolute().parents[1])
    public = told["public"] or opened.public
    learner = same_algebra(read.learner, PublicFolder(root=public))
    data = told["data"]
    if data is None and store is None:
        raise UsageError("there is nothing to compute from", "name --data, or --store")
    if data is None:
        rows = opened.rows(opened.current())
    else:
        listed = told["records"] or path.with_suffix(".records")
        records = frozenset(read_text(str(listed)).split("\n")) if listed.exists() else None
        parts = Told(data=data, columns=told["columns"], labels_from=told["labels_from"])
        source = parts.source(labelled=bool(learner.labels))
        with progress("encoding", source.count()) as step:
            rows = encode_examples(learner, source.examples(), records, step)
    left = sum(row.member in told["members"] for row in rows)
    if left:
        raise InputError("a member that you named is still among the records", "ask the signer to forget them")
    found = check_rows(read, learner, rows)
    if told["removed"]:
        keys = Told(data=told["removed"], columns=told["columns"], labels_from=None).source(labelled=False).keys()
        found += check_removed(read, keys, rows)
    return [*found, *(check_store(read, opened) if store else [])]


FITTING: Final[tuple[click.Command, ...]] = (probe, fit, forget, verify, publish, demo)
"""The commands of this module."""
