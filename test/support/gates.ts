// What histories say of limits: who was inside when, from the admission to the end.

import type postgres from 'postgres'

export interface Span {
  readonly executionId: string
  readonly fromMs: number
  /** Infinity: it is still inside. */
  readonly toMs: number
}

/** The spans of a workflow's executions, in the order of their admission; those that wait have none. */
export async function readSpans(sql: postgres.Sql, workflow: string): Promise<Span[]> {
  const rows = await sql<{ execution_id: string; from_ms: number; to_ms: number | null }[]>`
    select e.execution_id, (extract(epoch from a.at) * 1000)::float8 as from_ms,
      (extract(epoch from c.at) * 1000)::float8 as to_ms
    from executions as e
    join events as a on a.execution_id = e.execution_id and a.type = 'admitted'
    left join events as c on c.execution_id = e.execution_id and c.version > a.version
      and c.type in ('completed', 'failed', 'canceled', 'terminated')
    where e.workflow = ${workflow}::text
    order by a.at, e.execution_id`
  return rows.map((row) => ({
    executionId: row.execution_id,
    fromMs: row.from_ms,
    toMs: row.to_ms ?? Infinity,
  }))
}

/** The most that were inside at one moment; who leaves at a moment makes room for who comes at it. */
export function mostAtOnce(spans: readonly Span[]): number {
  const steps = spans.flatMap(({ fromMs, toMs }) => [
    { atMs: fromMs, by: 1 },
    { atMs: toMs, by: -1 },
  ])
  steps.sort((a, b) => (a.atMs === b.atMs ? a.by - b.by : a.atMs - b.atMs))
  let inside = 0
  let most = 0
  for (const { by } of steps) {
    inside += by
    most = Math.max(most, inside)
  }
  return most
}

/**
 * By how many admissions the worst window is over what a token bucket allows: `burst` at its beginning and one more for
 * each `refillMs`.
 */
export function mostOverRate(
  spans: readonly Span[],
  { burst, refillMs }: { readonly burst: number; readonly refillMs: number },
): number {
  const times = spans.map(({ fromMs }) => fromMs).toSorted((a, b) => a - b)
  let most = -Infinity
  for (const [first, fromMs] of times.entries()) {
    for (let last = first; last < times.length; last++) {
      const allowed = burst + ((times[last] ?? 0) - fromMs) / refillMs
      most = Math.max(most, last - first + 1 - allowed)
    }
  }
  return most
}
