// What a person does to an execution while its node appends to it: one of the two has the next version, and neither
// fails for it.

import { expect, it } from 'vitest'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'

const busy = workflow({ name: 'busy' }, async (ctx) => {
  for (let n = 0; n < 1_000; n++) await ctx.step('again', () => n)
})
const ends = workflow({ name: 'ends' }, async (_ctx, input: unknown) => input)
const using = useEngine([busy, ends])

const ROUNDS = 40
const ids = (name: string): string[] => Array.from({ length: ROUNDS }, (_, n) => `${name}-${n}`)

it('busy executions are terminated, each at once', async () => {
  await using.client.startMany(ids('ended').map((id) => ({ workflow: busy, id })))
  await Promise.all(ids('ended').map((id) => using.client.terminate(id, 'enough')))
  for (const id of ids('ended')) {
    expect((await using.client.get(id)).status).toBe('terminated')
    const types = await using.types(id)
    expect(types.indexOf('terminated')).toBe(types.length - 1)
  }
})

it('busy executions are replaced, each at once, on their own or within a transaction', async () => {
  await using.client.startMany(ids('replaced').map((id) => ({ workflow: busy, id })))
  await Promise.all(ids('replaced').map((id) => using.client.start(ends, id, { id, idPolicy: 'replace' })))
  for (const id of ids('replaced')) expect(await using.client.result(id)).toBe(id)

  await using.client.startMany(ids('within').map((id) => ({ workflow: busy, id })))
  const sql = using.database.connect({ max: 10 })
  const replaced = await Promise.allSettled(
    ids('within').map((id) =>
      sql.begin((transaction) => using.client.start(ends, id, { id, idPolicy: 'replace', transaction })),
    ),
  )
  for (const [n, outcome] of replaced.entries()) {
    const id = ids('within')[n] ?? ''
    // The caller's transaction is the caller's to repeat. Of a conflict that the database sees at its COMMIT, which is the
    // caller's own, it is the driver that tells.
    if (outcome.status === 'rejected')
      expect(outcome.reason).toMatchObject({ code: expect.stringMatching(/^(CONFLICT|40001)$/) })
    else expect(await using.client.result(id)).toBe(id)
  }
  await Promise.all(ids('within').map((id) => using.client.terminate(id).catch(() => undefined)))
})
