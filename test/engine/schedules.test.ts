// Schedules on the real engine and database: every firing starts one execution, once in the whole cluster, whatever
// dies or comes at the same time. Time is moved in the rows, never waited for.

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { ScheduleRequest } from '../../src/client/schedules.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const tick = workflow({ name: 'tick' }, async (_ctx, input: unknown) => input)
const typed = workflow({ name: 'typed', input: z.object({ n: z.coerce.number() }) }, async (_ctx, { n }) => n)
const held = workflow({ name: 'held' }, async (ctx) => ctx.signal('go', z.unknown()))

const using = useEngine([tick, typed, held])
let count = 0
const newName = (): string => `s-${++count}`
const YEARLY: ScheduleRequest['spec'] = { cron: '0 0 1 1 *' }

/** The nominal times of what a schedule has started by the clock, in order. */
async function firingsOf(scheduleId: string): Promise<string[]> {
  return (await executionsOf(scheduleId)).flatMap(({ executionId }) => {
    const [, instant = ''] = executionId.split(`${scheduleId}/`)
    return instant.startsWith('trigger/') ? [] : instant
  })
}

async function executionsOf(scheduleId: string) {
  const sql = using.database.connect({ max: 1 })
  const rows = await sql<{ executionId: string; status: string }[]>`
    select execution_id as "executionId", status from executions
    where execution_id like ${`${scheduleId}/%`}::text order by execution_id`
  await sql.end()
  return rows
}

/** Makes a schedule that looks as if its next firing had been due this long ago. */
async function overdue(scheduleId: string, request: ScheduleRequest, lateMs: number): Promise<Date> {
  await using.client.schedules.create(scheduleId, { ...request, paused: true })
  return rewind(scheduleId, lateMs)
}

async function rewind(scheduleId: string, lateMs: number): Promise<Date> {
  const sql = using.database.connect({ max: 1 })
  const [row] = await sql<{ at: Date }[]>`
    update schedules set paused = false,
      next_at = date_trunc('second', now()) - ${lateMs}::float8 * interval '1 millisecond',
      due_at = now() - ${lateMs}::float8 * interval '1 millisecond'
    where schedule_id = ${scheduleId}::text returning next_at as at`
  await sql.end()
  // It goes on already: this only makes the engine look at once.
  await using.client.schedules.resume(scheduleId)
  return row?.at ?? new Date(Number.NaN)
}

describe('firing', () => {
  test('a schedule starts its workflow at every due time, each once, with its input', async () => {
    const id = newName()
    const request: ScheduleRequest = {
      spec: { every: 200 },
      workflow: tick,
      input: { a: 1 },
      overlap: 'allow',
    }
    await using.client.schedules.create(id, request)
    const firings = await eventually(async () => {
      const found = await firingsOf(id)
      return found.length >= 4 && found
    })
    await using.client.schedules.delete(id)
    const times = firings.map((instant) => Date.parse(instant))
    for (const [n, time] of times.entries()) expect(time).toBe((times[0] ?? 0) + n * 200)
    expect(await using.client.result(`${id}/${firings[0]}`)).toEqual({ a: 1 })
    const [started] = await using.events(`${id}/${firings[0]}`)
    expect(Number(started?.at)).toBeGreaterThanOrEqual(times[0] ?? Infinity)
  })
})

