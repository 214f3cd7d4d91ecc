// The reporting views, on executions that really ran: each says what the histories say, each question of sql/reporting.md is
// answered, and a role for reports sees the views and nothing else.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { delay, systemClock } from '../../src/core/ports.js'
import { migrate } from '../../src/store/migrate.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const guide = readFileSync(new URL('../../sql/reporting.md', import.meta.url), 'utf8')

const orders = workflow({ name: 'orders' }, async (ctx, plan: { fails?: boolean; waits?: boolean }) => {
  let tries = 0
  const paid = await ctx.step(
    'pay',
    async () => {
      await delay(systemClock, 15)
      if (++tries < 2) throw new TypeError('busy')
      return 'paid'
    },
    { retry: { attempts: 3, initial: 20, jitter: 0 } },
  )
  if (plan.waits === true) await ctx.signal('approved', z.string())
  if (plan.fails === true) {
    await ctx.step(
      'ship',
      () => {
        throw Object.assign(new Error('no \0 truck'), { name: 'OutOfTrucks' })
      },
      { retry: false },
    )
  }
  return paid
})
const sleepy = workflow({ name: 'sleepy' }, async (ctx) => ctx.sleep('1 day'))
const nightly = workflow({ name: 'nightly' }, async () => 'done')
const single = workflow({ name: 'single', concurrency: { limit: 1 } }, async (ctx) => ctx.sleep('1 day'))

const DAY_MS = 86_400_000

const using = useEngine([orders, sleepy, nightly, single])
let sql: postgres.Sql
let reporting: string

beforeAll(async () => {
  sql = using.database.connect({ max: 2 })
  reporting = `${using.database.schema}_reporting`
  const { client } = using
  const done = await client.startMany(
    Array.from({ length: 5 }, (_, n) => ({ workflow: orders, input: {}, id: `order-${n}` })),
  )
  await client.start(orders, { fails: true }, { id: 'lost' })
  await client.start(orders, { waits: true }, { id: 'unsure', attributes: { city: 'Utrecht' } })
  await client.start(sleepy, undefined, { id: 'asleep' })
  await client.start(single, undefined, { id: 'first' })
  await eventually(async () => (await client.get('first')).status === 'waiting')
  await client.start(single, undefined, { id: 'second' })
  await client.schedules.create('every/night', { spec: { every: '1 day' }, workflow: 'nightly' })
  const fired = await client.schedules.trigger('every/night')
  const at = new Date(Math.floor(systemClock.wallMs() / DAY_MS) * DAY_MS)
  await client.schedules.backfill('every/night', { from: new Date(at.getTime() - DAY_MS), to: at })
  await Promise.all(done.map((handle) => handle.result()))
  await client.result('lost').catch(() => undefined)
  await client.result(fired.executionId)
  for (const [id, status] of [
    ['unsure', 'waiting'],
    ['asleep', 'waiting'],
    ['second', 'queued'],
  ])
    await eventually(async () => (await client.get(id ?? '')).status === status, { what: `${id} ${status}` })
})

let role: string | undefined
afterAll(async () => {
  if (role === undefined) return
  await sql`alter default privileges in schema ${sql(reporting)} revoke select on tables from ${sql(role)}`
  await sql`drop owned by ${sql(role)}`
  await sql`drop role ${sql(role)}`
})

/** The rows of a view that belong to one execution. */
function of(view: string, executionId: string): Promise<postgres.Row[]> {
  return sql`select * from ${sql(`${reporting}.${view}`)} where execution_id = ${executionId}`
}

