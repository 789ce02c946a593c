"""The words that the untrained embedded learner knows."""

from __future__ import annotations

__all__ = ["COMMON"]

_WORDS = """
a an the this that these those some any each every both neither another no not
i me my you your he him his she her it its we us our they them their who whose which what
and or but so because if when while until although unless than as though
in on at by for from with without into onto over under near behind beside between before after during about
is are was were be been being am do does did done have has had can could will would shall should may might must
go goes went come comes came make makes made take takes took give gives gave get gets got see sees saw seen
know knows knew think thinks thought say says said tell tells told ask asks asked find finds found keep keeps kept
want wants wanted need needs needed use uses used work works worked play plays played read write wrote speak spoke
walk walked run ran sit sat stand stood eat ate drink sleep slept wake open close begin began end start stop
one two three four five six seven eight nine ten hundred thousand first second third last next half many few
good better best bad worse worst big small large little long short tall old young new early late warm cold hot
red blue green yellow white black grey brown bright dark quiet loud soft hard heavy light full empty clean easy
here there where now then today tomorrow yesterday always never often sometimes soon again still already perhaps
very quite too also only just even almost rather really together alone away back up down out off
day night morning evening week month year hour minute spring summer autumn winter time
man woman child friend mother father sister brother family neighbour teacher doctor farmer people
house door window wall roof room kitchen table chair bed garden road bridge town village city country
water fire earth wind rain snow sun moon star sky sea river lake hill mountain forest tree leaf flower grass stone
dog cat horse bird fish cow sheep bread milk apple soup tea salt sugar egg rice
hand head eye ear foot heart face voice name word letter book page story song picture question answer
boat train wheel ship bag box bell clock key coat shoe hat cup plate spoon paper glass wood iron gold money
"""

COMMON: tuple[str, ...] = (*dict.fromkeys(f" {word}" for word in _WORDS.split()), ".", ",", "?", "!")
"""Tokens as `tokenise` makes them, so a dataset that uses one of them shares its row."""
