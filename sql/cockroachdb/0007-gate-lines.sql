-- What people see of limits in SQL: who is behind each gate, and since when the first in line waits.
-- Same view as sql/postgres/0007-gate-lines.sql.
create or replace view cerebelum.gate_lines as
select
  g.workflow,
  g.rule,
  g.key,
  g.running_max,
  g.tokens_max as burst,
  count(*) filter (where t.state = 'held') as running,
  count(*) filter (where t.state = 'waiting') as waiting,
  min(t.queued_at) filter (where t.state = 'waiting') as waiting_since
from cerebelum.gates as g
left join cerebelum.turns as t on t.gate_id = g.gate_id
group by g.gate_id, g.workflow, g.rule, g.key, g.running_max, g.tokens_max;
