-- Gates: what limits how many executions run at a time, or begin in a span of time. An execution that has to pass some
-- stands in line as rows of `turns`; its row is `queued` until the last of them has let it pass.
-- Same tables and columns as sql/postgres/0005-gates.sql. Every statement may be repeated. The index of `turns` begins
-- with a hash, so it needs no shards.

-- One row per rule of a workflow and key, as long as somebody stands or runs behind it. The lock under which its line
-- moves. Who runs is counted from `turns` each time, never kept here.
create table if not exists cerebelum.gates (
  -- A hash of the three that follow.
  gate_id text not null primary key,
  workflow text not null,
  rule text not null,
  key text,
  -- At most this many between their admission and their end; null: any number.
  running_max int4,
  -- A token bucket: how many it holds, how long one takes to come, how many there were and when. Null: no rate.
  tokens_max int4,
  refill_ms float8,
  tokens float8,
  refilled_at timestamptz,
  -- When to look at it; only says when somebody looks.
  due_at timestamptz,
  index gates_due (due_at) where due_at is not null,
  index gates_workflow (workflow, rule)
);

-- An execution's turn at each of its gates, in their order (`stage`): 'waiting' at one, 'held' where it has passed and
-- takes a place until it closes, 'ahead' at those that come later.
create table if not exists cerebelum.turns (
  region text not null,
  partition int2 not null,
  execution_id text not null,
  run int4 not null,
  stage int2 not null,
  gate_id text not null,
  state text not null,
  priority int2 not null,
  queued_at timestamptz not null,
  -- Of the execution: an id that was started again is somebody else, one that continued as new is not.
  started_at timestamptz not null,
  primary key (region, partition, execution_id, run, stage),
  -- Who is next, and who is inside.
  index turns_lined (gate_id, state, priority, queued_at, execution_id)
);

-- Rows come and go here: deleted versions are scanned by every look until they are collected.
alter table cerebelum.gates configure zone using gc.ttlseconds = 600;
alter table cerebelum.turns configure zone using gc.ttlseconds = 600;
