// Queries and updates, whatever the execution is doing when they come.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createClient } from '../../src/client/open-client.js'
import type { Logger } from '../../src/core/ports.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const said: string[] = []
const log: Logger = {
  debug() {},
  info: (_, message) => void said.push(message),
  warn() {},
  error() {},
}

const account = workflow({ name: 'account' }, async (ctx, opening: number) => {
  const history: number[] = []
  let balance = opening
  ctx.onQuery('balance', () => balance)
  ctx.onQuery('history', () => history)
  ctx.onQuery('add', (n) => balance + Number(n))
  ctx.onQuery('throws', () => {
    throw new RangeError('ask somebody else')
  })
  ctx.onQuery('odd', () => ({ at: new Date(0), all: new Set([1]), nothing: undefined }))
  ctx.onUpdate('deposit', z.coerce.number(), async (amount) => {
    const booked = await ctx.step('book', () => amount)
    balance += booked
    history.push(booked)
    return balance
  })
  ctx.onUpdate('slow', z.string(), async (name) => {
    await ctx.signal(name, z.unknown())
    return name
  })
  ctx.onUpdate('fails', z.unknown(), async () => {
    await ctx.step('fails', () => Promise.reject(new TypeError('no')), { retry: false })
  })
  ctx.onUpdate('silent', z.unknown(), () => undefined)
  ctx.log.info({}, `open ${ctx.executionId}`)
  await ctx.signal('close', z.unknown())
  ctx.log.info({}, `closing ${ctx.executionId}`)
  return balance
})

const late = workflow({ name: 'late' }, async (ctx) => {
  await ctx.signal('open', z.unknown())
  ctx.onQuery('state', () => 'open')
  ctx.onUpdate('shut', z.unknown(), () => 'shut')
  await ctx.signal('end', z.unknown())
})

/** Waits for nothing but what an update brings. */
const resolved = workflow({ name: 'resolved' }, async (ctx) => {
  const word = new Promise<string>((resolve) => {
    ctx.onUpdate('tell', z.string(), (text) => {
      resolve(text)
      return `heard ${text}`
    })
  })
  return word
})

const rounds = workflow({ name: 'rounds' }, async (ctx, round: number) => {
  ctx.onUpdate('hang', z.unknown(), () => ctx.sleep('1 day'))
  ctx.onUpdate('round', z.unknown(), () => round)
  await ctx.signal('next', z.unknown())
  if (round < 3) return ctx.continueAsNew(round + 1)
  return round
})

const canceled = workflow({ name: 'canceled' }, async (ctx) => {
  ctx.onUpdate('wait', z.unknown(), () => ctx.sleep('1 day'))
  await ctx.sleep('1 day')
})

const using = useEngine([account, late, resolved, rounds, canceled], { log })

async function becomes(id: string, status: string): Promise<void> {
  await eventually(async () => expect((await using.client.get(id)).status).toBe(status))
}

describe('a query', () => {
  it('is answered right after the start', async () => {
    for (let round = 0; round < 20; round++) {
      const { executionId: id } = await using.client.start(account, 5)
      expect(await using.client.query(id, 'balance')).toBe(5)
    }
  })

  it('is answered by a suspended execution, by one that is not in memory, by a paused and a closed one', async () => {
    const other = await using.join({ cache: { executionsMax: 0 } })
    const { executionId: id } = await using.client.start(account, 5)
    expect(await using.client.update(id, 'deposit', '7')).toBe(12)
    await becomes(id, 'waiting')
    expect(await using.client.query(id, 'add', 3)).toBe(15)
    expect(await other.client.query(id, 'add', 3)).toBe(15)
    await using.client.pause(id)
    await becomes(id, 'paused')
    expect(await using.client.query(id, 'history')).toEqual([7])
    expect(await other.client.query(id, 'history')).toEqual([7])
    await using.client.resume(id)
    await using.client.signal(id, 'close')
    expect(await using.client.result(id)).toBe(12)
    expect(await using.client.query(id, 'balance')).toBe(12)
    expect(await other.client.query(id, 'balance')).toBe(12)
    await other.stop()
    // The code was replayed several times; it spoke once where it ran, and never where it was merely asked.
    expect(said.filter((text) => text.endsWith(id))).toEqual([`open ${id}`, `closing ${id}`])
  })

  it('is answered to a client without a node', async () => {
    const { url, schema } = using.database
    const client = await createClient({ database: { url, schema } })
    const { executionId: id } = await using.client.start(account, 5)
    expect(await client.query(id, 'odd')).toEqual(await using.client.query(id, 'odd'))
    expect(await client.update(id, 'deposit', 1)).toBe(6)
    expect(await client.update(id, 'silent')).toBeUndefined()
    await client.close()
  })

  it('gets a copy: what the asker does with it does not reach the execution', async () => {
    const { executionId: id } = await using.client.start(account, 0)
    await using.client.update(id, 'deposit', 1)
    const history = (await using.client.query(id, 'history')) as number[]
    history.push(999)
    expect(await using.client.query(id, 'history')).toEqual([1])
  })

  it('that fails, or that nobody handles (yet), says so', async () => {
    const { executionId: id } = await using.client.start(account, 0)
    await expect(using.client.query(id, 'throws')).rejects.toMatchObject({
      code: 'QUERY_FAILED',
      cause: { name: 'RangeError' },
    })
    const { executionId: other } = await using.client.start(late, null)
    await expect(using.client.query(other, 'state')).rejects.toMatchObject({ code: 'QUERY_FAILED' })
    await using.client.signal(other, 'open')
    await eventually(async () => (await using.client.query(other, 'state')) === 'open')
  })
})

