// The judge of the chaos run must be able to fail: what went well gives no finding, and each kind of damage the one that
// names it. What only the tables tell is judged, and damaged, in test/support/invariants.test.ts.

import type postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine } from '../../src/engine/create-engine.js'
import type { Job } from '../property/interpreter.js'
import type { Program } from '../property/program.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { eventually } from '../support/wait.js'
import { judgeFirings } from './beat.js'
import { judgeRound, keyOf, type Round } from './check.js'
import { chaosWorkflows } from './workflows.js'

const step = { kind: 'step', value: 7, failures: 1, undo: true } as const
const PROGRAMS: Readonly<Record<string, Program>> = {
  plain: { nodes: [step, { kind: 'transaction' }, { kind: 'take' }], end: 'return' },
  renewed: {
    nodes: [{ kind: 'take' }, { kind: 'signal', sent: 'self', value: 'v' }],
    end: { next: { nodes: [{ kind: 'take' }, { kind: 'transaction' }], end: 'return' } },
  },
  undone: { nodes: [step, { kind: 'fatal' }], end: 'throw' },
  parent: {
    nodes: [{ kind: 'child', detach: false, program: { nodes: [step], end: 'return' } }],
    end: 'return',
  },
  wide: {
    nodes: [
      {
        kind: 'settled',
        branches: [
          { nodes: [step, { kind: 'signal', sent: 'never', value: 1 }], end: 'return' },
          { nodes: [{ kind: 'transaction' }], end: 'throw' },
        ],
      },
      { kind: 'any', failing: 2 },
    ],
    end: 'return',
  },
}

let database: TestDatabase
let sql: postgres.Sql
const ledger = new Map<string, number>()

beforeAll(async () => {
  database = await createTestDatabase()
  const { url, schema } = database
  sql = database.connect()
  await sql`create table effects (execution_id text not null, name text not null)`
  const engine = await createEngine({
    database: { url, schema },
    workflows: chaosWorkflows({
      schema,
      note: (id, name) => void ledger.set(keyOf(id, name), (ledger.get(keyOf(id, name)) ?? 0) + 1),
      signal: (...parameters) => engine.client.signal(...parameters),
    }),
  })
  await engine.start()
  const requests = Object.entries(PROGRAMS).map(([id, program]) => {
    const input: Job = { program, prefix: '', log: [] }
    return { workflow: 'program', id, input }
  })
  const narrow = [1, 2, 3].map((n) => ({ workflow: 'narrow', id: `narrow-left-${n}`, input: 'left' }))
  await engine.client.startMany([...requests, ...narrow, { workflow: 'hog', id: 'hog' }])
  for (const id of ['plain', 'renewed'])
    for (const n of [0, 1]) {
      const signal = engine.client.signal(id, 'queue', n, { signalId: `queue ${n}` })
      // The plain one takes one only, and may have ended.
      await (n === 1 ? signal.catch(() => undefined) : signal)
    }
  await eventually(async () => (await sql`select 1 from executions where closed_at is null`).length === 0, {
    what: 'all to end',
    deadlineMs: 20_000,
  })
  await engine.stop()
})
afterAll(() => database?.drop())

function judge(changes: Partial<Round> = {}): Promise<string[]> {
  return judgeRound(sql, {
    meddled: new Set(),
    starts: Object.keys(PROGRAMS),
    messages: [],
    ledger,
    isCalm: true,
    ...changes,
  })
}

const without = (key: string): Map<string, number> => new Map([...ledger].filter(([other]) => other !== key))