describe('people', () => {
  test('pause it and resume it: nothing of the time between is made up', async () => {
    const id = newName()
    await using.client.schedules.create(id, { spec: { every: 100 }, workflow: tick })
    await eventually(async () => (await firingsOf(id)).length > 0)
    await using.client.schedules.pause(id, 'closed for the day')
    const before = await firingsOf(id)
    const { schedules } = using.client
    // Well over what it would have fired in, by another schedule of the same kind.
    const other = newName()
    await schedules.create(other, { spec: { every: 100 }, workflow: tick })
    await eventually(async () => (await firingsOf(other)).length >= 3)
    expect(await firingsOf(id)).toEqual(before)
    expect(await schedules.describe(id)).toMatchObject({ paused: true, note: 'closed for the day' })
    await schedules.resume(id)
    const after = await eventually(async () => {
      const found = await firingsOf(id)
      return found.length > before.length && found
    })
    const gapMs = Date.parse(after[before.length] ?? '') - Date.parse(before.at(-1) ?? '')
    expect(gapMs).toBeGreaterThanOrEqual(300)
    await Promise.all([schedules.delete(id), schedules.delete(other)])
  })

  test('trigger it: it runs now, also while paused, and once for each trigger id', async () => {
    const id = newName()
    const { schedules } = using.client
    await schedules.create(id, { spec: YEARLY, workflow: typed, input: { n: '7' }, paused: true })
    const handle = await schedules.trigger(id, { triggerId: 'by hand' })
    expect(await handle.result()).toBe(7)
    const again = await schedules.trigger(id, { triggerId: 'by hand' })
    expect(again).toMatchObject({ executionId: handle.executionId, created: false })
    await schedules.trigger(id)
    expect(await executionsOf(id)).toHaveLength(2)
    expect(await schedules.describe(id)).toMatchObject({ fired: 2, revision: 1 })
  })

  test('backfill it: what would have fired is started once, however often it is asked', async () => {
    const id = newName()
    const { schedules } = using.client
    await schedules.create(id, { spec: { cron: '0 12 * * *', timeZone: 'Asia/Tokyo' }, workflow: tick })
    const range = { from: new Date('2026-03-01T03:00:00Z'), to: new Date('2026-03-04T03:00:00Z') }
    const expected = ['01', '02', '03'].map((day) => `${id}/2026-03-${day}T03:00:00.000Z`)
    expect(await schedules.backfill(id, range)).toEqual({ executionIds: expected })
    expect(await schedules.backfill(id, range)).toEqual({ executionIds: expected })
    await Promise.all(expected.map((executionId) => using.client.result(executionId)))
    expect(await executionsOf(id)).toHaveLength(3)
    expect(await using.types(expected[0] ?? '')).toEqual(['started', 'completed'])
  })

  test('update it: a new time counts from now, and what is not given stays', async () => {
    const id = newName()
    const { schedules } = using.client
    await schedules.create(id, { spec: YEARLY, workflow: tick, input: 1, jitter: '1 minute' })
    const changed = await schedules.update(id, { spec: { every: 150 }, input: 2, jitter: 0 })
    expect(changed).toMatchObject({ revision: 2, workflow: 'tick', jitterMs: 0, overlap: 'skip' })
    const [first] = await eventually(async () => {
      const found = await firingsOf(id)
      return found.length > 0 && found
    })
    expect(await using.client.result(`${id}/${first}`)).toBe(2)
    await schedules.delete(id)
  })

  test('delete it: what it started stays, and its id is free', async () => {
    const id = newName()
    const { schedules } = using.client
    await schedules.create(id, { spec: YEARLY, workflow: tick })
    await (await schedules.trigger(id)).result()
    await schedules.delete(id)
    expect(await executionsOf(id)).toHaveLength(1)
    const calls = [() => schedules.describe(id), () => schedules.delete(id), () => schedules.trigger(id)]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'SCHEDULE_NOT_FOUND' })
    expect(await schedules.create(id, { spec: YEARLY, workflow: held })).toEqual({ created: true })
  })

  test('list them in the order of their ids, page by page', async () => {
    const { schedules } = using.client
    const ids = ['list-a', 'list-b', 'list-c']
    for (const id of ids) await schedules.create(id, { spec: YEARLY, workflow: typed, input: { n: 1 } })
    const listed: string[] = []
    let cursor: string | undefined
    do {
      const page = await schedules.list({
        workflow: 'typed',
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      })
      listed.push(...page.schedules.map(({ scheduleId }) => scheduleId))
      cursor = page.cursor
    } while (cursor !== undefined)
    expect(listed.filter((id) => id.startsWith('list-'))).toEqual(ids)
    expect(listed).toEqual(listed.toSorted())
    const { input, upcoming } = await schedules.describe('list-a')
    expect(input).toEqual({ n: 1 })
    expect(upcoming).toHaveLength(10)
  })

  test('make it twice: the same is left as it is, another is refused', async () => {
    const id = newName()
    const { schedules } = using.client
    const request: ScheduleRequest = { spec: YEARLY, workflow: tick, input: { a: 1 } }
    expect(await schedules.create(id, request)).toEqual({ created: true })
    expect(await schedules.create(id, request)).toEqual({ created: false })
    await expect(schedules.create(id, { ...request, input: { a: 2 } })).rejects.toMatchObject({
      code: 'SCHEDULE_EXISTS',
    })
  })
})

