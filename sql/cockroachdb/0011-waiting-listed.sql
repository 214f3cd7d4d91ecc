-- Lists of what waits, newest first. Same index as sql/postgres/0011-waiting-listed.sql.
create index if not exists executions_waiting on cerebelum.executions (status, started_at desc, execution_id desc) using hash
  where status in ('queued', 'waiting');
