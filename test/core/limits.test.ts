// The bounds that need no database: what the settings may say, ids and names, attributes, payloads, lanes, rooms, slots.

import { describe, expect, test } from 'vitest'
import { checkAttributes } from '../../src/core/attributes.js'
import { decode, encode, encodeAnswer } from '../../src/core/codec.js'
import { checkInstant, durationMs } from '../../src/core/duration.js'
import { toFailure } from '../../src/core/failure.js'
import { checkId, checkName } from '../../src/core/ids.js'
import { Lane } from '../../src/core/lane.js'
import { DEFAULT_LIMITS, resolveLimits, type Limits } from '../../src/core/limits.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { WaitingRoom } from '../../src/client/waiting-room.js'
import { Slots } from '../../src/engine/slots.js'

describe('settings', () => {
  test('a limit that is left out is the default', () => {
    expect(resolveLimits()).toEqual(DEFAULT_LIMITS)
    expect(resolveLimits({ inboxMax: 7 })).toEqual({ ...DEFAULT_LIMITS, inboxMax: 7 })
  })
  test.each([
    ['zero', { inboxMax: 0 }],
    ['a fraction', { inboxMax: 1.5 }],
    ['no number', { inboxMax: Number.NaN }],
    ['no end', { payloadBytesMax: Infinity }],
    ['more than an index entry holds', { idCharactersMax: 401 }],
  ])('%s is refused', (_what, limits) => {
    expect(() => resolveLimits(limits)).toThrow(expect.objectContaining({ code: 'SETTINGS' }))
  })
  test('a misspelled one is refused', () => {
    const misspelled: Partial<Limits> = JSON.parse('{"inboxMaximum": 7}')
    expect(() => resolveLimits(misspelled)).toThrow(/no limit "inboxMaximum".*inboxMax/)
  })
})

describe('ids and names', () => {
  test.each([
    ['plain', 'order-7'],
    ['with spaces inside', 'order 7'],
    ['with slashes', 'a/b/c'],
    ['of any script', 'заказ-٧-注文'],
    ['of emoji', '🚀'],
    ['as long as it may be', 'x'.repeat(200)],
    ['that looks like a path', '../x'],
  ])('%s', (_what, id) => {
    expect(checkId(id, 'execution id', 200)).toBe(id)
  })
  test.each([
    ['nothing', ''],
    ['too long', 'x'.repeat(201)],
    ['outer spaces', ' x'],
    ['outer unicode spaces', 'x\u3000'],
    ['a line break', 'a\nb'],
    ['NUL', 'a\u0000'],
    ['DEL', 'a\u007f'],
    ['a C1 control', 'a\u0085b'],
    ['a line separator', 'a\u2028b'],
    ['a mark that turns the text around', 'a\u202eb'],
    ['a byte order mark', '\ufeffa'],
    ['a lone surrogate', 'a\ud800'],
    ['what URLs drop', '..'],
    ['a number', 7],
    ['null', null],
  ])('not with %s', (_what, id) => {
    expect(() => checkId(id, 'execution id', 200)).toThrow(expect.objectContaining({ code: 'INVALID_ID' }))
    expect(() => checkName(id, 'step name', 200)).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }))
  })
  test('the limit is named', () => {
    expect(() => checkId('x'.repeat(9), 'execution id', 8)).toThrow(
      expect.objectContaining({
        details: { limit: 'idCharactersMax' },
        message: expect.stringMatching(/9 characters, over the limit idCharactersMax of 8/),
      }),
    )
  })
})

