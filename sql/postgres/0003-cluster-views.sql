-- What people see of a cluster in SQL: stable names and columns over leases and partitions, whatever becomes of those.
-- `load` is what a node said of itself with its last heartbeat.

create view cerebelum.node_load as
select
  l.node_id,
  l.region,
  l.load::jsonb ->> 'zone' as zone,
  l.address,
  l.release,
  l.capacity,
  coalesce((l.load::jsonb ->> 'running')::float8, 0) as running,
  coalesce((l.load::jsonb ->> 'cached')::float8, 0) as cached,
  coalesce((l.load::jsonb ->> 'laneDepth')::float8, 0) as lane_depth,
  coalesce((l.load::jsonb ->> 'lagMs')::float8, 0) as lag_ms,
  coalesce((l.load::jsonb ->> 'cpu')::float8, 0) as cpu,
  (select count(*) from cerebelum.partitions as p where p.owner = l.node_id) as partitions,
  l.started_at,
  l.renewed_at,
  l.expires_at > now() as is_alive
from cerebelum.leases as l;

create view cerebelum.partition_ownership as
select
  p.id as partition,
  p.region,
  p.owner,
  p.epoch,
  coalesce(l.expires_at > now(), false) as is_owner_alive
from cerebelum.partitions as p
left join cerebelum.leases as l on l.node_id = p.owner;
