// Children: started once whatever happens in between, told how their parent ended, and heard by it.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createEngineOn } from '../../src/engine/create-engine.js'
import type { Store } from '../../src/store/store.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

const waiter = workflow({ name: 'waiter' }, async (ctx) => {
  try {
    return await ctx.signal('go', z.unknown())
  } finally {
    if (ctx.isCanceled) await ctx.step('clean up', () => 'clean')
  }
})

const quick = workflow({ name: 'quick', input: z.number() }, async (ctx, n) =>
  ctx.step('double', () => n * 2),
)

const failing = workflow({ name: 'failing' }, async (): Promise<number> => {
  throw new RangeError('out of luck', { cause: new TypeError('deep') })
})

type Policy = 'terminate' | 'cancel' | 'abandon'
type Ending = 'complete' | 'fail' | 'continue' | 'wait'

interface Family {
  readonly childId: string
  readonly policy?: Policy
  readonly detach?: boolean
  readonly ending: Ending
}

/** Starts a child that waits, then ends in the way asked for. */
const parent = workflow({ name: 'parent' }, async (ctx, family: Family | 'next run') => {
  if (family === 'next run') return ctx.signal('go', z.unknown())
  const options = {
    id: family.childId,
    ...(family.policy === undefined ? {} : { closePolicy: family.policy }),
  }
  if (family.detach === true) await ctx.child(waiter, null, { ...options, detach: true })
  else void ctx.child(waiter, null, options).catch(() => undefined)
  await ctx.signal('end', z.unknown())
  if (family.ending === 'fail') throw new RangeError('as asked')
  if (family.ending === 'continue') return ctx.continueAsNew('next run')
  if (family.ending === 'wait') await ctx.sleep('1 day')
  return 'done'
})

const settling = workflow({ name: 'settling' }, async (ctx, childId: string) => {
  const [outcome] = await Promise.allSettled([ctx.child(waiter, null, { id: childId })])
  return outcome
})

const wide = workflow({ name: 'wide' }, async (ctx, n: number) => {
  const results = await Promise.all(Array.from({ length: n }, (_, index) => ctx.child(quick, index)))
  return results.reduce((sum, value) => sum + value, 0)
})

const deep = workflow({ name: 'deep' }, async (ctx, depth: number): Promise<number> => {
  if (depth === 0) return 0
  return 1 + Number(await ctx.child('deep', depth - 1))
})

const strangers = workflow({ name: 'strangers' }, async (ctx, how: 'awaited' | 'detached') => {
  const detach = how === 'detached'
  const child = detach
    ? ctx.child(quick, 1, { id: 'taken', detach: true })
    : ctx.child(quick, 1, { id: 'taken' })
  const other = detach ? undefined : ctx.child(quick, 2, { id: 'taken' })
  const outcomes = await Promise.allSettled([child, other])
  return outcomes.map((one) => (one.status === 'rejected' ? String(one.reason) : one.value))
})

const unknown = workflow({ name: 'unknown' }, async (ctx) => ctx.child('never registered', null))

const catching = workflow({ name: 'catching' }, async (ctx) => {
  try {
    return await ctx.child(failing, null)
  } catch (error) {
    return error
  }
})

const starting = workflow({ name: 'starting' }, async (ctx, childId: string) => {
  const { executionId } = await ctx.child(quick, 21, { id: childId, detach: true })
  await ctx.signal('end', z.unknown())
  return executionId
})

const twins = workflow({ name: 'twins' }, async (ctx) => {
  const children = [1, 2].map((n) => ctx.child(quick, n, { id: `${ctx.executionId}-twin` }))
  return (await Promise.allSettled(children)).map((one) => one.status)
})

const all = [
  twins,
  waiter,
  quick,
  failing,
  parent,
  settling,
  wide,
  deep,
  strangers,
  unknown,
  catching,
  starting,
]
const using = useEngine(all)

async function statusOf(id: string): Promise<string> {
  return (await using.client.get(id)).status
}

