// Values that JSON does not know, as the HTTP face shows them.

import { expect, test } from 'vitest'
import { toJson } from '../../src/http/to-json.js'

test.each([
  ['an instant', new Date('2026-01-31T12:00:00Z'), '2026-01-31T12:00:00.000Z'],
  ['no instant', new Date(Number.NaN), null],
  ['a big integer', 12345678901234567890n, '12345678901234567890'],
  ['no number', Number.NaN, 'NaN'],
  ['an endless number', -Infinity, '-Infinity'],
  ['a map with texts as keys', new Map([['a', 1n]]), { a: '1' }],
  ['a map with other keys', new Map([[1, 'a']]), [[1, 'a']]],
  ['a set', new Set([1, new Date(0)]), [1, '1970-01-01T00:00:00.000Z']],
  ['bytes', new Uint8Array([1, 2, 3]), 'AQID'],
  ['numbers', new Float64Array([1.5, 2]), [1.5, 2]],
  ['an address', new URL('https://example.org/a'), 'https://example.org/a'],
  ['holes', { a: undefined, b: [undefined] }, { b: [null] }],
  ['plain data', { a: [1, 'x', true, null, { b: {} }] }, { a: [1, 'x', true, null, { b: {} }] }],
])('%s', (_what, value, expected) => {
  expect(JSON.parse(JSON.stringify(toJson(value)) ?? 'null')).toEqual(expected)
})

test('an error is a failure without its stack', () => {
  const shown = toJson(new TypeError('no', { cause: new RangeError('why') }))
  expect(shown).toMatchObject({ type: 'TypeError', message: 'no', cause: { type: 'RangeError' } })
  expect(shown).not.toHaveProperty('stack')
})

test('cycles and depth end', () => {
  const loop: { self?: unknown } = {}
  loop.self = loop
  expect(toJson(loop)).toEqual({ self: '[circular]' })
  let deep: unknown = 1
  for (let i = 0; i < 5_000; i++) deep = [deep]
  expect(JSON.stringify(toJson(deep))).toContain('[too deep]')
})

test('a small value that is huge as a tree is cut', () => {
  let shared: unknown = ['x']
  for (let i = 0; i < 40; i++) shared = [shared, shared]
  expect(JSON.stringify(toJson(shared)).length).toBeLessThan(100_000_000)
})

test('a key named __proto__ is data', () => {
  const value: unknown = JSON.parse('{"__proto__":{"polluted":true}}')
  expect(JSON.stringify(toJson(value))).toBe('{"__proto__":{"polluted":true}}')
  expect({}).not.toHaveProperty('polluted')
})
