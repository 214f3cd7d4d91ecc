-- The tables of an installation. Every table that belongs to an execution is keyed
-- (region, partition, execution_id, …): the partition is the hash shard, computed by the client.
-- Same tables and columns as sql/postgres/0001-tables.sql; only the physical design differs. Every statement may be
-- repeated. No hash-sharded index where `partition` leads: it is the shard already, and a claim would multiply its
-- scans by the buckets. The indexes of lists have no partition and grow at one end, so those are sharded.
-- Indexes are made with their tables: one that is added later takes a second, and four where it is sharded.

-- Facts fixed when the installation is made (partition_count) and the version of the schema's promises.
create table if not exists cerebelum.settings (
  name text not null primary key,
  value text not null
);

-- One row per process start of an engine node.
create table if not exists cerebelum.leases (
  node_id text not null primary key,
  region text not null,
  address text,
  release text not null,
  capacity int4 not null,
  load text not null default '{}',
  workflows text not null default '[]',
  started_at timestamptz not null default now(),
  renewed_at timestamptz not null default now(),
  expires_at timestamptz not null
);

-- Who polls what. Never what correctness rests on.
create table if not exists cerebelum.partitions (
  id int2 not null primary key,
  region text not null,
  owner text,
  epoch int8 not null default 0
);

-- What has been registered: lists go through this table, one index range per workflow.
create table if not exists cerebelum.definitions (
  workflow text not null,
  version text not null,
  registered_at timestamptz not null default now(),
  primary key (workflow, version)
);

create table if not exists cerebelum.executions (
  region text not null,
  partition int2 not null,
  execution_id text not null,
  workflow text not null,
  workflow_version text not null,
  status text not null,
  -- Runs of one id: continue-as-new and "allow after close" start the next. run_version is the version of
  -- the `started` event of the current run.
  run int4 not null default 1,
  run_version int4 not null default 1,
  -- The last version as of the last change of this row; plain step events do not touch it.
  version int4 not null default 1,
  claimed_by text,
  -- Counts claims: an in-memory copy is current only if nobody claimed since.
  claim_epoch int4 not null default 0,
  -- Drawn by each claim, so that what it took can be found again when its answer was lost.
  claim_token int4,
  ready_at timestamptz,
  attempts int2 not null default 0,
  -- Position of the last message that reached the inbox.
  inbox int4 not null default 0,
  start_id text,
  parent_id text,
  parent_seq int4,
  parent_run int4,
  attributes jsonb,
  note text,
  started_at timestamptz not null default now(),
  closed_at timestamptz,
  -- Who goes first among what is ready, when there is more of it than nodes can take.
  priority int2 not null default 3,
  primary key (region, partition, execution_id),

  -- The doorbell: what may be claimed, with all that a claim asks of it, so that it ends at the first rows of each
  -- partition. Else it would read the row of everything that rings before it knew what it may take. (`claimed_by` is null
  -- in every entry, but as long as an index does not store it, the planner does not see that it may stop early.)
  index executions_ready (region, partition, ready_at) storing (claimed_by, workflow, status)
    where ready_at is not null and claimed_by is null,
  -- The doorbell by workflow: read only when the one by time was not read to its end.
  index executions_shared (region, partition, workflow, priority, ready_at) storing (claimed_by, status)
    where ready_at is not null and claimed_by is null,
  -- What a node holds: its doorbells that rang meanwhile, and what must be rung when it dies.
  index executions_claimed (claimed_by, ready_at) where claimed_by is not null,
  -- Running, yet nobody's and silent: only a wiped claim makes such rows; upkeep rings them.
  index executions_stranded (region, partition)
    where status = 'running' and claimed_by is null and ready_at is null,
  -- Lists, newest first, one range per workflow.
  index executions_listed (workflow, started_at desc, execution_id desc) using hash,
  -- Lists of what wants attention.
  index executions_troubled (status, started_at desc, execution_id desc) using hash
    where status in ('failed', 'canceled', 'terminated', 'paused', 'blocked', 'dead'),
  index executions_children (parent_id) where parent_id is not null,
  inverted index executions_attributes (attributes) where attributes is not null
);

-- The history. Its primary key is the lock: two writers can never both append the same version.
create table if not exists cerebelum.events (
  region text not null,
  partition int2 not null,
  execution_id text not null,
  version int4 not null,
  type text not null,
  seq int4,
  name text,
  attempt int2,
  detail text,
  payload text,
  message_id text,
  due_at timestamptz,
  at timestamptz not null default now(),
  primary key (region, partition, execution_id, version)
);

-- "Look at this execution at this instant." Derived from the event of the same version; a lost or spurious row
-- never changes what happens, only when somebody looks.
create table if not exists cerebelum.timers (
  region text not null,
  partition int2 not null,
  execution_id text not null,
  version int4 not null,
  due_at timestamptz not null,
  primary key (region, partition, execution_id, version),
  index timers_due (region, partition, due_at)
);

-- The inbox. A consumed message stays (without its payload) so that a blind retry of its sender is recognised.
create table if not exists cerebelum.signals (
  region text not null,
  partition int2 not null,
  execution_id text not null,
  message_id text not null,
  position int4 not null,
  kind text not null,
  name text not null,
  payload text,
  detail text,
  received_at timestamptz not null default now(),
  consumed_at timestamptz,
  answer_ok bool,
  answer text,
  primary key (region, partition, execution_id, message_id),
  index signals_unread (region, partition, execution_id, position) where consumed_at is null,
  index signals_consumed (consumed_at) using hash where consumed_at is not null
);

-- Rows come and go here: deleted versions are scanned by every poll until they are collected.
alter table cerebelum.timers configure zone using gc.ttlseconds = 600;
alter table cerebelum.signals configure zone using gc.ttlseconds = 600;
alter table cerebelum.leases configure zone using gc.ttlseconds = 600;
