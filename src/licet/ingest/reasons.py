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
    "unknown_kind": "It is not told whether the id names a post or an account.",
    "no_text": "The post has no text.",
    "someone_elses_words": "The words are another person's: a repost, or a text that somebody liked or shared.",
    "protected": "The account shows its posts to its followers only.",
    "followers_only": "The post is for the author's followers or friends.",
    "direct_message": "The post is for the people it names.",
    "circle_only": "The post is for a circle that the author chose.",
    "community_only": "The post is for the members of a community or group.",
    "members_only": "The platform shows the post to signed-in members or connections only.",
    "withheld": "The platform withholds the post in some countries.",
    "deleted_on_platform": "The export keeps the post, but its author has deleted it.",
    "no_longer_shown": "The author archived the post, or it was shown for a day only.",
    "nothing_kept": "The event is about something that is never stored, such as places.",
    "read_already": "The record repeats or completes a post of the same input, with which it was read.",
    "not_a_post": "What was liked or reposted is not a post.",
    "malformed_block": "A block of the repository cannot be read, or is not what its hash says.",
    "not_carried": "Something was changed that the message or file does not carry; read the account's repository anew.",
    "stale_revision": "A newer edit of the same record was read before.",
    "not_a_record": "The event is about something other than posts, likes, reposts and account states.",
}
"""Every reason code that an adapter of this room gives."""


class SetAside(Exception):
    """An input record cannot be used; `reason` is one of `SKIP_REASONS`."""

    def __init__(self, reason: str) -> None:
        """Name the reason."""
        super().__init__(reason)
        self.reason = reason
