// The checker of the fault tests must itself be able to fail: a healthy database gives no finding, and each kind of
// damage gives the one that names it.

import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from './database.js'
import { findViolations } from './invariants.js'
import { eventually } from './wait.js'

const steps = workflow({ name: 'steps' }, async (ctx) => {
  ctx.setAttributes({ color: 'red' })
  await ctx.step('one', () => 1)
  return ctx.step('two', () => 2)
})
const sleeper = workflow({ name: 'sleeper' }, async (ctx) => ctx.sleep('1 day'))
const napper = workflow({ name: 'napper' }, async (ctx) => ctx.sleep(20))
const listener = workflow({ name: 'listener' }, async (ctx) => {
  const first = await ctx.signal('go', z.string())
  await ctx.signal('never', z.string(), { timeout: '1 day' })
  return first
})
const patient = workflow({ name: 'patient' }, async (ctx) => ctx.signal('go', z.string()))
const parent = workflow({ name: 'parent' }, async (ctx) =>
  ctx.child(patient, undefined, { id: `${ctx.executionId}-child` }),
)
const retried = workflow({ name: 'retried' }, async (ctx) =>
  ctx.step('flaky', () => Promise.reject(new Error('no')), { retry: { attempts: 2, initial: '1 day' } }),
)
const renewed = workflow({ name: 'renewed' }, async (ctx, again: boolean): Promise<string> => {
  if (again) return ctx.continueAsNew(false)
  return ctx.step('last', () => 'done')
})
const gated = workflow({ name: 'gated', concurrency: { limit: 1 } }, async (ctx) =>
  ctx.signal('go', z.string()),
)

interface Damage {
  readonly name: string
  readonly workflow:
    'steps' | 'sleeper' | 'napper' | 'listener' | 'parent' | 'patient' | 'retried' | 'renewed' | 'gated'
  readonly damage: (sql: postgres.Sql, id: string) => Promise<unknown>
  readonly finding: RegExp
}

const bump = (sql: postgres.Sql, id: string, by: number): Promise<unknown> =>
  sql`update executions set version = version + ${by}::int4 where execution_id = ${id}::text`
const copyEvent = (
  sql: postgres.Sql,
  id: string,
  from: number,
  to: number,
  type?: string,
): Promise<unknown> =>
  sql`
    insert into events (
      region, partition, execution_id, version, type, seq, name, attempt, detail, payload, message_id, due_at
    )
    select region, partition, execution_id, ${to}::int4, coalesce(${type ?? null}::text, type), seq, name, attempt,
      detail, payload, message_id, due_at
    from events where execution_id = ${id}::text and version = ${from}::int4`

