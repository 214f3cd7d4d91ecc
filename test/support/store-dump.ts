// What two runs of one scenario have in common: everything but the names of their places, the instants at which they
// ran, and what was drawn by chance.

import type postgres from 'postgres'
import type { Place } from './store-rows.js'

/** Comes before any run of a test, and after all of them. */
const RUN_FROM = new Date('2021-01-01').getTime()
const RUN_TO = new Date('2900-01-01').getTime()

export function dumpOf(place: Place, value: unknown): unknown {
  const text = JSON.stringify(value ?? null, (name, entry: unknown) => {
    if (entry !== null && DRAWN.has(name)) return 'drawn'
    if (typeof entry !== 'string' || !INSTANT.test(entry)) return entry
    const at = new Date(entry).getTime()
    return at > RUN_FROM && at < RUN_TO ? 'now' : entry
  })
  const dumped: unknown = JSON.parse(
    text.replaceAll(place.region, 'place').replaceAll(/at home \d+/g, 'at home'),
  )
  return dumped
}

const DRAWN = new Set(['claim_token'])
const INSTANT = /^\d{4}-\d\d-\d\dT/

/** All rows of a place, in every table. */
export async function readRows(sql: postgres.Sql, place: Place): Promise<unknown> {
  const prefix = `${place.region}%`
  return {
    executions:
      await sql`select * from executions where execution_id like ${prefix}::text order by execution_id`,
    events: await sql`
      select * from events where execution_id like ${prefix}::text order by execution_id, version`,
    timers: await sql`
      select * from timers where execution_id like ${prefix}::text order by execution_id, version`,
    signals: await sql`
      select * from signals where execution_id like ${prefix}::text order by execution_id, message_id`,
    leases: await sql`select * from leases where node_id like ${prefix}::text order by node_id`,
    partitions: await sql`select id, owner from partitions where owner like ${prefix}::text order by id`,
    definitions: await sql`select * from definitions where workflow like ${prefix}::text`,
    schedules: await sql`select * from schedules where schedule_id like ${prefix}::text`,
    gates: await sql`
      select gate_id, rule, running_max, tokens_max, round(tokens) as tokens, refilled_at from gates
      where workflow like ${prefix}::text order by gate_id`,
    turns: await sql`
      select * from turns where execution_id like ${prefix}::text order by execution_id, run, stage`,
    retention: await sql`select * from retention where workflow like ${prefix}::text`,
    payments: await sql`select * from payments where id like ${prefix}::text order by id`,
  }
}
