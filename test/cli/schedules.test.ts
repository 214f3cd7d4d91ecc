// `cerebelum schedules`: what each command does, says, and refuses.

import { beforeAll, describe, expect, test } from 'vitest'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { runProgram, type Ended } from '../support/program.js'

const adds = workflow({ name: 'adds', version: '3' }, async (_ctx, n: number) => n + 1)
const using = useEngine([adds])
let place: string[]

beforeAll(() => {
  const { url, schema } = using.database
  place = ['--database-url', url, '--schema', schema]
})

function schedules(...args: readonly string[]): Promise<Ended> {
  return runProgram(['schedules', ...args, ...place])
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean)
/** It never fires while a test runs. */
const YEARLY = ['--workflow', 'adds', '--cron', '0 0 1 1 *', '--time-zone', 'Europe/Berlin']

test('one is made, shown, paused, resumed and deleted', async () => {
  const create = ['create', 'yearly', ...YEARLY, '--input', '41', '--overlap', 'buffer-one', '--note', 'why']
  expect(await schedules(...create)).toMatchObject({ code: 0, stderr: 'yearly: made\n' })
  expect(await schedules(...create, '--json')).toMatchObject({
    code: 0,
    stdout: '{"scheduleId":"yearly","created":false}\n',
  })
  const shown = await schedules('show', 'yearly')
  expect(shown.code).toBe(0)
  expect(lines(shown.stdout)).toEqual(
    expect.arrayContaining([
      'workflow\tadds 3',
      'when\t0 0 1 1 * (Europe/Berlin)',
      'input\t41',
      'overlap\tbuffer-one',
      'note\twhy',
      'paused\tno',
      expect.stringMatching(/^next\t\d{4}-12-31T23:00:00.000Z$/),
    ]),
  )
  expect(await schedules('pause', 'yearly', '--note', 'holidays')).toMatchObject({
    stderr: 'yearly: paused\n',
  })
  const paused = JSON.parse((await schedules('show', 'yearly', '--json')).stdout)
  expect(paused).toMatchObject({
    scheduleId: 'yearly',
    paused: true,
    note: 'holidays',
    input: 41,
    upcoming: [],
  })
  expect(await schedules('resume', 'yearly')).toMatchObject({ code: 0, stderr: 'yearly: goes on\n' })
  expect((await using.client.schedules.describe('yearly')).paused).toBe(false)
  expect(await schedules('delete', 'yearly')).toMatchObject({ code: 0, stderr: 'yearly: deleted\n' })
  expect(await schedules('show', 'yearly')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^SCHEDULE_NOT_FOUND: /),
  })
})

test('they are a table, and one JSON object each for programs', async () => {
  const spec = { every: '1 day', offset: 5 }
  await using.client.schedules.create('b', { spec, workflow: adds, input: 1, paused: true, note: 'asleep' })
  await using.client.schedules.create('a', { spec: { cron: '0 0 1 1 *' }, workflow: adds, input: 1 })
  const { code, stdout } = await schedules()
  expect(code).toBe(0)
  const [head, ...rows] = lines(stdout)
  expect(head).toBe('schedule\tworkflow\twhen\tnext\tlast\tfired\tskipped\tmissed\tnote')
  expect(rows).toEqual([
    expect.stringMatching(/^a\tadds\t0 0 1 1 \* \(UTC\)\t.*-01-01T00:00:00.000Z\t-\t0\t0\t0\t-$/),
    'b\tadds\tevery 86400000 ms, moved by 5 ms\tpaused\t-\t0\t0\t0\tasleep',
  ])
  const json = lines((await schedules('list', '--json')).stdout)
  expect(json.map((line) => JSON.parse(line))).toMatchObject([{ scheduleId: 'a' }, { scheduleId: 'b' }])
  expect((await schedules('list', '--json', '--workflow', 'nobody')).stdout).toBe('')
  await using.client.schedules.delete('a')
  await using.client.schedules.delete('b')
})

test('one is triggered once per trigger id, and fired for a range of the past', async () => {
  await schedules('create', 'daily', '--workflow', 'adds', '--every', '1 day', '--input', '1')
  const trigger = ['trigger', 'daily', '--trigger-id', 'once']
  const first = await schedules(...trigger)
  expect(await using.client.result(first.stdout.trim())).toBe(2)
  expect(JSON.parse((await schedules(...trigger, '--json')).stdout)).toEqual({
    executionId: first.stdout.trim(),
    created: false,
  })
  const range = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-01-04T02:00:00+02:00']
  const { code, stdout } = await schedules('backfill', 'daily', ...range)
  expect(code).toBe(0)
  expect(lines(stdout)).toHaveLength(3)
  for (const executionId of lines(stdout)) expect(await using.client.result(executionId)).toBe(2)
  await schedules('delete', 'daily')
})

describe('refused is', () => {
  test.each([
    ['neither cron nor every', ['--workflow', 'adds'], 'SETTINGS: A schedule fires by --cron'],
    ['both', [...YEARLY, '--every', '1 day'], 'SETTINGS: A schedule fires by --cron'],
    [
      'a time zone for an interval',
      ['--workflow', 'adds', '--every', '1 h', '--time-zone', 'UTC'],
      'SETTINGS: ',
    ],
    ['input that is no JSON', [...YEARLY, '--input', 'Ada'], 'SETTINGS: --input is "Ada"; it must be JSON'],
    ['attributes that are no object', [...YEARLY, '--attributes', '[{}]'], 'SETTINGS: --attributes'],
    [
      'an unknown policy',
      [...YEARLY, '--overlap', 'queue'],
      'SETTINGS: --overlap is "queue"; it must be one of',
    ],
    ['an instant without offset', [...YEARLY, '--from', '2030-01-01'], 'SETTINGS: --from'],
    ['a wrong expression', ['--workflow', 'adds', '--cron', 'monthly'], 'INVALID_SCHEDULE: '],
    ['a wrong duration', ['--workflow', 'adds', '--every', 'soon'], 'INVALID_DURATION: '],
  ])('%s', async (_name, args, error) => {
    const { code, stderr } = await schedules('create', 'x', ...args)
    expect(stderr.startsWith(error), stderr).toBe(true)
    expect(code).toBe(2)
  })

  test('a workflow that no node has', async () => {
    expect(await schedules('create', 'x', '--workflow', 'nobody', '--every', '1 h')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^UNKNOWN_WORKFLOW: /),
    })
  })

  test('another one of the same id', async () => {
    await using.client.schedules.create('taken', { spec: { every: '1 day' }, workflow: adds, input: 1 })
    expect(await schedules('create', 'taken', ...YEARLY)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^SCHEDULE_EXISTS: /),
    })
    await using.client.schedules.delete('taken')
  })
})