describe('attributes', () => {
  const limits = resolveLimits({ attributesMax: 3, attributesBytesMax: 60 })
  const check = (attributes: unknown): unknown => checkAttributes(attributes, 'execution "e"', limits)

  test('of plain values', () => {
    const attributes = { customer: 'c-7', total: 12.5, vip: true }
    expect(check(attributes)).toEqual(attributes)
    expect(check({ none: null })).toEqual({ none: null })
  })
  test.each([
    ['too many', { a: 1, b: 2, c: 3, d: 4 }, 'PAYLOAD_TOO_LARGE'],
    ['too large', { a: 'x'.repeat(60) }, 'PAYLOAD_TOO_LARGE'],
    ['too large in UTF-8', { a: '注'.repeat(20) }, 'PAYLOAD_TOO_LARGE'],
    ['a list', ['a'], 'INVALID_ARGUMENT'],
    ['null', null, 'INVALID_ARGUMENT'],
    ['nested', { a: { b: 1 } }, 'INVALID_ARGUMENT'],
    ['undefined inside', { a: undefined }, 'INVALID_ARGUMENT'],
    ['NaN', { a: Number.NaN }, 'INVALID_ARGUMENT'],
    ['a big integer', { a: 1n }, 'INVALID_ARGUMENT'],
    ['a text with NUL', { a: '\u0000' }, 'INVALID_ARGUMENT'],
    ['a text with a lone surrogate', { a: '\udfff' }, 'INVALID_ARGUMENT'],
    ['an empty name', { '': 1 }, 'INVALID_NAME'],
    ['a name with NUL', { 'a\u0000': 1 }, 'INVALID_NAME'],
    ['a name that is too long', { ['x'.repeat(101)]: 1 }, 'INVALID_NAME'],
  ])('not %s', (_what, attributes, code) => {
    expect(() => check(attributes)).toThrow(expect.objectContaining({ code }))
  })
  test('the limits are named', () => {
    expect(() => check({ a: 1, b: 2, c: 3, d: 4 })).toThrow(/limit attributesMax of 3/)
    expect(() => check({ a: 'x'.repeat(60) })).toThrow(/68 bytes, over the limit attributesBytesMax of 60/)
  })
})

describe('payloads', () => {
  const tooLarge = expect.objectContaining({
    code: 'PAYLOAD_TOO_LARGE',
    details: expect.objectContaining({ limit: 'payloadBytesMax' }),
  })

  test('up to the last byte of UTF-8, and none over', () => {
    expect(encode('x'.repeat(98), 'input', 100)).toHaveLength(100)
    expect(() => encode('x'.repeat(99), 'input', 100)).toThrow(tooLarge)
    expect(encode('é'.repeat(49), 'input', 100)).toHaveLength(51)
    expect(() => encode('é'.repeat(50), 'input', 100)).toThrow(tooLarge)
    expect(() => encode(new Map([['a', 'x'.repeat(100)]]), 'input', 100)).toThrow(tooLarge)
  })

  class Account {
    readonly id = 1
  }
  test.each([
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['an instance of a class', new Account()],
    ['a promise', Promise.resolve(1)],
    ['a function inside', { a: [{ b: () => 1 }] }],
    ['a weak map', new WeakMap()],
    ['a getter that throws', Object.defineProperty({}, 'a', { enumerable: true, get: thrower })],
    ['a proxy that throws', new Proxy({}, { ownKeys: thrower })],
  ])('not %s', (_what, value) => {
    expect(() => encode(value, 'input', 1_000)).toThrow(
      expect.objectContaining({
        code: 'UNSERIALIZABLE',
        message: expect.stringMatching(/The input holds.*Pass plain data/),
      }),
    )
  })
  test('the path to what cannot be stored is named', () => {
    expect(() => encode({ a: [{ b: () => 1 }] }, 'input', 1_000)).toThrow(
      /a value at \.a\[0\]\.b that cannot/,
    )
  })

  test('cycles that branch, and shared parts, end', () => {
    interface Tree {
      readonly children: Tree[]
      parent?: Tree
    }
    const root: Tree = { children: [] }
    for (let i = 0; i < 5; i++) root.children.push({ children: [], parent: root })
    const back: unknown = decode(encode(root, 'input', 10_000))
    expect(back).toMatchObject({ children: [{ children: [] }, {}, {}, {}, {}] })
    let shared: unknown = ['x']
    for (let i = 0; i < 50; i++) shared = [shared, shared]
    expect(encode(shared, 'input', 10_000)?.length).toBeLessThan(10_000)
  })

  test('an answer of undefined is one', () => {
    expect(decode(encodeAnswer(undefined, 'answer', 100))).toBeUndefined()
    expect(decode(encodeAnswer(null, 'answer', 100))).toBeNull()
  })

  test('a failure never outgrows a payload, whatever hangs on the error', () => {
    let error: Error = new Error('root')
    for (let depth = 0; depth < 30; depth++) {
      const own = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`k${n}`, 'x'.repeat(100_000)]))
      error = Object.assign(new Error('x'.repeat(1_000_000), { cause: error }), own)
    }
    const text = encode(toFailure(error), 'failure', Infinity) ?? ''
    expect(Buffer.byteLength(text)).toBeLessThan(DEFAULT_LIMITS.payloadBytesMax)
  })

  test('a failure is told of errors whose parts are no texts', () => {
    const odd = Object.assign(new Error('x'), { name: 7, message: { a: 1 }, stack: ['s'] })
    expect(toFailure(odd)).toMatchObject({ type: '7', message: '{"a":1}', stack: '["s"]' })
  })
})

