"""Words of questions and documents as the index knows them: one case, no accents, English endings taken off.

Text of scripts without spaces between words (Chinese, Japanese, Thai) becomes pairs of characters. Words of other
alphabets than the Latin stay whole. The endings are those of Porter (An algorithm for suffix stripping, 1980), fewer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from functools import cache, lru_cache

# Words that say nothing about what is asked; also what people write around a question.
_STOP = """
    a about am an and any are as at be been but by can could did do does don dont explain for from had has have how i if
    in into is it its just know like m may me method my need no not of on or over please possible procedure process s
    should so some t tell than that the their them then there these they this those to under want was way we were what
    when where which while who whom whose why will with would you your
"""
STOP = frozenset(_STOP.split())
_WORD = re.compile(r"[^\W_]+")
# Joined words that are written in two ways.
_HYPHEN = re.compile(r"(?<=\b[a-z])-(?=[a-z])|(?<=\bwi)-(?=fi\b)")
_SPACELESS = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+")
_VOWEL = re.compile("[aeiouy]")
_LONG = (("ational", "ate"), ("ization", "ize"), ("isation", "ize"), ("iveness", "ive"), ("ousness", "ous"),
         ("fulness", "ful"))  # fmt: skip
_ENDINGS = ("ingly", "edly", "ship", "ness", "ing", "ed", "ation", "ion", "ment", "ly", "er", "or")
# Beyond it a word is no word that anybody asks for: a key or a picture in base 64.
LONGEST_WORD = 40


def fold(text: str) -> str:
    """Lower case, without accents, compatible forms as one."""
    if text.isascii():
        return text.lower()
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in split if not unicodedata.combining(c))


def stems(text: str) -> list[str]:
    """Return words of a text, in order, without those that say nothing."""
    words = []
    for word in _WORD.findall(_HYPHEN.sub("", fold(text))):
        if word.isascii():
            if word not in STOP and len(word) <= LONGEST_WORD:
                words.append(stem(word))
        else:
            words += _pieces(word)
    return words


def as_written(text: str, wanted: Collection[str]) -> tuple[str, ...]:
    """Return the words of a text that have these stems, as written; stems without such a word unchanged."""
    spelt: dict[str, str] = {}
    for word in _WORD.findall(text):
        wanted_stems = stems(word)
        if len(wanted_stems) == 1:
            spelt.setdefault(wanted_stems[0], word)
    return tuple(dict.fromkeys(spelt.get(stem, stem) for stem in wanted))


def _pieces(word: str) -> list[str]:
    pieces = []
    last = 0
    for match in _SPACELESS.finditer(word):
        if match.start() > last:
            pieces.append(word[last : match.start()][:LONGEST_WORD])
        run = match.group()
        pieces += [run[i : i + 2] for i in range(max(1, len(run) - 1))]
        last = match.end()
    if last < len(word):
        pieces.append(word[last:][:LONGEST_WORD])
    return pieces


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return an English word without its ending; the same word for 'connect', 'connecting' and 'connection'."""
    for ending, instead in _LONG:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)] + instead
            break
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in _ENDINGS:
        bare = word[: -len(ending)]
        if word.endswith(ending) and len(bare) >= 3 and _VOWEL.search(bare):
            # 'running' is 'run'; 'selling' is 'sell'.
            word = bare[:-1] if len(bare) > 3 and bare[-1] == bare[-2] and bare[-1] not in "lsz" else bare
            break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word


# Words of manuals that stand for one another, for questions whose own word stands nowhere in the documents. Written by
# hand from general English; not learnt from any of the sets that are measured.
_GROUPS = """
change replace swap exchange switch substitute insert install put
remove delete erase detach uninstall clear discard
clean wash wipe rinse dust
start launch begin boot run
stop end quit halt cancel abort
activate enable
deactivate disable
connect attach join link pair plug
disconnect detach unplug
repair fix mend troubleshoot solve
broken defective faulty damaged malfunction fails
error fault problem issue failure trouble
show display view see
hide conceal
choose select pick
adjust set configure setup setting
enlarge zoom magnify bigger larger increase raise
reduce decrease lower smaller shrink
battery cell accumulator
charge recharge
cable cord wire lead
display screen monitor panel
volume loudness
sound audio
picture image photo
movie film video
phone smartphone mobile handset
wifi wireless wlan
network internet
software firmware
update upgrade
app application program
button key
manual guide handbook instructions
warranty guarantee
price cost
purchase buy
store shop
save keep store record
send transmit
receive get obtain
make create produce build
made composed consists material
happen occur
allow permit
forbid prohibit
dangerous hazardous unsafe
safety precaution
weight heavy weigh
size dimension measure
hot heat warm
cold cool
quick fast rapid
noise noisy loud
rotate turn spin
lock block
unlock unblock
reset restore
language languages
child children kid
old age
country nation
doctor physician
car vehicle automobile
"""
# Words that questions are made with: whether a document uses them says little.
_VERBS = "use uses get make made take put give find go keep work help need let try look change do say tell show happen"
_WEAK = "option feature step way want fix available setting function"
VERBS = frozenset(stem(word) for word in _VERBS.split())
WEAK = VERBS.union(stem(word) for word in _WEAK.split())
_USE = ("use", "using", "used")
FORMS = dict.fromkeys(_USE, _USE)
"""Forms of a verb that `stem` leaves apart; an index holds them so."""


