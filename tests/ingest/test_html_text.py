"""HTML becomes the words that people see, by the quick way and by the tree alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.ingest.html_text import LONGEST, MOST_TAGS, html_text, tree_text
from licet.ingest.reasons import SetAside

MENTION = '<span class="h-card"><a href="https://a.example/@bob" class="u-url mention">@<span>bob</span></a></span>'
LINK = (
    '<a href="https://example.com/long/path?a=1&amp;b=2" target="_blank"><span class="invisible">https://</span>'
    '<span class="ellipsis">example.com/long</span><span class="invisible">/path?a=1&amp;b=2</span></a>'
)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>one</p><p>two<br />three<br>four</p>", "one\n\ntwo\nthree\nfour"),
        (f"<p>{MENTION} hello</p>", "@bob hello"),
        (f"<p>see {LINK}</p>", "see https://example.com/long/path?a=1&b=2"),
        ("<p>&lt;3 &amp;amp; &quot;x&quot; &#39; &eacute; &#x1F600;</p>", '<3 &amp; "x" \' é \U0001f600'),
        ("<p>I :blobcat: you</p>", "I :blobcat: you"),
        ('<p>I <img class="emoji" alt=":blobcat:" src="x"> <img alt="a face"></p>', "I :blobcat:"),
        ("<p>a</p><script>alert(1)</script><style>p{}</style><p>b</p>", "a\n\nb"),
        ('<p class="quote-inline">RE: <a href="https://x.example/1">x</a></p><p>mine</p>', "mine"),
        ("<ul><li>one</li><li>two</li></ul>after", "one\ntwo\n\nafter"),
        ("<blockquote><p>said</p></blockquote>so", "said\n\nso"),
        ("<pre><code>if x:\n    y\n</code></pre><p>z</p>", "if x:\n    y\n\nz"),
        ("<p> one \n two </p>\n<p>  three</p>", "one two\n\nthree"),
        ("<p>a<br><br><br><br>b</p>", "a\n\nb"),
        ("<!-- no --><p>a</p>", "a"),
        ("plain < text", "plain < text"),
        ("<p>unclosed <b>bold", "unclosed bold"),
        ("", ""),
        ("<p></p>", ""),
    ],
)
def test_people_read_what_was_written(markup: str, text: str) -> None:
    assert html_text(markup) == text


pieces = st.sampled_from(
    [
        *(
            "<p>",
            "</p>",
            "<br>",
            "<br />",
            "<span>",
            "</span>",
            '<a href="https://x.example/">',
            "</a>",
            "&amp;",
            "&lt;",
        ),
        *("&gt;", "&quot;", "&#39;", " ", "  ", "\n", "\t", "a", "b>", "\u00a0", "é", ":cat:", "@x", '"', "'", "="),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=25))
def test_the_quick_way_gives_what_the_tree_gives(parts: list[str]) -> None:
    markup = "".join(parts)
    assert html_text(markup) == tree_text(markup)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec=None), max_size=40) | st.lists(pieces | st.text(max_size=3)).map("".join))
def test_any_text_gives_words_or_is_set_aside(markup: str) -> None:
    try:
        text = html_text(markup)
    except SetAside as aside:
        assert aside.reason == "unreadable_text"  # noqa: PT017 - both ways are right
        return
    assert text.encode() is not None
    assert text == text.strip(" \n")
    assert "\n\n\n" not in text


@pytest.mark.parametrize(
    "markup",
    ["<p>\ud800</p>", "<b>\ud800</b>", "<b>" * (MOST_TAGS + 1), "<a " + "x " * LONGEST],
)
def test_what_no_person_wrote_is_set_aside(markup: str) -> None:
    with pytest.raises(SetAside, match="unreadable_text"):
        html_text(markup)


def test_a_long_text_of_usual_markup_is_read() -> None:
    assert len(html_text("<p>word word</p>" * (MOST_TAGS + 1))) > LONGEST // 4