describe('an update', () => {
  it('that comes before its handler waits for it', async () => {
    const { executionId: id } = await using.client.start(late, null)
    const answer = using.client.update(id, 'shut')
    await using.client.signal(id, 'open')
    expect(await answer).toBe('shut')
  })

  it('may come a hundred at a time: each is answered, none is lost', async () => {
    const { executionId: id } = await using.client.start(account, 0)
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => using.client.update(id, 'deposit', 1)),
    )
    expect(answers.map(Number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, n) => n + 1),
    )
    expect(await using.client.query(id, 'balance')).toBe(100)
  })

  it('may take its time while others are answered', async () => {
    const { executionId: id } = await using.client.start(account, 0)
    const slow = using.client.update(id, 'slow', 'a word')
    expect(await using.client.update(id, 'deposit', 1)).toBe(1)
    await using.client.signal(id, 'a word')
    expect(await slow).toBe('a word')
  })

  it('whose handler fails tells why, and the execution goes on', async () => {
    const { executionId: id } = await using.client.start(account, 0)
    await expect(using.client.update(id, 'fails')).rejects.toMatchObject({
      code: 'UPDATE_REJECTED',
      cause: { name: 'TypeError', message: 'no' },
    })
    expect(await using.client.update(id, 'deposit', 1)).toBe(1)
  })

  it('may be what the execution waits for', async () => {
    const { executionId: id } = await using.client.start(resolved, null)
    await becomes(id, 'waiting')
    expect(await using.client.update(id, 'tell', 'hello')).toBe('heard hello')
    expect(await using.client.result(id)).toBe('hello')
  })

  it('whose handler has not ended when its run does is refused; what comes later is for the next run', async () => {
    const { executionId: id } = await using.client.start(rounds, 1)
    const hanging = using.client.update(id, 'hang').catch((error: unknown) => error)
    await eventually(async () => (await using.types(id)).includes('update_accepted'))
    await using.client.signal(id, 'next')
    expect(await hanging).toMatchObject({ code: 'EXECUTION_CLOSED' })
    expect(await using.client.update(id, 'round')).toBe(2)
  })

  it('in the middle of continuing as new is answered by one of the runs', async () => {
    for (let round = 0; round < 10; round++) {
      const { executionId: id } = await using.client.start(rounds, 1)
      const [answer] = await Promise.all([
        using.client.update(id, 'round', null, { timeout: '10s' }),
        using.client.signal(id, 'next'),
      ])
      expect([1, 2]).toContain(answer)
    }
  })

  it('that waits when its execution is canceled is refused', async () => {
    const { executionId: id } = await using.client.start(canceled, null)
    const answer = using.client.update(id, 'wait').catch((error: unknown) => error)
    await eventually(async () => (await using.types(id)).includes('update_accepted'))
    await using.client.cancel(id)
    expect(await answer).toMatchObject({ cause: { name: 'CanceledError' } })
  })

  it('to an execution that ends without a look at it is refused at once', async () => {
    const { executionId: id } = await using.client.start(late, null)
    const answer = using.client.update(id, 'shut', null, { timeout: '20s' }).catch((error: unknown) => error)
    await eventually(async () => (await using.client.get(id)).status === 'waiting')
    await using.client.terminate(id)
    expect(await answer).toMatchObject({ code: 'EXECUTION_CLOSED' })
  })
})