async function becomes(id: string, ...statuses: string[]): Promise<void> {
  await eventually(async () => expect(statuses).toContain(await statusOf(id)))
}

describe('a parent that closes', () => {
  const endings: readonly [Ending | 'cancel' | 'terminate' | 'replace', string][] = [
    ['complete', 'completed'],
    ['fail', 'failed'],
    ['cancel', 'canceled'],
    ['terminate', 'terminated'],
  ]
  const fates: Record<Policy, string> = { terminate: 'terminated', cancel: 'canceled', abandon: 'waiting' }
  for (const [ending, status] of endings) {
    for (const policy of ['terminate', 'cancel', 'abandon'] as const) {
      for (const detach of [false, true]) {
        it(`as ${status}: its ${detach ? 'detached' : 'awaited'} child with policy ${policy} is ${fates[policy]}`, async () => {
          const id = `${ending}-${policy}-${detach}`
          const childId = `${id}-child`
          const family: Family = { childId, policy, detach, ending: endingOf(ending) }
          const handle = await using.client.start(parent, family, { id })
          await becomes(childId, 'waiting')
          await end(id, ending)
          await handle.result().catch(() => undefined)
          expect(await statusOf(id)).toBe(status)
          if (policy === 'abandon') {
            await using.client.signal(childId, 'go', 7)
            expect(await using.client.result(childId)).toBe(7)
          } else {
            await becomes(childId, ...fatesOf(ending, policy))
          }
        })
      }
    }
  }

  /** A canceled parent passes the request on before it closes; the child may or may not have come to an end by then. */
  function fatesOf(ending: string, policy: Policy): string[] {
    return ending === 'cancel' && policy === 'terminate' ? ['canceled', 'terminated'] : [fates[policy]]
  }

  function endingOf(ending: (typeof endings)[number][0]): Ending {
    return ending === 'cancel' || ending === 'terminate' || ending === 'replace' ? 'wait' : ending
  }

  async function end(id: string, ending: (typeof endings)[number][0]): Promise<void> {
    if (ending === 'cancel') return using.client.cancel(id)
    if (ending === 'terminate') return using.client.terminate(id)
    return using.client.signal(id, 'end')
  }

  it('by being replaced: its child is terminated', async () => {
    const family: Family = { childId: 'replaced-child', ending: 'wait' }
    await using.client.start(parent, family, { id: 'replaced' })
    await becomes('replaced-child', 'waiting')
    await using.client.start(parent, 'next run', { id: 'replaced', idPolicy: 'replace' })
    await becomes('replaced-child', 'terminated')
  })

  it('only for its run, by continuing as new: what awaited children would tell, nobody hears', async () => {
    await using.client.start(parent, { childId: 'run-awaited', ending: 'continue' }, { id: 'run-1' })
    await using.client.start(
      parent,
      { childId: 'run-detached', detach: true, ending: 'continue' },
      { id: 'run-2' },
    )
    await becomes('run-awaited', 'waiting')
    await becomes('run-detached', 'waiting')
    await using.client.signal('run-1', 'end')
    await using.client.signal('run-2', 'end')
    await becomes('run-awaited', 'terminated')
    await using.client.signal('run-2', 'go', 'still here')
    expect(await using.client.result('run-2')).toBe('still here')
    expect(await statusOf('run-detached')).toBe('waiting')
  })

  it('takes its children with it also when it has been read from the database in between', async () => {
    for (const detach of [false, true]) {
      const childId = `forgotten-${detach}`
      const family: Family = { childId, detach, policy: 'terminate', ending: 'complete' }
      await using.client.start(parent, family, { id: `forgetful-${detach}` })
      await becomes(childId, 'waiting')
    }
    const other = await using.join({ cache: { executionsMax: 0 } })
    await using.client.pause('forgetful-false')
    await using.client.pause('forgetful-true')
    for (const id of ['forgetful-false', 'forgetful-true']) {
      await becomes(id, 'paused')
      await using.client.resume(id)
      await using.client.signal(id, 'end')
    }
    await becomes('forgotten-false', 'terminated')
    await becomes('forgotten-true', 'terminated')
    await other.stop()
  })
})

