-- The keys keep their columns and stand with the one first that tells rows apart. Every comparison in a key that begins
-- with the region, which is the same in nearly every row, goes through all of it; and time-ordered ids, which begin with the
-- region and the partition, are inserted at as many places of an index as there are partitions instead of at its end.
-- Measured: 0.034 ms to 0.021 ms of the database's CPU for the six rows of a three-step workflow.
-- Uniqueness and the names of the constraints stay; whoever asks for a row gives the whole key.

alter table cerebelum.executions drop constraint executions_pkey;
alter table cerebelum.executions add constraint executions_pkey primary key (execution_id, partition, region);

alter table cerebelum.events drop constraint events_pkey;
alter table cerebelum.events add constraint events_pkey primary key (execution_id, version, partition, region);

alter table cerebelum.timers drop constraint timers_pkey;
alter table cerebelum.timers add constraint timers_pkey primary key (execution_id, version, partition, region);

alter table cerebelum.signals drop constraint signals_pkey;
alter table cerebelum.signals add constraint signals_pkey primary key (execution_id, message_id, partition, region);
drop index cerebelum.signals_unread;
create index signals_unread on cerebelum.signals (execution_id, position, partition, region)
  where consumed_at is null;

-- Read backwards for lists, newest first: new rows come to the end of their workflow's range, not to its beginning,
-- where pages that split stay half empty.
drop index cerebelum.executions_listed;
create index executions_listed on cerebelum.executions (workflow, started_at, execution_id);
