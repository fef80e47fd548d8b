"""The statements that start a turn, keep it, answer it anew, end what a lost worker left, and say what forbids a start.

Each is put together from parts that several share, and may be sent twice.
"""

from persistence import messages
from persistence.limits import CHARGED, ROOM
from persistence.sessions import SEEN, VALID

EARLIER_MESSAGES = 24

# Ends turns whose lease ran out, keeping the text they had released. Follows a CTE `expired` with their ids.
_REAP = """
    dead as (
        update turns
        set status = 'interrupted', finished_at = now(), error = {error}::jsonb, address = null, slot = null,
            reserved = null
        from expired
        where turns.id = expired.id and turns.status = 'running' and turns.lease_until < now()
        returning turns.id, turns.attempt
    ), last_words as (
        update messages
        set status = 'interrupted', metadata = metadata || jsonb_build_object('error', {error}::jsonb),
            content = coalesce((select string_agg(d.text, '' order by d."offset") from turn_deltas d
                                where d.turn_id = dead.id and d.attempt = dead.attempt), '')
        from dead
        where messages.turn_id = dead.id and messages.attempt = dead.attempt and messages.role = 'assistant'
    ), buried as (
        delete from turn_deltas using dead where turn_deltas.turn_id = dead.id
    )"""

REAP_ONE = f"with expired as (select $1::uuid as id), {_REAP.format(error='$2')} select from dead"  # noqa: S608

REAP_ADDRESS = f"""
    with expired as (select id from turns where address = $1 and status = 'running'),
    {_REAP.format(error="$2")} select count(*) from dead"""  # noqa: S608

# A slot that no running turn of the address holds; two that choose the same one meet in a unique index. A few more are
# looked at than are held, so that two at once rarely do, and not a thousand where a thousand may run.
_SLOTS = """
    held as materialized (
        select t.slot from turns t where t.address = {address} and t.status = 'running'
    ), slots as (
        select slot
        from generate_series(1, least({running}, (select count(*) from held) + 100)) slot
        where slot not in (select held.slot from held)
        order by random()
        limit 1
    )"""

_MAY_START = """
    not exists (select from pause) and not exists (select from room where open is null)
          and ({running} = 0 or exists (select from slots))"""

_RESERVED = """(
    select jsonb_agg(jsonb_build_object('key', open, 'starts_at', starts_at, 'unit', unit, 'amount', amount)
                     order by nth)
    from room
    where unit in ('tokens', 'cost'))"""


def _start(*, opens: bool) -> str:
    """Return the statement that stores a question and claims its turn, in a new thread or in one that is there.

    The turn goes in before its thread (foreign keys are checked when the statement ends), so that of many equal
    questions at once the losers leave no empty thread behind. `mine` also finds the turn when this is sent again.
    """
    if opens:
        there, last = "true", "select 0 as seq"
        thread = "opened as (insert into threads (id, session_id, title) select $2, known.id, $14 from claimed, known)"
        earlier = ""
    else:
        there = "exists (select from threads where id = $2 and session_id = known.id)"
        last = "select coalesce(max(seq), 0) as seq from messages where thread_id = $2"
        thread = """continued as (
            update threads set updated_at = now(), title = case title when '' then $14 else title end
            from claimed
            where threads.id = $2
        )"""
        earlier = f"""left join lateral (
            select {messages.COLUMNS}
            from messages m join turns t on t.id = m.turn_id
            where m.thread_id = $2 and m.turn_id <> $3 and m.status = 'completed'
            order by m.seq desc
            limit {EARLIER_MESSAGES}
        ) earlier on true"""  # noqa: S608 - put together from constants
    return f"""
    with known as (
        select id, last_seen_at from sessions where token_hash = $1 and {VALID} and ($15::uuid is null or id = $15)
    ), seen as ({SEEN}), {ROOM.format(charges="$16::jsonb")},
    {_SLOTS.format(running="$18::int", address="$17::bytea")}, claimed as (
        insert into turns
            (id, session_id, thread_id, mode, request, request_hash, client_message_id, worker, lease_until,
             address, slot, reserved)
        select $3, known.id, $2, $6, $7, $8, $9, $10, now() + make_interval(secs => $19),
               $17, (select slot from slots), {_RESERVED}
        from known
        where {there} and {_MAY_START.format(running="$18::int")}
        on conflict do nothing
        returning id
    ), {CHARGED.format(claimed="claimed")}, {thread}, written as (
        insert into messages (id, thread_id, turn_id, seq, role, content, status, metadata)
        select new.id, $2, claimed.id, last.seq + new.seq, new.role, new.content, new.status, new.metadata
        from claimed,
             ({last}) last,
             (values ($4::uuid, 1, 'user', $11, 'completed', $12::jsonb),
                     ($5::uuid, 2, 'assistant', '', 'running', $13::jsonb)
             ) new (id, seq, role, content, status, metadata)
    )
    select known.id as session_id{", earlier.*" if earlier else ""}
    from known
    cross join (select id from claimed union all select id from turns where id = $3) mine
    {earlier}"""  # noqa: S608 - put together from constants


