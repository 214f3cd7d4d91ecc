// A SmallMap behaves as a Map does, whatever is done to it and however large it grows.

import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { SmallMap } from '../../src/core/small-map.js'

const key = fc.integer({ min: 0, max: 20 })
const action = fc.oneof(
  fc.record({ act: fc.constant('set' as const), key, value: fc.integer() }),
  fc.record({ act: fc.constant('delete' as const), key, value: fc.constant(0) }),
  fc.record({ act: fc.constant('clear' as const), key, value: fc.constant(0) }),
)

it('gives what a Map gives, in the same order', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
      const small = new SmallMap<number, number>()
      const map = new Map<number, number>()
      for (const { act, key: at, value } of actions) {
        if (act === 'set') {
          small.set(at, value)
          map.set(at, value)
        } else if (act === 'delete') {
          expect(small.delete(at)).toBe(map.delete(at))
        } else {
          small.clear()
          map.clear()
        }
        expect(small.size).toBe(map.size)
        expect(small.get(at)).toBe(map.get(at))
        expect(small.has(at)).toBe(map.has(at))
      }
      expect([...small]).toEqual([...map])
      expect([...small.keys()]).toEqual([...map.keys()])
      expect([...small.values()]).toEqual([...map.values()])
    }),
  )
})

it.each([5, 50])('loses none of %i entries when they are deleted while iterating', (count) => {
  const small = new SmallMap<number, number>()
  for (let at = 0; at < count; at++) small.set(at, at)
  const seen: number[] = []
  for (const [at] of small) {
    seen.push(at)
    small.delete(at)
  }
  expect(seen).toHaveLength(count)
  expect(small.size).toBe(0)
})
