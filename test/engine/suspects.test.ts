// Executions that were at work whenever their nodes died, by no fault of theirs: they are run one by one, but one
// right after the other.

import { expect, it } from 'vitest'
import { createClient } from '../../src/client/open-client.js'
import { createEngine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase } from '../support/database.js'

const SUSPECTS = 80

const innocent = workflow({ name: 'innocent' }, async (ctx, n: number) => ctx.step('add', () => n + 1))

it('many suspects are done in seconds once their nodes live', async () => {
  const database = await createTestDatabase()
  const { url, schema } = database
  const client = await createClient({ database: { url, schema } })
  const sql = database.connect({ max: 1 })
  const first = await createEngine({ database: { url, schema }, workflows: [innocent] })
  await first.start()
  await first.stop()
  const handles = await client.startMany(
    Array.from({ length: SUSPECTS }, (_, n) => ({ workflow: 'innocent', input: n })),
  )
  // One crash below the dead letter: one at a time.
  await sql`update executions set attempts = 7::int2`
  const engine = await createEngine({ database: { url, schema }, workflows: [innocent] })
  try {
    await engine.start()
    const results = await Promise.all(handles.map((handle) => handle.result({ timeout: '12s' })))
    expect(results).toEqual(handles.map((_, n) => n + 1))
  } finally {
    await engine.stop()
    await client.close()
    await database.drop()
  }
})
