"""What forgetting by algebra costs: in accuracy against a monolith, and in time for one member.

    python bench/forgetting.py [classifier] [language] [--posts N] [--epochs N]

Times are CPU seconds on one thread. Real posts are read from the folder that LICET_TEST_DATA names; members are
made up.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from samples.labelled_posts import LABELS, labelled_posts, zipf_members
from samples.sentence_features import sentence_features
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score

from licet.train.algebra import Algebra
from licet.train.algebra_fit import sum_rows
from licet.train.algebra_store import tensor_hashes
from licet.train.bayes import NaiveBayes
from licet.train.environment import one_thread
from licet.train.hybrid import Hybrid
from licet.train.ngram import NgramModel, Ngrams
from licet.train.public_base import PublicBase, PublicFolder
from licet.train.ridge import Ridge
from licet.train.rows import Row
from licet.train.totals import Integers, Totals
from licet.train.transformer import Transformer, load_transformer, teach

CACHE = Path(__file__).parents[1] / ".bench" / "forgetting"
HELD_OUT = 8_000


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["classifier", "language"])
    parser.add_argument("--posts", type=int, default=12_000, help="members' posts for the language models")
    parser.add_argument("--labelled", type=int, default=35_000, help="labelled posts at most")
    parser.add_argument("--epochs", type=int, nargs="*", default=[1, 2], help="of the fine-tuned rivals, if any")
    told = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    posts = labelled_posts()
    with one_thread():
        if "classifier" in told.parts:
            classifier(posts[: told.labelled])
        if "language" in told.parts:
            language([text for text, _ in posts], told.posts, told.epochs)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Do some work and give what came of it, with its CPU seconds."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def classifier(posts: Sequence[tuple[str, str]]) -> None:
    """Compare classifiers on posts that they did not learn from."""
    payloads = [row.tobytes() for row in sentence_features([text for text, _ in posts])]
    labels = [LABELS.index(label) for _, label in posts]
    print(f"\nclassifier: {len(posts) - HELD_OUT:,} posts to learn from, {HELD_OUT:,} held out")
    monolith(payloads, labels)
    by_algebra("ridge over MiniLM", Ridge(labels=LABELS), payloads, labels)
    learner = NaiveBayes(labels=LABELS)
    hashed, spent = timed(lambda: [learner.encode(text) for text, _ in posts])
    print(f"  (hashing all posts for naive Bayes: {spent:.1f} s)")
    by_algebra("naive Bayes", learner, hashed, labels)


def macro_recall(truth: Sequence[int], said: Integers) -> float:
    """Give the mean recall over labels, in percent."""
    return float(100 * recall_score(truth, said, average="macro"))


def monolith(payloads: Sequence[bytes], labels: Sequence[int]) -> None:
    """Measure the best of four logistic heads over the same features, which can forget nobody."""
    whole = np.frombuffer(b"".join(payloads), np.int8).reshape(len(payloads), -1) / 508
    best = 0.0
    for weight in (None, "balanced"):
        for strength in (1, 10):
            head = LogisticRegression(C=strength, class_weight=weight, max_iter=500)
            _, spent = timed(lambda head=head: head.fit(whole[HELD_OUT:], labels[HELD_OUT:]))
            found = macro_recall(labels[:HELD_OUT], head.predict(whole[:HELD_OUT]))
            best = max(best, found)
            print(f"  monolith, logistic over the same features, C={strength}, {weight}: {found:.2f}, {spent:.1f} s")
    print(f"  best monolith: {best:.2f}")


def by_algebra(name: str, learner: Ridge | NaiveBayes, payloads: Sequence[bytes], labels: Sequence[int]) -> None:
    """Measure a learner by algebra, and what it takes to forget a member."""
    rows = to_rows(payloads[HELD_OUT:], labels[HELD_OUT:])
    totals, spent = timed(lambda: sum_rows(learner, rows))
    tensors, finishing = timed(lambda: learner.finish(totals))
    found = macro_recall(labels[:HELD_OUT], learner.predict(tensors, payloads[:HELD_OUT]).argmax(axis=1))
    print(f"  {name}: macro-recall {found:.2f}; sums {spent:.2f} s, model {finishing * 1000:.1f} ms")
    forgetting(learner, rows, totals)


def to_rows(payloads: Sequence[bytes], labels: Sequence[int]) -> list[Row]:
    """Give encoded posts to made-up members."""
    members = zipf_members(len(payloads))
    return [
        Row(member=member, record=f"r{number}", label=label, payload=payload)
        for number, (member, label, payload) in enumerate(zip(members, labels, payloads, strict=True))
    ]


def forgetting(learner: Algebra, rows: Sequence[Row], totals: Totals) -> None:
    """Forget a typical member and the largest; compare with the same rows summed without them, in another order."""
    counts = Counter(row.member for row in rows)
    typical = sorted(counts, key=lambda member: (counts[member], member))[len(counts) // 2]
    for kind, member in (("typical", typical), ("largest", counts.most_common(1)[0][0])):
        theirs = [row for row in rows if row.member == member]
        times = [timed(lambda theirs=theirs: forget_once(learner, totals, theirs))[1] for _ in range(5)]
        after, tensors = forget_once(learner, totals, theirs)
        left = [row for row in rows if row.member != member]
        np.random.default_rng(0).shuffle(left)  # type: ignore[arg-type] # a list can be shuffled
        oracle, again = timed(lambda left=left: sum_rows(learner, left))
        same = oracle.dump() == after.dump() and tensor_hashes(learner.finish(oracle)) == tensor_hashes(tensors)
        print(
            f"    forget the {kind} of {len(counts):,} members ({len(theirs)} posts): {1000 * np.median(times):.1f} ms"
            f" (from scratch {1000 * again:.0f} ms); bytes {'equal' if same else 'DIFFER'}"
        )
        assert same


def forget_once(learner: Algebra, totals: Totals, theirs: Sequence[Row]) -> tuple[Totals, Any]:
    """Forget rows in memory and give statistics and model, ready to serve."""
    after = totals.minus(learner.added(theirs))
    learner.check(after)
    return after, learner.finish(after)


def language(texts: Sequence[str], many: int, epochs: Sequence[int]) -> None:
    """Compare language models on posts that they did not learn from."""
    base, spent = timed(lambda: PublicFolder(root=CACHE / "public").base())
    print(f"\nlanguage: {many:,} posts to learn from, 2,000 held out; public base {spent:.0f} s")
    held_out, members = texts[-2000:], texts[2000 : 2000 + many]  # smoothing was chosen on the first 2,000
    public = Hybrid(public=base)
    counted = Ngrams(tokenizer=base.tokenizer)
    rows = to_rows([counted.encode(text) for text in members], [0] * len(members))
    tables = {
        "no": None,
        "public": NgramModel.of(public.finish(public.start())),
        "public and members'": NgramModel.of(public.finish(sum_rows(public, rows))),
        "members'": NgramModel.of(counted.finish(sum_rows(counted, rows))),
    }
    for learner in (counted, public):
        totals, spent = timed(lambda learner=learner: sum_rows(learner, rows))
        print(f"  {learner.kind}: sums {spent:.2f} s, {sum(len(t.keys) for t in totals.sparse.values()):,} n-grams")
        forgetting(learner, rows, totals)
    if epochs:
        compare(base, tables, members, held_out, epochs)


def compare(
    base: PublicBase,
    tables: Mapping[str, NgramModel | None],
    members: Sequence[str],
    held_out: Sequence[str],
    epochs: Sequence[int],
) -> None:
    """Measure bits per byte of every network with every table of counts, the rival fine-tuned included."""
    posts = [base.tokenizer.encode(text) for text in held_out]
    size = sum(len(text.encode()) for text in held_out)
    ngrams = {name: table for name, table in tables.items() if table}
    neural: dict[str, Any] = {"base": [base.transformer.score(post) for post in posts]}
    learned = [base.tokenizer.encode(text) for text in members]
    for many in epochs:
        rival = load_transformer(base.transformer.dump())
        tuned, spent = timed(lambda rival=rival, many=many: teach(rival, learned, many, 1e-3))
        print(f"  fine-tuning the base on the members' posts, {many} epochs: {spent:.0f} s", flush=True)
        neural[f"tuned {many}"] = scores(tuned, posts)
    found = {}
    for network, one in neural.items():
        found[network, "no"] = bits(one, size)
        for name, table in ngrams.items():
            found[network, name] = bits([table.score(*pair) for pair in zip(posts, one, strict=True)], size)
    print(f"  {'bits per byte':<14}" + "".join(f"{name:>22}" for name in tables) + "   n-grams")
    for network in neural:
        print(f"  {network:<14}" + "".join(f"{found[network, name]:>22.4f}" for name in tables))
    alone = {name: bits([table.score(post) for post in posts], size) for name, table in ngrams.items()}
    print("  n-grams alone: " + ", ".join(f"{name} {some:.4f}" for name, some in alone.items()))
    start, ours = found["base", "public"], found["base", "public and members'"]
    for name, begin in (("public", start), ("no", found["base", "no"])):
        best = min(found[network, name] for network in neural if network != "base")
        share = 100 * (start - ours) / (begin - best)
        print(f"  fine-tuning with {name} n-grams gains {begin - best:.4f} at best; the hybrid has {share:.0f} % of it")


def scores(model: Transformer, posts: Sequence[Any]) -> list[Any]:
    """Score posts one by one."""
    return [model.score(post) for post in posts]


def bits(likely: Sequence[Any], size: int) -> float:
    """Give bits per byte."""
    return float(-sum(np.log2(each).sum() for each in likely) / size)


if __name__ == "__main__":
    main()
