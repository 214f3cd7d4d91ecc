// Reads: in the order asked, many at once, bounded.

import { expect, test } from 'vitest'
import { conformance } from '../../support/conformance.js'
import { commitOf, Place, signalTo, startClaimed, startRow, stepCompleted } from '../../support/store-rows.js'

conformance('reads', (context) => {
  test('rows come in the order asked, null where there is none', async () => {
    const place = new Place()
    const [a, b, c] = [place.key('a'), place.key('b'), place.key('c', 3)]
    await context.store.insertExecutions([a, c].map((key) => startRow(key)))
    const rows = await context.store.readExecutions([c, b, a, c])
    expect(rows.map((row) => row?.key ?? null)).toEqual([c, null, a, c])
    expect(await context.store.readExecutions([])).toEqual([])
  })

  test('histories come from the version asked for, each in order, at most the limit of each', async () => {
    const place = new Place()
    const [long, short, none] = [place.key('long'), place.key('short'), place.key('none')]
    await startClaimed(context.store, place.node('a'), [long, short])
    const events = Array.from({ length: 30 }, (_, n) => stepCompleted(n))
    await context.store.commit([commitOf(long, place.node('a'), { events })])
    const histories = await context.store.readHistories(
      [
        { key: long, from: 5 },
        { key: none, from: 1 },
        { key: short, from: 1 },
        { key: long, from: 31 },
        { key: long, from: 32 },
      ],
      10,
    )
    expect(histories.map((history) => history.map(({ version }) => version))).toEqual([
      [5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
      [],
      [1],
      [31],
      [],
    ])
    expect(await context.store.readHistories([], 10)).toEqual([])
  })

  test('events come back as they were written, with all their columns or none', async () => {
    const place = new Place()
    const key = place.key('one')
    await startClaimed(context.store, place.node('a'), [key])
    const full = {
      type: 'step_retrying' as const,
      seq: 7,
      name: 'n',
      attempt: 32_767,
      detail: '{"d":1}',
      payload: '{"p":2}',
      messageId: 'm',
      dueAt: new Date('2030-05-06T07:08:09.123Z'),
    }
    await context.store.commit([commitOf(key, place.node('a'), { events: [full, { type: 'paused' }] })])
    const [history] = await context.store.readHistories([{ key, from: 2 }], 10)
    expect(history).toEqual([
      { ...full, version: 2, at: expect.any(Date) },
      { type: 'paused', version: 3, at: expect.any(Date) },
    ])
  })

  test('inboxes and answers of many are read at once, in the order asked', async () => {
    const place = new Place()
    const keys = place.keys(3)
    await startClaimed(context.store, place.node('a'), keys)
    const sent = keys.flatMap((key, n) => Array.from({ length: n }, (_, m) => signalTo(key, `m${m}`)))
    await context.store.sendMessages(sent, 100)
    const inboxes = await context.store.readInboxes(
      keys.toReversed().map((key) => ({ key, after: 0 })),
      10,
    )
    expect(inboxes.map((messages) => messages.length)).toEqual([2, 1, 0])
    const payload = '{"x":"}\\",{"}'
    await context.store.commit(
      keys.map((key) =>
        commitOf(key, place.node('a'), { consumed: [{ messageId: 'm0', answer: { ok: true, payload } }] }),
      ),
    )
    const wanted = ['m0', 'm1'].flatMap((messageId) => keys.map((key) => ({ key, messageId })))
    const answers = await context.store.readAnswers(wanted)
    expect(answers).toEqual([...keys.map(() => ({ ok: true, payload })), null, null, null])
    expect(await context.store.readAnswers([])).toEqual([])
    expect(await context.store.readInboxes([], 1)).toEqual([])
  })

  test('ping tells the time of the database', async () => {
    const [row] = await context.sql<{ at: Date }[]>`select now() as at`
    // It is not retried: that it fails is what it is asked for.
    const at = await context.store.ping().catch((error: unknown) => error)
    if (at instanceof Date) expect(Math.abs(at.getTime() - Number(row?.at))).toBeLessThan(60_000)
    else expect(at).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  })

  test('an id is at home where its hash says', () => {
    const { store } = context
    expect(store.keyOf('order-7')).toEqual(store.keyOf('order-7'))
    expect(store.keyOf('order-7')).toMatchObject({ region: 'local', executionId: 'order-7' })
    const partitions = new Set(Array.from({ length: 2_000 }, (_, n) => store.keyOf(`id ${n}`).partition))
    expect(partitions.size).toBe(store.partitionCount)
  })
})
