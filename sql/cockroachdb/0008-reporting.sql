-- What people and reports read: stable names and columns in a schema of their own, whatever becomes of the tables. Each
-- view and the question that it answers stands in sql/reporting.md. Nothing of the engine reads them.
-- Same views as sql/postgres/0008-reporting.sql.

create view if not exists cerebelum_reporting.executions as
select
  e.execution_id,
  e.workflow,
  e.workflow_version,
  e.status,
  e.closed_at is null as is_open,
  e.started_at,
  e.closed_at,
  -- Of an open one: until now.
  (extract(epoch from coalesce(e.closed_at, now()) - e.started_at) * 1000)::float8 as duration_ms,
  e.run,
  e.parent_id,
  e.attributes,
  e.priority,
  -- Of one that waits: what for; of one that was set aside: why.
  case when e.status <> 'running' then e.note end as note,
  e.claimed_by as node,
  e.attempts as crashes,
  e.region,
  e.partition
from cerebelum.executions as e;

create view if not exists cerebelum_reporting.events as
select
  v.execution_id, v.version, v.type, v.seq, v.name, v.attempt, v.at, v.due_at, v.message_id, v.payload, v.detail,
  v.region, v.partition
from cerebelum.events as v;

-- One row per attempt that is recorded: how a step ended, and each that was to be tried again by a timer.
create view if not exists cerebelum_reporting.steps as
select
  v.execution_id,
  e.workflow,
  v.name as step,
  v.seq,
  case v.type when 'step_completed' then 'completed' when 'step_failed' then 'failed' else 'retrying' end as outcome,
  v.attempt,
  v.at - coalesce((v.detail::jsonb ->> 'ms')::float8, 0) * interval '1 millisecond' as started_at,
  v.at as ended_at,
  -- Of this attempt; below a millisecond it is 0.
  coalesce((v.detail::jsonb ->> 'ms')::float8, 0) as duration_ms,
  -- Since the code asked for the step, over all attempts and the waits between them.
  coalesce((v.detail::jsonb ->> 'totalMs')::float8, (v.detail::jsonb ->> 'ms')::float8, 0) as total_ms,
  case when v.type <> 'step_completed' and v.payload !~* '\\u(0000|d[89a-f])' then v.payload::jsonb ->> 'type' end
    as error_type,
  case when v.type <> 'step_completed' and v.payload !~* '\\u(0000|d[89a-f])' then v.payload::jsonb ->> 'message' end
    as error_message,
  v.version,
  v.region,
  v.partition
from cerebelum.events as v
join cerebelum.executions as e
  on e.execution_id = v.execution_id and e.partition = v.partition and e.region = v.region
where v.type in ('step_completed', 'step_failed', 'step_retrying');

-- Open executions that do not run, each with what it waits for.
create view if not exists cerebelum_reporting.waiting as
select
  e.execution_id,
  e.workflow,
  e.status,
  e.note as waits_for,
  (
    select v.at from cerebelum.events as v
    where v.execution_id = e.execution_id and v.version = e.version and v.partition = e.partition
      and v.region = e.region
  ) as since,
  -- The next time that somebody looks by the clock; null where only a message helps.
  (
    select min(t.due_at) from cerebelum.timers as t
    where t.execution_id = e.execution_id and t.partition = e.partition and t.region = e.region
  ) as due_at,
  e.region,
  e.partition
from cerebelum.executions as e
where e.status in ('waiting', 'queued', 'paused', 'blocked', 'dead');

-- Of the last day, by the minute in which they closed.
create view if not exists cerebelum_reporting.throughput as
select
  date_trunc('minute', e.closed_at) as minute,
  e.workflow,
  count(*) as closed,
  count(*) filter (where e.status = 'completed') as completed,
  count(*) filter (where e.status = 'failed') as failed,
  count(*) filter (where e.status = 'canceled') as canceled,
  count(*) filter (where e.status = 'terminated') as terminated,
  percentile_cont(0.5) within group (
    order by (extract(epoch from e.closed_at - e.started_at) * 1000)::float8) as p50_ms,
  percentile_cont(0.9) within group (
    order by (extract(epoch from e.closed_at - e.started_at) * 1000)::float8) as p90_ms,
  percentile_cont(0.99) within group (
    order by (extract(epoch from e.closed_at - e.started_at) * 1000)::float8) as p99_ms
from cerebelum.executions as e
where e.closed_at > now() - interval '1 day'
group by date_trunc('minute', e.closed_at), e.workflow;

