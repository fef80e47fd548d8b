-- Sessions, threads, messages and turns. Ids are UUIDv7 made by the application; times are the database's.

create table sessions (
    id           uuid primary key,
    token_hash   bytea not null unique check (octet_length(token_hash) = 32),  -- sha256: a stolen dump opens no session
    user_key     text,
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    revoked_at   timestamptz,
    metadata     jsonb not null default '{}'
);
create index sessions_created_at on sessions (created_at);

create table threads (
    id         uuid primary key,
    session_id uuid not null references sessions on delete cascade,
    title      text not null default '',  -- empty until the first question or a rename gives one
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    metadata   jsonb not null default '{}'
);
create index threads_session_id on threads (session_id, id);
create index threads_created_at on threads (created_at);

create table turns (
    id                uuid primary key,
    session_id        uuid not null references sessions on delete cascade,
    thread_id         uuid not null references threads on delete cascade,
    mode              text not null check (mode in ('grounded', 'constrained')),
    status            text not null default 'running'
                      check (status in ('running', 'completed', 'cancelled', 'failed', 'interrupted')),
    attempt           integer not null default 1 check (attempt >= 1),
    request           jsonb not null,
    request_hash      bytea not null,
    worker            text not null,
    lease_until       timestamptz not null,
    cancel_requested  boolean not null default false,
    client_message_id uuid,
    preface           jsonb,
    error             jsonb,
    created_at        timestamptz not null default now(),
    finished_at       timestamptz,
    check ((status = 'running') = (finished_at is null))
) with (fillfactor = 70);  -- room on the page: a lease renewed four times a second then touches no index
create unique index turns_one_running on turns (thread_id) where status = 'running';
create unique index turns_client_message_id on turns (session_id, client_message_id);
create index turns_thread_id on turns (thread_id, id);
create index turns_created_at on turns (created_at);

-- What a running turn has released so far; gone when it ends.
create table turn_deltas (
    turn_id  uuid not null references turns on delete cascade,
    attempt  integer not null,
    "offset" integer not null check ("offset" >= 0),  -- of the first code point: the cursor a reader resumes at
    text     text not null,
    primary key (turn_id, attempt, "offset")
);

create table messages (
    id         uuid primary key,
    thread_id  uuid not null references threads on delete cascade,
    turn_id    uuid not null references turns on delete cascade,
    attempt    integer not null default 1 check (attempt >= 1),
    seq        integer not null,
    role       text not null check (role in ('user', 'assistant')),
    content    text not null,
    status     text not null
               check (status in ('running', 'completed', 'cancelled', 'failed', 'interrupted', 'superseded')),
    created_at timestamptz not null default now(),
    tokens     integer check (tokens >= 0),
    model      text,
    metadata   jsonb not null,
    unique (thread_id, seq),
    unique (turn_id, role, attempt),
    check (role = 'assistant' or status = 'completed')
);
create index messages_created_at on messages (created_at);

create table feedback (
    message_id uuid primary key references messages on delete cascade,
    rating     text not null check (rating in ('up', 'down')),
    reason     text,
    note       text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Fixed windows of the limits. The key names who is limited; where that is a session, its erasure takes them along.
create table rate_windows (
    key        text not null,
    starts_at  timestamptz not null,
    session_id uuid references sessions on delete cascade,
    used       bigint not null default 0 check (used >= 0),
    primary key (key, starts_at)
);
create index rate_windows_session_id on rate_windows (session_id) where session_id is not null;
create index rate_windows_starts_at on rate_windows (starts_at);
