-- Who goes first among what is ready, when there is more of it than nodes can take: by priority, and by turns between the
-- workflows of one. Same column and index as sql/postgres/0006-priorities.sql.
alter table cerebelum.executions add column if not exists priority int2 not null default 3;

-- The doorbell by workflow: read only when the one by time was not read to its end.
create index if not exists executions_shared on cerebelum.executions (region, partition, workflow, priority, ready_at)
  where ready_at is not null and claimed_by is null;
