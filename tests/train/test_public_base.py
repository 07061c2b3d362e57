"""The public base: made from public text alone, and the same bytes each time."""

from pathlib import Path

from licet.train.public_base import PublicFolder, packaged_texts


def test_the_packaged_text_is_dialog_and_prose() -> None:
    texts = packaged_texts()
    assert 400_000 < sum(map(len, texts)) < 900_000
    assert "Good morning, how are you?" in texts
    assert not any(">>>" in text for text in texts)
    assert texts == packaged_texts()


def test_it_is_learned_once_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        (folder / "public.txt").write_text("hello there\nhow are you today\n" * 20)
    one, two = (PublicFolder(root=folder).base() for folder in folders)
    assert one.digest == two.digest
    assert one.tokenizer.digest == two.tokenizer.digest
    assert one.texts_digest == two.texts_digest
    written = (folders[0] / "transformer.safetensors").stat().st_mtime_ns
    PublicFolder(root=folders[0]).base()
    assert (folders[0] / "transformer.safetensors").stat().st_mtime_ns == written
