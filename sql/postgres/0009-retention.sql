-- How long closed executions of each workflow are kept, and how far the sweep that removes them has come. One row each,
-- taken by whichever node comes first; nothing else is remembered of a sweep.
-- Same table and columns as sql/cockroachdb/0009-retention.sql.
create table cerebelum.retention (
  workflow text not null primary key,
  -- From the end of an execution to its removal, by its status; null: kept for good.
  completed_ms int8,
  failed_ms int8,
  canceled_ms int8,
  terminated_ms int8,
  -- Removed only by nodes that have an archive, and only after it has them.
  archived bool not null default false,
  -- When to sweep again, or go on; null: nothing is ever removed. Only says when somebody looks.
  due_at timestamptz,
  -- Drawn by each node that takes the sweep.
  claim_token int4,
  -- Where the pass goes on: behind this execution in the order of starts; null: from the oldest.
  passed_at timestamptz,
  passed_id text,
  pass_began_at timestamptz,
  -- How many have been removed so far.
  removed int8 not null default 0
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
create index retention_due on cerebelum.retention (due_at) where due_at is not null;
