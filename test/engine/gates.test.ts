// Limits of workflows on how many run at a time, over all nodes: kept by what the histories say, whatever becomes of those
// who run and of those who wait.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../src/client/open-client.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { mostAtOnce, mostOverRate, readSpans } from '../support/gates.js'
import { eventually } from '../support/wait.js'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const Word = z.string()

const narrow = workflow<number>({ name: 'narrow', concurrency: { limit: 3 } }, async (ctx, ms) => {
  await ctx.step('work', () => pause(ms))
  await ctx.sleep(ms)
  await ctx.step('more', () => pause(ms))
})

/** One at a time for each key, so that tests do not see each other. */
const single = workflow<string>(
  { name: 'single', concurrency: { limit: 1, key: (input) => input } },
  async (ctx) => ctx.signal('go', Word),
)

const repeating = workflow<{ readonly rounds: number }>(
  { name: 'repeating', concurrency: { limit: 1 } },
  async (ctx, { rounds }) => {
    await ctx.sleep(20)
    return rounds === 0 ? 'done' : ctx.continueAsNew({ rounds: rounds - 1 })
  },
)

const tenants = workflow<{ readonly tenant?: string }>(
  {
    name: 'tenants',
    concurrency: [{ limit: 4 }, { limit: 2, key: ({ tenant }) => tenant }],
  },
  async (ctx) => {
    await ctx.step('work', () => pause(10))
  },
)

const faulty = workflow<string>(
  {
    name: 'faulty key',
    concurrency: {
      limit: 1,
      key: () => {
        throw new RangeError('no key')
      },
    },
  },
  async () => 'begun',
)

const paced = workflow<string>(
  { name: 'paced', rate: { limit: 1, per: 50, burst: 3, key: (input) => input } },
  async () => 'done',
)

const parent = workflow<string>({ name: 'parent' }, async (ctx, key) =>
  ctx.child(single, key, { id: `${key}-child` }),
)

const preferring = workflow<string>({ name: 'preferring' }, async (ctx, key) =>
  ctx.child(single, 'other', { id: `${key}-preferred`, key, priority: 1 }),
)

const using = useEngine([narrow, single, repeating, tenants, faulty, paced, parent, preferring])

/** One that holds the only place of a key, and one that waits for it. */
async function pairOf(key: string) {
  const inside = await using.client.start(single, key)
  await statusIs(inside.executionId, 'waiting')
  const waiting = await using.client.start(single, key)
  await statusIs(waiting.executionId, 'queued')
  return { inside, waiting }
}

function statusIs(executionId: string, status: string): Promise<unknown> {
  return eventually(async () => (await using.client.get(executionId)).status === status, {
    what: `${executionId} ${status}`,
  })
}

describe('a limit on how many run at a time', () => {
  it('is kept by three nodes, and all get their turn', async () => {
    await using.join()
    await using.join()
    const sql = using.database.connect({ max: 1 })
    const requests = Array.from({ length: 40 }, () => ({ workflow: narrow, input: 10 }))
    const handles = await using.client.startMany(requests)
    await Promise.all(handles.map((handle) => handle.result({ timeout: '30s' })))
    const spans = await readSpans(sql, 'narrow')
    expect(spans).toHaveLength(40)
    expect(mostAtOnce(spans)).toBe(3)
    await eventually(async () => (await sql`select 1 from turns limit 1`).length === 0)
    await eventually(async () => (await sql`select 1 from gates limit 1`).length === 0)
  })

  it('also counts those that only wait; who is in line says for what, and keeps its messages', async () => {
    const { inside, waiting } = await pairOf('told')
    const id = waiting.executionId
    expect((await using.client.get(id)).note).toBe('limit concurrency of key "told"')
    const sql = using.database.connect({ max: 1 })
    const lines = await sql`
      select rule, running_max, running::int4, waiting::int4, waiting_since is not null as since
      from gate_lines where workflow = 'single' and key = 'told'`
    expect(lines).toEqual([{ rule: 'concurrency', running_max: 1, running: 1, waiting: 1, since: true }])
    const { executions } = await using.client.list({ workflow: 'single', status: 'queued' })
    expect(executions.map(({ executionId }) => executionId)).toEqual([id])
    await using.client.signal(id, 'go', 'early')
    await statusIs(id, 'queued')
    expect(await using.types(id)).toEqual(['started'])
    await using.client.signal(inside.executionId, 'go', 'on')
    expect(await inside.result({ timeout: '10s' })).toBe('on')
    expect(await waiting.result({ timeout: '10s' })).toBe('early')
    expect(await using.types(id)).toEqual(['started', 'admitted', 'signal_received', 'completed'])
  })

  it('is kept for starts by a client that knows nothing of it', async () => {
    const { inside, waiting } = await pairOf('afar')
    const { url, schema } = using.database
    const client = await createClient({ database: { url, schema } })
    const third = await client.start('single', 'afar')
    await statusIs(third.executionId, 'queued')
    await client.terminate(inside.executionId)
    await statusIs(waiting.executionId, 'waiting')
    await client.terminate(waiting.executionId)
    await client.signal(third.executionId, 'go', 'third')
    expect(await third.result({ timeout: '10s' })).toBe('third')
    await client.close()
  })

  it('is kept for children, and a parent that ends ends those in line', async () => {
    const { inside } = await pairOf('born')
    const { executionId } = await using.client.start(parent, 'born')
    await statusIs('born-child', 'queued')
    await using.client.cancel(executionId)
    await statusIs('born-child', 'canceled')
    expect(await using.types('born-child')).toEqual(['started', 'cancel_requested', 'canceled'])
    const again = await using.client.start(parent, 'born', { id: 'second parent' })
    await expect(again.result({ timeout: '10s' })).rejects.toThrow(/belongs to another/)
    expect((await using.client.get(inside.executionId)).status).toBe('waiting')
  })

  it('takes the priority and the key that a parent gives its child', async () => {
    const { inside, waiting } = await pairOf('preferred')
    await using.client.start(preferring, 'preferred')
    await statusIs('preferred-preferred', 'queued')
    await using.client.signal(inside.executionId, 'go', 'on')
    await statusIs('preferred-preferred', 'waiting')
    expect((await using.client.get(waiting.executionId)).status).toBe('queued')
    await using.client.signal('preferred-preferred', 'go', 'on')
    await statusIs(waiting.executionId, 'waiting')
  })

  it('is kept for the starts of schedules', async () => {
    const { inside } = await pairOf('scheduled')
    await using.client.schedules.create('s', {
      spec: { every: '1 hour' },
      workflow: single,
      input: 'scheduled',
    })
    const { executionId } = await using.client.schedules.trigger('s')
    await statusIs(executionId, 'queued')
    await using.client.terminate(inside.executionId)
    expect(await using.types(executionId)).not.toContain('signal_received')
    await using.client.schedules.delete('s')
  })
})

