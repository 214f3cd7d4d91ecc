// Messages: into the inbox once each, in order, ringing; consumed by the append that records them; answered.

import { expect, test } from 'vitest'
import type { ExecutionKey } from '../../../src/core/execution.js'
import { conformance } from '../../support/conformance.js'
import {
  claimIn,
  commitOf,
  Place,
  releaseOf,
  signalTo,
  startClaimed,
  stepCompleted,
} from '../../support/store-rows.js'

const INBOX_MAX = 100

conformance('messages', (context) => {
  async function claimed(): Promise<{ place: Place; key: ExecutionKey; node: string }> {
    const place = new Place()
    const key = place.key('one')
    await startClaimed(context.store, place.node('a'), [key])
    return { place, key, node: place.node('a') }
  }

  async function inboxOf(key: ExecutionKey, after = 0, limit = 100) {
    const [messages] = await context.store.readInboxes([{ key, after }], limit)
    return messages ?? []
  }

  test('a message reaches the inbox as it was sent, and rings what waits', async () => {
    const { place, key, node } = await claimed()
    await context.store.commit([releaseOf(key, node)])
    const message = signalTo(key, 'm1', { kind: 'update', detail: '{"seq":1}' })
    expect(await context.store.sendMessages([message], INBOX_MAX)).toEqual(['accepted'])
    const { key: _, ...rest } = message
    expect(await inboxOf(key)).toEqual([{ ...rest, position: 1 }])
    expect(await claimIn(context.store, place)).toMatchObject([{ key, inbox: 1 }])
  })

  test('messages keep the order given, per execution and over calls', async () => {
    const { place, key } = await claimed()
    const other = place.key('two')
    await startClaimed(context.store, place.node('a'), [other])
    const send = (ids: readonly string[]) =>
      context.store.sendMessages(
        ids.map((id) => signalTo(id.startsWith('o') ? other : key, id)),
        INBOX_MAX,
      )
    await send(['m3', 'o1', 'm1', 'o2', 'm2'])
    await send(['m0'])
    expect((await inboxOf(key)).map(({ messageId }) => messageId)).toEqual(['m3', 'm1', 'm2', 'm0'])
    expect((await inboxOf(key)).map(({ position }) => position)).toEqual([1, 2, 3, 4])
    expect((await inboxOf(other)).map(({ messageId }) => messageId)).toEqual(['o1', 'o2'])
    expect((await inboxOf(key, 1, 2)).map(({ messageId }) => messageId)).toEqual(['m1', 'm2'])
  })

  test('a message id is accepted once: in one call, over calls, and after it was consumed', async () => {
    const { key, node } = await claimed()
    const message = signalTo(key, 'm')
    expect(await context.store.sendMessages([message, message], INBOX_MAX)).toEqual(['accepted', 'duplicate'])
    expect(await context.store.sendMessages([message], INBOX_MAX)).toEqual(['duplicate'])
    await context.store.commit([commitOf(key, node, { consumed: [{ messageId: 'm' }] })])
    expect(await context.store.sendMessages([message], INBOX_MAX)).toEqual(['duplicate'])
    expect(await inboxOf(key)).toEqual([])
  })

  test('one message sent by many at once is accepted by exactly one', async () => {
    const { key } = await claimed()
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () => context.store.sendMessages([signalTo(key, 'same')], INBOX_MAX)),
    )
    expect(outcomes.flat().toSorted()).toEqual(['accepted', ...Array<string>(7).fill('duplicate')])
    expect(await inboxOf(key)).toHaveLength(1)
  })

  test('different messages sent by many at once all arrive, each at a place of its own', async () => {
    const { key } = await claimed()
    await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        context.store.sendMessages([signalTo(key, `a${n}`), signalTo(key, `b${n}`)], INBOX_MAX),
      ),
    )
    const inbox = await inboxOf(key)
    expect(inbox.map(({ position }) => position)).toEqual(Array.from({ length: 16 }, (_, n) => n + 1))
  })

  test('outcomes come in the order given: unknown, closed, accepted, duplicate', async () => {
    const { place, key, node } = await claimed()
    const closed = place.key('closed')
    await startClaimed(context.store, node, [closed])
    await context.store.sendMessages([signalTo(closed, 'early')], INBOX_MAX)
    await context.store.commit([
      commitOf(closed, node, {
        events: [{ type: 'completed' }],
        transition: { kind: 'close', status: 'completed' },
      }),
    ])
    const outcomes = await context.store.sendMessages(
      [
        signalTo(place.key('unknown'), 'm'),
        signalTo(closed, 'late'),
        signalTo(key, 'm'),
        signalTo(closed, 'early'),
        signalTo(key, 'm'),
      ],
      INBOX_MAX,
    )
    expect(outcomes).toEqual(['not_found', 'closed', 'accepted', 'duplicate', 'duplicate'])
    const [row] = await context.store.readExecutions([closed])
    expect(row).toMatchObject({ readyAt: null, inbox: 1 })
  })

  test('a message that races a close is accepted or closed, never refused for want of room', async () => {
    const { place, node } = await claimed()
    const keys = Array.from({ length: 200 }, (_, n) => place.key(`racer ${n}`))
    await startClaimed(context.store, node, keys)
    const close = (key: ExecutionKey) =>
      commitOf(key, node, {
        events: [{ type: 'completed' }],
        transition: { kind: 'close', status: 'completed' },
      })
    const [outcomes] = await Promise.all([
      context.store.sendMessages(
        keys.map((key) => signalTo(key, 'm')),
        INBOX_MAX,
      ),
      ...[0, 1, 2, 3].map((lane) =>
        context.store.commit(keys.filter((_, n) => n % 4 === lane).map((key) => close(key))),
      ),
    ])
    expect(outcomes.filter((outcome) => outcome !== 'accepted' && outcome !== 'closed')).toEqual([])
    const rows = await context.store.readExecutions(keys)
    expect(rows.map((row) => row?.inbox)).toEqual(outcomes.map((outcome) => (outcome === 'accepted' ? 1 : 0)))
  })

  test('a full inbox takes no more until something of it is consumed', async () => {
    const { key, node } = await claimed()
    const send = (ids: readonly string[]) =>
      context.store.sendMessages(
        ids.map((id) => signalTo(key, id)),
        3,
      )
    expect(await send(['m1', 'm2'])).toEqual(['accepted', 'accepted'])
    expect(await send(['m3', 'm4'])).toEqual(['full', 'full'])
    expect(await send(['m3'])).toEqual(['accepted'])
    expect(await send(['m4'])).toEqual(['full'])
    await context.store.commit([commitOf(key, node, { consumed: [{ messageId: 'm1' }] })])
    expect(await send(['m4'])).toEqual(['accepted'])
    expect((await inboxOf(key)).map(({ messageId }) => messageId)).toEqual(['m2', 'm3', 'm4'])
  })

  test('what an append consumes is read no more; an answer can be read, and the first one stays', async () => {
    const { key, node } = await claimed()
    await context.store.sendMessages([signalTo(key, 'u', { kind: 'update' }), signalTo(key, 's')], INBOX_MAX)
    const answers = () => context.store.readAnswers(['u', 's', 'x'].map((messageId) => ({ key, messageId })))
    await context.store.commit([commitOf(key, node, { consumed: [{ messageId: 'u' }] })])
    expect((await inboxOf(key)).map(({ messageId }) => messageId)).toEqual(['s'])
    expect(await answers()).toEqual([null, null, null])
    const answer = (version: number, payload: string) =>
      context.store.commit([
        commitOf(key, node, {
          expectedVersion: version,
          consumed: [{ messageId: 'u', answer: { ok: true, payload } }, { messageId: 's' }],
        }),
      ])
    await answer(2, '"yes"')
    await answer(3, '"no"')
    expect(await answers()).toEqual([{ ok: true, payload: '"yes"' }, null, null])
    expect(await inboxOf(key)).toEqual([])
  })

  test('an answer alone, without an event, is a commit too', async () => {
    const { key, node } = await claimed()
    await context.store.sendMessages([signalTo(key, 'q', { kind: 'query' })], INBOX_MAX)
    const answer = { ok: false, payload: '{"type":"Error","message":"no"}' }
    const [outcome] = await context.store.commit([
      commitOf(key, node, { events: [], consumed: [{ messageId: 'q', answer }] }),
    ])
    expect(outcome).toMatchObject({ kind: 'committed' })
    expect(await context.store.readAnswers([{ key, messageId: 'q' }])).toEqual([answer])
  })

  test('a commit that is lost consumes nothing and tells nobody', async () => {
    const { place, key, node } = await claimed()
    const other = place.key('other')
    await startClaimed(context.store, node, [other])
    await context.store.sendMessages([signalTo(key, 'm')], INBOX_MAX)
    const lost = { claimEpoch: 7, consumed: [{ messageId: 'm' }], messages: [signalTo(other, 'hello')] }
    expect(await context.store.commit([commitOf(key, node, lost)])).toEqual([{ kind: 'lost' }])
    expect(await inboxOf(key)).toHaveLength(1)
    expect(await inboxOf(other)).toEqual([])
  })

  test('a message between executions is written and rings in the same append, once', async () => {
    const { place, key, node } = await claimed()
    const parent = place.key('parent')
    await startClaimed(context.store, node, [parent])
    await context.store.commit([releaseOf(parent, node)])
    const messages = [
      signalTo(parent, 'child:1', { kind: 'child', detail: '{"seq":1}' }),
      signalTo(place.key('nobody'), 'child:1'),
    ]
    await context.store.commit([commitOf(key, node, { messages })])
    await context.store.commit([
      commitOf(key, node, { expectedVersion: 2, events: [stepCompleted(2)], messages }),
    ])
    expect(await inboxOf(parent)).toMatchObject([
      { messageId: 'child:1', kind: 'child', detail: '{"seq":1}' },
    ])
    expect(await claimIn(context.store, place)).toMatchObject([{ key: parent }])
    expect(await inboxOf(place.key('nobody'))).toEqual([])
  })

  test.each(['paused', 'dead'] as const)(
    'what is %s keeps its messages unrung, and is woken by a request to terminate',
    async (status) => {
      const { place, key, node } = await claimed()
      await context.store.commit([releaseOf(key, node, { status })])
      expect(await context.store.sendMessages([signalTo(key, 'm')], INBOX_MAX)).toEqual(['accepted'])
      expect(await claimIn(context.store, place)).toEqual([])
      await context.store.sendMessages([signalTo(key, 't', { kind: 'terminate' })], INBOX_MAX)
      expect(await claimIn(context.store, place)).toMatchObject([{ key, inbox: 2 }])
    },
  )
})