OPEN, CONTINUE = _start(opens=True), _start(opens=False)

# `append_deltas` (migration 0006) says of each turn that is still the worker's how it stands, after appending its text.
_APPENDED = "append_deltas($1, $2::text[]::uuid[], $3::text[]::int[], $4::text[]::int[], $5::text[])"

APPEND = f"""
    select turn_id, cancel_requested, stored, lease_until < now() + make_interval(secs => $6) as due,
           set_config('synchronous_commit', 'off', true)
    from {_APPENDED}"""  # noqa: S608 - put together from constants

APPEND_AND_RENEW = f"""
    with appended as materialized (
        select * from {_APPENDED}
    ), beats as (
        select b.*
        from unnest($2::text[]::uuid[], $3::text[]::int[], $6::text[]::jsonb[], $7::text[]::jsonb[])
             as b (turn_id, attempt, preface, metadata)
        join appended on appended.turn_id = b.turn_id
    ), renewed as (
        update turns
        set lease_until = now() + make_interval(secs => $8), preface = coalesce(beats.preface, turns.preface)
        from beats
        where turns.id = beats.turn_id
    ), told as (
        update messages set metadata = beats.metadata
        from beats
        where messages.turn_id = beats.turn_id and messages.attempt = beats.attempt
          and messages.role = 'assistant' and beats.metadata is not null
    )
    select turn_id, cancel_requested, stored, false as due, set_config('synchronous_commit', 'off', true)
    from appended"""  # noqa: S608 - put together from constants

# Also takes a turn over whose lease ran out; what it had released is kept with its message. `mine` finds the attempt
# again by its message when this is sent twice.
RETRY = f"""
    with known as (
        select $1::uuid as id
    ), {ROOM.format(charges="$8::jsonb")}, {_SLOTS.format(running="$10::int", address="$9::bytea")}, taken as (
        update turns
        set attempt = attempt + 1, status = 'running', worker = $5, lease_until = now() + make_interval(secs => $6),
            cancel_requested = false, preface = null, error = null, finished_at = null,
            address = $9, slot = (select slot from slots), reserved = {_RESERVED}
        where session_id = $1 and id = $2 and attempt = $3
          and (status <> 'running' or lease_until < now())
          and {_MAY_START.format(running="$10::int")}
          and id = (select turn_id from messages m where m.thread_id = turns.thread_id order by seq desc limit 1)
        returning id, thread_id, attempt, mode
    ), {CHARGED.format(claimed="taken")}, superseded as (
        update messages
        set status = 'superseded',
            content = case when messages.status <> 'running' then messages.content else coalesce(
                (select string_agg(d.text, '' order by d."offset") from turn_deltas d
                 where d.turn_id = taken.id and d.attempt = $3), '') end
        from taken
        where messages.turn_id = taken.id and messages.attempt = $3 and messages.role = 'assistant'
    ), dropped as (
        delete from turn_deltas using taken where turn_deltas.turn_id = taken.id
    ), written as (
        insert into messages (id, thread_id, turn_id, attempt, seq, role, content, status, metadata)
        select $4, taken.thread_id, taken.id, taken.attempt, (select max(seq) + 1 from messages m
                                                              where m.thread_id = taken.thread_id),
               'assistant', '', 'running', jsonb_build_object('mode', taken.mode, 'label',
               case taken.mode when 'constrained' then $7::text end)
        from taken
    ), touched as (
        update threads set updated_at = now() from taken where threads.id = taken.thread_id
    ), mine as (
        select id from taken union all select turn_id from messages where id = $4
    )
    select turns.request, question.thread_id as in_thread, question.id as question_id, earlier.*
    from mine
    join turns on turns.id = mine.id
    join messages question on question.turn_id = mine.id and question.role = 'user'
    left join lateral (
        select {messages.COLUMNS}
        from messages m join turns t on t.id = m.turn_id
        where m.thread_id = question.thread_id and m.seq < question.seq and m.status = 'completed'
        order by m.seq desc
        limit {EARLIER_MESSAGES}
    ) earlier on true"""  # noqa: S608 - put together from constants


REFUSAL = f"""
    with known as (
        select $1::uuid as id
    ), {ROOM.format(charges="$2::jsonb")}, {_SLOTS.format(running="$4::int", address="$3::bytea")}, fullest as (
        select nth, extract(epoch from starts_at + make_interval(secs => seconds) - now()) as seconds
        from room
        where open is null
        order by seconds desc
        limit 1
    )
    select exists (select from pause) as paused, $4 > 0 and not exists (select from slots) as crowded,
           (select nth from fullest) as nth, (select seconds from fullest) as seconds"""  # noqa: S608