def share_of(word: str) -> float:
    """Return what a stem counts against other words of a question: less where it belongs to the asking."""
    return 0.4 if word in WEAK else 1.0


@cache
def _others() -> dict[str, tuple[str, ...]]:
    groups: dict[str, dict[str, None]] = {}
    for line in _GROUPS.split("\n"):
        group = [stem(word) for word in line.split()]
        for word in group:
            groups.setdefault(word, {}).update(dict.fromkeys(other for other in group if other != word))
    return {word: tuple(others) for word, others in groups.items()}


def others(word: str) -> tuple[str, ...]:
    """Stems that may stand for a stem, the nearest in use first; none for most."""
    return _others().get(word, ())


# An end of a sentence, quotes and brackets that belong to it, a gap; a line of its own is a sentence, too.
_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f]\s*|\s*\n+\s*")
_SHORT = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nos|vs|etc|e\.g|i\.e|cf|al|Fig|approx|Inc|Ltd|Co|Jr|Sr|Gen|Col|ca|resp|max|min)"
    r"|\b[A-Z])\.$"
)
# Only in front of these does a stop end a sentence.
_BEGINS = re.compile(r"[^a-z,;:)\]]")
# A list without a stop is cut, so that a sentence can be shown.
LONGEST = 600


def sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Begin and end of each sentence, without space around it; none of them longer than `LONGEST`."""
    spans: list[tuple[int, int]] = []
    begin = 0
    for match in _END.finditer(text):
        if match.end() < len(text) and "\n" not in match.group():
            before = text[max(begin, match.start() - 8) : match.start() + 1]
            if not _BEGINS.match(text, match.end()) or _SHORT.search(before):
                continue
        _add(spans, text, begin, match.end())
        begin = match.end()
    _add(spans, text, begin, len(text))
    return tuple(spans)


def _add(spans: list[tuple[int, int]], text: str, begin: int, end: int) -> None:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    while end - begin > LONGEST:
        cut = text.rfind(" ", begin + LONGEST // 2, begin + LONGEST)
        cut = cut if cut > 0 else begin + LONGEST
        spans.append((begin, cut))
        begin = cut + 1 if text[cut].isspace() else cut
    if end > begin:
        spans.append((begin, end))


# What is said around a question: 'What are the steps to ...', 'Is there any way to ...', 'How do I fix this?'.
_FRAME = re.compile(
    r"\b(?:what|which) (?:is|are) (?:the |a |an |all |best |correct |right |different )*(?:steps?|ways?|procedures?"
    r"|process|methods?|uses?|purpose|functions?|meaning|role)\b(?: (?:to|of|for|in|involved in)\b)?"
    r"(?: (?:follow|do)\b)?"
    r"|\bis there (?:any |an? |some )*(?:way|option|method|possibility|chance|procedure)s?\b(?: (?:to|for|that)\b)?"
    r"|\bis it possible to\b|\b(?:can|could) you (?:please )?(?:explain|tell me|help me)\b(?: about\b)?"
    r"|\bi (?:want|need|would like|wish|am trying|have) to\b(?: know\b)?(?: about\b)?"
    r"|\bwhere (?:do|can) i (?:find|get|see|go to)\b|\bwhat (?:should|can|do|must) i do\b"
    r"|\bhow (?:can|do|should|could|to) (?:i |we |you )?(?:fix|solve|resolve|do) (?:this|it|that)\b"
    r"(?: (?:issue|problem)\b)?"
    r"|\bhow (?:do|can) i (?:use|get|go about)\b|\bhow (?:many|much|long|often|old|far)\b|\bplease (?:explain|tell)\b",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"\b(?:not|no|never|cannot|fail\w*|trouble\w*|problem\w*|error\w*|issue\w*|wrong|fix|broken|distort\w*)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)


def without_frame(question: str) -> str:
    """Return what is asked, without the words around it; the question itself where nothing else would be left."""
    bare = _FRAME.sub(" ", question)
    return bare if stems(bare) else question


def is_trouble(text: str) -> bool:
    """Return whether a question or a heading is of something that does not work."""
    return bool(_TROUBLE.search(text))


_NUMBER = re.compile(
    r"\b(?:\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million"
    r"|billion|half|third|quarter|twice|once)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:1\d{3}|20\d{2}|\d{1,2}(?:st|nd|rd|th)|January|February|March|April|May|June|July|August|September|October"
    r"|November|December|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|century|\d+s|\d{1,2}:\d{2})\b"
)
# A name: a capital that does not begin the sentence, or two in a row.
_NAME = re.compile(r"(?<=\S )[\"'\u201c(]?[A-Z][\w.\u2019'-]*|^[A-Z][\w.-]+ [A-Z][\w.\u2019'-]*")
_PERMISSION = re.compile(
    r"\b(?:is|are|am|was|be) (?:\w+ ){1,2}?"
    r"(?:allowed|permitted|permissible|legal|illegal|lawful|forbidden|prohibited)\b"
    r"|^\W*may (?:i|we|one)\b|\ballowed to\b|\bhave permission\b"
)
_RULE = re.compile(
    r"\b(?:may|must|shall|only|never|do not|don['\u2019]t|cannot|not allowed|allowed to|permit\w*|forbid\w*"
    r"|prohibit\w*|legal\w*|illegal|law|laws|lawful|require[sd]?)\b",
    re.IGNORECASE,
)
_TASK = re.compile(
    r"\bhow (?:do|can|to|should|could|would)\b|\bsteps?\b|\bway to\b|\bcan (?:i|we|you)\b|\bpossible to\b",
    re.IGNORECASE,
)
_ORDERS = """
    press select open click use set turn move go choose connect remove take put push hold insert tap enter check make
    run install replace pull slide switch try follow wipe clean close add change swipe drag place point charge lay visit