describe('a firing whose predecessor is open', () => {
  /** A schedule whose one execution is held open, due once more. */
  async function overlapping(overlap: NonNullable<ScheduleRequest['overlap']>) {
    const id = newName()
    await using.client.schedules.create(id, { spec: YEARLY, workflow: held, overlap })
    const first = await using.client.schedules.trigger(id)
    await eventually(async () => (await using.client.get(first.executionId)).status === 'waiting')
    const second = `${id}/${(await rewind(id, 0)).toISOString()}`
    return { id, first: first.executionId, second }
  }
  const statusOf = async (executionId: string) => (await using.client.get(executionId)).status
  const seen = (id: string) => using.client.schedules.describe(id)
  const judged = (id: string) => eventually(async () => (await seen(id)).lastAt !== null)

  test('is dropped and counted by "skip"', async () => {
    const { id } = await overlapping('skip')
    await judged(id)
    expect(await seen(id)).toMatchObject({ fired: 1, skipped: 1, missed: 0 })
    expect(await executionsOf(id)).toHaveLength(1)
  })

  test('waits by "buffer-one", and one only', async () => {
    const { id, first, second } = await overlapping('buffer-one')
    await judged(id)
    const { bufferedAt } = await seen(id)
    expect(second).toBe(`${id}/${bufferedAt?.toISOString()}`)
    await rewind(id, 0)
    await eventually(async () => (await seen(id)).skipped === 1)
    expect(await executionsOf(id)).toHaveLength(1)
    await using.client.signal(first, 'go')
    await eventually(async () => (await executionsOf(id)).length === 2)
    expect(await seen(id)).toMatchObject({ bufferedAt: null, fired: 2, lastExecutionId: second })
  })

  test('starts beside it by "allow"', async () => {
    const { first, second } = await overlapping('allow')
    await eventually(async () => (await statusOf(second)) === 'waiting')
    expect(await statusOf(first)).toBe('waiting')
  })

  test('starts when that has been canceled by "cancel-other"', async () => {
    const { first, second } = await overlapping('cancel-other')
    await eventually(async () => (await statusOf(second)) === 'waiting')
    expect(await statusOf(first)).toBe('canceled')
  })

  test('starts in its place by "terminate-other"', async () => {
    const { first, second } = await overlapping('terminate-other')
    await eventually(async () => (await statusOf(second)) === 'waiting')
    expect(await statusOf(first)).toBe('terminated')
  })
})

describe('after an outage', () => {
  test('what is within the window is made up in order, what is older is missed and counted', async () => {
    const id = newName()
    const request: ScheduleRequest = {
      spec: { every: '1 second' },
      workflow: tick,
      overlap: 'allow',
      catchUp: '30s',
    }
    await overdue(id, request, 300_000)
    const { schedules } = using.client
    const info = await eventually(async () => {
      const found = await schedules.describe(id)
      return found.nextAt !== null && found.nextAt.getTime() > Date.now() - 5_000 && found
    })
    await schedules.pause(id)
    expect(info.missed).toBeGreaterThanOrEqual(265)
    expect(info.missed).toBeLessThanOrEqual(280)
    const times = (await firingsOf(id)).map((instant) => Date.parse(instant))
    for (const [n, time] of times.entries()) expect(time).toBe((times[0] ?? 0) + n * 1_000)
    expect(times.length).toBeGreaterThanOrEqual(25)
  })

  test('a schedule that never waits for its predecessor starts the newest alone', async () => {
    const id = newName()
    const spec = { every: '1 hour' }
    await overdue(id, { spec, workflow: held, overlap: 'terminate-other', catchUp: '1 day' }, 5 * 3_600_000)
    const info = await eventually(async () => {
      const found = await using.client.schedules.describe(id)
      return found.fired > 0 && found
    })
    expect(info).toMatchObject({ fired: 1, missed: 0 })
    expect(info.skipped).toBeGreaterThanOrEqual(4)
    expect(await executionsOf(id)).toHaveLength(1)
  })
})

test('nothing of this was worth a warning', () => expect(using.logged).toEqual([]))