describe('the judge', () => {
  it('finds nothing where nothing went wrong', async () => {
    expect(await judge()).toEqual([])
    expect(ledger.get('plain 0')).toBe(2)
  })

  it('finds a step that is recorded and was never done', async () => {
    expect(await judge({ ledger: without('plain 0') })).toContainEqual(
      expect.stringMatching(/^plain 0: is recorded at version \d+, but was never done/),
    )
  })

  it('finds a step that was done and is not recorded', async () => {
    expect(await judge({ ledger: new Map([...ledger, ['plain 9', 1]]) })).toEqual([
      'plain 9: was done, but is not recorded',
    ])
  })

  it('finds a step that was done for nobody', async () => {
    expect(await judge({ ledger: new Map([...ledger, ['nobody 0', 1]]) })).toEqual([
      'nobody 0: was done for an execution that is not there',
    ])
  })

  it('finds a step that was done twice where no fault excuses it', async () => {
    const twice = new Map([...ledger, ['plain 0', 3]])
    expect(await judge({ ledger: twice })).toEqual([
      'plain 0: took 2 attempts by its record, 3 by the ledger',
    ])
    expect(await judge({ ledger: twice, isCalm: false })).toEqual([])
  })

  it('asks no more of what people ended than the invariants do', async () => {
    const found = await judge({ meddled: new Set(['plain']), ledger: new Map([...ledger, ['plain 9', 1]]) })
    expect(found).toEqual([])
  })

  // From here on the tables stay damaged.
  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'an effect that happened twice',
      () => sql`insert into effects (execution_id, name) values ('plain', '1')`,
      /^plain 1: took effect 2 times/,
    ],
    [
      'an effect that never happened',
      () => sql`delete from effects where execution_id = 'renewed'`,
      /^renewed next\.1: took effect 0 times/,
    ],
    [
      'an effect without a record',
      () => sql`insert into effects (execution_id, name) values ('plain', '0')`,
      /^plain 0: took effect without a record/,
    ],
    [
      'another end than the program has',
      () => sql`update events set type = 'completed' where execution_id = 'undone' and type = 'failed'`,
      /^undone: ended as completed, not failed/,
    ],
    [
      'another result than the program has',
      () => sql`update events set payload = '[["0",8]]' where execution_id = 'parent' and name = 'log'`,
      /^parent: saw something else than its program says/,
    ],
    [
      'what was not undone',
      () => sql`update events set name = 'undo 8' where execution_id = 'undone' and name = 'undo 0'`,
      /^undone: step "undo 0" was never recorded/,
    ],
    [
      'a run that was never asked for',
      () => sql`update events set type = 'started' where execution_id = 'renewed' and type = 'continued'`,
      /^renewed: had 3 runs, not 2/,
    ],
    [
      'a signal that nobody sent',
      () => sql`update signals set message_id = 'signal:again' where message_id = 'signal:queue 1'`,
      /^renewed: has message "signal:again", which nobody sent/,
    ],
    [
      'more at a time than a limit allows',
      () => sql`
        update events set at = at + interval '1 hour'
        where execution_id like 'narrow-%' and type = 'completed'`,
      /^narrow: 3 of lane left ran at once, of at most 2/,
    ],
    [
      'one that nobody let in',
      () =>
        sql`update events set type = 'attributes_set' where execution_id = 'narrow-left-1' and type = 'admitted'`,
      /^narrow: 3 ended, 2 were let in/,
    ],
  ])('finds %s', async (_name, damage, finding) => {
    await damage()
    expect(await judge()).toContainEqual(expect.stringMatching(finding))
  })
})

describe('the judge of the schedule', () => {
  const fine = { fired: 3, skipped: 0, missed: 0 }
  const ids = [
    'beat/2026-11-24T10:00:01.000Z',
    'beat/2026-11-24T10:00:00.500Z',
    'beat/2026-11-24T10:00:00.000Z',
  ]

  it('finds nothing when it fired at each of its instants', () => {
    expect(judgeFirings(ids, fine)).toEqual([])
  })

  it.each<[string, readonly string[], typeof fine, RegExp]>([
    [
      'a firing left out',
      ids.slice(0, 1).concat(ids.slice(2)),
      { ...fine, fired: 2 },
      /fired at .*00\.000Z and then at .*01\.000Z/,
    ],
    [
      'a firing at an instant of its own',
      [...ids, 'beat/2026-11-24T10:00:07.000Z'],
      { ...fine, fired: 4 },
      /fired at/,
    ],
    ['a firing that is counted and not there', ids, { ...fine, fired: 4 }, /fired 4 times by its row, 3 by/],
    ['no firing at all', [], { ...fine, fired: 0 }, /fired 0 times/],
    ['firings that were dropped', ids, { ...fine, missed: 2 }, /skipped 0 firings and missed 2/],
  ])('finds %s', (_name, fired, beat, finding) => {
    expect(judgeFirings(fired, beat)).toContainEqual(expect.stringMatching(finding))
  })
})
