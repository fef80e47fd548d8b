-- Answers end and take their deltas along, so whoever counts the table's rows finds next to none, and a plan that is
-- made then reads all of it, for every running turn, long after it has filled again. This one goes by the index.
create function delta_end(turn uuid, of_attempt integer) returns integer
    language plpgsql stable parallel safe set enable_seqscan = off as $$
begin
    return coalesce((
        select "offset" + char_length(text)
        from turn_deltas
        where turn_id = turn and attempt = of_attempt
        order by "offset" desc
        limit 1), 0);
end
$$;

-- An emptied page is filled again soon; to cut it off, vacuum would keep all turns waiting.
alter table turn_deltas set (vacuum_truncate = off);