describe('time', () => {
  test.each([Number.NaN, -1, Infinity, '', 'soon', '6000y', 'x'.repeat(200)])(
    '%j is no duration',
    (duration) => {
      expect(() => durationMs(duration, 'wait')).toThrow(
        expect.objectContaining({ code: 'INVALID_DURATION' }),
      )
    },
  )
  test.each([new Date(Number.NaN), new Date(8.64e15), new Date(-8.64e15), '2026-01-01', 5])(
    '%s is no instant',
    (instant) => {
      expect(() => checkInstant(instant, 'start')).toThrow(
        expect.objectContaining({
          code: 'INVALID_DURATION',
          message: expect.stringContaining('years 1 to 9999'),
        }),
      )
    },
  )
})

describe('a lane', () => {
  const lane = (options: { queueMax: number; bytesMax?: number }) => {
    let open: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (open = resolve))
    const made = new Lane<string, number>({
      name: 'start',
      batchMax: 1,
      sizeOf: (item) => item.length,
      write: async (batch) => {
        await gate
        return batch.map((item) => item.length)
      },
      ...options,
    })
    return { lane: made, open: () => open() }
  }

  test('refuses what does not fit into its queue, and takes it when there is room again', async () => {
    const { lane: full, open } = lane({ queueMax: 3 })
    const first = full.submit('a')
    await new Promise((resolve) => {
      setImmediate(() => setImmediate(resolve))
    })
    const queued = ['b', 'c', 'd'].map((item) => full.submit(item))
    await expect(full.submit('e')).rejects.toMatchObject({
      code: 'OVERLOADED',
      details: { limit: 'laneQueueMax', retryAfterMs: 1_000 },
    })
    open()
    await Promise.all([first, ...queued])
    expect(await full.submit('f')).toBe(1)
  })

  test('refuses by weight too, but never the only one', async () => {
    const { lane: heavy, open } = lane({ queueMax: 100, bytesMax: 10 })
    const alone = heavy.submit('x'.repeat(1_000))
    await expect(heavy.submit('y')).rejects.toMatchObject({ details: { limit: 'laneBytesMax' } })
    open()
    expect(await alone).toBe(1_000)
    expect(await heavy.submit('z')).toBe(1)
  })
})

describe('a waiting room', () => {
  const room = () =>
    new WaitingRoom<string, number>({
      name: 'results',
      clock: systemClock,
      log: silentLogger,
      waitersMax: 2,
      read: (keys) => Promise.resolve(keys.map(() => null)),
    })
  const wait = (waiting: WaitingRoom<string, number>, id: string): Promise<number> =>
    waiting.wait(id, id, { timeoutMs: 60_000, firstMs: 0, onTimeout: () => new Error('time-out') })

  test('counts waiters, not what they wait for, and lets others in when some leave', async () => {
    const full = room()
    const waiting = [wait(full, 'a'), wait(full, 'a')]
    await expect(wait(full, 'a')).rejects.toMatchObject({
      code: 'TOO_MANY',
      details: { limit: 'waitersMax' },
    })
    full.tell('a', 1)
    expect(await Promise.all(waiting)).toEqual([1, 1])
    const next = wait(full, 'b')
    full.tell('b', 2)
    expect(await next).toBe(2)
    await full.stop()
  })

  test('that is closed turns everybody out, and lets nobody in', async () => {
    const closing = room()
    const waiting = wait(closing, 'a')
    const stopped = closing.stop()
    await expect(waiting).rejects.toMatchObject({ code: 'ENGINE_STOPPED' })
    await stopped
    await expect(wait(closing, 'a')).rejects.toMatchObject({ code: 'ENGINE_STOPPED' })
  })
})

describe('slots', () => {
  test('thousands that end at once as they begin do not end the stack', () => {
    const slots = new Slots(1)
    let begun = 0
    slots.acquire(() => undefined)
    for (let n = 0; n < 100_000; n++) {
      slots.acquire(() => {
        begun++
        slots.release()
      })
    }
    slots.release()
    expect(begun).toBe(100_000)
    expect(slots.used).toBe(0)
  })
})

function thrower(): never {
  throw new Error('no')
}
