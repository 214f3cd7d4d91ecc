-- Lists of what waits, newest first: among a million closed ones they were looked for one by one. Written when an
-- execution begins to wait and when it goes on; one that never waits pays nothing.
-- Same index as sql/cockroachdb/0011-waiting-listed.sql.
create index executions_waiting on cerebelum.executions (status, started_at, execution_id)
  where status in ('queued', 'waiting');
