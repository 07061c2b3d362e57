"""Plain text from the HTML that fediverse software writes: paragraphs and line breaks become newlines, marks fall."""

import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from licet.ingest.reasons import SetAside

MOST_TAGS: Final = 2_000
"""A text with more tags is set aside: the tree of hostile nesting grows with the square of its tags."""
LONGEST: Final = 65_536
"""A longer text of unusual markup is set aside: parsing takes the square of a tag's attributes."""

_ATTRIBUTES = r'(?: [a-z-]+="[^"<>&\x00]*+")*+'
_USUAL = re.compile(
    rf"(?:[^<&\x00\r]++|&(?:amp|lt|gt|quot|#39);|<(?:p|a|span){_ATTRIBUTES}>|</(?:p|a|span)>|<br ?/?>)*+"
)
_PARAGRAPH = re.compile(r"</?p[^>]*>")
_BREAK = re.compile(r"<br[^>]*>")
_TAG = re.compile(r"<[^>]*>")
_SPACE = re.compile(r"[ \t\n\f\r]+")
_RUN = re.compile(r" {2,}")
_BEFORE_BREAK = re.compile(r" +\n")
_AROUND_BREAK = re.compile(r" *\n *")
_BREAKS = re.compile(r"\n{3,}")
_EMOJI = re.compile(r":[A-Za-z0-9_+-]{1,64}:")

_ESCAPED: Final = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&"))

_DROPPED: Final = frozenset({"script", "style", "template", "noscript", "iframe", "svg", "head"})
_QUOTE_LINK = "quote-inline"
"""The class of the link that stands in for a quoted post where quotes are not understood; software wrote it."""

_GAPS: Final = dict.fromkeys(("p", "blockquote", "pre", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6"), 2) | (
    dict.fromkeys(("div", "li", "tr", "dl", "dt", "dd", "hr", "section", "article", "figure", "figcaption"), 1)
)
"""How many newlines keep a block apart from what surrounds it."""


def html_text(markup: str) -> str:
    """Give the words of an HTML fragment as people see them.

    Raises:
        SetAside: the text has characters that are none, or more tags than any post has.
    """
    if _USUAL.fullmatch(markup) and _QUOTE_LINK not in markup:
        return _usual(markup)
    return tree_text(markup)


def tree_text(markup: str) -> str:
    """Give the same by way of a parsed tree, which any markup takes that is not of the few usual forms.

    Raises:
        SetAside: as for `html_text`.
    """
    if markup.count("<") > MOST_TAGS or len(markup) > LONGEST:
        raise SetAside("unreadable_text")
    _check_characters(markup)
    body, text = LexborHTMLParser(markup).body, _Text()
    if body is not None:
        _walk(body, text)
    return text.whole()


def _usual(markup: str) -> str:
    """Read the markup that nearly every post has, at a fraction of what a tree costs."""
    _check_characters(markup)
    text = _SPACE.sub(" ", markup) if "\n" in markup or "\t" in markup or "\f" in markup else markup
    if "<" in text:
        text = _without_tags(text)
    if "  " in text:
        text = _RUN.sub(" ", text)
    if " \n" in text or "\n " in text:
        text = _AROUND_BREAK.sub("\n", text)
    if "&" in text:
        # The ampersand last, so that a typed "&lt;" stays as it was typed.
        for written, meant in _ESCAPED:
            text = text.replace(written, meant)
    return _tidy(text)


def _without_tags(text: str) -> str:
    """Turn tags into newlines or nothing; the usual ones go first, for a search costs more than a replacement."""
    text = text.replace("<p>", "\n\n").replace("</p>", "\n\n").replace("<br />", "\n").replace("<br>", "\n")
    if "<" not in text:
        return text
    if "<p" in text or "<br" in text:
        text = _BREAK.sub("\n", _PARAGRAPH.sub("\n\n", text))
    return _TAG.sub("", text.replace("</a>", "").replace("</span>", ""))


def _check_characters(markup: str) -> None:
    if markup.isascii():
        return
    try:
        markup.encode()
    except UnicodeEncodeError as error:
        raise SetAside("unreadable_text") from error


def _tidy(text: str) -> str:
    return (_BREAKS.sub("\n\n", text) if "\n\n\n" in text else text).strip(" \n")


class _Text:
    """Pieces of text with the gaps between them."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._gap = 0
        self._fresh = True

    def gap(self, newlines: int) -> None:
        self._gap = max(self._gap, newlines)

    def line_break(self) -> None:
        self._close_gap()
        self._pieces.append("\n")
        self._fresh = True

    def add(self, words: str, *, kept: bool) -> None:
        words = words if kept else _SPACE.sub(" ", words)
        if not kept and (self._gap or self._fresh):
            words = words.removeprefix(" ")
        if words:
            self._close_gap()
            self._pieces.append(words)
            self._fresh = words[-1] in " \n"

    def _close_gap(self) -> None:
        self._pieces.append("\n" * self._gap)
        self._gap = 0

    def whole(self) -> str:
        return _tidy(_BEFORE_BREAK.sub("\n", "".join(self._pieces)))


def _walk(body: LexborNode, text: _Text) -> None:
    """Go through a tree without recursion, for its depth is whatever somebody wrote."""
    node, preformatted = body.first_child, 0
    while node is not None:
        child = _enter(node, text, kept=preformatted > 0)
        if child is not None:
            preformatted += node.tag == "pre"
            node = child
            continue
        node, closed = _onward(node, text)
        preformatted -= closed


def _onward(node: LexborNode, text: _Text) -> tuple[LexborNode | None, int]:
    """Leave a node for what follows it, and say how many preformatted blocks were left on the way."""
    closed, step = 0, node
    while True:
        text.gap(_GAPS.get(step.tag or "", 0))
        following, parent = step.next, step.parent
        if following is not None or parent is None or parent.tag == "body":
            return following, closed
        step = parent
        closed += step.tag == "pre"


def _enter(node: LexborNode, text: _Text, *, kept: bool) -> LexborNode | None:
    """Take what a node itself says; give its first child where it is to be entered."""
    tag = node.tag or ""
    if node.is_text_node:
        text.add(node.text_content or "", kept=kept)
        return None
    if tag == "br":
        text.line_break()
    elif tag == "img":
        emoji = node.attributes.get("alt") or ""
        text.add(emoji if _EMOJI.fullmatch(emoji) else "", kept=kept)
    text.gap(_GAPS.get(tag, 0))
    if tag in _DROPPED or _QUOTE_LINK in (node.attributes.get("class") or "").split():
        return None
    return node.first_child
