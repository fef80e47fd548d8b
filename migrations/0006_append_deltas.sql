-- Four times a second every worker appends what its turns said. As a function that is planned once a connection, also
-- behind a pooler that keeps no prepared statement, and reads by keys whatever the statistics say (see 0005, whose
-- `delta_end` only servers of before still use).
create function append_deltas(of_worker text, of_turns uuid[], of_attempts integer[], offsets integer[], texts text[])
    returns table (turn_id uuid, cancel_requested boolean, lease_until timestamptz, stored integer)
    language plpgsql set enable_seqscan = off as $$
#variable_conflict use_column
begin
    return query
    with alive as (
        select b.*, turns.cancel_requested, turns.lease_until,
               coalesce((select d."offset" + char_length(d.text)
                         from turn_deltas d
                         where d.turn_id = b.turn_id and d.attempt = b.attempt
                         order by d."offset" desc
                         limit 1), 0) as stored
        from unnest(of_turns, of_attempts, offsets, texts) as b (turn_id, attempt, "offset", text)
        join turns on turns.id = b.turn_id
        where turns.attempt = b.attempt and turns.worker = of_worker and turns.status = 'running'
        for no key update of turns
    ), appended as (
        insert into turn_deltas (turn_id, attempt, "offset", text)
        select turn_id, attempt, "offset", text from alive where text <> '' and "offset" = stored
        returning turn_deltas.turn_id, turn_deltas."offset" + char_length(turn_deltas.text) as stored
    )
    select alive.turn_id, alive.cancel_requested, alive.lease_until, coalesce(appended.stored, alive.stored)
    from alive left join appended on appended.turn_id = alive.turn_id;
end
$$;
