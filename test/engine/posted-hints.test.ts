// Hints where the database passes none on: nodes post them to each other. As ever they save waiting, and only that.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HintInbox } from '../../src/coordination/hint-inbox.js'
import { HintPost, type HintLetter } from '../../src/coordination/hint-post.js'
import { systemClock } from '../../src/core/ports.js'
import { createEngineOn, type Engine } from '../../src/engine/create-engine.js'
import { createHttpApp } from '../../src/http/app.js'
import { serveHttp, type HttpServer } from '../../src/http/serve.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { NOTHING_SEEN } from '../support/store-rows.js'
import { eventually } from '../support/wait.js'

const quick = workflow({ name: 'quick' }, async (ctx) => ctx.step('once', () => 'done'))
const other = workflow({ name: 'other' }, async () => 'other')

describe('a start on a node that cannot run it', () => {
  let database: TestDatabase
  let runner: Engine
  let starter: Engine
  let server: HttpServer
  let isPlugged = true
  /** When the runner polled. */
  const polledMs: number[] = []

  beforeAll(async () => {
    database = await createTestDatabase()
    const [near, far] = [
      await database.openStore({ notify: false }),
      await database.openStore({ notify: false }),
    ]
    expect(near.hasHints).toBe(false)
    runner = createEngineOn(
      {
        ...near,
        // As rarely as where the database passes hints on, and with nothing that looks meanwhile.
        hasHints: true,
        glance: () => Promise.resolve(NOTHING_SEEN),
        claim: (request) => {
          polledMs.push(performance.now())
          return near.claim(request)
        },
      },
      { workflows: [quick] },
    )
    starter = createEngineOn(far, { workflows: [other] })
    const app = createHttpApp({
      client: runner.client,
      readiness: () => Promise.resolve({ ready: true }),
      onHint: (hint) => isPlugged && runner.hinted(hint),
    })
    server = await serveHttp(app, { port: 0 })
    await runner.start({ address: server.url })
    await starter.start()
  })
  afterAll(async () => {
    await starter?.stop()
    await runner?.stop()
    await server?.close()
    await database?.drop()
  })

  async function startWhenQuiet(): Promise<number> {
    await eventually(() => (polledMs.at(-1) ?? 0) - (polledMs.at(-2) ?? Infinity) > 900, {
      what: 'the node to poll rarely',
      deadlineMs: 20_000,
    })
    const begunMs = performance.now()
    const handle = await starter.client.start('quick')
    expect(await handle.result()).toBe('done')
    return performance.now() - begunMs
  }

  it('is begun by the one that can long before it would poll', async () => {
    // The starter has to have read where the runner is.
    await eventually(async () => (await starter.client.clusterStats()).nodes.length === 2)
    const waits = [await startWhenQuiet(), await startWhenQuiet(), await startWhenQuiet()]
    // It has just polled and would do so again in more than a second.
    expect(waits.toSorted((a, b) => a - b)[1], waits.join(' ')).toBeLessThan(600)
  })

  it('is begun all the same when the hints are cut', async () => {
    isPlugged = false
    const waitedMs = await startWhenQuiet()
    expect(waitedMs).toBeGreaterThan(600)
  })
})

describe('the post', () => {
  const letters: { readonly to: string; readonly letter: HintLetter }[] = []
  let answers: (() => Promise<boolean>)[] = []

  function postTo(addresses: readonly string[]): HintPost {
    letters.length = 0
    return new HintPost({
      clock: systemClock,
      ownersOf: (partitions) => new Map(addresses.map((address) => [address, [...partitions]])),
      everybody: () => addresses,
      deliver: (url, body) => {
        letters.push({ to: url.href, letter: JSON.parse(body) })
        return answers.shift()?.() ?? Promise.resolve(true)
      },
    })
  }

  it('sends what rings while a letter is on its way with the next one', async () => {
    let answer: (taken: boolean) => void = () => undefined
    answers = [() => new Promise((resolve) => (answer = resolve))]
    const post = postTo(['http://a:1'])
    for (const partition of [1, 2, 2, 3]) post.send(new Set([partition]), false)
    answer(true)
    await eventually(() => letters.length === 2)
    expect(letters.map(({ letter }) => letter)).toEqual([
      { partitions: [1], free: false },
      { partitions: [2, 3], free: false },
    ])
    expect(letters[0]?.to).toBe('http://a:1/internal/hints')
  })

  it.each([
    ['refuses', () => Promise.resolve(false)],
    ['does not answer', () => Promise.reject(new Error('ECONNREFUSED'))],
  ])('leaves a node that %s in peace for a while', async (_, answer) => {
    answers = [answer]
    const post = postTo(['http://a:1'])
    post.send(new Set([1]), false)
    await new Promise((resolve) => setImmediate(resolve))
    post.send(new Set([2]), true)
    await new Promise((resolve) => setImmediate(resolve))
    expect(letters).toHaveLength(1)
  })

  it('survives an address that is none', async () => {
    answers = []
    const post = postTo(['not an address', 'http://b:2'])
    post.send(new Set([1]), false)
    await eventually(() => letters.length === 1)
    expect(letters[0]?.to).toBe('http://b:2/internal/hints')
  })
})

describe('the inbox', () => {
  it('passes a flood on at a bounded rate, and all of it', async () => {
    const passed: { readonly partitions: ReadonlySet<number>; readonly areFree: boolean }[] = []
    const inbox = new HintInbox(systemClock, (partitions, areFree) => passed.push({ partitions, areFree }))
    const begunMs = performance.now()
    for (let n = 0; n < 5_000; n++) {
      inbox.receive([n % 100], true)
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually(
      () => passed.length > 0 && new Set(passed.flatMap(({ partitions }) => [...partitions])).size === 100,
    )
    const spanMs = performance.now() - begunMs
    expect(passed.length).toBeLessThanOrEqual(spanMs / 10 + 2)
    expect(passed.filter(({ areFree }) => areFree).length).toBeLessThanOrEqual(spanMs / 500 + 1)
  })
})