describe('a parent hears', () => {
  it('that its child was terminated, as a typed error', async () => {
    const handle = await using.client.start(settling, 'ended-from-outside')
    await becomes('ended-from-outside', 'waiting')
    await using.client.terminate('ended-from-outside', 'why not')
    expect(await handle.result()).toMatchObject({
      status: 'rejected',
      reason: { code: 'EXECUTION_TERMINATED' },
    })
  })

  it('that its child was canceled', async () => {
    const handle = await using.client.start(settling, 'canceled-from-outside')
    await becomes('canceled-from-outside', 'waiting')
    await using.client.cancel('canceled-from-outside', 'why not')
    expect(await handle.result()).toMatchObject({
      status: 'rejected',
      reason: { code: 'EXECUTION_CANCELED' },
    })
  })

  it('how its child failed, with type, message and cause', async () => {
    const handle = await using.client.start(catching, null)
    expect(await handle.result()).toMatchObject({
      name: 'RangeError',
      message: 'out of luck',
      cause: { name: 'TypeError', message: 'deep' },
    })
  })

  it('that nobody ever registered the workflow of its child', async () => {
    const handle = await using.client.start(unknown, null)
    await expect(handle.result()).rejects.toMatchObject({
      code: 'EXECUTION_FAILED',
      cause: { code: 'UNKNOWN_WORKFLOW' },
    })
  })

  it('that the id of its child belongs to somebody else, awaited or detached', async () => {
    await using.client.start(quick, 5, { id: 'taken' })
    for (const how of ['awaited', 'detached'] as const) {
      const handle = await using.client.start(strangers, how)
      expect(await handle.result()).toEqual([
        expect.stringContaining('belongs to another execution'),
        how === 'detached' ? undefined : expect.stringContaining('belongs to another execution'),
      ])
    }
  })

  it('one of two children of its own with one id', async () => {
    const handle = await using.client.start(twins, null)
    expect(await handle.result()).toEqual(['fulfilled', 'rejected'])
  })

  it('1,000 children', async () => {
    const handle = await using.client.start(wide, 1_000)
    expect(await handle.result({ timeout: '60s' })).toBe(999_000)
  }, 90_000)

  it('children of children, 20 deep', async () => {
    const handle = await using.client.start(deep, 20)
    expect(await handle.result()).toBe(20)
  })
})

describe('a crash between the record of a child and its start', () => {
  it.each(['awaited', 'detached'] as const)(
    'of an %s child: it is started by the next claim',
    async (how) => {
      const store = await using.database.openStore()
      let isBroken = true
      // The first node reaches everything but the start of children, and leaves as if it had crashed.
      const broken: Store = {
        ...store,
        insertExecutions: (rows) =>
          isBroken && rows.some((row) => row.parent !== undefined)
            ? new Promise(() => undefined)
            : store.insertExecutions(rows),
      }
      const first = createEngineOn(broken, { workflows: all, drainMs: 0 })
      await first.start()
      const id = `crashed-${how}`
      const childId = `${id}-child`
      if (how === 'detached') await first.client.start(starting, childId, { id })
      else await first.client.start(settling, childId, { id })
      await eventually(async () => expect(await using.types(id)).toContain('child_started'))
      const isHere = (await first.client.get(id)).node === first.nodeId
      isBroken = isHere
      await first.stop()
      isBroken = false
      await eventually(async () => expect(await statusOf(childId)).not.toBe('running'))
      if (how === 'detached') {
        expect(await using.client.result(childId)).toBe(42)
        await using.client.signal(id, 'end')
        expect(await using.client.result(id)).toBe(childId)
      } else {
        await using.client.signal(childId, 'go', 1)
        expect(await using.client.result(id)).toMatchObject({ status: 'fulfilled', value: 1 })
      }
    },
  )
})
