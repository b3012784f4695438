"""Words of manuals that stand for one another, for questions whose own word stands nowhere in the documents.

Written by hand from general English; not learnt from any of the sets that are measured.
"""

from __future__ import annotations

from functools import cache

from edgewright.nlp.documents.words import stem

_GROUPS = """
change replace swap exchange switch substitute insert install
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
# Verbs that questions are made with: whether a document uses them says little.
_VERBS = "use get make made take put give find go keep work help need let try look change do say tell show happen"
WEAK = frozenset(stem(word) for word in _VERBS.split())
SHARE = 0.3
"""What a missing one of them counts against another missing word."""


@cache
def _others() -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for line in _GROUPS.split("\n"):
        group = [stem(word) for word in line.split()]
        for word in group:
            found.setdefault(word, {}).update(dict.fromkeys(other for other in group if other != word))
    return {word: tuple(others) for word, others in found.items()}


def others(word: str) -> tuple[str, ...]:
    """Stems that may stand for a stem, the nearest in use first; none for most."""
    return _others().get(word, ())