describe('a reporting view', () => {
  test('executions: how each ended, and how long it took', async () => {
    const [row] = await of('executions', 'order-1')
    const { startedAt, closedAt, status } = await using.client.get('order-1')
    expect(row).toMatchObject({ workflow: 'orders', status, is_open: false, started_at: startedAt })
    expect(row?.['duration_ms']).toBeCloseTo((closedAt?.getTime() ?? 0) - startedAt.getTime(), -1)
    expect((await of('executions', 'unsure'))[0]).toMatchObject({
      is_open: true,
      note: 'signal "approved"',
      attributes: { city: 'Utrecht' },
    })
  })

  test('events: the history', async () => {
    const rows = await of('events', 'order-2')
    const history = await using.events('order-2')
    expect(rows.map((row) => [row['version'], row['type'], row['name'] ?? undefined])).toEqual(
      history.map((event) => [event.version, event.type, event.name]),
    )
  })

  test('steps: attempts, durations and errors', async () => {
    const [pay] = await of('steps', 'order-1')
    expect(pay).toMatchObject({ step: 'pay', outcome: 'completed', attempt: 2, error_type: null })
    expect(pay?.['duration_ms']).toBeGreaterThanOrEqual(14)
    expect(pay?.['total_ms']).toBeGreaterThanOrEqual(14 + 20 + 14)
    const started: unknown = pay?.['started_at']
    const ended: unknown = pay?.['ended_at']
    expect(Number(ended) - Number(started)).toBe(pay?.['duration_ms'])
    const ship = (await of('steps', 'lost')).find((row) => row['step'] === 'ship')
    // Its message cannot be read by the database (a NUL): the row is there all the same.
    expect(ship).toMatchObject({ outcome: 'failed', attempt: 1, error_type: null })
  })

  test('waiting: what for, since when, until when', async () => {
    const { events } = await using.client.history('asleep')
    const [asleep] = await of('waiting', 'asleep')
    expect(asleep).toMatchObject({
      waits_for: 'sleep',
      since: events.at(-1)?.at,
      due_at: events.at(-1)?.dueAt,
    })
    expect(await of('waiting', 'unsure')).toMatchObject([{ waits_for: 'signal "approved"', due_at: null }])
    expect(await of('waiting', 'second')).toMatchObject([
      { status: 'queued', waits_for: 'limit concurrency' },
    ])
    expect(await of('waiting', 'order-1')).toEqual([])
  })

  test('failures: the error that ended it', async () => {
    const [row] = await of('failures', 'lost')
    expect(row).toMatchObject({ workflow: 'orders', error_type: null })
    expect((await of('failures', 'order-1')).length).toBe(0)
  })

  test('throughput and starts: all that began and ended', async () => {
    const ended = await sql`
      select sum(closed)::int4 as closed, sum(completed)::int4 as completed, sum(failed)::int4 as failed,
        min(p50_ms) > 0 as is_timed
      from ${sql(`${reporting}.throughput`)} where workflow = 'orders'`
    expect(ended).toEqual([{ closed: 6, completed: 5, failed: 1, is_timed: true }])
    const begun = await sql`
      select sum(started)::int4 as started from ${sql(`${reporting}.starts`)} where workflow = 'orders'`
    expect(begun).toEqual([{ started: 7 }])
  })

  test('retries: steps that needed more than one attempt, or failed', async () => {
    const rows = await sql`
      select step, steps::int4, retried::int4, failed::int4, attempts_again::int4
      from ${sql(`${reporting}.retries`)} where workflow = 'orders' order by step`
    expect(rows).toEqual([
      { step: 'pay', steps: 7, retried: 7, failed: 0, attempts_again: 7 },
      { step: 'ship', steps: 1, retried: 0, failed: 1, attempts_again: 0 },
    ])
  })

  test('timers: what is due, and none of it late', async () => {
    expect(await of('timers', 'asleep')).toMatchObject([{ workflow: 'sleepy', late_ms: 0 }])
  })

  test('schedules and their runs', async () => {
    const [schedule] = await sql`select * from ${sql(`${reporting}.schedules`)}`
    expect(schedule).toMatchObject({ schedule_id: 'every/night', workflow: 'nightly', paused: false })
    const runs = await sql`
      select schedule_id, nominal_time is null as is_triggered, count(*)::int4 as count
      from ${sql(`${reporting}.schedule_runs`)} where workflow = 'nightly' group by 1, 2 order by 2`
    expect(runs).toEqual([
      { schedule_id: 'every/night', is_triggered: false, count: 1 },
      { schedule_id: 'every/night', is_triggered: true, count: 1 },
    ])
    const [first] = await sql`
      select nominal_time::timestamptz as at from ${sql(`${reporting}.schedule_runs`)} where nominal_time is not null`
    expect(Number(first?.['at']) % DAY_MS).toBe(0)
  })

  test('nodes, partitions, limits and storage', async () => {
    const [node] = await sql`select * from ${sql(`${reporting}.nodes`)}`
    expect(node).toMatchObject({ node_id: using.engine.nodeId, is_alive: true })
    const owned = await sql`
      select count(*)::int4 as count from ${sql(`${reporting}.partitions`)} where is_owner_alive`
    expect(owned).toEqual([{ count: 64 }])
    const limits = await sql`select rule, waiting::int4, running::int4 from ${sql(`${reporting}.limits`)}`
    expect(limits).toEqual([{ rule: 'concurrency', waiting: 1, running: 1 }])
    const tables = await sql`select table_name from ${sql(`${reporting}.storage`)}`
    expect(tables.map((row) => row['table_name'])).toEqual(
      expect.arrayContaining(['executions', 'events', 'timers', 'signals']),
    )
  })
})

describe('the guide', () => {
  const questions = Array.from(guide.matchAll(/```sql\n([\s\S]*?)```/g), ([, text = '']) => text)
  const views = Array.from(guide.matchAll(/^\| `(\w+)` /gm), ([, name]) => name)

  test('names every view', async () => {
    const rows = await sql`select table_name from information_schema.views where table_schema = ${reporting}`
    expect(new Set(views)).toEqual(new Set(rows.map((row) => row['table_name'])))
  })

  test('asks a question of every view', () => {
    const asked = views.filter((view) =>
      questions.some((text) => text.includes(`cerebelum_reporting.${view}`)),
    )
    expect(asked).toEqual(views)
  })

  test.each(questions)('is answered: %s', async (text) => {
    const rows = await sql.unsafe(text.replaceAll('cerebelum_reporting', reporting))
    expect(rows.length).toBeGreaterThan(0)
  })
})

test('a role for reports reads the views and nothing else', async () => {
  role = `reader_${randomBytes(6).toString('hex')}`
  const { url, schema } = using.database
  for (let round = 0; round < 2; round++) await migrate({ url, schema, reportingRole: role })
  const reserved = await sql.reserve()
  try {
    await reserved`set role ${reserved(role)}`
    const [row] = await reserved`select count(*)::int4 as count from ${reserved(`${reporting}.executions`)}`
    expect(row?.['count']).toBeGreaterThan(5)
    for (const name of [`${schema}.executions`, `${schema}.events`])
      await expect(reserved`select 1 from ${reserved(name)} limit 1`).rejects.toMatchObject({ code: '42501' })
    await expect(
      reserved`update ${reserved(`${reporting}.executions`)} set status = 'failed'`,
    ).rejects.toMatchObject({ code: '42501' })
  } finally {
    await reserved`reset role`
    reserved.release()
  }
})
