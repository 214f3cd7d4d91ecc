// Server-sent events over a real socket: a history without a gap or a repeat over nodes that come and go, lists and the cluster
// as they change, any number of readers for a few queries.

import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { StoreClient } from '../../src/client/create-client.js'
import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { CerebelumError } from '../../src/core/errors.js'
import { createHttpApp } from '../../src/http/app.js'
import { eventStream, type StreamedEvent } from '../../src/http/event-stream.js'
import { serveHttp, type HttpServer } from '../../src/http/serve.js'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'
import { eventually } from '../support/wait.js'

const steady = workflow({ name: 'steady' }, async (ctx) => {
  for (let n = 0; n < 5; n++) {
    await ctx.step(`step ${n}`, () => n)
    await ctx.signal('go', z.number())
  }
  return 'done'
})

const http = useHttp([steady])

interface Read {
  readonly event: string
  readonly id: string | undefined
  readonly data: unknown
}

/** Reads a stream as an EventSource does, until it ends or the test has enough. */
class Reader {
  readonly events: Read[] = []
  isOver = false
  private readonly stopping = new AbortController()
  private rest = ''

  constructor(url: string, headers: Record<string, string> = {}) {
    void this.read(url, headers)
  }

  get ids(): (string | undefined)[] {
    return this.events.map(({ id }) => id)
  }

  stop(): void {
    this.stopping.abort()
  }

  private async read(url: string, headers: Record<string, string>): Promise<void> {
    try {
      const { body } = await fetch(url, { headers, signal: this.stopping.signal })
      if (body === null) return
      for await (const text of body.pipeThrough(new TextDecoderStream())) this.take(text)
    } catch {
      // Cut off, by us or by the server: what came is what counts.
    } finally {
      this.isOver = true
    }
  }

  private take(text: string): void {
    const blocks = (this.rest + text).split('\n\n')
    this.rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line) => [line.split(': ')[0], line.slice(line.indexOf(': ') + 2)]),
      )
      const data = fields.get('data')
      if (data === undefined) continue
      this.events.push({ event: fields.get('event') ?? '', id: fields.get('id'), data: JSON.parse(data) })
    }
  }
}

/** A second node's face: a client of its own on the same database. */
let other: HttpServer
const draining = new AbortController()
beforeAll(async () => {
  const store = await http.database.openStore()
  const shared = { store, limits: DEFAULT_LIMITS, clock: systemClock, log: silentLogger }
  const client = new StoreClient(shared)
  const readiness = (): Promise<{ ready: boolean }> => Promise.resolve({ ready: true })
  other = await serveHttp(createHttpApp({ client, readiness, draining: draining.signal }), { port: 0 })
})
afterAll(() => other.close({ graceMs: 0 }))

const eventsOf = (url: string, id: string): string => `${url}/api/v1/executions/${id}/events`

async function goOn(id: string, times = 1): Promise<void> {
  for (let n = 0; n < times; n++) await http.client.signal(id, 'go', n)
}