"""
# A sentence that says what to do.
_INSTRUCTION = re.compile(
    rf"(?:^|[.:;>]\s+|\n)(?:To \w+[^.\n]{{0,200}}, )?(?:{'|'.join(_ORDERS.split())})\b", re.IGNORECASE
)
_ASKS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (_PERMISSION, _RULE),
    (re.compile(r"\bhow (?:many|much|long|old|far|often|big|large|tall|fast|high|deep|wide|hot|cold)\b"
                r"|\bwhat (?:percent|percentage|number|amount|size|temperature|voltage|age)\b"), _NUMBER),
    (re.compile(r"\bwhen\b|\b(?:what|which|in what) (?:year|date|century|month|day|decade|time)\b"), _DATE),
    (re.compile(r"\bwho\b|\bwhose\b|\bwhom\b|\bwhere\b|\b(?:what|which) (?:\w+ )?(?:city|country|person|company|state"
                r"|team|name|president|king|player|school|university|place|river|group|organization|book|church)\b"),
     _NAME),
)  # fmt: skip


def is_task(question: str) -> bool:
    """Return whether a question asks how something is done."""
    return bool(_TASK.search(question))


def is_instruction(text: str) -> bool:
    """Return whether a sentence of a text says what to do."""
    return bool(_INSTRUCTION.search(text))


def is_permission(question: str) -> bool:
    """Return whether a question asks if something is allowed."""
    return bool(_PERMISSION.search(question.lower()))


def asks_for(question: str) -> Callable[[str], bool] | None:
    """Return a test of sentences, or None where the question asks for nothing in particular.

    Args:
        question: as it was typed. English; any other language asks for nothing in particular.
    """
    lower = question.lower()
    named: set[str] = set(re.findall(r"\w+", lower))
    for pattern, kind in _ASKS:
        if pattern.search(lower):
            # 'Where is Paris?' is not answered by 'Paris', but 'Is it allowed?' by 'is allowed'.
            repeated = set() if kind is _RULE else named
            return lambda sentence: any(
                not repeated.issuperset(re.findall(r"\w+", match.lower())) for match in kind.findall(sentence)
            )
    return None
