"""`python -m app slots`: users' rows to another shard, by hand, while the map says that their slots are frozen."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

from app.data.database import Access, Database
from app.data.shards import Shards
from app.data.slot_clean import Cleaner
from app.data.slot_copy import Compared, DisagreeError, Mover, Slots, SlotsError
from app.settings import Move, Settings, Shard, ShardMap

_SLOTS = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of `python -m app`."""
    slots = commands.add_parser("slots", help="move users' rows to another shard")
    doing = slots.add_subparsers(dest="doing", required=True)
    copy = doing.add_parser("copy", help="copy the rows of frozen slots to the shard that they move to, and compare")
    copy.add_argument("--again", action="store_true", help="replace what that shard has of these users")
    compare = doing.add_parser("compare", help="compare the rows of frozen slots on both shards")
    clean = doing.add_parser("clean", help="show what other shards still have of these slots' users")
    clean.add_argument("--delete", action="store_true", help="delete it")
    for one in (copy, compare, clean):
        one.add_argument("slots", type=_slots, help="such as 200-210")


async def run(given: argparse.Namespace, settings: Settings) -> str:
    """Do it; what to tell.

    Raises:
        SlotsError: it is refused, or the shards do not have the same; the table is part of the text.
        UnavailableError: a shard does not answer.
        UncertainError: the connection was lost while committing.
    """
    async with Database(Access.of(settings), Shards(settings.shard_map)) as database:
        if given.doing == "clean":
            owner = _owner(settings.shard_map, given.slots)
            cleaner = Cleaner(database=database, slots=given.slots, owner=owner, tell=_tell)
            found = await (cleaner.delete() if given.delete else cleaner.count())
            return _leftovers(given.slots, owner, found, deleted=given.delete)
        move = _frozen(settings.shard_map, given.slots)
        shards = database.shards
        mover = Mover(
            database=database,
            slots=given.slots,
            source=shards.to_read(move.source),
            target=shards.to_read(move.target),
            tell=_tell,
        )
        try:
            tables = await (mover.copy(again=given.again) if given.doing == "copy" else mover.compare())
        except DisagreeError as error:
            msg = f"{error}\n{_compared(mover, error.tables)}"
            raise SlotsError(msg) from None
    if not all(one.agrees for one in tables):
        msg = f"the shards do not have the same\n{_compared(mover, tables)}"
        raise SlotsError(msg)
    return (
        f"{_compared(mover, tables)}\nboth shards have the same; the slots may be switched: {given.slots}={move.target}"
    )


def _slots(text: str) -> Slots:
    """A range of slots that there may be."""
    found = _SLOTS.fullmatch(text)
    if found is None or not int(found[1]) <= int(found[2] or found[1]) <= 255:  # noqa: PLR2004 a byte
        msg = "must be slots from 0 to 255, such as 200-210 or 7, the first one first"
        raise argparse.ArgumentTypeError(msg)
    return Slots(int(found[1]), int(found[2] or found[1]))


def _frozen(shard_map: ShardMap, slots: Slots) -> Move:
    """The move of exactly these slots: half of one would be switched without its rows.

    Raises:
        SlotsError: there is none.
    """
    moves = [move for move in shard_map.moving if _overlap(slots, move.slots)]
    for move in moves:
        if move.slots == (slots.first, slots.last):
            return move
    if not moves:
        msg = f"the map of this pod does not move {slots}: freeze them first ({slots}=FROM>TO:frozen)"
    else:
        known = ", ".join(str(Slots(*move.slots)) for move in moves)
        msg = f"the map of this pod moves {known}, not {slots}: name slots as it does, one move at a time"
    raise SlotsError(msg)


def _owner(shard_map: ShardMap, slots: Slots) -> Shard:
    """The shard that all of them are on.

    Raises:
        SlotsError: they are on several, or on their way.
    """
    if any(_overlap(slots, move.slots) for move in shard_map.moving):
        msg = f"the map of this pod still moves some of {slots}; nothing is deleted before they are switched"
        raise SlotsError(msg)
    owners = [shard for shard in shard_map.shards if any(_overlap(slots, own) for own in shard.slots)]
    if len(owners) > 1:
        msg = f"{slots} are on shards {', '.join(str(shard.id) for shard in owners)}: name those of one at a time"
        raise SlotsError(msg)
    return owners[0]


def _overlap(slots: Slots, other: tuple[int, int]) -> bool:
    return slots.first <= other[1] and other[0] <= slots.last


def _compared(mover: Mover, tables: Sequence[Compared]) -> str:
    head = ("table", f"shard {mover.source.id}", f"shard {mover.target.id}", "")
    rows = [(one.table, f"{one.source:,}", f"{one.target:,}", "" if one.agrees else "differs") for one in tables]
    return _table([head, *rows])


def _leftovers(slots: Slots, owner: Shard, found: Mapping[int, Mapping[str, int]], *, deleted: bool) -> str:
    if not found:
        return f"only shard {owner.id} has rows of {slots}"
    head = ("table", *(f"shard {shard}" for shard in found))
    tables = next(iter(found.values()))
    shown = _table([head, *((table, *(f"{rows[table]:,}" for rows in found.values())) for table in tables)])
    return f"{shown}\n{'deleted' if deleted else 'nothing was deleted; --delete deletes these rows'}"


def _table(rows: Iterable[Sequence[str]]) -> str:
    """Columns of the same width, numbers to the right."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        [
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 for whoever waits