describe('the events of an execution', () => {
  test('come without a gap or a repeat, from one node and then from another', async () => {
    await http.client.start(steady, undefined, { id: 'followed' })
    const first = new Reader(eventsOf(http.url, 'followed'))
    await goOn('followed', 2)
    await eventually(() => first.events.length >= 4)
    first.stop()
    const last = first.ids.at(-1) ?? ''
    await goOn('followed', 3)
    const second = new Reader(eventsOf(other.url, 'followed'), { 'last-event-id': last })
    await http.client.result('followed')
    await eventually(() => second.isOver, { what: 'the end of the stream' })
    const history = await http.events('followed')
    expect([...first.ids, ...second.ids]).toEqual(history.map(({ version }) => String(version)))
    expect(second.events.at(-1)).toMatchObject({
      event: 'history',
      data: { type: 'completed', payload: 'done' },
    })
    const again = await http.request('GET', '/executions/followed/events', {
      headers: { 'last-event-id': second.ids.at(-1) ?? '' },
    })
    expect(again.status).toBe(204)
  })

  test('after the last version there can be are none, and nobody else misses theirs', async () => {
    await http.client.start(steady, undefined, { id: 'beside' })
    const beyond = new Reader(`${eventsOf(http.url, 'beside')}?after=2147483647`)
    const reader = new Reader(eventsOf(http.url, 'beside'))
    await goOn('beside', 5)
    await http.client.result('beside')
    await eventually(() => reader.isOver, { what: 'the end of the stream beside' })
    expect(beyond.events).toEqual([])
    expect(http.logged).toEqual([])
    beyond.stop()
  })

  test('are refused before the stream begins', async () => {
    expect((await http.request('GET', '/executions/nobody/events')).body).toMatchObject({
      code: 'EXECUTION_NOT_FOUND',
    })
    const { status } = await http.request('GET', '/executions/followed/events', {
      headers: { 'last-event-id': 'the last one' },
    })
    expect(status).toBe(400)
  })

  test('cost a few queries, however many follow', async () => {
    const store = await http.database.openStore()
    let reads = 0
    const counting = new Proxy(store, {
      get: (target, name, receiver): unknown => {
        if (name === 'readHistories') reads++
        return Reflect.get(target, name, receiver)
      },
    })
    const client = new StoreClient({
      store: counting,
      limits: DEFAULT_LIMITS,
      clock: systemClock,
      log: silentLogger,
    })
    await http.client.start(steady, undefined, { id: 'popular' })
    const seen = Array.from({ length: 200 }, () => 0)
    const all = Promise.all(
      seen.map(async (_, n) => {
        for await (const { version } of client.follow('popular')) {
          expect(version).toBe((seen[n] ?? 0) + 1)
          seen[n] = version
        }
      }),
    )
    await goOn('popular', 5)
    await all
    const { version } = await http.client.get('popular')
    expect(new Set(seen)).toEqual(new Set([version]))
    // One after the other they would be 200 times as many as there are events.
    expect(reads).toBeLessThan(200)
    await client.close()
  })
})

describe('a list', () => {
  test('is told whole, and then as it changes', async () => {
    const filter = encodeURIComponent(JSON.stringify({ lot: 7 }))
    await http.client.start(steady, undefined, { id: 'lot-a', attributes: { lot: 7 } })
    const reader = new Reader(`${http.url}/api/v1/streams/executions?workflow=steady&attributes=${filter}`)
    const changes = (): string[] =>
      reader.events.map(({ data }) => {
        const { kind, execution = {}, executionId = execution.executionId } = Object(data)
        return `${String(executionId)} ${String(execution.status ?? kind)}`
      })
    await eventually(() => changes().includes('lot-a waiting'))
    await http.client.start(steady, undefined, { id: 'lot-b', attributes: { lot: 7 } })
    await eventually(() => changes().includes('lot-b waiting'))
    await http.client.terminate('lot-a')
    await eventually(() => changes().includes('lot-a terminated'))
    await http.client.delete('lot-a')
    await eventually(() => changes().includes('lot-a gone'))
    reader.stop()
  })
})

describe('the cluster', () => {
  test('tells of nodes that come and go', async () => {
    const reader = new Reader(`${other.url}/api/v1/streams/cluster`)
    const told = (kind: string, nodeId: string): boolean =>
      reader.events.some(({ data }) => Object(data).kind === kind && Object(data).nodeId === nodeId)
    await eventually(() => told('joined', http.engine.nodeId))
    const guest = await http.join()
    const { nodeId } = guest
    await eventually(() => told('joined', nodeId))
    await guest.stop()
    await eventually(() => told('left', nodeId))
    reader.stop()
  })
})

test('a failure that a slow reader has not come to harms nobody, and is told when it comes', async () => {
  const failing = async function* (): AsyncGenerator<StreamedEvent> {
    yield { event: 'history', id: '1', data: {} }
    await Promise.resolve()
    throw new CerebelumError('ENGINE_STOPPED', 'stopped meanwhile')
  }
  const app = new Hono().get('/', (c) => eventStream(c, new AbortController().signal, failing))
  const reader = (await app.request('/')).body?.getReader()
  const read = async (): Promise<string> => new TextDecoder().decode((await reader?.read())?.value)
  expect(await read()).toContain('retry: ')
  let isUnhandled = false
  const note = (): void => void (isUnhandled = true)
  process.once('unhandledRejection', note)
  // Node tells of a rejection that nobody handles when the turn has ended.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  process.off('unhandledRejection', note)
  expect(isUnhandled).toBe(false)
  expect(await read()).toContain('event: history')
  expect(await read()).toContain('ENGINE_STOPPED')
})

test('a stream ends when its node drains', async () => {
  await http.client.start(steady, undefined, { id: 'moved' })
  const reader = new Reader(eventsOf(other.url, 'moved'))
  await eventually(() => reader.events.length >= 2)
  expect(reader.isOver).toBe(false)
  draining.abort()
  await eventually(() => reader.isOver)
})
