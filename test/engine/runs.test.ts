// Runs of one id: what was meant for one of them reaches no other, and what was asked is neither lost nor done twice.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

/** Ends without a look at what else came in. */
const hasty = workflow({ name: 'hasty' }, async (ctx) => ctx.signal('end', z.unknown()))

const careful = workflow({ name: 'careful' }, async (ctx) => {
  ctx.onUpdate('ask', z.unknown(), () => 'answered')
  const first = await ctx.signal('word', z.unknown(), { timeout: 100 })
  await ctx.signal('end', z.unknown())
  return first ?? 'nothing'
})

const using = useEngine([hasty, careful])

async function becomes(id: string, status: string): Promise<void> {
  await eventually(async () => expect((await using.client.get(id)).status).toBe(status))
}

describe('a new run of a closed id', () => {
  it.each(['allow-after-close', 'replace'] as const)(
    'gets nothing of what was sent to the last one (%s)',
    async (idPolicy) => {
      const id = `stale-${idPolicy}`
      await using.client.start(hasty, null, { id })
      const late = using.client.update(id, 'ask', null, { timeout: '10s' })
      const refused = expect(late).rejects.toMatchObject({ code: 'EXECUTION_CLOSED' })
      // Not before it has arrived.
      const sql = using.database.connect()
      await eventually(async () => (await sql`select 1 from signals where execution_id = ${id}`).length === 1)
      await using.client.signal(id, 'word', 'for the first run')
      if (idPolicy === 'allow-after-close') {
        await using.client.signal(id, 'end', 'first')
        expect(await using.client.result(id)).toBe('first')
      }
      await using.client.start(careful, null, { id, idPolicy })
      await refused
      await eventually(async () => (await using.types(id)).includes('signal_timed_out'))
      await using.client.signal(id, 'end')
      expect(await using.client.result(id)).toBe('nothing')
    },
  )
})

describe('a pause', () => {
  it('that was asked for three times is resumed once', async () => {
    const { executionId: id } = await using.client.start(hasty, null)
    await becomes(id, 'waiting')
    await using.client.pause(id)
    await becomes(id, 'paused')
    await using.client.pause(id)
    await using.client.pause(id)
    await using.client.resume(id)
    await becomes(id, 'waiting')
    await using.client.signal(id, 'end', 'over')
    expect(await using.client.result(id)).toBe('over')
    expect((await using.types(id)).filter((type) => type === 'paused')).toHaveLength(1)
  })
})
