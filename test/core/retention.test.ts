// How long executions are kept, as people write it down.

import { expect, test } from 'vitest'
import { errorCode } from '../../src/core/errors.js'
import { KEPT_MS_DEFAULT, keptMsOf, type Retention } from '../../src/core/retention.js'

const DAY_MS = 86_400_000
const of = (retention: Retention | undefined): unknown => keptMsOf(retention, 'the test', KEPT_MS_DEFAULT)

test('one span is for all statuses, "off" keeps them for good, and nothing is the default of 30 days', () => {
  const all = (ms: number | null): object => ({ completed: ms, failed: ms, canceled: ms, terminated: ms })
  expect(of('7 days')).toEqual(all(7 * DAY_MS))
  expect(of(120_000)).toEqual(all(120_000))
  expect(of('off')).toEqual(all(null))
  expect(of(undefined)).toEqual(all(30 * DAY_MS))
})

test('by status, those that are left out go by the default', () => {
  expect(of({ completed: '1 day', failed: 'off' })).toEqual({
    ...KEPT_MS_DEFAULT,
    completed: DAY_MS,
    failed: null,
  })
})

test.each<[unknown, string]>([
  ['soon', 'INVALID_DURATION'],
  ['59s', 'INVALID_DURATION'],
  [0, 'INVALID_DURATION'],
  [null, 'INVALID_DURATION'],
  [{ running: '1 day' }, 'INVALID_ARGUMENT'],
  [{ failed: -1 }, 'INVALID_DURATION'],
])('%j is refused', (retention, code) => {
  let thrown: unknown
  try {
    Reflect.apply(of, undefined, [retention])
  } catch (error) {
    thrown = error
  }
  expect(errorCode(thrown)).toBe(code)
})