describe('one in line', () => {
  it('that is canceled ends without having begun, and the line goes on', async () => {
    const { inside, waiting } = await pairOf('canceled')
    const last = await using.client.start(single, 'canceled')
    await using.client.cancel(waiting.executionId, 'not needed')
    await statusIs(waiting.executionId, 'canceled')
    expect(await using.types(waiting.executionId)).toEqual(['started', 'cancel_requested', 'canceled'])
    await using.client.signal(inside.executionId, 'go', 'on')
    await statusIs(last.executionId, 'waiting')
  })

  it('that is terminated and removed leaves nothing behind, and the line goes on', async () => {
    const sql = using.database.connect({ max: 1 })
    const { inside, waiting } = await pairOf('removed')
    const last = await using.client.start(single, 'removed')
    await using.client.terminate(waiting.executionId)
    await using.client.delete(waiting.executionId)
    expect(await sql`select 1 from turns where execution_id = ${waiting.executionId}::text`).toHaveLength(0)
    await using.client.signal(inside.executionId, 'go', 'on')
    await statusIs(last.executionId, 'waiting')
  })

  it('that is replaced stands in line as the new one', async () => {
    const { inside, waiting } = await pairOf('replaced')
    const { executionId: id } = waiting
    await using.client.start(single, 'replaced', { id, idPolicy: 'replace' })
    await eventually(async () => (await using.client.get(id)).run === 2)
    await statusIs(id, 'queued')
    await using.client.signal(inside.executionId, 'go', 'on')
    await statusIs(id, 'waiting')
    expect(await using.types(id)).toEqual(['started', 'terminated', 'started', 'admitted'])
  })

  it('that is paused pauses when its turn has come, and holds its place', async () => {
    const { inside, waiting } = await pairOf('paused')
    await using.client.pause(waiting.executionId)
    const last = await using.client.start(single, 'paused')
    await using.client.signal(inside.executionId, 'go', 'on')
    await statusIs(waiting.executionId, 'paused')
    expect((await using.client.get(last.executionId)).status).toBe('queued')
    await using.client.resume(waiting.executionId)
    await using.client.signal(waiting.executionId, 'go', 'on')
    await statusIs(last.executionId, 'waiting')
  })
})

describe('a place', () => {
  it('is kept over continuing as new', async () => {
    const sql = using.database.connect({ max: 1 })
    const first = await using.client.start(repeating, { rounds: 5 })
    const second = await using.client.start(repeating, { rounds: 0 })
    expect(await second.result({ timeout: '20s' })).toBe('done')
    expect(await first.result()).toBe('done')
    const types = await using.types(first.executionId)
    expect(types.filter((type) => type === 'admitted')).toHaveLength(1)
    expect(types.filter((type) => type === 'continued')).toHaveLength(5)
    const spans = await readSpans(sql, 'repeating')
    expect(spans.map(({ executionId }) => executionId)).toEqual([first.executionId, second.executionId])
    expect(mostAtOnce(spans)).toBe(1)
  })

  it('is free when the one that held it was terminated, or its id begins anew', async () => {
    const { inside, waiting } = await pairOf('freed')
    const { executionId: id } = inside
    await using.client.start(single, 'freed', { id, idPolicy: 'replace' })
    await statusIs(waiting.executionId, 'waiting')
    await statusIs(id, 'queued')
    await using.client.terminate(waiting.executionId)
    await statusIs(id, 'waiting')
  })
})

