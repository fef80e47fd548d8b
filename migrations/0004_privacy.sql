-- What keeps old conversations from staying, and what the docs did not answer.

-- Chores that one worker does for all; a row says when one was last begun.
create table chores (
    name     text primary key,
    begun_at timestamptz not null default now()
);

-- The optional LangGraph checkpointer names a thread as text, without a foreign key. Where its tables stand beside ours,
-- what a thread left in them goes with the thread, however that is deleted.
create function forget_checkpoints() returns trigger language plpgsql as $$
declare
    kept text;
begin
    foreach kept in array array['checkpoint_writes', 'checkpoint_blobs', 'checkpoints'] loop
        if to_regclass(kept) is not null then
            execute format('delete from %I where thread_id in (select id::text from gone)', kept);
        end if;
    end loop;
    return null;
end
$$;
create trigger threads_forget_checkpoints after delete on threads referencing old table as gone
    for each statement execute function forget_checkpoints();

-- A row for each question that the docs or a selection did not answer well: as it was answered last, and by which signs.
create view content_gaps as
select t.id as turn_id, t.session_id, coalesce('user ' || s.user_key, 'session ' || s.id) as reader, t.mode,
       q.created_at as asked_at, q.content as question, signs.kinds,
       coalesce(a.metadata -> 'scope' ->> 'version', q.metadata -> 'source' ->> 'version') as version,
       coalesce(a.metadata -> 'scope' ->> 'locale', q.metadata -> 'source' ->> 'locale') as locale,
       -- The pages named as the nearest, else those cited, else the one where the text was marked: without anchors.
       array(
           select distinct split_part(page, '#', 1)
           from unnest(case
               when jsonb_array_length(a.metadata -> 'nearest') > 0
                   then array(select near ->> 'path' from jsonb_array_elements(a.metadata -> 'nearest') near)
               when jsonb_array_length(a.metadata -> 'citations') > 0
                   then array(select cited ->> 'path' from jsonb_array_elements(a.metadata -> 'citations') cited)
               else array[q.metadata -> 'source' ->> 'path']
           end) page
           where page is not null
           order by 1
       ) as pages,
       array(
           select lacking ->> 'what'
           from jsonb_array_elements(coalesce(nullif(a.metadata -> 'verdict', 'null') -> 'missing', '[]')) lacking
       ) as missing
from turns t
join sessions s on s.id = t.session_id
join messages q on q.turn_id = t.id and q.role = 'user'
join messages a on a.turn_id = t.id and a.role = 'assistant' and a.attempt = t.attempt and a.status = 'completed'
left join feedback f on f.message_id = a.id
cross join lateral (
    select array_remove(array[
        case when a.metadata ->> 'outcome' in ('not_covered', 'insufficient', 'partial')
            then a.metadata ->> 'outcome' end,
        case when jsonb_array_length(a.metadata -> 'grounding' -> 'unsupported') > 0 then 'unsupported' end,
        case when f.rating = 'down' then 'disliked' end
    ], null) as kinds
) signs
where cardinality(signs.kinds) > 0;
