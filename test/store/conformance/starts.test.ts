// Starts: one row and its first event, whoever asks how often; idempotent by the starter's own key.

import { expect, test } from 'vitest'
import { conformance } from '../../support/conformance.js'
import { claimIn, Place, releaseOf, startRow } from '../../support/store-rows.js'

conformance('starts', (context) => {
  test('a start writes the row, claimed by the node that runs it, and its first event', async () => {
    const place = new Place()
    const key = place.key('one')
    const node = place.node('a')
    const row = startRow(key, { claimedBy: node, attributes: { city: 'Ulm' } })
    const [outcome] = await context.store.insertExecutions([row])
    expect(outcome).toMatchObject({ kind: 'created', claimed: true })

    const [found] = await context.store.readExecutions([key])
    expect(found).toMatchObject({
      key,
      workflow: row.workflow,
      status: 'running',
      run: 1,
      runVersion: 1,
      version: 1,
      claimedBy: node,
      claimEpoch: 1,
      readyAt: null,
      attempts: 0,
      inbox: 0,
      attributes: { city: 'Ulm' },
      closedAt: null,
    })
    const [history] = await context.store.readHistories([{ key, from: 1 }], 10)
    expect(history).toEqual([{ ...row.event, version: 1, at: expect.any(Date) }])
    expect(outcome).toMatchObject({ at: found?.startedAt })
    expect(history?.[0]?.at).toEqual(found?.startedAt)
    expect(await claimIn(context.store, place)).toEqual([])
  })

  test('a start for nobody leaves the doorbell ringing', async () => {
    const place = new Place()
    const key = place.key('one')
    const [outcome] = await context.store.insertExecutions([startRow(key)])
    expect(outcome).toMatchObject({ kind: 'created', claimed: false })
    expect(await claimIn(context.store, place)).toMatchObject([{ key, claimEpoch: 1, version: 1, run: 1 }])
  })

  test('an id that is taken gives the row that is there, and nothing is written', async () => {
    const place = new Place()
    const key = place.key('one')
    await context.store.insertExecutions([startRow(key, { startId: 'first' })])
    const [outcome] = await context.store.insertExecutions([
      startRow(key, { startId: 'second', workflow: 'another', claimedBy: place.node('a') }),
    ])
    expect(outcome).toMatchObject({ kind: 'exists', row: { key, startId: 'first', claimedBy: null } })
    const [history] = await context.store.readHistories([{ key, from: 1 }], 10)
    expect(history).toHaveLength(1)
  })

  test('a generated id that is taken exists, also when both were generated', async () => {
    const key = new Place().key('one')
    await context.store.insertExecutions([startRow(key)])
    const [outcome] = await context.store.insertExecutions([startRow(key)])
    expect(outcome).toMatchObject({ kind: 'exists' })
  })

  test('a start with the same start id is the same start, also after the execution went on', async () => {
    const place = new Place()
    const key = place.key('one')
    const row = startRow(key, { startId: 'mine', claimedBy: place.node('a') })
    const [first] = await context.store.insertExecutions([row])
    await context.store.commit([releaseOf(key, place.node('a'))])
    const [again] = await context.store.insertExecutions([row])
    expect(again).toEqual({ kind: 'created', at: first?.kind === 'created' && first.at, claimed: false })
  })

  test('a repeated start never hands the claim out again: the first caller runs it', async () => {
    const place = new Place()
    const row = startRow(place.key('one'), { startId: 'mine', claimedBy: place.node('a') })
    const [first] = await context.store.insertExecutions([row])
    const [second] = await context.store.insertExecutions([row])
    expect(first).toMatchObject({ kind: 'created', claimed: true })
    expect(second).toMatchObject({ kind: 'created', claimed: false })
  })

  test('outcomes come in the order given, new and taken mixed', async () => {
    const place = new Place()
    const keys = place.keys(300)
    await context.store.insertExecutions(keys.filter((_, n) => n % 3 === 0).map((key) => startRow(key)))
    const outcomes = await context.store.insertExecutions(keys.map((key) => startRow(key)))
    expect(outcomes.map(({ kind }) => kind)).toEqual(keys.map((_, n) => (n % 3 === 0 ? 'exists' : 'created')))
  })

  test('a plain start leaves the same behind alone and beside what takes the large statement', async () => {
    const place = new Place()
    const [alone, beside, other] = place.keys(3)
    if (!alone || !beside || !other) throw new Error('no keys')
    const plain = (key: typeof alone) => startRow(key, { claimedBy: place.node('a'), startId: 'one' })
    await context.store.insertExecutions([plain(alone)])
    await context.store.insertExecutions([plain(beside), startRow(other, { attributes: { of: 'both' } })])
    const found = await context.sql<{ row: unknown; events: unknown }[]>`
      select to_jsonb(e) - array['execution_id', 'partition', 'started_at', 'claim_token'] as row,
        (select jsonb_agg(to_jsonb(v) - array['execution_id', 'partition', 'at'])
          from events as v where v.execution_id = e.execution_id) as events
      from executions as e where e.execution_id in (${alone.executionId}::text, ${beside.executionId}::text)`
    expect(found).toHaveLength(2)
    expect(found[0]).toEqual(found[1])
  })

  test('ten starts of one id at once, from two pools: exactly one is created', async () => {
    const place = new Place()
    const key = place.key('one')
    const other = await context.database.openStore()
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        (n % 2 === 0 ? context.store : other).insertExecutions([startRow(key, { startId: `starter ${n}` })]),
      ),
    )
    const kinds = outcomes.flat().map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'created')).toHaveLength(1)
    expect(kinds.filter((kind) => kind === 'exists')).toHaveLength(9)
    const [history] = await context.store.readHistories([{ key, from: 1 }], 10)
    expect(history).toHaveLength(1)
  })

  test('batches of the same ids in opposite orders get through, each id created once', async () => {
    const place = new Place()
    const keys = place.keys(200)
    const batches = [keys, keys.toReversed(), keys, keys.toReversed()]
    const outcomes = await Promise.all(
      batches.map((batch, n) =>
        context.store.insertExecutions(batch.map((key) => startRow(key, { startId: `batch ${n}` }))),
      ),
    )
    expect(outcomes.flat().filter(({ kind }) => kind === 'created')).toHaveLength(keys.length)
  })

  test('a later start waits with a timer, unclaimed and unrung', async () => {
    const place = new Place()
    const key = place.key('later')
    const startAt = new Date('2999-01-01T00:00:00.000Z')
    const [outcome] = await context.store.insertExecutions([
      startRow(key, { startAt, claimedBy: place.node('a') }),
    ])
    expect(outcome).toMatchObject({ kind: 'created', claimed: false })
    const [row] = await context.store.readExecutions([key])
    expect(row).toMatchObject({ status: 'waiting', readyAt: null, claimedBy: null, claimEpoch: 0 })
    const [history] = await context.store.readHistories([{ key, from: 1 }], 10)
    expect(history).toMatchObject([{ type: 'started', dueAt: startAt }])
    expect(await claimIn(context.store, place)).toEqual([])
    expect(await context.store.fireTimers(place.partitions(), 10)).toMatchObject({ taken: 0 })
  })

  test('a later start whose time has come is rung by its timer', async () => {
    const place = new Place()
    const key = place.key('soon')
    await context.store.insertExecutions([startRow(key, { startAt: new Date(0) })])
    expect(await claimIn(context.store, place)).toEqual([])
    expect(await context.store.fireTimers(place.partitions(), 10)).toMatchObject({ taken: 1 })
    expect(await claimIn(context.store, place)).toMatchObject([{ key }])
  })

  test('a child knows its parent', async () => {
    const place = new Place()
    const parent = { key: context.store.keyOf(`parent in ${place.region}`), seq: 3, run: 2 }
    const key = place.key('child')
    await context.store.insertExecutions([startRow(key, { parent })])
    expect(await claimIn(context.store, place)).toMatchObject([{ key, parent }])
    expect(await context.store.list({ parentId: parent.key.executionId, limit: 10 })).toMatchObject([{ key }])
  })

  test('values keep every character', async () => {
    const odd = '"q" \\ {a,b} \n\t ünïcödé 🛫 \u2028 null NULL'
    const key = new Place().key(`odd ${odd.replace('\n\t', '')}`)
    const row = startRow(key, {
      startId: odd,
      attributes: { odd, no: null, yes: true, n: -1.5 },
      event: { type: 'started', name: odd, detail: odd, payload: JSON.stringify(odd), messageId: odd },
    })
    await context.store.insertExecutions([row])
    const [found] = await context.store.readExecutions([key])
    expect(found).toMatchObject({ key, startId: odd, attributes: row.attributes })
    const [history] = await context.store.readHistories([{ key, from: 1 }], 10)
    expect(history).toMatchObject([row.event])
  })
})
