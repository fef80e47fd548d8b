-- A foreign key looks its turn up for every delta; what is deleted looks for deltas once. The trigger runs behind the
-- lock that an append holds on its turn, and so sees what was appended meanwhile.
alter table turn_deltas drop constraint turn_deltas_turn_id_fkey;

create function drop_deltas() returns trigger language plpgsql as $$
begin
    delete from turn_deltas using gone where turn_deltas.turn_id = gone.id;
    return null;
end
$$;

create trigger turns_drop_deltas after delete on turns
    referencing old table as gone for each statement execute function drop_deltas();
