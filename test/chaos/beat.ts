// A schedule that fires through the whole of a round: under whatever fire, each of its instants starts one execution,
// none is left out, and none is counted that is not there.

import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import type { Client } from '../../src/client/client.js'
import type { ScheduleInfo } from '../../src/client/schedules.js'

const ID = 'beat'
const EVERY_MS = 500

export type Beat = Pick<ScheduleInfo, 'fired' | 'skipped' | 'missed'>

export async function beginBeat(client: Client): Promise<void> {
  await client.schedules.create(ID, { spec: { every: EVERY_MS }, workflow: 'beat', overlap: 'allow' })
}

/** Lets it make up for what came due while nobody could fire, and pauses it. */
export async function endBeat(client: Client, deadlineMs: number): Promise<void> {
  const untilMs = performance.now() + deadlineMs
  while (performance.now() < untilMs) {
    const { nextAt } = await client.schedules.describe(ID)
    if (nextAt !== null && nextAt.getTime() > Date.now()) break
    await sleep(200)
  }
  await client.schedules.pause(ID)
}

export async function judgeBeat(client: Client, sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ execution_id: string }[]>`
    select execution_id from executions where execution_id like ${`${ID}/%`}::text`
  const ids = rows.map((row) => row.execution_id)
  return judgeFirings(ids, await client.schedules.describe(ID))
}

/** The ids tell the instants. */
export function judgeFirings(ids: readonly string[], { fired, skipped, missed }: Beat): string[] {
  const findings: string[] = []
  const instants = ids.map((id) => Date.parse(id.slice(ID.length + 1))).toSorted((a, b) => a - b)
  for (const [index, instant] of instants.entries()) {
    const next = instants[index + 1]
    if (next !== undefined && next !== instant + EVERY_MS)
      findings.push(
        `${ID}: fired at ${new Date(instant).toISOString()} and then at ${new Date(next).toISOString()}`,
      )
  }
  if (fired !== ids.length)
    findings.push(`${ID}: fired ${fired} times by its row, ${ids.length} by the executions`)
  if (ids.length < 2) findings.push(`${ID}: fired ${ids.length} times in the whole round`)
  if (skipped + missed > 0) findings.push(`${ID}: skipped ${skipped} firings and missed ${missed}`)
  return findings
}
