"""Words that Meta's exports write in the member's language.

English, Dutch, German, French, Spanish, Portuguese and Italian. A word that is not here is not
understood, and what is not understood is never public.
"""

import functools
import unicodedata

LONGEST = 64
"""How long a label, an audience or a user name may be."""


def folded(word: object) -> str:
    """Give a word without case, outer blanks and kinds of apostrophes; empty for what is no word."""
    return _folded(word) if isinstance(word, str) and len(word) <= LONGEST else ""


@functools.lru_cache(maxsize=4096)
def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip().casefold()


def _words(*texts: str) -> frozenset[str]:
    return frozenset(folded(word) for text in texts for word in text.split(", "))


USERNAME = _words(
    "username, gebruikersnaam, benutzername, nutzername, nom d'utilisateur, nombre de usuario",
    "nome de usuário, nome de utilizador, nome utente",
)
"""Labels of an account's name."""

OWNER = _words("owner, media owner, eigenaar, inhaber, besitzer, propriétaire, propietario, proprietário, proprietario")
"""Titles of the group that says whose post was liked or saved."""

CAPTION = _words("caption, bijschrift, bildunterschrift, légende, pie de foto, legenda, didascalia")
"""Labels of a post's own words."""

PRIVATE_ACCOUNT = _words(
    "private account, privéaccount, besloten account, privates konto, compte privé, cuenta privada",
    "conta privada, conta particular, account privato, profilo privato",
)
"""Labels of the setting that shows an account to its followers only."""

YES = _words("true, yes, waar, ja, wahr, vrai, oui, verdadero, sí, verdadeiro, sim, vero, sì")
"""Ways to write that a setting is on."""

NO = _words("false, no, onwaar, nee, falsch, nein, faux, non, falso, não")
"""Ways to write that a setting is off."""

AUDIENCE = _words(
    "privacy, audience, doelgroep, zichtbaarheid, zielgruppe, sichtbarkeit, privatsphäre, confidentialité",
    "audiencia, público, privacidad, privacidade, pubblico",
)
"""Labels and keys that say who may see a post."""

_PUBLIC = _words("public, everyone, openbaar, öffentlich, público, pubblico, pubblica")
_FOLLOWERS = _words(
    "friends, your friends, all_friends, friends of friends, friends_of_friends, followers",
    "vrienden, vrienden van vrienden, volgers, freunde, freunde von freunden, abonnenten",
    "amis, amis de vos amis, abonnés, amigos, amigos de amigos, seguidores, amici, amici di amici, follower",
)
_CHOSEN = _words(
    "only me, self, custom, close friends, specific friends, alleen ik, aangepast, goede vrienden",
    "nur ich, benutzerdefiniert, enge freunde, moi uniquement, personnalisé, amis proches",
    "solo yo, personalizado, mejores amigos, somente eu, apenas eu, só eu, melhores amigos",
    "solo io, personalizzata, amici più stretti",
)
_SMALLER = _FOLLOWERS | _CHOSEN


def against(audience: object) -> str:
    """Give the reason why an audience is not everybody: empty only for a word that says public."""
    word = folded(audience)
    if word in _PUBLIC:
        return ""
    if word in _FOLLOWERS:
        return "followers_only"
    return "circle_only" if word in _CHOSEN else "unknown_visibility"


def narrows(word: object) -> bool:
    """Tell whether a word names a smaller audience than everybody, under whatever label it stands."""
    return folded(word) in _SMALLER