const DAMAGES: readonly Damage[] = [
  {
    name: 'a lost event',
    workflow: 'steps',
    damage: (sql, id) => sql`delete from events where execution_id = ${id}::text and version = 3`,
    finding: /event 4 .* the history has a gap/,
  },
  {
    name: 'a history without its beginning',
    workflow: 'steps',
    damage: (sql, id) => sql`delete from events where execution_id = ${id}::text and version = 1`,
    finding: /comes before any started/,
  },
  {
    name: 'a second start in the middle of a run',
    workflow: 'sleeper',
    damage: async (sql, id) => [await copyEvent(sql, id, 1, 3), await bump(sql, id, 1)],
    finding: /event 3 \(started\) comes in the middle of a run/,
  },
  {
    name: 'an event after the end',
    workflow: 'steps',
    damage: async (sql, id) => [await copyEvent(sql, id, 2, 6), await bump(sql, id, 1)],
    finding: /comes after the execution was closed/,
  },
  {
    name: 'two ends',
    workflow: 'steps',
    damage: async (sql, id) => [await copyEvent(sql, id, 5, 6, 'failed'), await bump(sql, id, 1)],
    finding: /event 6 \(failed\) comes after the execution was closed/,
  },
  {
    name: 'a run that was continued and never began',
    workflow: 'renewed',
    damage: (sql, id) => sql`delete from events where execution_id = ${id}::text and version > 2`,
    finding: /continued, but the next run never started/,
  },
  {
    name: 'a step recorded twice',
    workflow: 'steps',
    damage: (sql, id) =>
      sql`update events set seq = 2, name = 'one' where execution_id = ${id}::text and version = 4`,
    finding: /comes after the outcome of command 2/,
  },
  {
    name: 'two commands under one number',
    workflow: 'retried',
    damage: async (sql, id) => [
      await copyEvent(sql, id, 2, 3),
      await sql`update events set name = 'other' where execution_id = ${id}::text and version = 3`,
      await bump(sql, id, 1),
    ],
    finding: /calls command 1 step "other", which was step "flaky"/,
  },
  {
    name: 'an attempt that was recorded twice',
    workflow: 'retried',
    damage: async (sql, id) => [await copyEvent(sql, id, 2, 3), await bump(sql, id, 1)],
    finding: /is attempt 1 after attempt 1 was recorded/,
  },
  {
    name: 'a sleep that ended without having begun',
    workflow: 'napper',
    damage: (sql, id) => sql`update events set type = 'patched', seq = null, due_at = null
      where execution_id = ${id}::text and version = 2`,
    finding: /event 3 \(sleep_ended\) has no sleep_started before it/,
  },
  {
    name: 'a timer that came early',
    workflow: 'napper',
    damage: (sql, id) => sql`update events set due_at = due_at + interval '1 hour'
      where execution_id = ${id}::text and version = 2`,
    finding: /event 3 \(sleep_ended\) comes before it was due/,
  },
  {
    name: 'a status that the history does not tell',
    workflow: 'steps',
    damage: (sql, id) => sql`update executions set status = 'failed' where execution_id = ${id}::text`,
    finding: /has status "failed" in its row, "completed" by its history/,
  },
  {
    name: 'a row that was never closed',
    workflow: 'steps',
    damage: (sql, id) =>
      sql`update executions set status = 'waiting', closed_at = null where execution_id = ${id}::text`,
    finding: /has closed false in its row, true by its history/,
  },
  {
    name: 'a row that was closed too early',
    workflow: 'sleeper',
    damage: (sql, id) =>
      sql`update executions set status = 'completed', closed_at = now() where execution_id = ${id}::text`,
    finding: /has closed true in its row, false by its history/,
  },
  {
    name: 'a row behind its history',
    workflow: 'sleeper',
    damage: (sql, id) => bump(sql, id, -1),
    finding: /has version 1 in its row, 2 by its history/,
  },
  {
    name: 'a row of another run',
    workflow: 'renewed',
    damage: (sql, id) => sql`update executions set run = 1, run_version = 1 where execution_id = ${id}::text`,
    finding: /has run 1 in its row, 2 by its history/,
  },
  {
    name: 'a row of another workflow',
    workflow: 'steps',
    damage: (sql, id) => sql`update executions set workflow = 'sleeper' where execution_id = ${id}::text`,
    finding: /has workflow "sleeper" in its row, "steps" by its history/,
  },
  {
    name: 'other attributes than were set',
    workflow: 'steps',
    damage: (sql, id) =>
      sql`update executions set attributes = '{"color":"blue"}'::jsonb where execution_id = ${id}::text`,
    finding: /has attributes \{"color":"blue"\} in its row, \{"color":"red"\} by its history/,
  },
  {
    name: 'a parent that it does not have',
    workflow: 'steps',
    damage: (sql, id) => sql`update executions set parent_id = 'nobody' where execution_id = ${id}::text`,
    finding: /has parent "nobody" in its row, null by its history/,
  },
  {
    name: 'an execution in a wrong partition',
    workflow: 'sleeper',
    damage: (sql, id) =>
      sql`update executions set partition = (partition + 1) % 64 where execution_id = ${id}::text`,
    finding: /lies in another partition/,
  },
  {
    name: 'a claim of the dead',
    workflow: 'sleeper',
    damage: (sql, id) =>
      sql`update executions set status = 'running', claimed_by = 'ghost' where execution_id = ${id}::text`,
    finding: /is held by node ghost, which is dead/,
  },
  {
    name: 'a claim on what is not running',
    workflow: 'sleeper',
    damage: (sql, id) => sql`update executions set claimed_by = 'ghost' where execution_id = ${id}::text`,
    finding: /is waiting, but held by node ghost/,
  },
  {
    name: 'an execution that nobody will look at',
    workflow: 'sleeper',
    damage: (sql, id) =>
      sql`update executions set status = 'running', ready_at = null where execution_id = ${id}::text`,
    finding: /is running, but nobody holds it and its doorbell is silent/,
  },
  {
    name: 'a lost timer',
    workflow: 'sleeper',
    damage: (sql, id) => sql`delete from timers where execution_id = ${id}::text`,
    finding: /waits for command 1 \(sleep\) to be due, but has no timer/,
  },
  {
    name: 'a signal that was recorded and not consumed',
    workflow: 'listener',
    damage: (sql, id) => sql`update signals set consumed_at = null where execution_id = ${id}::text`,
    finding: /recorded message "signal:go-1", which is still unread/,
  },
  {
    name: 'a signal that was consumed and not recorded',
    workflow: 'patient',
    damage: (sql, id) => sql`update signals set consumed_at = now() where execution_id = ${id}::text`,
    finding: /consumed signal "signal:other-1" without a record/,
  },
  {
    name: 'a signal that was recorded twice',
    workflow: 'listener',
    damage: async (sql, id) => [
      await copyEvent(sql, id, 2, 4),
      await sql`update events set seq = 9 where execution_id = ${id}::text and version = 4`,
      await bump(sql, id, 1),
    ],
    finding: /records message "signal:go-1" once more/,
  },
  {
    name: 'a signal that vanished',
    workflow: 'listener',
    damage: (sql, id) => sql`delete from signals where execution_id = ${id}::text`,
    finding: /recorded message "signal:go-1", which is not in its inbox/,
  },
  {
    name: 'two signals in one place',
    workflow: 'patient',
    damage: (sql, id) => sql`
      insert into signals (region, partition, execution_id, message_id, position, kind, name)
      select region, partition, execution_id, 'other-2', position, kind, name
      from signals where execution_id = ${id}::text`,
    finding: /has two messages at position 1/,
  },
  {
    name: 'a signal beyond the inbox',
    workflow: 'patient',
    damage: (sql, id) => sql`update executions set inbox = 0 where execution_id = ${id}::text`,
    finding: /has message "signal:other-1" at 1, beyond its inbox \(0\)/,
  },
  {
    name: 'a request to cancel that rings nobody',
    workflow: 'patient',
    damage: (sql, id) => sql`update signals set kind = 'cancel' where execution_id = ${id}::text`,
    finding: /waits in silence beside the unread cancel "signal:other-1"/,
  },
  {
    name: 'a child that is not there',
    workflow: 'parent',
    damage: async (sql, id) => [
      await sql`delete from executions where execution_id = ${`${id}-child`}::text`,
      await sql`delete from events where execution_id = ${`${id}-child`}::text`,
    ],
    finding: /waits for child ".*-child", which is not there/,
  },
  {
    name: 'a child that closed without telling its parent',
    workflow: 'parent',
    damage: (sql, id) => sql`update executions set status = 'completed', closed_at = now()
      where execution_id = ${`${id}-child`}::text`,
    finding: /waits for child ".*-child", which has closed without telling/,
  },
  {
    name: 'one that is queued and in no line',
    workflow: 'gated',
    damage: (sql, id) => sql`delete from turns where execution_id = ${id}::text`,
    finding: /is queued, but stands in no line/,
  },
  {
    name: 'more inside than a limit allows',
    workflow: 'gated',
    damage: (sql, id) => sql`update turns set state = 'held' where execution_id = ${id}::text`,
    finding: /is one of 2 inside gate \w+, which is for 1/,
  },
  {
    name: 'one that was admitted and still waits',
    workflow: 'gated',
    damage: async (sql, id) => [await copyEvent(sql, id, 1, 2, 'admitted'), await bump(sql, id, 1)],
    finding: /is queued, but was admitted/,
  },
  {
    name: 'an admission in the middle of a run',
    workflow: 'sleeper',
    damage: async (sql, id) => [await copyEvent(sql, id, 1, 3, 'admitted'), await bump(sql, id, 1)],
    finding: /event 3 \(admitted\) comes when its run has begun already/,
  },
  {
    name: 'events without a row',
    workflow: 'steps',
    damage: (sql, id) => sql`delete from executions where execution_id = ${id}::text`,
    finding: /has events, but no row/,
  },
]