-- Of the last day, by the minute in which they were started.
create view if not exists cerebelum_reporting.starts as
select date_trunc('minute', e.started_at) as minute, e.workflow, count(*) as started
from cerebelum.executions as e
where e.started_at > now() - interval '1 day'
group by date_trunc('minute', e.started_at), e.workflow;

-- What failed, and why: the newest run of each id.
create view if not exists cerebelum_reporting.failures as
select
  e.execution_id,
  e.workflow,
  e.workflow_version,
  e.started_at,
  e.closed_at,
  case when v.payload !~* '\\u(0000|d[89a-f])' then v.payload::jsonb ->> 'type' end as error_type,
  case when v.payload !~* '\\u(0000|d[89a-f])' then v.payload::jsonb ->> 'message' end as error_message,
  case when v.payload !~* '\\u(0000|d[89a-f])' then v.payload::jsonb ->> 'step' end as step,
  case when v.payload !~* '\\u(0000|d[89a-f])' then (v.payload::jsonb ->> 'attempt')::int4 end as attempt,
  e.region,
  e.partition
from cerebelum.executions as e
join cerebelum.events as v
  on v.execution_id = e.execution_id and v.version = e.version and v.partition = e.partition and v.region = e.region
where e.status = 'failed';

-- Steps of the last day that needed more than one attempt.
create view if not exists cerebelum_reporting.retries as
select
  s.workflow,
  s.step,
  count(*) filter (where s.outcome <> 'retrying') as steps,
  count(*) filter (where s.outcome <> 'retrying' and s.attempt > 1) as retried,
  count(*) filter (where s.outcome = 'failed') as failed,
  max(s.attempt) as attempts_max,
  coalesce(sum(s.attempt - 1) filter (where s.outcome <> 'retrying'), 0)::int8 as attempts_again
from cerebelum_reporting.steps as s
where s.ended_at > now() - interval '1 day'
group by s.workflow, s.step
having max(s.attempt) > 1 or count(*) filter (where s.outcome <> 'completed') > 0;

create view if not exists cerebelum_reporting.timers as
select
  t.execution_id,
  e.workflow,
  t.due_at,
  -- How late it is; 0 before it is due.
  greatest(0, (extract(epoch from now() - t.due_at) * 1000)::float8) as late_ms,
  t.region,
  t.partition
from cerebelum.timers as t
join cerebelum.executions as e
  on e.execution_id = t.execution_id and e.partition = t.partition and e.region = t.region;

create view if not exists cerebelum_reporting.schedules as
select
  s.schedule_id, s.workflow, s.spec, s.overlap, s.paused, s.note, s.next_at, s.last_at, s.last_execution_id,
  s.fired, s.skipped, s.missed, s.created_at, s.updated_at
from cerebelum.schedules as s;

-- What schedules have started. The id of such an execution is the schedule's with its nominal time, which ends in Z, or with
-- "trigger" and a key, where a person asked for it.
create view if not exists cerebelum_reporting.schedule_runs as
select
  s.schedule_id,
  case when e.execution_id like '%Z' then substr(e.execution_id, length(s.schedule_id) + 2) end as nominal_time,
  e.execution_id,
  e.workflow,
  e.status,
  e.started_at,
  e.closed_at,
  (extract(epoch from coalesce(e.closed_at, now()) - e.started_at) * 1000)::float8 as duration_ms
from cerebelum.executions as e
join cerebelum.schedules as s
  on s.workflow = e.workflow
  and s.schedule_id = case
    when e.execution_id like '%Z' then regexp_replace(e.execution_id, '/[^/]+$', '')
    else regexp_replace(e.execution_id, '/trigger/[^/]+$', '') end
where e.start_id = e.execution_id;

create view if not exists cerebelum_reporting.nodes as
select n.node_id, n.region, n.zone, n.address, n.release, n.capacity, n.running, n.cached, n.lane_depth, n.lag_ms,
  n.cpu, n.partitions, n.started_at, n.renewed_at, n.is_alive
from cerebelum.node_load as n;

create view if not exists cerebelum_reporting.partitions as
select p.partition, p.region, p.owner, p.epoch, p.is_owner_alive from cerebelum.partition_ownership as p;

create view if not exists cerebelum_reporting.limits as
select g.workflow, g.rule, g.key, g.running_max, g.burst, g.running, g.waiting, g.waiting_since
from cerebelum.gate_lines as g;

-- Rows are the database's own estimate; bytes per table are to be had from SHOW TABLES and the console only.
create view if not exists cerebelum_reporting.storage as
select
  c.relname::text as table_name,
  greatest(c.reltuples, 0)::int8 as rows_estimate,
  null::int8 as table_bytes,
  null::int8 as index_bytes
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'cerebelum' and c.relkind = 'r';
