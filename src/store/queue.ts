// Into the line: what a node claimed and may not begin yet becomes `queued`, with its turn at each of its gates, in one
// statement under the fence of the claim. Done twice it is done once: who stands in line keeps the place.

import type { Gate } from '../core/gate.js'
import { plainArray, textArray } from './arrays.js'
import { keyColumns, slices } from './keys.js'
import { type RetryPolicy, withRetry } from './retry.js'
import type { Entrant } from './store.js'
import type { Database } from './tables.js'

const ENTRANTS_MAX = 500

export async function enqueue(
  database: Database,
  policy: RetryPolicy,
  entrants: readonly Entrant[],
): Promise<void> {
  for (const slice of slices(entrants, ENTRANTS_MAX)) {
    // What was claimed by somebody else meanwhile is left to them, and so is what an earlier try has done.
    await withRetry(policy, 'enqueue', () => insertTurns(database, slice))
  }
}

/**
 * Gives the claims up and inserts the turns, and the gates that are not there; rings those that are. Their limits are
 * those of whoever came last. Indexes: executions_pkey, gates_pkey. Rows written: one per execution, gate of an execution
 * and gate.
 */
async function insertTurns({ sql, tables }: Database, entrants: readonly Entrant[]): Promise<void> {
  const k = keyColumns(entrants.map(({ key }) => key))
  const turns = entrants.flatMap(({ gates }, n) => gates.map(({ gateId }, stage) => ({ n, stage, gateId })))
  const gates = distinctGates(entrants)
  await sql`
    with x as (
      select x.n, x.region, x.partition, x.execution_id, x.node_id, x.epoch, x.priority, x.note
      from unnest(
        ${k.n}::int4[], ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[],
        ${textArray(entrants.map(({ nodeId }) => nodeId))}::text[],
        ${plainArray(entrants.map(({ claimEpoch }) => claimEpoch))}::int4[],
        ${plainArray(entrants.map(({ priority }) => priority))}::int2[],
        ${textArray(entrants.map(({ gates: [first] }) => describeGate(first)))}::text[]
      ) as x (n, region, partition, execution_id, node_id, epoch, priority, note)
      order by x.region, x.partition, x.execution_id
    ), released as (
      update ${tables.by('executions_pkey')} as e set
        status = 'queued', claimed_by = null, note = x.note, priority = x.priority
      from x
      where e.region = x.region and e.partition = x.partition and e.execution_id = x.execution_id
        and e.claimed_by = x.node_id and e.claim_epoch = x.epoch
      returning x.n, x.priority, e.region, e.partition, e.execution_id, e.run, e.started_at
    ), lined as (
      insert into ${tables.turns} (
        region, partition, execution_id, run, stage, gate_id, state, priority, queued_at, started_at
      )
      select r.region, r.partition, r.execution_id, r.run, t.stage, t.gate_id,
        case when t.stage = 0 then 'waiting' else 'ahead' end, r.priority, now(), r.started_at
      from unnest(
        ${plainArray(turns.map(({ n }) => n))}::int4[], ${plainArray(turns.map(({ stage }) => stage))}::int2[],
        ${textArray(turns.map(({ gateId }) => gateId))}::text[]
      ) as t (n, stage, gate_id)
      join released as r on r.n = t.n
      on conflict (region, partition, execution_id, run, stage) do nothing
      returning 1
    ), rung as (
      insert into ${tables.gates} as g (
        gate_id, workflow, rule, key, running_max, tokens_max, refill_ms, tokens, refilled_at, due_at
      )
      select v.gate_id, v.workflow, v.rule, v.key, v.running_max, v.tokens_max, v.refill_ms,
        v.tokens_max::float8, now(), now()
      from unnest(
        ${textArray(gates.map(({ gateId }) => gateId))}::text[],
        ${textArray(gates.map(({ workflow }) => workflow))}::text[],
        ${textArray(gates.map(({ rule }) => rule))}::text[],
        ${textArray(gates.map(({ key }) => key))}::text[],
        ${plainArray(gates.map(({ runningMax }) => runningMax))}::int4[],
        ${plainArray(gates.map(({ bucket }) => bucket?.tokensMax))}::int4[],
        ${plainArray(gates.map(({ bucket }) => bucket?.refillMs))}::float8[]
      ) as v (gate_id, workflow, rule, key, running_max, tokens_max, refill_ms)
      order by v.gate_id
      on conflict (gate_id) do update set
        running_max = excluded.running_max, tokens_max = excluded.tokens_max, refill_ms = excluded.refill_ms,
        due_at = least(coalesce(g.due_at, excluded.due_at), excluded.due_at)
      returning 1
    )
    select count(*)::int4 as queued from released`
}

function distinctGates(entrants: readonly Entrant[]): Gate[] {
  return [...new Map(entrants.flatMap(({ gates }) => gates.map((gate) => [gate.gateId, gate]))).values()]
}

/** What people read of one that waits. */
export function describeGate(gate: Pick<Gate, 'rule' | 'key'> | undefined): string | null {
  if (gate === undefined) return null
  return gate.key === null ? `limit ${gate.rule}` : `limit ${gate.rule} of key "${gate.key}"`
}
