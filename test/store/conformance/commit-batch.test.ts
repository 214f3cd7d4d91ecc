// The lane statement, many commits: one statement, and still nobody pays for another's trouble.

import { expect, test } from 'vitest'
import type { Commit } from '../../../src/store/store.js'
import { conformance } from '../../support/conformance.js'
import {
  commitOf,
  Place,
  releaseOf,
  reportTo,
  startClaimed,
  stepCompleted,
} from '../../support/store-rows.js'

conformance('commit, in batches', (context) => {
  async function claimed(
    count: number,
  ): Promise<{ place: Place; keys: ReturnType<Place['keys']>; node: string }> {
    const place = new Place()
    const keys = place.keys(count)
    await startClaimed(context.store, place.node('a'), keys)
    return { place, keys, node: place.node('a') }
  }

  const kindsOf = (outcomes: readonly { kind: string }[]): string[] => outcomes.map(({ kind }) => kind)

  test('outcomes come in the order given, whatever the order of the keys', async () => {
    const { keys, node } = await claimed(50)
    const lost = new Set([3, 17, 49])
    const commits = keys
      .toReversed()
      .map((key, n) => commitOf(key, node, lost.has(n) ? { claimEpoch: 9 } : {}))
    expect(kindsOf(await context.store.commit(commits))).toEqual(
      commits.map((_, n) => (lost.has(n) ? 'lost' : 'committed')),
    )
  })

  test.each([
    ['a version that is taken', (commit: Commit) => ({ ...commit, expectedVersion: 0 })],
    ['a claim that is lost', (commit: Commit) => ({ ...commit, claimEpoch: 5 })],
    [
      'data that the database refuses',
      // No column is wide enough.
      (commit: Commit) => ({ ...commit, events: [{ ...stepCompleted(1), attempt: 2 ** 40 }] }),
    ],
    [
      'one message twice',
      (commit: Commit) => ({ ...commit, messages: [reportTo(commit.key, 'm'), reportTo(commit.key, 'm')] }),
    ],
  ])('one of 500 with %s harms no other', async (_what, spoil) => {
    const { keys, node } = await claimed(500)
    const bad = 250
    const good = keys.map((key) => commitOf(key, node))
    const outcomes = await context.store.commit(good.map((commit, n) => (n === bad ? spoil(commit) : commit)))
    expect(outcomes.filter(({ kind }) => kind === 'committed')).toHaveLength(499)
    expect(outcomes[bad]).toMatchObject({ kind: 'lost' })
    const histories = await context.store.readHistories(
      keys.map((key) => ({ key, from: 2 })),
      10,
    )
    expect(histories.map((events) => events.length)).toEqual(keys.map((_, n) => (n === bad ? 0 : 1)))
  })

  test.each([
    ['results', {}],
    ['ends', { transition: { kind: 'close', status: 'completed' } as const }],
  ])(
    'of %s, several events each, some of which have lost their claim, the others are written',
    async (_what, more) => {
      const { keys, node } = await claimed(40)
      const lost = new Set([0, 21, 39])
      const commits = keys.map((key, n) =>
        commitOf(key, node, {
          events: [stepCompleted(1), stepCompleted(2)],
          ...(lost.has(n) ? { claimEpoch: 9 } : {}),
          ...more,
        }),
      )
      const expected = commits.map((_, n) => (lost.has(n) ? 'lost' : 'committed'))
      expect(kindsOf(await context.store.commit(commits))).toEqual(expected)
      const histories = await context.store.readHistories(
        keys.map((key) => ({ key, from: 2 })),
        10,
      )
      expect(histories.map((events) => events.length)).toEqual(keys.map((_, n) => (lost.has(n) ? 0 : 2)))
    },
  )

  test('an end, or a result, leaves the same behind in a lean statement and beside what takes the large one', async () => {
    const { place, keys, node } = await claimed(5)
    const [alone, beside, resultAlone, resultBeside, other] = keys
    if (!alone || !beside || !resultAlone || !resultBeside || !other) throw new Error('no keys')
    const seenAt = new Date('2026-01-02T03:04:05.678Z')
    const end = (key: typeof alone): Commit =>
      commitOf(key, node, {
        events: [
          { ...stepCompleted(1), at: seenAt },
          { type: 'failed', payload: '"why"' },
        ],
        transition: { kind: 'close', status: 'failed' },
      })
    const message = commitOf(other, node, { messages: [reportTo(place.key('nobody'), 'm')] })
    const outcomes = [
      await context.store.commit([end(alone)]),
      await context.store.commit([commitOf(resultAlone, node)]),
      await context.store.commit([end(beside), commitOf(resultBeside, node), message]),
    ]
    expect(outcomes.map(kindsOf)).toEqual([
      ['committed'],
      ['committed'],
      ['committed', 'committed', 'committed'],
    ])
    const found = await context.sql<Record<string, unknown>[]>`
      select e.execution_id, to_jsonb(e) - array['execution_id', 'partition', 'closed_at', 'started_at', 'claim_token'] as row,
        e.closed_at is not null as closed,
        (select jsonb_agg(to_jsonb(v) - array['execution_id', 'partition', 'at'] order by v.version)
          from events as v where v.execution_id = e.execution_id) as events,
        (select v.at from events as v where v.execution_id = e.execution_id and v.version = 2) as at
      from executions as e`
    const of = (key: typeof alone) => {
      const row = found.find(({ execution_id }) => execution_id === key.executionId)
      return { ...row, execution_id: undefined }
    }
    expect(of(alone)).toEqual(of(beside))
    expect(of(alone)).toMatchObject({
      closed: true,
      row: { status: 'failed', version: 3, claimed_by: null },
      at: seenAt,
    })
    expect({ ...of(resultAlone), at: 0 }).toEqual({ ...of(resultBeside), at: 0 })
  })

  test('only data that the database refuses is lost with a cause: it is not to be tried again', async () => {
    const { keys, node } = await claimed(2)
    const [refused, taken] = keys.map((key) => commitOf(key, node))
    if (refused === undefined || taken === undefined) throw new Error('two keys')
    const outcomes = await context.store.commit([
      { ...refused, events: [{ ...stepCompleted(1), attempt: 2 ** 40 }] },
      { ...taken, expectedVersion: 0 },
    ])
    expect(outcomes).toEqual([
      { kind: 'lost', cause: expect.objectContaining({ code: 'DATABASE_FAILED' }) },
      { kind: 'lost' },
    ])
  })

  test('many kinds of commit in one batch each have their own outcome', async () => {
    const { place, keys, node } = await claimed(6)
    const [plain, released, closed, continued, told, lost] = keys
    const [a, b, c, d, e, f] = [plain, released, closed, continued, told, lost].map(
      (key) => key ?? place.key('none'),
    )
    if (!a || !b || !c || !d || !e || !f) throw new Error('six keys')
    const outcomes = await context.store.commit([
      commitOf(a, node),
      { ...releaseOf(b, node, { readyInMs: 0 }), events: [stepCompleted(1)] },
      commitOf(c, node, {
        events: [{ type: 'completed' }],
        messages: [reportTo(e, 'done')],
        transition: { kind: 'close', status: 'completed' },
      }),
      commitOf(d, node, {
        events: [{ type: 'continued' }, { type: 'started' }],
        transition: { kind: 'continue', workflowVersion: '2' },
      }),
      commitOf(e, node),
      releaseOf(f, 'somebody'),
    ])
    expect(outcomes).toMatchObject([
      { kind: 'committed', rung: false },
      { kind: 'committed', rung: true },
      { kind: 'committed', rung: false },
      { kind: 'committed', rung: false },
      { kind: 'committed', rung: false },
      { kind: 'lost' },
    ])
    const rows = await context.store.readExecutions(keys)
    expect(rows.map((row) => row?.status)).toEqual([
      'running',
      'waiting',
      'completed',
      'running',
      'running',
      'running',
    ])
    expect(rows.map((row) => row?.inbox)).toEqual([0, 0, 0, 0, 1, 0])
  })

  test('executions that ring each other while they move, in four lanes at once, all get through', async () => {
    const { keys, node } = await claimed(200)
    const lanes = [0, 1, 2, 3].map((lane) => keys.filter((_, n) => n % 4 === lane))
    const outcomes = await Promise.all(
      lanes.map((mine, lane) =>
        context.store.commit(
          mine.map((key, n) => ({
            ...releaseOf(key, node),
            events: [stepCompleted(1)],
            // The lanes ring each other's executions from the far end.
            messages: [reportTo(lanes[(lane + 1) % 4]?.at(-1 - n) ?? key, `from ${key.executionId}`)],
          })),
        ),
      ),
    )
    expect(new Set(kindsOf(outcomes.flat()))).toEqual(new Set(['committed']))
    const inboxes = await context.store.readInboxes(
      keys.map((key) => ({ key, after: 0 })),
      10,
    )
    expect(inboxes.map((messages) => messages.length)).toEqual(keys.map(() => 1))
  })

  test('a batch of payloads far over one statement is written whole', async () => {
    const { keys, node } = await claimed(12)
    const payload = JSON.stringify('x'.repeat(900_000))
    const outcomes = await context.store.commit(
      keys.map((key) => commitOf(key, node, { events: [stepCompleted(1, payload)] })),
    )
    expect(new Set(kindsOf(outcomes))).toEqual(new Set(['committed']))
    const histories = await context.store.readHistories(
      keys.map((key) => ({ key, from: 2 })),
      1,
    )
    expect(histories.map(([event]) => event?.payload?.length)).toEqual(keys.map(() => payload.length))
  })
})
