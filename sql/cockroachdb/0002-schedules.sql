-- Schedules: what starts executions by the clock. One row each, read and advanced by whichever node comes first, in the
-- transaction that writes the starts; nothing of a firing is remembered anywhere else.
-- Same table and columns as sql/postgres/0002-schedules.sql; every statement may be repeated.
create table if not exists cerebelum.schedules (
  schedule_id text not null primary key,
  region text not null,
  -- When: JSON, see src/core/schedule-spec.ts.
  spec text not null,
  jitter_ms int8 not null default 0,
  -- What: the start of each firing.
  workflow text not null,
  workflow_version text not null,
  input text,
  -- The input was not checked against the workflow's schema by whoever made the schedule: the run checks it.
  unchecked bool not null default false,
  attributes text,
  -- How.
  overlap text not null,
  catch_up_ms int8 not null,
  paused bool not null default false,
  note text,
  -- Counts changes of the above; firings do not change it.
  revision int8 not null default 1,
  -- Nominal time of the next firing; null: there is none any more.
  next_at timestamptz,
  -- When to look at this row again; only says when somebody looks, never what is due.
  due_at timestamptz,
  -- Nominal time of the last firing that was judged, and of the one that waits for the execution before it.
  last_at timestamptz,
  buffered_at timestamptz,
  last_execution_id text,
  fired int8 not null default 0,
  skipped int8 not null default 0,
  missed int8 not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  index schedules_due (due_at) where due_at is not null and not paused
);

-- Every firing moves a row of the index: deleted versions are scanned by every poll until they are collected.
alter table cerebelum.schedules configure zone using gc.ttlseconds = 600;
