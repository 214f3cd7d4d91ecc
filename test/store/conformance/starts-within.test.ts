// Starts on the caller's own transaction: with the caller's rows or not at all.

import { expect, test } from 'vitest'
import { conformance } from '../../support/conformance.js'
import { claimIn, Place, startRow } from '../../support/store-rows.js'

conformance("starts within the caller's transaction", (context) => {
  test('committed: it is there, rung, and claimed by nobody', async () => {
    const place = new Place()
    const key = place.key('one')
    const [outcome] = await context.sql.begin(async (sql) => {
      const outcomes = await context.store.insertExecutionsWithin(sql, [
        startRow(key, { claimedBy: place.node('a') }),
      ])
      // A reader of CockroachDB looks at nothing that is not committed either, but waits for it, here for ever.
      if (context.store.dialect === 'postgres')
        expect(await context.store.readExecutions([key])).toEqual([null])
      return outcomes
    })
    expect(outcome).toMatchObject({ kind: 'created', claimed: false })
    const [row] = await context.store.readExecutions([key])
    expect(row).toMatchObject({ claimedBy: null, claimEpoch: 0, readyAt: expect.any(Date) })
    expect(await claimIn(context.store, place)).toMatchObject([{ key }])
  })

  test('rolled back: nothing is there', async () => {
    const key = new Place().key('one')
    const refused = context.sql.begin(async (sql) => {
      await context.store.insertExecutionsWithin(sql, [startRow(key)])
      throw new Error('the caller changes its mind')
    })
    await expect(refused).rejects.toThrow('changes its mind')
    expect(await context.store.readExecutions([key])).toEqual([null])
    expect(await context.store.readHistories([{ key, from: 1 }], 10)).toEqual([[]])
  })

  test('a taken id exists, and the same start id is the same start', async () => {
    const key = new Place().key('one')
    await context.store.insertExecutions([startRow(key, { startId: 'mine' })])
    const outcomes = await context.sql.begin(async (sql) => [
      ...(await context.store.insertExecutionsWithin(sql, [startRow(key, { startId: 'mine' })])),
      ...(await context.store.insertExecutionsWithin(sql, [startRow(key, { startId: 'other' })])),
    ])
    expect(outcomes).toMatchObject([{ kind: 'created', claimed: false }, { kind: 'exists' }])
  })

  test('an execution may be started twice within one transaction: the second sees the first', async () => {
    const key = new Place().key('one')
    const outcomes = await context.sql.begin(async (sql) => [
      ...(await context.store.insertExecutionsWithin(sql, [startRow(key, { startId: 'a' })])),
      ...(await context.store.insertExecutionsWithin(sql, [startRow(key, { startId: 'b' })])),
    ])
    expect(outcomes).toMatchObject([{ kind: 'created' }, { kind: 'exists', row: { startId: 'a' } }])
  })
})