const idOf = (damage: Damage): string => damage.name.replaceAll(' ', '-')
const HEALTHY = ['healthy-steps', 'healthy-sleeper', 'healthy-listener', 'healthy-parent']

let database: TestDatabase
let sql: postgres.Sql

async function settle(engine: Engine, id: string): Promise<void> {
  await eventually(
    async () => {
      const { status, node } = await engine.client.get(id)
      return status !== 'running' && node === null
    },
    { what: `${id} to rest`, deadlineMs: 20_000 },
  )
}

beforeAll(async () => {
  database = await createTestDatabase()
  sql = database.connect()
  const workflows = [steps, sleeper, napper, listener, parent, patient, retried, renewed, gated]
  const engine = await createEngine({ database: { url: database.url, schema: database.schema }, workflows })
  await engine.start()
  const starts = [
    ...DAMAGES.map((damage) => ({ id: idOf(damage), workflow: damage.workflow })),
    ...HEALTHY.map((id) => ({ id, workflow: id.replace('healthy-', '') })),
  ]
  // It is inside as long as the test lasts: the others wait.
  const holder = await engine.client.start('gated', true)
  await eventually(async () => (await engine.client.get(holder.executionId)).status === 'waiting')
  await engine.client.startMany(starts.map((start) => ({ ...start, input: true })))
  for (const { id, workflow: name } of starts) {
    if (name === 'listener') await engine.client.signal(id, 'go', 'now', { signalId: 'go-1' })
    if (name === 'patient') await engine.client.signal(id, 'other', 'later', { signalId: 'other-1' })
  }
  await Promise.all(starts.map(({ id }) => settle(engine, id)))
  await engine.stop()
})
afterAll(() => database?.drop())

describe('the checker', () => {
  it('finds nothing in a healthy database', async () => {
    const starts = [...HEALTHY, ...DAMAGES.map(idOf)]
    const messages = [{ executionId: 'healthy-listener', messageId: 'signal:go-1' }]
    expect(await findViolations(sql, { quiet: true, starts, messages })).toEqual([])
  })

  it('misses what was acknowledged and is not there', async () => {
    const messages = [{ executionId: 'healthy-listener', messageId: 'go-2' }]
    expect(await findViolations(sql, { starts: ['lost-start'], messages })).toEqual([
      'lost-start: was acknowledged, but is not there',
      'healthy-listener: message "go-2" was acknowledged, but is not there',
    ])
  })

  it.each(DAMAGES)('finds $name', async (damage) => {
    await damage.damage(sql, idOf(damage))
    const findings = await findViolations(sql, { quiet: true })
    expect(findings.filter((line) => line.startsWith(idOf(damage)))).toEqual(
      expect.arrayContaining([expect.stringMatching(damage.finding)]),
    )
  })

  it('still finds nothing in what was left alone', async () => {
    const findings = await findViolations(sql, { quiet: true })
    expect(findings.filter((line) => line.startsWith('healthy'))).toEqual([])
  })
})
