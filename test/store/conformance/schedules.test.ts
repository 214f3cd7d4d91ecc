// Schedules: made once, changed under their lock, and fired by one of those who race for them, all of it or nothing.

import { afterEach, expect, test } from 'vitest'
import { firingId } from '../../../src/core/schedule.js'
import { scheduledStart } from '../../../src/store/scheduled-start.js'
import type { NewSchedule, ScheduleChange, SeenSchedule, Store } from '../../../src/store/store.js'
import { conformance } from '../../support/conformance.js'
import { eventually } from '../../support/wait.js'

let count = 0

conformance('schedules', (context) => {
  const made: string[] = []
  afterEach(async () => {
    for (const scheduleId of made.splice(0)) await context.store.removeSchedule(scheduleId)
  })

  /** Due since a second, unless said otherwise. */
  async function make(changes: Partial<NewSchedule> = {}): Promise<string> {
    const scheduleId = `c-${++count}`
    made.push(scheduleId)
    await context.store.insertSchedule(scheduleId, (at) => ({
      scheduleId,
      region: 'local',
      spec: { every: 3_600_000, offset: 0 },
      jitterMs: 0,
      workflow: 'w',
      workflowVersion: '1',
      input: '{"a":1}',
      unchecked: false,
      attributes: { a: 'x' },
      overlap: 'skip',
      catchUpMs: 60_000,
      paused: false,
      note: 'why',
      revision: 1,
      nextAt: new Date(at.getTime() - 1_000),
      dueAt: new Date(at.getTime() - 1_000),
      lastAt: null,
      bufferedAt: null,
      lastExecutionId: null,
      fired: 0,
      skipped: 0,
      missed: 0,
      ...changes,
    }))
    return scheduleId
  }

  /** Starts the one that is due and goes on in an hour. */
  function fire(store: Store): (seen: SeenSchedule) => ScheduleChange {
    return ({ row, at }) => {
      const executionId = firingId(row.scheduleId, row.nextAt ?? at)
      const nextAt = new Date(at.getTime() + 3_600_000)
      return {
        row: {
          ...row,
          nextAt,
          dueAt: nextAt,
          lastAt: row.nextAt,
          lastExecutionId: executionId,
          fired: row.fired + 1,
        },
        starts: [scheduledStart(row, store.keyOf(executionId))],
      }
    }
  }

  /** Fires until so many were met: a claim may come back short of rows that were written a moment ago. */
  async function fireAll(wanted: number): Promise<Awaited<ReturnType<Store['fireSchedules']>>> {
    const changes: ScheduleChange[] = []
    const failed: { scheduleId: string; error: unknown }[] = []
    await eventually(async () => {
      const more = await context.store.fireSchedules(10, fire(context.store))
      changes.push(...more.changes)
      failed.push(...more.failed)
      return changes.length + failed.length >= wanted
    })
    return { changes, failed }
  }

  const hasExecution = async (executionId: string): Promise<boolean> => {
    const [row = null] = await context.store.readExecutions([context.store.keyOf(executionId)])
    return row !== null
  }

  test('one that was made is read as it was given, and made again it is left alone', async () => {
    const scheduleId = await make()
    const row = await context.store.readSchedule(scheduleId)
    expect(row).toMatchObject({
      scheduleId,
      spec: { every: 3_600_000, offset: 0 },
      input: '{"a":1}',
      attributes: { a: 'x' },
      revision: 1,
      fired: 0,
      createdAt: expect.any(Date),
    })
    expect(await context.store.readSchedule('nobody')).toBeNull()
    const again = await context.store.insertSchedule(scheduleId, () => ({ ...required(row), note: 'other' }))
    expect(again).toMatchObject({ kind: 'exists', row: { note: 'why' } })
  })

  test('a change is all or nothing, and there is none of what is not there', async () => {
    const scheduleId = await make()
    const broken = context.store.changeSchedule(scheduleId, () => {
      throw new RangeError('undecided')
    })
    await expect(broken).rejects.toThrow('undecided')
    const change = await context.store.changeSchedule(scheduleId, ({ row }) => ({
      row: { ...row, note: null, paused: true, revision: 2 },
      starts: [scheduledStart(row, context.store.keyOf(`${scheduleId}/by-hand`))],
    }))
    expect(change?.row).toMatchObject({ note: null, paused: true })
    expect(await context.store.readSchedule(scheduleId)).toMatchObject({
      note: null,
      paused: true,
      revision: 2,
    })
    expect(await hasExecution(`${scheduleId}/by-hand`)).toBe(true)
    expect(await context.store.changeSchedule('nobody', ({ row }) => ({ row, starts: [] }))).toBeNull()
  })

  test('the next that is due is told in time left, and none is while all are paused or over', async () => {
    await make({ paused: true })
    await make({ nextAt: null, dueAt: null })
    expect(await context.store.nextSchedule()).toBeNull()
    const later = new Date(Date.now() + 3_600_000)
    await make({ nextAt: later, dueAt: later })
    expect(await context.store.nextSchedule()).toBeGreaterThan(3_000_000)
    expect(await context.store.fireSchedules(10, fire(context.store))).toEqual({ changes: [], failed: [] })
    await make()
    expect(await context.store.nextSchedule()).toBe(0)
  })

  test('of many who race for them, each is fired by one, with its start', async () => {
    const ids: string[] = []
    for (let n = 0; n < 12; n++) ids.push(await make())
    const fired: string[] = []
    await eventually(async () => {
      const calls = Array.from({ length: 4 }, () => context.store.fireSchedules(4, fire(context.store)))
      for (const { changes } of await Promise.all(calls))
        fired.push(...changes.map(({ row }) => row.scheduleId))
      return fired.length >= ids.length
    })
    expect(fired.toSorted()).toEqual(ids.toSorted())
    for (const scheduleId of ids) {
      const row = required(await context.store.readSchedule(scheduleId))
      expect(row).toMatchObject({ fired: 1 })
      expect(await hasExecution(row.lastExecutionId ?? '')).toBe(true)
    }
  })

  test('one that cannot be decided is put off, and keeps no other from firing', async () => {
    const broken = await make()
    await context.sql`
      update schedules set spec = '{"moon":"full"}', due_at = due_at - interval '1 hour'
      where schedule_id = ${broken}::text`
    const whole = await make()
    const { changes, failed } = await fireAll(2)
    expect(changes.map(({ row }) => row.scheduleId)).toEqual([whole])
    expect(failed).toEqual([
      { scheduleId: broken, error: expect.objectContaining({ code: 'INVALID_SCHEDULE' }) },
    ])
    expect(await context.store.nextSchedule()).toBeGreaterThan(30_000)
  })

  test('whether the last execution is open, is known; and it can be ended with the firing', async () => {
    const scheduleId = await make()
    await fireAll(1)
    const { lastExecutionId } = required(await context.store.readSchedule(scheduleId))
    const last = required(lastExecutionId)
    const seen: boolean[] = []
    const end = (kind: 'cancel' | 'terminate'): Promise<unknown> =>
      context.store.changeSchedule(scheduleId, ({ row, isOpen }) => {
        seen.push(isOpen)
        return { row: { ...row, lastAt: new Date(0) }, starts: [], other: { kind, executionId: last } }
      })
    const key = context.store.keyOf(last)
    await end('cancel')
    await end('cancel')
    const [inbox] = await context.store.readInboxes([{ key, after: 0 }], 10)
    expect(inbox).toMatchObject([{ kind: 'cancel', position: 1 }])
    await end('terminate')
    const [ended] = await context.store.readExecutions([key])
    expect(ended?.status).toBe('terminated')
    await end('terminate')
    expect(seen.at(0)).toBe(true)
    expect(seen.at(-1)).toBe(false)
  })

  test('pages go by id, without inputs, and end', async () => {
    const ids = [await make(), await make({ workflow: 'other' }), await make()].toSorted()
    const listed = await context.store.listSchedules({ limit: 1_000 })
    expect(listed.map((row) => row.scheduleId)).toEqual(ids)
    expect(listed[0]?.input).toBeNull()
    const others = await context.store.listSchedules({ workflow: 'other', limit: 10 })
    expect(others).toHaveLength(1)
    const after = await context.store.listSchedules({ after: ids[1] ?? '', limit: 10 })
    expect(after.map((row) => row.scheduleId)).toEqual(ids.slice(2))
  })

  test('one that was removed is gone', async () => {
    const scheduleId = await make()
    expect(await context.store.removeSchedule(scheduleId)).toBe(true)
    expect(await context.store.readSchedule(scheduleId)).toBeNull()
    expect(await context.store.removeSchedule(scheduleId)).toBe(false)
  })
})

function required<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('it is not there')
  return value
}