describe('a limit by key', () => {
  it('holds for each key, together with one for all, and leaves alone what has no key', async () => {
    const sql = using.database.connect({ max: 1 })
    const keys = ['a', 'b', 'c', undefined]
    const requests = Array.from({ length: 48 }, (_, n) => ({
      workflow: tenants,
      input: { tenant: keys[n % 4] },
      id: `tenants ${keys[n % 4] ?? 'none'} ${n}`,
    }))
    const handles = await using.client.startMany(requests)
    await Promise.all(handles.map((handle) => handle.result({ timeout: '30s' })))
    const spans = await readSpans(sql, 'tenants')
    expect(spans).toHaveLength(48)
    expect(mostAtOnce(spans)).toBe(4)
    for (const key of ['a', 'b', 'c']) {
      const ofKey = spans.filter(({ executionId }) => executionId.startsWith(`tenants ${key} `))
      expect(mostAtOnce(ofKey), key).toBeLessThanOrEqual(2)
    }
  })

  it('takes the key of the start before that of the input', async () => {
    const inside = await using.client.start(single, 'x', { key: 'given' })
    await statusIs(inside.executionId, 'waiting')
    const waiting = await using.client.start(single, 'y', { key: 'given' })
    await statusIs(waiting.executionId, 'queued')
    expect((await using.client.get(waiting.executionId)).note).toBe('limit concurrency of key "given"')
  })

  it('that cannot be told fails the execution', async () => {
    const handle = await using.client.start(faulty, 'x')
    await expect(handle.result({ timeout: '10s' })).rejects.toThrow(/could not be told .* no key/)
    expect(await using.types(handle.executionId)).toEqual(['started', 'failed'])
  })
})

describe('a rate', () => {
  it('lets begin a burst, and then one after the other, for each key', async () => {
    const sql = using.database.connect({ max: 1 })
    const requests = Array.from({ length: 30 }, (_, n) => ({
      workflow: paced,
      input: n % 2 === 0 ? 'even' : 'odd',
      id: `paced ${n % 2} ${n}`,
    }))
    const handles = await using.client.startMany(requests)
    await Promise.all(handles.map((handle) => handle.result({ timeout: '30s' })))
    const spans = await readSpans(sql, 'paced')
    for (const key of ['0', '1']) {
      const ofKey = spans.filter(({ executionId }) => executionId.startsWith(`paced ${key} `))
      expect(ofKey).toHaveLength(15)
      expect(mostOverRate(ofKey, { burst: 3, refillMs: 50 })).toBeLessThanOrEqual(1e-3)
    }
  })
})

describe('a priority', () => {
  it('goes before the time in a line, that of a start before that of its workflow', async () => {
    const { inside, waiting } = await pairOf('urgent')
    const low = await using.client.start(single, 'urgent', { priority: 5 })
    const high = await using.client.start(single, 'urgent', { priority: 1 })
    await statusIs(low.executionId, 'queued')
    await statusIs(high.executionId, 'queued')
    for (const { executionId } of [inside, high, waiting, low]) {
      await statusIs(executionId, 'waiting')
      await using.client.signal(executionId, 'go', 'on')
    }
    expect(await low.result({ timeout: '10s' })).toBe('on')
  })
})

describe('a limit that changes', () => {
  it('holds as it is on the node that started last, also for lines that are there', async () => {
    const { waiting } = await pairOf('changed')
    const wider = workflow<string>(
      { name: 'single', concurrency: { limit: 2, key: (input) => input } },
      async (ctx) => ctx.signal('go', Word),
    )
    const node = await using.join({ workflows: [wider] })
    await statusIs(waiting.executionId, 'waiting')
    await node.stop()
    const none = workflow<string>({ name: 'single' }, async (ctx) => ctx.signal('go', Word))
    const last = await using.client.start(single, 'changed')
    const next = await using.client.start(single, 'changed')
    await statusIs(next.executionId, 'queued')
    const other = await using.join({ workflows: [none] })
    await statusIs(last.executionId, 'waiting')
    await statusIs(next.executionId, 'waiting')
    await other.stop()
  })
})

describe('limits that are none', () => {
  it.each([
    { concurrency: { limit: 0 } },
    { concurrency: { limit: 1.5 } },
    { rate: { limit: 1, per: 0 } },
    { rate: { limit: 1, per: '3 years' } },
    { rate: { limit: 1, per: '1s', burst: 0 } },
    { concurrency: Array.from({ length: 5 }, () => ({ limit: 1 })) },
  ])('%j is refused when the workflow is defined', (options) => {
    expect(() => workflow({ name: 'bad', ...options }, async () => 1)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  it('a priority and a key that are none are refused at the start', async () => {
    const invalid = async (options: object): Promise<unknown> =>
      using.client.start(single, 'x', options).catch((error: unknown) => error)
    expect(await invalid({ priority: 0 })).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await invalid({ key: '' })).toMatchObject({ code: 'INVALID_ID' })
  })
})
