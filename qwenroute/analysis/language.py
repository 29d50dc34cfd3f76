"""Which language a text is in: by script, and by short words where the script is Latin."""

from __future__ import annotations

from collections.abc import Mapping, Set

UNKNOWN = "und"
SAMPLE_CHARS = 500

_CONTINUATION = bytes(range(0x80, 0xC0))

SHORT_WORDS: Mapping[str, str] = {
    "en": "a i the of to and in is that for what how are was with you from this which many much does do can write my "
    "it there have has if when who why where please give an on by be would should if not",
    "es": "el la los las de que y en un una por con para como del se su es al cuál qué cuántos cuántas cuánto cómo si "
    "más pero escribe está son hay dos cada uno",
    "fr": "le la les des du et en un une que qui dans pour est sur avec ce par au aux quelle quel combien comment si "
    "il elle sont pas plus nous vous être écrivez peut",
    "de": "der die das und in den von zu mit ein eine ist für auf dem des im nicht wie viele was wenn sie er hat sind "
    "einen wird schreiben werden man aus bei",
    "it": "il lo la gli le di che e un una per con del della è sono come quali quanti quanto nel se da si dei al "
    "scrivi più cosa qual",
    "pt": "o a os as de que e em um uma para com do da dos das não como é se por mais qual quantos quanto na no são "
    "escreva você ao quais",
    "nl": "de het een van en in is dat op te voor met zijn niet wat hoe die aan er maar ook schrijf hoeveel wordt",
    "ro": "și în de la cu pe un o este sunt din pentru care nu ce mai au ale fost a al cât",
    "pl": "i w na z do się nie jest to że jak ile o co dla przez po czy od są który",
    "cs": "a v na se je že do s z o jak co kolik pro po by jsou který",
    "sv": "och i att det som en på är av för med till den har inte om ett hur vad",
    "da": "og i at det som en på er af for med til den har ikke et hvor hvad",
    "hu": "a az és egy hogy nem is van meg ez ha mi mennyi hány",
    "fi": "ja on ei se että kuinka mitä joka ovat hän tämä kun",
    "tr": "ve bir bu ile için ne kaç nasıl olan da de mi olarak en çok daha var değil",
    "vi": "và của là có các được một trong cho với những không này để bao nhiêu người đã khi",
    "id": "dan yang di dari untuk dengan ini itu adalah pada berapa apa tidak akan dalam saya tulis bagaimana",
    "sw": "na ya wa kwa ni za la katika kila ngapi je yake ana ana kama hii siku alikuwa ikiwa mara",
}
_LETTER = {name: chr(ord("A") + index) for index, name in enumerate(SHORT_WORDS)}
"""One letter for each language, in the order of the table."""
_LANGUAGES = {letter: name for name, letter in _LETTER.items()}
_SPEAKERS: dict[str, str] = {}
"""The letters of the languages that have a word."""
for _name, _list in SHORT_WORDS.items():
    for _word in set(_list.split()):
        _SPEAKERS[_word] = _SPEAKERS.get(_word, "") + _LETTER[_name]
_ALL_SHORT_WORDS = frozenset(_SPEAKERS)

_LETTERS: Mapping[str, tuple[str, ...]] = {
    "vi": ("ạ", "ả", "ấ", "ầ", "ậ", "ế", "ề", "ể", "ệ", "ộ", "ớ", "ờ", "ợ", "ư", "ơ", "đ"),
    "tr": ("ı", "ğ", "ş"),
    "ro": ("ă", "ț", "ș"),
    "pl": ("ł", "ż", "ę", "ą", "ś"),
    "cs": ("ě", "ř", "ů"),
    "hu": ("ő", "ű"),
    "de": ("ß", "ä", "ü"),
    "es": ("ñ", "¿", "¡"),
    "pt": ("ã", "õ"),
    "sv": ("å",),
    "da": ("ø",),
}

