-- What limits need: windows that cannot hold more than they may, the running turns of an address, and the pause.

-- `most` is what the window allowed when it was last counted in: a race that would exceed it fails as a whole.
alter table rate_windows
    add column most bigint,
    add constraint rate_windows_within check (used <= most);
alter table rate_windows set (fillfactor = 70);  -- a counter that is raised again and again stays on its page

-- While it runs, a turn holds one of the slots of the address it came from, which is kept as a keyed hash. `reserved`
-- is what it took from the budgets: [{"key", "starts_at", "unit", "amount"}], settled when it ends.
alter table turns
    add column address  bytea,
    add column slot     smallint,
    add column reserved jsonb;
create unique index turns_slots on turns (address, slot) where status = 'running';

-- One row while no new turn may start.
create table pause (
    one    boolean primary key default true check (one),
    since  timestamptz not null default now(),
    reason text
);
