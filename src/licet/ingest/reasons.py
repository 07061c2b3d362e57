"""Why an adapter sets an input record aside: one code, one sentence for people."""

SKIP_REASONS: dict[str, str] = {
    "malformed_row": "The row has the wrong number of fields, or is not a JSON object.",
    "malformed_event": "The line is not an event of the stream: it is not JSON, or lacks what every event has.",
    "malformed_id": "An id has white space or a control character in it, is a number with a fraction, or is too long.",
    "malformed_member": "The member's region, age band, protection or status is not a known value.",
    "unreadable_text": "The text has bytes that are no characters in the stated encoding.",
    "unknown_author": "Nobody is named as the author, so nobody can be asked for permission.",
    "unknown_actor": "Nobody is named as the one who liked, bookmarked or reposted.",
    "unknown_member": "The row names no member.",
    "unknown_post": "The post has no id, so a deletion could never name it.",
    "unknown_post_author": "The author of the post that was liked, bookmarked or reposted is not named.",
    "unknown_platform": "The row names no platform.",
    "unknown_time": "The time is missing, has no hour, or cannot be read in the stated format.",
    "unknown_visibility": "It is not known who may read the post on its platform.",
    "no_text": "The post has no text.",
    "someone_elses_words": "The post begins with RT @: the words are another person's.",
    "not_a_post": "What was liked or reposted is not a post.",
    "not_a_record": "The event is about something other than posts, likes, reposts and account states.",
}
"""Every reason code that an adapter of this room gives."""


class SetAside(Exception):
    """An input record cannot be used; `reason` is one of `SKIP_REASONS`."""

    def __init__(self, reason: str) -> None:
        """Name the reason."""
        super().__init__(reason)
        self.reason = reason