# First bytes of UTF-8 and, where scripts share one, the second byte too.
_MARKS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("han", (b"\xe4", b"\xe5", b"\xe6", b"\xe7", b"\xe8", b"\xe9")),
    ("kana", (b"\xe3\x81", b"\xe3\x82", b"\xe3\x83")),
    ("ko", (b"\xea", b"\xeb", b"\xec", b"\xed")),
    ("cyrillic", (b"\xd0", b"\xd1", b"\xd2")),
    ("el", (b"\xce", b"\xcf")),
    ("arabic", (b"\xd8", b"\xd9", b"\xda", b"\xdb")),
    ("he", (b"\xd7",)),
    ("hy", (b"\xd5", b"\xd6")),
    ("hi", (b"\xe0\xa4", b"\xe0\xa5")),
    ("bn", (b"\xe0\xa6", b"\xe0\xa7")),
    ("pa", (b"\xe0\xa8", b"\xe0\xa9")),
    ("gu", (b"\xe0\xaa", b"\xe0\xab")),
    ("ta", (b"\xe0\xae", b"\xe0\xaf")),
    ("te", (b"\xe0\xb0", b"\xe0\xb1")),
    ("kn", (b"\xe0\xb2", b"\xe0\xb3")),
    ("ml", (b"\xe0\xb4", b"\xe0\xb5")),
    ("th", (b"\xe0\xb8", b"\xe0\xb9")),
    ("km", (b"\xe1\x9e", b"\xe1\x9f")),
    ("my", (b"\xe1\x80", b"\xe1\x81")),
    ("ka", (b"\xe1\x83",)),
    ("am", (b"\xe1\x88", b"\xe1\x89", b"\xe1\x8a", b"\xe1\x8b", b"\xe1\x8c", b"\xe1\x8d")),
)
LANGUAGES = (
    frozenset(SHORT_WORDS)
    | {"ja", "zh", "ru", "uk", "ar", "fa", "ur", UNKNOWN}
    | ({name for name, _ in _MARKS} - {"han", "kana", "cyrillic", "arabic"})
)
"""All that can be found."""
_SCRIPTS = tuple((name, frozenset(mark[0] for mark in marks), marks) for name, marks in _MARKS)
ENOUGH = 30
FEW_SHORT_WORDS = 3
"""Ten letters of another script outweigh formulas and code, but not sentences, in Latin letters."""
_HAN_WEIGHT = 4
"""One Han character says as much as four letters."""


def detect(text: str, words: Set[str]) -> str:
    """Return the language of a text as ISO 639-1, given its words in lower case."""
    if not text.isascii():
        found = _by_script(text[:SAMPLE_CHARS], words)
        if found is not None:
            return found
    return _by_words(text, words)


def _by_script(text: str, words: Set[str]) -> str | None:
    """Return the language that a script other than Latin gives away."""
    data = text.encode("utf-8", "replace")
    count = data.count
    present = set(data)
    sums = {
        name: total
        for name, firsts, marks in _SCRIPTS
        if not present.isdisjoint(firsts) and (total := sum(map(count, marks)))
    }
    if not sums:
        return None
    latin = len(data.translate(None, _NOT_LATIN))
    han, kana = sums.pop("han", 0) * _HAN_WEIGHT, sums.pop("kana", 0) * 3
    if han or kana:
        sums["ja" if kana * 4 > han else "zh"] = han + kana
    name = max(sums, key=lambda script: sums[script])
    if sums[name] <= latin and (sums[name] < ENOUGH or len(words & _ALL_SHORT_WORDS) > FEW_SHORT_WORDS):
        return None
    if name == "cyrillic":
        return "uk" if any(letter in text for letter in "іїєґ") else "ru"
    if name == "arabic":
        return "ur" if any(letter in text for letter in "ٹڈڑے") else "fa" if any(c in text for c in "پچژگ") else "ar"
    return name


_NOT_LATIN = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))


def _by_words(text: str, words: Set[str]) -> str:
    spoken = "".join([_SPEAKERS[word] for word in words & _ALL_SHORT_WORDS])
    if not text.isascii():
        sample = text[:SAMPLE_CHARS].lower()
        for name, letters in _LETTERS.items():
            spoken += _LETTER[name] * 2 * sum(letter in sample for letter in letters)
    if spoken:
        # The order of the table decides a tie: English first.
        return _LANGUAGES[max(sorted(set(spoken)), key=spoken.count)]
    # Code, names and bare questions in plain letters are English more often than anything else.
    return "en" if any(word.isascii() and len(word) > 1 for word in words) else UNKNOWN
