"""What a condition may look at, and the values that count as known; anything else is unknown, and unknown denies."""

from typing import Final

from licet.model.members import AccountStatus, AgeBand, Choice, Protection
from licet.model.records import Table, Visibility

NO_SETTING: Final = "none"
"""The setting of a member who chose nothing, and the source of that."""

CHANNELS: Final = frozenset({"third_party", "first_party"})

TABLES: Final = frozenset(str(table) for table in Table)

_COUNTRY_CODES: Final = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK"
)
COUNTRIES: Final = frozenset(_COUNTRY_CODES.split())
"""ISO 3166-1 alpha-2, and XK (Kosovo) from its user-assigned range; `UK` or `EU` is no country, hence unknown."""

KNOWN: Final[dict[str, frozenset[str]]] = {
    "age_band": frozenset({AgeBand.ADULT.value, AgeBand.MINOR.value}),
    "protection": frozenset({Protection.OPEN.value, Protection.PROTECTED.value}),
    "status": frozenset(status.value for status in AccountStatus if status is not AccountStatus.UNKNOWN),
    "setting": frozenset({Choice.ALLOW.value, Choice.DENY.value, NO_SETTING}),
    "setting_source": frozenset({"member", "gpc", "platform", NO_SETTING, ""}),
    "default": frozenset({Choice.ALLOW.value, Choice.DENY.value}),
    "channel": CHANNELS,
    "table": TABLES,
    "visibility": frozenset(item.value for item in Visibility if item is not Visibility.UNKNOWN),
}
"""The known values of the attributes that have a closed list."""

TERMS_SIDE: Final = frozenset({"default", "purpose", "channel", "recipient", "table"})
"""Attributes that are settled before any member or record is seen."""

RECORD_SIDE: Final = frozenset({"visibility", "created_at"})

ATTRIBUTE_OF: Final[dict[str, str]] = {
    "region": "region",
    "age_band": "age_band",
    "protection": "protection",
    "status": "status",
    "setting": "setting",
    "setting_source": "setting_source",
    "default": "default",
    "purpose": "purpose",
    "channel": "channel",
    "recipient": "recipient",
    "table": "table",
    "visibility": "visibility",
    "created_before": "created_at",
    "created_from": "created_at",
    "shown_days_at_least": "shown_at",
}
"""Every condition key, and the attribute that it looks at."""


def country_of(region: str) -> str | None:
    """Give the country of a region code such as `US` or `US-CA`, or None where the code names no country."""
    return region[:2] if region[:2] in COUNTRIES and region[2:3] in {"", "-"} else None
